"""The benchmarks run and report. What they measure is for ``make bench``: nothing here depends on a time."""

import json
import os
from pathlib import Path

import pytest

from bench.__main__ import main
from bench.kill import LIBRARY, POSTGRESQL, REVOKE, SQLITE, SUSPEND, Trial, held, percentile
from bench.report import table, write_sections
from bench.rounds import ALONE, BUSY, HANDSHAKE, Row
from bench.servers import Kind
from mutua.pki.keys import KeyType
from tests.postgresql import is_installed

FEW = [
    "--keys",
    "p256",
    "--loops",
    "asyncio",
    "--rounds",
    "2",
    "--handshakes",
    "2",
    "--requests",
    "16",
    "--warm-up",
    "0",
]
MARKED = ["machine", "handshake", "request", "kill"]


@pytest.fixture
def page(tmp_path: Path) -> Path:
    path = tmp_path / "page.md"
    path.write_text("# Page\n" + "".join(f"\n<!-- bench {name} -->\n<!-- end {name} -->\n" for name in MARKED))
    return path


def test_a_run_measures_every_server_with_and_without_access_lines(tmp_path: Path, page: Path) -> None:
    figures = tmp_path / "figures.json"
    affinity = os.sched_getaffinity(0)
    assert main([*FEW, "--trials", "1", "--json", str(figures), "--write", str(page)]) in {0, 1}
    measured = json.loads(figures.read_text())
    combinations = {(row["measure"], row["server"], row["access_line"]) for row in measured["cpu"]}
    for measure in (HANDSHAKE, BUSY, ALONE):
        for server in ("mutua", "uvicorn"):
            assert {(measure, server, True), (measure, server, False)} <= combinations
    assert all(row["cpu_us"] > 0 and len(row["rounds_cpu_us"]) == 2 for row in measured["cpu"])
    ways = [(trial["store"], trial["way"]) for trial in measured["kill"]]
    stores = (SQLITE, POSTGRESQL) if is_installed() else (SQLITE,)
    assert ways == [(store, way) for store in stores for way in (LIBRARY, SUSPEND, REVOKE)]
    assert all(trial["ms"] > 0 for trial in measured["kill"])
    assert "mutua on uvicorn" in page.read_text()
    assert "`mutua client suspend`" in page.read_text()
    assert os.sched_getaffinity(0) == affinity


def test_a_part_can_be_run_alone(tmp_path: Path) -> None:
    figures = tmp_path / "figures.json"
    assert main([*FEW, "handshake", "--json", str(figures)]) in {0, 1}
    measured = json.loads(figures.read_text())
    assert {row["measure"] for row in measured["cpu"]} == {HANDSHAKE}
    assert measured["kill"] == []


@pytest.mark.parametrize(
    ("measure", "access_line", "ratio", "holds"),
    [
        (HANDSHAKE, True, 1.10, True),
        (HANDSHAKE, False, 1.11, False),
        (BUSY, True, 1.11, False),
        (BUSY, False, 1.25, True),
        (ALONE, False, 1.26, False),
    ],
)
def test_a_row_knows_its_bound(measure: str, access_line: bool, ratio: float, holds: bool) -> None:
    kind = Kind("mutua", "uvloop", access_line)
    assert Row(KeyType.P256, measure, kind, kind, [30.0], [ratio]).held is holds


def test_a_ratio_is_the_median_over_rounds() -> None:
    kind = Kind("mutua", "uvloop")
    assert Row(KeyType.P256, BUSY, kind, kind, [1, 2, 9], [1.0, 1.2, 3.0]).ratio == 1.2


def test_other_servers_have_no_bound() -> None:
    kind = Kind("nginx")
    assert Row(KeyType.P256, BUSY, kind, kind, [30.0], [9.0]).held


def test_the_kill_is_held_to_its_99th_percentile() -> None:
    quick, slow = Trial(SQLITE, LIBRARY, 0.02, 3), Trial(SQLITE, LIBRARY, 0.2, 3)
    assert held([quick] * 198 + [slow] * 2)
    assert not held([quick] * 197 + [slow] * 3)


def test_a_quick_way_to_suspend_does_not_hide_a_slow_one() -> None:
    assert not held([Trial(SQLITE, SUSPEND, 0.001, 0)] * 999 + [Trial(SQLITE, LIBRARY, 0.2, 3)])


def test_a_quick_store_does_not_hide_a_slow_one() -> None:
    assert not held([Trial(SQLITE, SUSPEND, 0.001, 0)] * 999 + [Trial(POSTGRESQL, SUSPEND, 0.2, 3)])


@pytest.mark.parametrize(("share", "value"), [(0.5, 2.0), (0.99, 4.0), (1, 4.0)])
def test_a_percentile_is_a_value_that_was_measured(share: float, value: float) -> None:
    assert percentile([4.0, 1.0, 3.0, 2.0], share) == value


def test_a_table_aligns_its_columns() -> None:
    assert table(["server", "us"], [["nginx", "7"], ["a", "10"]]) == (
        "| server | us |\n| ------ | -: |\n| nginx  |  7 |\n| a      | 10 |"
    )


def test_a_section_replaces_what_was_between_its_markers(page: Path) -> None:
    write_sections(page, {"kill": "old"})
    write_sections(page, {"kill": r"new \1"})
    assert "\n<!-- bench kill -->\n\nnew \\1\n\n<!-- end kill -->\n" in page.read_text()
    assert "old" not in page.read_text()


def test_a_page_without_the_markers_is_not_written(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("nothing marked")
    with pytest.raises(ValueError, match="0 places"):
        write_sections(page, {"kill": "x"})
    assert page.read_text() == "nothing marked"
