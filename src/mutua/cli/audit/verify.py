"""``mutua audit verify``."""

from pathlib import Path
from typing import Any

import click

from mutua.cli.options import home_option, json_option
from mutua.cli.output import data, day, json_data, printable
from mutua.errors import BrokenAudit
from mutua.home.checkpoint import MAX_CHECKPOINT_BYTES, read_checkpoint
from mutua.home.home import Home
from mutua.store.replay import Difference
from mutua.tls.files import read_file


@click.command()
@click.option("--against", metavar="FILE", help="A checkpoint that was kept elsewhere: the trail must hold it.")
@home_option
@json_option
def verify(home: Home, against: str | None, *, as_json: bool) -> None:
    """Verify the trail, and compare every row of the store with it.

    The chain of events is recomputed, the signature of its end is checked, and the events are replayed: each row of
    the registry and the inventory that is not what they say is named.

    \b
    Examples:
      mutua audit verify
      mutua audit verify --against checkpoint.json
      mutua audit verify --json
    """
    noted = None if against is None else read_checkpoint(read_file(Path(against), MAX_CHECKPOINT_BYTES))
    try:
        count = home.audit.verify(noted)
    except BrokenAudit as error:
        if as_json:
            json_data({"ok": False, **_broken(error)})
        elif error.differences:
            _tell(error)
        raise
    if as_json:
        json_data({"events": count, "ok": True})
        return
    data(f"{count} events, the chain is whole")
    if noted is not None:
        data(f"the checkpoint of {day(noted.at)} is part of it: {noted.count} events then")


def _tell(error: BrokenAudit) -> None:
    for difference in error.differences:
        data(printable(str(difference)))
    if unlisted := error.count - len(error.differences):
        data(f"and {unlisted} more")


def _broken(error: BrokenAudit) -> dict[str, Any]:
    return {
        "why": error.message,
        "differences": [_as_json(each) for each in error.differences],
        "count": error.count,
    }


def _as_json(difference: Difference) -> dict[str, str | None]:
    return {
        "table": difference.table,
        "key": difference.key,
        "column": difference.column or None,
        "row": difference.row,
        "events": difference.events,
    }
