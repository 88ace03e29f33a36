"""docs/cli.md as the commands themselves would write it."""

import contextlib
import io
from collections.abc import Iterator

import click

from mutua.cli import cli

WIDTH = 100
INTRODUCTION = """\
# The command line

Every command as its own `--help` prints it. stdout is data and stderr is talk, so output can be piped.
Commands that read take `--json`; its keys are stable.

| exit code | meaning |
|---|---|
| 0 | done |
| 1 | a negative answer: refused, not valid |
| 2 | the command line or a value on it makes no sense |
| 3 | something given cannot be read |
| 4 | understood, and not allowed |
| 5 | the network said no |
| 70 | a bug in mutua |
| 130 | interrupted |

An error is three lines on stderr: what happened, what to type next, and where it is explained; see
[errors](errors.md). A server that is told to stop by SIGTERM ends with 0, by Ctrl-C with 130.

This page is generated: `python -m tests.docs.write_cli`.
"""


def commands() -> Iterator[tuple[str, ...]]:
    """Every command, as the words one types behind ``mutua``; the first is ``mutua`` itself."""
    context = click.Context(cli)
    yield ()
    for name in cli.list_commands(context):
        yield (name,)
        command = cli.get_command(context, name)
        if isinstance(command, click.Group):
            yield from ((name, each) for each in command.list_commands(context))


def help_text(words: tuple[str, ...]) -> str:
    """What ``mutua WORDS --help`` prints on a terminal of 100 columns."""
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        cli.main([*words, "--help"], prog_name="mutua", standalone_mode=False, terminal_width=WIDTH)
    return printed.getvalue()


def heading(words: tuple[str, ...]) -> str:
    """How a command's section is called."""
    return " ".join(("mutua", *words))


def cli_page() -> str:
    """The whole page."""
    sections = [f"## {heading(words)}\n\n```text\n{help_text(words).rstrip()}\n```\n" for words in commands()]
    return "\n".join([INTRODUCTION, *sections])
