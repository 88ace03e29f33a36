"""Every command explains itself: usage, then examples that can be typed."""

import os
import shlex
from collections.abc import Iterator

import click
import pytest

from mutua.cli import COMMANDS, cli
from tests.cli.conftest import Run


def walk(command: click.Command, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], click.Command]]:
    """A command and all below it."""
    yield path, command
    if isinstance(command, click.Group):
        context = click.Context(command)
        for name in command.list_commands(context):
            below = command.get_command(context, name)
            assert below is not None
            yield from walk(below, (*path, name))


EVERY = dict(walk(cli))


def as_called(command: click.Command) -> click.Context:
    """A context as it has on the command line: a command keeps the help option of the first that it is asked in."""
    return click.Context(command, **{**cli.context_settings, **command.context_settings})


def examples(command: click.Command) -> list[list[str]]:
    """The examples of a command, as the words somebody would type, without what explains them."""
    text = (command.help or "").split("Examples:\n", 1)[1]
    typed = [line.strip().split("   ")[0] for line in text.split("\n\n")[0].splitlines()]
    return [shlex.split(line) for line in typed if line]


@pytest.mark.parametrize("path", EVERY, ids=" ".join)
def test_help_shows_usage_and_examples_each_on_its_line(mutua: Run, path: tuple[str, ...]) -> None:
    result = mutua(*path, "--help")
    assert result.code == 0
    assert result.err == ""
    assert result.out.startswith(f"Usage: {' '.join(('mutua', *path))} ")
    assert "\n  Examples:\n    " in result.out
    assert "\b" not in result.out
    assert "\\b" not in result.out
    assert mutua(*path, "-h").out == result.out or path


@pytest.mark.parametrize("path", EVERY, ids=" ".join)
def test_examples_are_commands_with_options_that_exist(path: tuple[str, ...]) -> None:
    found = examples(EVERY[path])
    assert found
    for words in found:
        while "=" in words[0]:
            words.pop(0)
        assert words.pop(0) == "mutua"
        command: click.Command = cli
        names: tuple[str, ...] = ()
        while isinstance(command, click.Group):
            if command.invoke_without_command and (words or ["-"])[0].startswith("-"):
                break  # a group that is a command itself
            names = (*names, words.pop(0))
            command = EVERY[names]
        assert names[: len(path)] == path
        values, _, __ = command.make_parser(as_called(command)).parse_args(words)
        missing = [each.name for each in command.params if each.required and not values.get(str(each.name))]
        assert not missing, words


@pytest.mark.parametrize("name", COMMANDS)
def test_the_lazy_table_says_of_each_command_what_it_says_itself(name: str) -> None:
    command, (_, summary) = EVERY[name,], COMMANDS[name]
    own = (command.help or "").split("\n", 1)[0]
    assert command.name == name
    if not isinstance(command, click.Group):
        assert own.split()[:2] == summary.split()[:2], (own, summary)
    else:
        assert own.rstrip(".") == summary.split(":")[0]
        told = summary.split(": ")[1].rstrip(".").split(", ")
        commands = command.list_commands(click.Context(command))
        assert {*told} - {""} <= {*commands}
        assert len(told) == len(commands) or summary.endswith(", ...")


def test_the_overview_lists_every_command(mutua: Run) -> None:
    listed = mutua("--help").out.split("Commands:\n")[1]
    assert [line.split()[0] for line in listed.splitlines() if line.strip()] == list(COMMANDS)


@pytest.mark.parametrize("path", [path for path, command in EVERY.items() if "json" in str(command.params)])
def test_json_is_offered_under_one_name(path: tuple[str, ...]) -> None:
    (option,) = [each for each in EVERY[path].params if each.name == "as_json"]
    assert option.opts == ["--json"]


def test_every_command_that_reads_or_changes_the_home_offers_json() -> None:
    without = {path for path, command in EVERY.items() if not any(each.name == "as_json" for each in command.params)}
    groups = {path for path, command in EVERY.items() if isinstance(command, click.Group)}
    assert without - groups == {
        ("serve",),
        ("ca", "serve"),
        ("ca", "export"),
        ("ca", "passphrase"),
        ("client", "export"),
        ("config", "nginx"),
        ("gate", "serve"),
    }


def test_no_default_of_the_help_comes_from_the_environment(mutua: Run) -> None:
    assert os.environ["MUTUA_HOME"] not in mutua("init", "--help").out
