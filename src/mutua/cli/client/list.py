"""``mutua client list``."""

import json
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime
from itertools import islice

import click

from mutua.cli.client.record import listed_json
from mutua.cli.options import home_option, json_option
from mutua.cli.output import data, day, jsonable, table, talk
from mutua.home.client_list import ListedClient, listed_clients
from mutua.home.home import Home
from mutua.registry.clients import ClientState

PAGE = 1000
"""Rows whose columns are made equally wide; a longer list is never in memory whole, unless it is sorted."""

_NEVER = datetime.min.replace(tzinfo=UTC)
_NO_END = datetime.max.replace(tzinfo=UTC)

_ORDERS: dict[str, Callable[[ListedClient], datetime]] = {
    "seen": lambda each: each.last_seen or _NEVER,
    "until": lambda each: each.first_end or _NO_END,
}


@click.command(name="list")
@click.option("--state", type=click.Choice([each.value for each in ClientState]), help="Only those in this state.")
@click.option(
    "--sort",
    type=click.Choice(["name", *_ORDERS]),
    default="name",
    show_default=True,
    help="By name; by when they were seen, those first that never were; or by what ends, the first end first.",
)
@click.option("--limit", type=click.IntRange(min=1), help="At most so many.")
@home_option
@json_option
def list_(home: Home, state: str | None, sort: str, limit: int | None, *, as_json: bool) -> None:
    """List the known clients: when each was last seen, and when what it proves itself with ends.

    Seen is whom a gate has known, whatever it then could call; it is written down once a minute. Under UNTIL stands the
    first end of those certificates that count, and with --json each of them.

    \b
    Examples:
      mutua client list
      mutua client list --sort seen --limit 20
      mutua client list --state suspended --json
    """
    found: Iterable[ListedClient] = listed_clients(home)
    if state is not None:
        found = (each for each in found if each.state.value == state)
    if sort in _ORDERS:
        found = sorted(found, key=_ORDERS[sort])
    found = islice(found, limit)
    if as_json:
        _print_json(found)
    elif not _print_table(iter(found)):
        talk("no clients like that, or none yet: mutua client add NAME --allow ...")


def _print_json(found: Iterable[ListedClient]) -> None:
    """An array, one element after the other as they are read."""
    opening = "["
    for each in found:
        data(opening + json.dumps(listed_json(each), default=jsonable))
        opening = ","
    data("]" if opening == "," else "[]")


def _print_table(found: Iterator[ListedClient]) -> bool:
    """Pages of rows; false where there are none."""
    headings: list[str] | None = ["CLIENT", "STATE", "LAST SEEN", "UNTIL", "MAY CALL"]
    while page := list(islice(found, PAGE)):
        table(headings, map(_cells, page))
        headings = None
    return headings is None


def _cells(each: ListedClient) -> tuple[str, ...]:
    return (
        each.name,
        each.state.value,
        day(each.last_seen) if each.last_seen else "never",
        day(each.first_end) if each.first_end else "-",
        ", ".join(each.grants) or "nothing",
    )
