"""Hooks: words and no shell, a time to end, and what they say in the log."""

import logging
import sys
import time

import pytest

from mutua.agent.hooks import MAX_OUTPUT_BYTES, run_hook


@pytest.fixture(autouse=True)
def everything_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)


def python(program: str) -> list[str]:
    return [sys.executable, "-c", program]


def test_what_it_says_is_in_the_log_a_line_each(caplog: pytest.LogCaptureFixture) -> None:
    assert run_hook(python("import sys; print('one'); print('two', file=sys.stderr)"))
    assert [each.message.partition(": ")[2] for each in caplog.records][:2] == ["one", "two"]


def test_no_shell_reads_it(caplog: pytest.LogCaptureFixture) -> None:
    assert run_hook(["echo", "$HOME; false", "`id`"])
    assert "echo: $HOME; false `id`" in caplog.text


def test_what_it_says_cannot_forge_a_line_of_the_log(caplog: pytest.LogCaptureFixture) -> None:
    assert run_hook(python(r"print('x\x1b[2J\u202e')"))
    assert "\x1b" not in caplog.text
    assert "\u202e" not in caplog.text


@pytest.mark.parametrize("command", [["false"], ["/nowhere/at/all"], ["/"], ["a\0b"]])
def test_a_failure_is_one(command: list[str]) -> None:
    assert not run_hook(command)


def test_one_that_does_not_end_is_ended_with_all_it_has_started(caplog: pytest.LogCaptureFixture) -> None:
    program = "import subprocess; subprocess.run(['sleep', '600'])"
    started = time.monotonic()
    assert not run_hook(python(program), seconds=0.5)
    assert time.monotonic() - started < 60
    assert "was ended after 0.5 seconds" in caplog.text


def test_one_that_says_very_much_neither_fills_the_memory_nor_waits(caplog: pytest.LogCaptureFixture) -> None:
    assert run_hook(python("import sys; sys.stdout.write('x' * 10_000_000)"))
    assert len(caplog.text) < 3 * MAX_OUTPUT_BYTES


def test_it_is_told_what_has_changed_and_no_passphrase(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("MUTUA_PASSPHRASE", "MUTUA_PASSPHRASE_COMMAND"):
        monkeypatch.setenv(name, "very-secret")
    monkeypatch.setenv("KEPT", "kept")
    assert run_hook(python("import os; print(os.environ)"), given={"MUTUA_IDENTITY": "/etc/mutua/woovi"})
    assert "very-secret" not in caplog.text
    assert "KEPT" in caplog.text
    assert "/etc/mutua/woovi" in caplog.text


def test_it_gets_no_input() -> None:
    assert run_hook(python("import sys; sys.exit(len(sys.stdin.read()))"))
