"""The unit of systemd on the page: it is one, and starts a command that there is."""

import re
import shlex
import shutil
import subprocess
from pathlib import Path

import click

from mutua.cli import cli
from tests.docs.pages import ROOT

UNIT = next(re.finditer(r"```text\n(\[Unit\].*?)```", (ROOT / "docs/agent.md").read_text(), re.DOTALL))[1]


def test_it_starts_a_command_with_options_that_exist() -> None:
    (line,) = re.findall(r"^ExecStart=(.*)$", UNIT, re.MULTILINE)
    program, name, *options = shlex.split(line)
    context = click.Context(cli, **cli.context_settings)
    command = cli.get_command(context, name)
    assert (program, command is not None) == ("/opt/mutua/bin/mutua", True)
    assert command is not None
    assert command.make_parser(click.Context(command, parent=context)).parse_args(options)[1] == []


def test_systemd_finds_nothing_to_say_where_it_is_installed(tmp_path: Path) -> None:
    verify = shutil.which("systemd-analyze")
    if verify is None:
        return  # no peer of ours: a machine without systemd has no use for the unit
    unit = tmp_path / "mutua-agent.service"
    unit.write_text(UNIT.replace("/opt/mutua/bin/mutua", "/bin/true"))
    done = subprocess.run([verify, "verify", "--man=no", str(unit)], check=False, capture_output=True, text=True)
    assert (done.returncode, done.stdout + done.stderr) == (0, "")
