"""Groups whose commands are imported when they are called: ``mutua --version`` stays quick."""

import gc
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, nullcontext
from importlib import import_module
from typing import Any

import click


class LazyGroup(click.Group):
    """A group that knows its commands by name, place and summary alone.

    Args:
        table: for each command ``module:attribute`` and what the overview says of it.
    """

    def __init__(self, *arguments: Any, table: Mapping[str, tuple[str, str]], **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.table = table

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002
        return list(self.table)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        if cmd_name not in self.table:
            return None
        module, _, attribute = self.table[cmd_name][0].partition(":")
        with nullcontext() if module in sys.modules else _nothing_collected():
            command: click.Command = getattr(import_module(module), attribute)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        with formatter.section("Commands"):
            formatter.write_dl([(name, summary) for name, (_, summary) in self.table.items()])


@contextmanager
def _nothing_collected() -> Iterator[None]:
    """Keep the garbage collector away from what imports make, now and later: all of it stays, and it is a lot.

    To search it takes a tenth of a command's start, and again a server's time later on.
    """
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()
