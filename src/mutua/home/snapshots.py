"""The gate's snapshot of a home: read whole once, and then brought up to date by what has happened since."""

from dataclasses import replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from mutua.gate.layered import Layered
from mutua.gate.snapshot import Snapshot, parted, standing_of
from mutua.home.foreign_crls import ForeignCrls, sources_of
from mutua.store import authorities, credentials, events, known, revocations

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from mutua.home.home import Home

REMEMBERED = timedelta(days=30)
"""For how long a certificate that ended is known as its client's, so that the refusal can say whose it is."""

MOST_FOLLOWED = known.MOST_NAMED
"""Events that are followed one by one; after more of them everything is read anew."""

_TRUST = ("authority.", "credential.")
_REVOCATIONS = {"certificate.revoked", "certificate.released"}


def load(home: "Home") -> Snapshot:
    """Everything the registry says now."""
    with home.store.read() as connection:
        return _load(home, connection)


def follow(home: "Home", before: Snapshot) -> Snapshot:
    """The snapshot after what has happened since; it shares with the one before whatever has not changed.

    A store that is not the one that the snapshot is of, a backup for instance, is read whole.
    """
    with home.store.read() as connection:
        if events.hash_of(connection, before.version) != before.hash:
            return _load(home, connection, before)
        happened = events.since(connection, before.version, limit=MOST_FOLLOWED + 1)
        if not happened:
            return before
        if len(happened) > MOST_FOLLOWED or _changes_all(connection, happened):
            return _load(home, connection, before)
        return _followed(connection, before, happened, since=home.now() - REMEMBERED)


def _load(home: "Home", connection: "Connection", before: Snapshot | None = None) -> Snapshot:
    end = events.head(connection)
    clients = {name: standing_of(*held) for name, *held in known.everyone(connection)}
    names = {name: name for name in clients}  # one text for each name, however many certificates it has
    issued = known.issued(connection, since=home.now() - REMEMBERED)
    good, refused = parted(
        ((thumbprint, names.get(client, client)) for thumbprint, client in issued), revocations.thumbprints(connection)
    )
    return Snapshot(
        version=end.count,
        hash=end.hash,
        clients=Layered(clients),
        issued=Layered(good),
        revoked=Layered(refused),
        trust=end.count,
        foreign=ForeignCrls(home).load(connection, before.foreign if before else None),
    ).with_credentials(credentials.everyone(connection))


def _changes_all(connection: "Connection", happened: list[events.Happened]) -> bool:
    """Whether a CA is trusted no more, and whatever it certified with it."""
    touched = {each.subject for each in happened if each.kind in _REVOCATIONS}
    retired = any(each.kind == "authority.retired" for each in happened)
    return retired or (bool(touched) and not touched.isdisjoint(authorities.thumbprints(connection)))


def _certificates(
    connection: "Connection", before: Snapshot, happened: list[events.Happened], since: datetime
) -> tuple[Layered[str, str], Layered[str, str]]:
    """Whose certificates are whose, and which of them are refused: none is in both."""
    removed = {each.subject for each in happened if each.kind == "client.removed"}
    born = [each.id for each in happened if each.kind == "certificate.issued"]
    touched = {each.subject for each in happened if each.kind in _REVOCATIONS}
    issued: dict[str, str | None] = {}
    revoked: dict[str, str | None] = {}
    if removed:  # also if another client has the name by now
        issued.update(dict.fromkeys(before.issued.holding(removed)))
        revoked.update(dict.fromkeys(before.revoked.holding(removed), ""))
    if born:
        issued.update(known.issued_by_events(connection, born))
    if touched:
        names = known.issued_among(connection, touched, since=since)
        good, refused = parted(names, revocations.among(connection, touched))
        issued |= dict.fromkeys(touched) | good
        revoked |= dict.fromkeys(touched) | refused
    return before.issued.with_changes(issued), before.revoked.with_changes(revoked)


def _followed(connection: "Connection", before: Snapshot, happened: list[events.Happened], since: datetime) -> Snapshot:
    named = {each.subject for each in happened if each.kind.startswith("client.")}
    there = known.everyone(connection, named) if named else ()
    clients = dict.fromkeys(named) | {name: standing_of(*held) for name, *held in there}
    issued, revoked = _certificates(connection, before, happened, since)
    after = Snapshot(
        version=happened[-1].id,
        hash=events.hash_of(connection, happened[-1].id) or "",
        clients=before.clients.with_changes(clients),
        issued=issued,
        revoked=revoked,
        pins=before.pins,
        subjects=before.subjects,
        authorities=before.authorities,
        trust=max((each.id for each in happened if each.kind.startswith(_TRUST)), default=before.trust),
        foreign=before.foreign,
    )
    if any(each.kind.startswith("credential.") for each in happened):
        foreign = before.foreign.with_sources(*sources_of(connection))
        return replace(after.with_credentials(credentials.everyone(connection)), foreign=foreign)
    return after
