"""Events: the audit trail and the change feed in one table, each row chained to the one before by its hash."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, insert, select, update
from sqlalchemy.exc import DatabaseError

from mutua.errors import BrokenAudit
from mutua.store.schema import event_head, events

GENESIS = "0" * 64
"""What the first event names as the hash before it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """Something that was done.

    Attributes:
        at: when, UTC.
        actor: who did it.
        kind: what was done, such as ``client.suspended``.
        subject: to whom or what: a client's name, a thumbprint, an authority's id.
        body: the facts, JSON values only; never a key.
    """

    at: datetime
    actor: str
    kind: str
    subject: str
    body: Mapping[str, Any]


def append(connection: Connection, event: Event) -> int:
    """Add an event to the chain, within the transaction of the change it records.

    Returns:
        Its id.
    """
    count, previous = _head(connection)
    body = json.dumps(event.body, sort_keys=True, separators=(",", ":"))
    digest = _digest(count + 1, event, body, previous)
    connection.execute(
        insert(events).values(
            id=count + 1,
            at=event.at,
            actor=event.actor,
            kind=event.kind,
            subject=event.subject,
            body=body,
            hash=digest,
        )
    )
    connection.execute(update(event_head).where(event_head.c.id == 1).values(count=count + 1, hash=digest))
    return count + 1


def verify(connection: Connection) -> int:
    """Recompute the whole chain and compare its end with the head.

    Returns:
        How many events there are.

    Raises:
        BrokenAudit: an event was changed, removed or added behind mutua's back; the message names the first.
    """
    count, head = _head(connection)
    previous, expected = GENESIS, 1
    query = select(events).order_by(events.c.id)
    try:
        for row in connection.execution_options(yield_per=1000).execute(query):
            event = Event(at=row.at, actor=row.actor, kind=row.kind, subject=row.subject, body={})
            if row.id != expected or row.hash != _digest(row.id, event, row.body, previous):
                raise BrokenAudit(f"the audit trail is broken at event {expected}", hint="compare with a backup")
            previous, expected = row.hash, expected + 1
    except (DatabaseError, TypeError, ValueError, OverflowError):
        # Bytes where text was, a time out of range: rows are read a thousand at once, so it may be a later one.
        raise BrokenAudit(
            f"the audit trail cannot be read from event {expected} on", hint="compare with a backup"
        ) from None
    if (expected - 1, previous) != (count, head):
        raise BrokenAudit(
            f"the audit trail ends at event {expected - 1}, its head says {count}", hint="compare with a backup"
        )
    return count


def last_id(connection: Connection) -> int:
    """The id of the newest event; 0 before the first."""
    return _head(connection)[0]


def _head(connection: Connection) -> tuple[int, str]:
    row = connection.execute(select(event_head.c["count"], event_head.c.hash).where(event_head.c.id == 1)).one_or_none()
    if row is None:
        raise BrokenAudit("the audit trail has lost its head", hint="restore the store from a backup")
    count, digest = row
    return count, digest


def _digest(identifier: int, event: Event, body: str, previous: str) -> str:
    fields = [identifier, event.at.isoformat(), event.actor, event.kind, event.subject, body, previous]
    return hashlib.sha256(json.dumps(fields, separators=(",", ":")).encode()).hexdigest()
