"""``mutua audit``: the hash-chained trail of every change."""

import click

from mutua.cli.lazy import LazyGroup

COMMANDS = {
    "verify": ("mutua.cli.audit.verify:verify", "Verify the trail, and compare every row of the store with it."),
    "checkpoint": ("mutua.cli.audit.checkpoint:checkpoint", "Note what the trail is now, signed, to keep elsewhere."),
    "export": ("mutua.cli.audit.export:export", "Write every event as a line of JSON."),
    "tail": ("mutua.cli.audit.tail:tail", "Show the newest events."),
}


@click.group(cls=LazyGroup, table=COMMANDS)
def audit() -> None:
    """The audit trail.

    \b
    Examples:
      mutua audit verify
      mutua audit tail
      mutua audit checkpoint --out /media/usb/checkpoint.json
      mutua audit verify --against /media/usb/checkpoint.json
    """
