"""``mutua cert list``."""

import json
import re
from collections.abc import Iterable
from datetime import datetime, timedelta
from itertools import islice

import click

from mutua.cli.cert.record import record_json
from mutua.cli.options import home_option, json_option
from mutua.cli.output import data, day, jsonable, table, talk
from mutua.home.home import Home
from mutua.pki.profiles import PROFILES
from mutua.store.inventory import CertificateRecord, CertificateState

PAGE = 1000
"""Rows whose columns are made equally wide; a longer list is never in memory whole."""

_SPAN = re.compile(r"([1-9][0-9]{0,4})([dhw])")
_UNITS = {"h": "hours", "d": "days", "w": "weeks"}


def _span(_context: click.Context, _option: click.Parameter, value: str | None) -> timedelta | None:
    if value is None:
        return None
    match = _SPAN.fullmatch(value)
    if match is None:
        raise click.BadParameter("give a number and d, h or w, such as 30d")
    return timedelta(**{_UNITS[match[2]]: int(match[1])})


@click.command(name="list")
@click.option("--client", metavar="NAME", help="Only this client's.")
@click.option("--profile", type=click.Choice(list(PROFILES)), help="Only of this profile.")
@click.option("--ca", "authority", metavar="NAME", help="Only those that this CA signed.")
@click.option("--state", type=click.Choice([each.value for each in CertificateState]), help="Only in this state.")
@click.option("--expiring", metavar="TIME", callback=_span, help="Only those that end within 30d, 12h, 2w.")
@click.option("--name", metavar="NAME", help="Only those that carry exactly this name.")
@click.option("--limit", type=click.IntRange(min=1), help="At most so many.")
@home_option
@json_option
def list_(
    home: Home,
    client: str | None,
    profile: str | None,
    authority: str | None,
    state: str | None,
    expiring: timedelta | None,
    name: str | None,
    limit: int | None,
    *,
    as_json: bool,
) -> None:
    """List the certificates that were issued, the newest first.

    \b
    Examples:
      mutua cert list
      mutua cert list --expiring 30d --state valid
      mutua cert list --client woovi --json
      mutua cert list --name api.acme.example --limit 1
    """
    now = home.now()
    if client is not None:
        home.clients.get(client)
    if authority is not None:
        home.hierarchy.get(authority)
    selected = home.authority.certificates(
        client=client,
        profile=profile,
        authority=authority,
        state=None if state is None else CertificateState(state),
        expiring_before=None if expiring is None else now + expiring,
        name=name,
    )
    found = islice(selected, limit)
    if as_json:
        _print_json(record_json(record, home) for record in found)
    elif not _print_table(found, now):
        talk("no certificates like that, or none yet: mutua cert issue ...")


def _print_json(found: Iterable[dict[str, object]]) -> None:
    """An array, one element after the other as they are read."""
    opening = "["
    for record in found:
        data(opening + json.dumps(record, default=jsonable))
        opening = ","
    data("]" if opening == "," else "[]")


def _print_table(found: Iterable[CertificateRecord], now: datetime) -> bool:
    """Pages of rows; false where there are none."""
    rows = iter(found)
    headings: list[str] | None = ["THUMBPRINT", "PROFILE", "CLIENT", "NAMES", "STATE", "UNTIL"]
    while page := list(islice(rows, PAGE)):
        table(headings, [_cells(each, now) for each in page])
        headings = None
    return headings is None


def _cells(record: CertificateRecord, now: datetime) -> tuple[str, ...]:
    return (
        record.thumbprint,
        record.profile,
        record.client or "-",
        ", ".join(record.names),
        record.state(now).value,
        day(record.not_after),
    )
