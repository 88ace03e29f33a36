"""``mutua gate refusals``."""

import json
import time
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click

from mutua.cli.options import json_option
from mutua.cli.output import data, json_data, printable, table, talk
from mutua.home.home import DEFAULT_FOLDER
from mutua.inbound.seen.ring import MAX_REFUSALS
from mutua.inbound.seen.workers import Refusals, require_home
from mutua.reasons import Reason

LOOK_SECONDS = 0.5
"""How often ``--follow`` asks for what is new."""

HEADINGS = ("TIME", "ID", "REASON", "CLIENT", "PEER", "DETAIL")

_KEYS = ("id", "time", "reason", "detail", "client", "thumbprint", "peer", "method", "path")


@click.command()
@click.option("--follow", is_flag=True, help="Go on, and show each as it comes. Ctrl-C ends it.")
@click.option("--reason", type=click.Choice([reason.value for reason in Reason]), help="Only for this reason.")
@click.option("--client", metavar="NAME", help="Only this client's.")
@click.option(
    "-n",
    "--number",
    type=click.IntRange(0, MAX_REFUSALS),
    default=50,
    show_default=True,
    help="How many of those there were.",
)
@click.option("--home", "folder", metavar="DIR", envvar="MUTUA_HOME", default=str(DEFAULT_FOLDER), show_default=True)
@json_option
def refusals(folder: str, reason: str | None, client: str | None, number: int, *, follow: bool, as_json: bool) -> None:
    """Show who was refused lately and why, the newest last.

    Every process that serves for this home on this machine is asked for the last 1,000 that it has in memory; the log
    has all of them. It needs no store, so it also works while that is lost. With --follow, --json prints one object
    to a line.

    \b
    Examples:
      mutua gate refusals
      mutua gate refusals --follow --reason unknown_client
      mutua gate refusals --client woovi --json
    """
    path = Path(folder)
    require_home(path)
    asked = Refusals(path)
    found = _newest(_only(asked.fresh(), reason, client), number)
    if follow:
        _follow(asked, found, reason, client, as_json=as_json)
        return
    if as_json:
        json_data([_as_json(each) for each in found])
    elif found:
        table(HEADINGS, [_cells(each) for each in found])
    else:
        talk("nobody like that was refused lately, as far as the gates that run here remember: mutua status")
    _warn(asked)


def _follow(
    asked: Refusals, found: list[Mapping[str, Any]], reason: str | None, client: str | None, *, as_json: bool
) -> None:
    show = _show_json if as_json else _show
    missed = 0
    _warn(asked)
    while True:
        show(found)
        if asked.missed > missed:
            talk(f"{asked.missed - missed} more were refused meanwhile than a gate remembers; the log has them")
            missed = asked.missed
        time.sleep(LOOK_SECONDS)
        found = _only(asked.fresh(), reason, client)


def _only(found: Iterable[Mapping[str, Any]], reason: str | None, client: str | None) -> list[Mapping[str, Any]]:
    return [
        each
        for each in found
        if (reason is None or each["reason"] == reason) and (client is None or each["client"] == client)
    ]


def _newest(found: list[Mapping[str, Any]], number: int) -> list[Mapping[str, Any]]:
    return found[len(found) - number :] if number < len(found) else found


def _show_json(found: Iterable[Mapping[str, Any]]) -> None:
    for each in found:
        data(json.dumps(_as_json(each)))


def _show(found: Iterable[Mapping[str, Any]]) -> None:
    for each in found:
        data("  ".join(printable(cell) for cell in _cells(each)))


def _cells(each: Mapping[str, Any]) -> tuple[str, ...]:
    moment = datetime.fromtimestamp(each["at"], UTC)
    says_it = not each["path"] or each["path"] in each["detail"]
    asked = "" if says_it else f"{each['method']} {each['path']}: "
    return (
        f"{moment:%Y-%m-%d %H:%M:%S}",
        each["id"],
        each["reason"],
        each["client"] or "-",
        each["peer"] or "-",
        asked + each["detail"],
    )


def _as_json(each: Mapping[str, Any]) -> dict[str, Any]:
    return {key: each[key] for key in _KEYS}


def _warn(asked: Refusals) -> None:
    for name in asked.silent:
        talk(f"warning: the gate at {printable(name)} does not answer: mutua status")
