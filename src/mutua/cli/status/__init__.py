"""``mutua status``."""

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import click

from mutua.cli.client.crls import crl_json
from mutua.cli.exits import ExitCode
from mutua.cli.options import json_option
from mutua.cli.output import data, day, facts, json_data, printable, table
from mutua.cli.status.attention import Attention, attention
from mutua.cli.status.gathering import SHOWN, Status, gather
from mutua.home.expiries import OwnCertificate
from mutua.home.foreign_crls import CrlState
from mutua.home.home import DEFAULT_FOLDER
from mutua.inbound.seen.workers import Worker


@click.command()
@click.option("--home", "folder", metavar="DIR", envvar="MUTUA_HOME", default=str(DEFAULT_FOLDER), show_default=True)
@json_option
def status(folder: str, *, as_json: bool) -> ExitCode:
    """Show what one looks at at three in the morning, and what to type.

    What has ended or ends within 30 days, how old the CRLs are, which gates run on this machine and how current each
    is, and who was refused in the last hour. The exit code is 1 when something needs attention: it has ended, is
    stale, or does not answer. It also works while the store is lost.

    \b
    Examples:
      mutua status
      mutua status --json
    """
    found = gather(Path(folder))
    wrong = attention(found)
    if as_json:
        json_data(_as_json(found, wrong))
    else:
        _show(found, wrong)
    return ExitCode.NEGATIVE if wrong else ExitCode.OK


def _show(found: Status, wrong: list[Attention]) -> None:
    for each in wrong:
        data(f"attention: {printable(each.what)}")
        data(f"  type:    {printable(each.hint)}")
    if wrong:
        data()
    refused = sum(found.refused.values())
    running = [each for each in found.gates if each.state is not None]
    facts(
        [
            ("home", str(found.home)),
            ("store", "cannot be read" if found.store_error else "can be read"),
            ("gates", str(len(running)) if running else "none runs on this machine"),
            ("refused", f"{refused} in the last hour" if running else "nobody knows"),
        ]
    )
    _section(("GATE", "SINCE", "READY", "KNOWS", "AS OF", "ADMITTED", "SHOWS UNTIL"), [_gate(each) for each in running])
    counted = sorted(found.refused.items(), key=lambda each: (-each[1], each[0]))
    _section(("REFUSED", "IN THE LAST HOUR"), [(reason, str(number)) for reason, number in counted if number])
    _section(("ENDS", "WHAT", "NAME", "THUMBPRINT"), _endings(found))
    more = found.credentials[max(found.credentials)] - len(found.soonest) if found.credentials else 0
    if more > 0:
        data(f"and {more} more of clients within 30 days: mutua cert list --expiring 30d --profile client")
    crls = [(each.authority, day(each.this_update), day(each.next_update)) for each in found.crls]
    _section(("CRL OF", "MADE", "UNTIL"), crls)
    _section(("CRL OF A PARTNER", "STATE", "UNTIL"), [_foreign_crl(each) for each in found.foreign_crls])


def _section(headings: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    if rows:
        data()
        table(headings, rows)


def _gate(worker: Worker) -> tuple[str, ...]:
    state = worker.state
    assert state is not None
    ends = "-" if state.identity_ends is None else day(datetime.fromtimestamp(state.identity_ends, UTC))
    return (
        str(state.pid),
        day(datetime.fromtimestamp(state.started, UTC)),
        "yes" if state.is_ready else "not yet",
        f"event {state.snapshot_version}",
        f"{state.snapshot_age:.1f} s ago",
        str(state.admitted),
        ends,
    )


def _foreign_crl(state: CrlState) -> tuple[str, ...]:
    ends = state.fetched.next_update if state.fetched else None
    return state.source.url, state.condition.value, day(ends) if ends else "-"


def _endings(found: Status) -> list[tuple[str, ...]]:
    own = [each for each in (*found.authorities, *found.identities) if found.is_near(each)]
    rows = [(each.not_after, each.kind.value, each.name, each.thumbprint or "-") for each in own[:SHOWN]]
    rows += [(each.not_after, "client", each.client, each.thumbprint) for each in (*found.ended, *found.soonest)]
    rows.sort(key=lambda row: row[0].timestamp() if row[0] else 0.0)
    return [("cannot be read" if end is None else day(end), *cells) for end, *cells in rows]


def _as_json(found: Status, wrong: list[Attention]) -> dict[str, object]:
    return {
        "home": str(found.home),
        "time": found.now,
        "store": {"reachable": found.store_error is None, "error": found.store_error and found.store_error.message},
        "gates": [_gate_json(each) for each in found.gates],
        "refused_last_hour": found.refused,
        "authorities": [_own_json(each) for each in found.authorities],
        "identities": [_own_json(each) for each in found.identities],
        "credentials": {
            "ending_within_days": {str(days): number for days, number in found.credentials.items()},
            "ending_first": [each._asdict() for each in found.soonest],
            "ended_lately": [each._asdict() for each in found.ended],
        },
        "crls": [
            {"ca": each.authority, "this_update": each.this_update, "next_update": each.next_update}
            for each in found.crls
        ],
        "foreign_crls": [crl_json(each) for each in found.foreign_crls],
        "attention": [{"what": each.what, "hint": each.hint} for each in wrong],
    }


def _gate_json(worker: Worker) -> dict[str, object]:
    state = worker.state
    if state is None:
        return {"pid": worker.pid, "answers": False}
    return {
        "pid": state.pid,
        "answers": True,
        "since": datetime.fromtimestamp(state.started, UTC),
        "ready": state.is_ready,
        "snapshot_version": state.snapshot_version,
        "snapshot_age": state.snapshot_age,
        "stale": state.is_stale,
        "admitted": state.admitted,
        "refused": state.refused,
        "thumbprint": state.identity_thumbprint,
        "not_after": None if state.identity_ends is None else datetime.fromtimestamp(state.identity_ends, UTC),
    }


def _own_json(each: OwnCertificate) -> dict[str, object]:
    return {"name": each.name, "thumbprint": each.thumbprint, "not_after": each.not_after}
