"""``mutua audit export``."""

import json

import click

from mutua.cli.options import home_option
from mutua.cli.output import data
from mutua.home.home import Home


@click.command()
@click.option("--since", metavar="ID", type=click.IntRange(min=0), default=0, help="Only the events after this one.")
@click.option("--json", "as_json", is_flag=True, expose_value=False, help="What it prints anyway: a line for each.")
@home_option
def export(home: Home, since: int) -> None:
    """Write every event as a line of JSON.

    Each has what its hash is made of, so that the chain can be verified from these lines alone; docs/audit.md says
    how. They are written as they stand: 'mutua audit verify' says whether they are whole.

    \b
    Examples:
      mutua audit export > events.jsonl
      mutua audit export --since 1000
    """
    for event in home.audit.after(since):
        data(json.dumps({**event._asdict(), "at": event.at.isoformat()}))
