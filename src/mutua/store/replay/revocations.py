"""Revocations, as the events tell of them: what the last event about a certificate says is what holds.

The database finds the last one of each: a million of them would not be held in memory.
"""

import json
from typing import Any

from sqlalchemy import Connection, RowMapping, Subquery, func, select

from mutua.store.replay.difference import UNTOLD, Differences, Values, rows, stored, told_time
from mutua.store.replay.said import Said, Tellers
from mutua.store.schema import certificates, events, revocations

REVOKED = "certificate.revoked"
RELEASED = "certificate.released"


class Revocations:
    """``revocations``.

    Args:
        connection: a reading transaction.
        found: where differences go.
    """

    def __init__(self, connection: Connection, found: Differences) -> None:
        self._connection, self._found = connection, found
        self.tellers: Tellers = {REVOKED: self._read}

    def compare(self) -> None:
        """Compare the rows with the events."""
        for row in rows(self._connection, _told()):
            told = _facts(row)
            if row["certificate"] is None:
                key = "of an unknown certificate" if row["of"] is None else row["of"]
                self._found.missing(revocations, key, f"{row['subject']} is revoked for {told['reason']}")
            else:
                standing = {column.name: row[column.name] for column in revocations.c}
                self._found.compare(revocations, row["certificate"], standing, told)
        for identifier in self._connection.execute(_untold()).scalars():
            self._found.unknown(revocations, identifier)

    def _read(self, said: Said) -> None:
        _revoked(said.facts)  # that it can be; what it says is compared once all has been told


def _last() -> Subquery:
    """The last event about each certificate that was ever revoked or on hold."""
    about = select(events.c.subject, func.max(events.c.id).label("event"))
    return about.where(events.c.kind.in_([REVOKED, RELEASED])).group_by(events.c.subject).subquery("last")


def _told() -> Any:
    """Every certificate that is revoked now, with its row, if it has one."""
    last = _last()
    columns = (
        events.c.id.label("told_event"),
        events.c.subject,
        events.c.body,
        certificates.c.id.label("of"),
        certificates.c.authority.label("of_authority"),
        certificates.c.shard.label("of_shard"),
        *stored(revocations),
    )
    query = select(*columns).select_from(last).join(events, events.c.id == last.c.event)
    query = query.outerjoin(certificates, certificates.c.thumbprint == events.c.subject)
    query = query.outerjoin(revocations, revocations.c.certificate == certificates.c.id)
    return query.where(events.c.kind == REVOKED).order_by(events.c.id)


def _untold() -> Any:
    """The rows of certificates that were never revoked, or released since, or are not there."""
    last = _last()
    standing = select(certificates.c.id).join(last, last.c.subject == certificates.c.thumbprint)
    standing = standing.join(events, events.c.id == last.c.event).where(events.c.kind == REVOKED)
    query = select(revocations.c.certificate).where(revocations.c.certificate.not_in(standing))
    return query.order_by(revocations.c.certificate)


def _facts(row: RowMapping) -> Values:
    """What a row must hold; the events of 0.1.0 did not say of which CA the certificate is."""
    return {
        "certificate": row["of"],
        "authority": row["of_authority"],
        "shard": row["of_shard"] or 0,
        "event": row["told_event"],
        **_revoked(json.loads(row["body"])),
    }


def _revoked(facts: dict[str, Any]) -> Values:
    """What an event says of a revocation."""
    reason = str(facts["reason"])
    if "revoked_at" not in facts:  # of 0.1.0
        return {"reason": reason, "revoked_at": UNTOLD, "invalid_since": None}
    since = facts["invalid_since"]
    return {
        "authority": facts["authority"],
        "shard": facts["shard"],
        "reason": reason,
        "revoked_at": told_time(facts["revoked_at"]),
        "invalid_since": None if since is None else told_time(since),
    }
