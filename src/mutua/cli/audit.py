"""``mutua audit``: the hash-chained trail of every change."""

import click

from mutua.cli.options import home_option, json_option
from mutua.cli.output import data, json_data
from mutua.home.home import Home


@click.group()
def audit() -> None:
    """The audit trail.

    \b
    Examples:
      mutua audit verify
    """


@audit.command()
@home_option
@json_option
def verify(home: Home, *, as_json: bool) -> None:
    """Recompute the chain of events and compare its end with the head.

    \b
    Examples:
      mutua audit verify
    """
    count = home.audit.verify()
    if as_json:
        json_data({"events": count, "ok": True})
    else:
        data(f"{count} events, the chain is whole")
