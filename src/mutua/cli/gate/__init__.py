"""``mutua gate``: what the gates that run have decided."""

import click

from mutua.cli.lazy import LazyGroup

COMMANDS = {
    "refusals": ("mutua.cli.gate.refusals:refusals", "Show who was refused lately, and why."),
}


@click.group(cls=LazyGroup, table=COMMANDS)
def gate() -> None:
    """The gates that run.

    \b
    Examples:
      mutua gate refusals
      mutua gate refusals --follow
    """
