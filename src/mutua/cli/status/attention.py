"""What needs somebody, and what to type."""

import shlex
from datetime import UTC, datetime
from typing import NamedTuple

from mutua.cli.output import day
from mutua.cli.status.gathering import Status
from mutua.home.foreign_crls import CrlCondition, CrlState
from mutua.inbound.seen.state import WorkerState
from mutua.registry.credentials import StalePolicy

LOST_SECONDS = 10.0
"""A gate looks at its store many times a second; who has not seen it for this long has lost it."""


class Attention(NamedTuple):
    """Something that is wrong.

    Attributes:
        what: one line.
        hint: the next thing to type.
    """

    what: str
    hint: str


def attention(found: Status) -> list[Attention]:
    """Everything that needs somebody, what keeps clients out first."""
    return [*_store(found), *_gates(found), *_own(found), *_crls(found), *_foreign_crls(found), *_clients(found)]


def _store(found: Status) -> list[Attention]:
    error = found.store_error
    return [] if error is None else [Attention(error.message, error.hint)]


def _gates(found: Status) -> list[Attention]:
    wrong = []
    for each in found.gates:
        name = f"the gate {each.pid or each.name}"
        if each.state is None:
            look = f"ps -fp {each.pid}" if each.pid else f"ls -la {shlex.quote(str(found.home / 'run'))}"
            wrong.append(Attention(f"{name} does not answer", look))
            continue
        if each.state.snapshot_age > LOST_SECONDS:
            wrong.append(Attention(_lost(name, each.state), "mutua client list"))
        ends = each.state.identity_ends
        if ends is not None and ends < found.now.timestamp():
            what = f"{name} shows a certificate that ended at {day(datetime.fromtimestamp(ends, UTC))}"
            wrong.append(Attention(what, _remedy_of(found, each.state.identity_thumbprint)))
    return wrong


def _lost(name: str, state: WorkerState) -> str:
    what = f"{name} has not seen the store for {state.snapshot_age:.0f} s, and "
    if state.is_stale:
        return f"{what}refuses everybody until it does"
    return f"{what}will refuse everybody in {state.max_stale - state.snapshot_age:.0f} s"


def _own(found: Status) -> list[Attention]:
    served = {each.state.identity_thumbprint for each in found.gates if each.state}
    wrong = []
    for each in (*found.authorities, *found.identities):
        if not found.has_ended(each) or each.thumbprint in served - {None}:
            continue  # what a gate shows was told of with the gate
        what = "cannot be read" if each.not_after is None else f"ended at {day(each.not_after)}"
        hint = found.remedies.get((each.kind.value, each.name), "mutua status")
        wrong.append(Attention(f"the {'CA' if each.kind == 'ca' else 'identity'} {each.name} {what}", hint))
    return wrong


def _crls(found: Status) -> list[Attention]:
    return [
        Attention(f"the CRL of {each.authority} is stale since {day(each.next_update)}", "mutua ca crl --renew")
        for each in found.crls
        if each.next_update < found.now
    ]


def _foreign_crls(found: Status) -> list[Attention]:
    return [
        Attention(_without_crl(each), "mutua client crls --fetch")
        for each in found.foreign_crls
        if each.condition is not CrlCondition.CURRENT
    ]


def _without_crl(state: CrlState) -> str:
    ended = state.fetched.next_update if state.fetched else None
    how = f"is stale since {day(ended)}" if ended else "was never fetched"
    refused = state.source.stale is StalePolicy.REFUSE
    clients = "clients below its CA are refused" if refused else "clients below its CA are let in though revoked"
    return f"the CRL from {state.source.url} {how}: {clients}"


def _clients(found: Status) -> list[Attention]:
    return [
        Attention(
            f"the last certificate of {each.client} ended at {day(each.not_after)}",
            f"mutua cert issue client {each.client} --force",
        )
        for each in found.ended
    ]


def _remedy_of(found: Status, thumbprint: str | None) -> str:
    for each in found.identities:
        if each.thumbprint == thumbprint and (remedy := found.remedies.get((each.kind.value, each.name))):
            return remedy
    return "mutua cert list --state expired"
