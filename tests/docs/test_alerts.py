"""What docs/operating.md gives Prometheus is what Prometheus takes, and every metric in it is one of ours."""

import re
import subprocess
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from mutua import Home
from mutua.inbound.live_gate import LiveGate
from mutua.inbound.seen.metrics import Metrics
from mutua.inbound.seen.worker import seen
from tests.docs.pages import Page

PAGE = Page("docs/operating.md")


@pytest.mark.parametrize(("name", "what"), [("prometheus.yml", "config"), ("rules.yml", "rules")])
def test_prometheus_own_tool_takes_the_file(peer: Callable[[str], str], tmp_path: Path, name: str, what: str) -> None:
    [block] = [block for block in PAGE.blocks if block.text.startswith(f"# {name}\n")]
    (tmp_path / name).write_text(block.text, encoding="utf-8")
    command = [peer("promtool"), "check", what, str(tmp_path / name)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_page_names_every_metric_and_no_other(home: Home) -> None:
    with closing(LiveGate(home)) as gate, seen(home, gate), closing(Metrics(home.path)) as metrics:
        ours = set(re.findall(r"^# TYPE (\w+) ", metrics.text(), re.MULTILINE))
    assert set(re.findall(r"`(mutua_[a-z_]+)", PAGE.text)) == ours
