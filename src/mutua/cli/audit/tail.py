"""``mutua audit tail``."""

import json
from collections.abc import Mapping
from typing import Any

import click

from mutua.cli.options import home_option, json_option
from mutua.cli.output import day, json_data, table, talk
from mutua.home.home import Home
from mutua.store.events import Recorded

MOST = 10_000
"""Events that are shown at most; 'mutua audit export' has all of them."""

WIDTH = 100
"""Characters of what an event says of itself."""

LONGEST, SHORTENED = 40, 10
"""Characters: a time is shown whole, a thumbprint or digest by its beginning."""


@click.command()
@click.option("-n", "--number", type=click.IntRange(1, MOST), default=10, show_default=True, help="How many.")
@home_option
@json_option
def tail(home: Home, number: int, *, as_json: bool) -> None:
    """Show the newest events, the newest last.

    \b
    Examples:
      mutua audit tail
      mutua audit tail -n 100
      mutua audit tail --json
    """
    newest = home.audit.newest(number)
    if as_json:
        json_data([_as_json(event) for event in newest])
    elif newest:
        table(["EVENT", "WHEN", "WHO", "WHAT", "OF", "FACTS"], [_cells(event) for event in newest])
    else:
        talk("nothing has been done yet")


def _cells(event: Recorded) -> tuple[str, ...]:
    facts = _facts(event)
    said = ", ".join(f"{name} {_text(value)}" for name, value in facts.items() if value not in (None, [], {}))
    said = said if len(said) <= WIDTH else f"{said[:WIDTH]}..."
    return str(event.id), day(event.at), event.actor, event.kind, event.subject, said or "-"


def _text(value: object) -> str:
    if isinstance(value, str):
        return value if len(value) <= LONGEST else f"{value[:SHORTENED]}..."
    return " ".join(map(str, value)) if isinstance(value, list) else json.dumps(value)


def _as_json(event: Recorded) -> dict[str, Any]:
    return {
        "id": event.id,
        "at": event.at,
        "actor": event.actor,
        "kind": event.kind,
        "subject": event.subject,
        "facts": _facts(event),
        "hash": event.hash,
    }


def _facts(event: Recorded) -> Mapping[str, Any]:
    """What an event says; one that was tampered with may say anything."""
    try:
        facts = json.loads(event.body)
    except (ValueError, RecursionError):
        facts = None
    return facts if isinstance(facts, dict) else {"body": event.body}
