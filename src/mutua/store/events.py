"""Events: the audit trail and the change feed in one table, each row chained to the one before by its hash."""

import hashlib
import json
from base64 import b64decode, b64encode
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import Connection, insert, select, update
from sqlalchemy.exc import DatabaseError

from mutua.errors import BrokenAudit
from mutua.store.schema import event_head, events

Sign = Callable[[bytes], bytes]

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


class Happened(NamedTuple):
    """That something was done, for whoever watches."""

    id: int
    kind: str
    subject: str


@dataclass(frozen=True, slots=True)
class Head:
    """The end of the chain.

    Attributes:
        count: how many events there are.
        hash: of the last of them.
        signature: over both; ``None`` in a store from before heads were signed.
    """

    count: int
    hash: str
    signature: bytes | None


def append(connection: Connection, happened: Sequence[Event], sign: Sign) -> int:
    """Add events to the chain, within the transaction of the changes they record.

    Args:
        connection: a writing transaction.
        happened: in the order in which they are to stand.
        sign: signs the new head, so that nobody without the key can cut the chain's end off.

    Returns:
        The id of the last of them; the first is ``len(happened) - 1`` before it.
    """
    count, digest = _head(connection)
    rows = []
    for count, event in enumerate(happened, count + 1):  # noqa: B020 -- the count goes on where the head stood
        body = json.dumps(event.body, sort_keys=True, separators=(",", ":"))
        digest = _digest(count, event, body, digest)
        rows.append(
            {
                "id": count,
                "at": event.at,
                "actor": event.actor,
                "kind": event.kind,
                "subject": event.subject,
                "body": body,
                "hash": digest,
            }
        )
    if rows:
        connection.execute(insert(events), rows)
        signature = b64encode(sign(head_bytes(count, digest))).decode("ascii")
        head = {"count": count, "hash": digest, "signature": signature}
        connection.execute(update(event_head).where(event_head.c.id == 1).values(head))
    return count


def head_bytes(count: int, digest: str) -> bytes:
    """What the signature of a head is over."""
    return f"mutua audit head\n{count}\n{digest}".encode()


def head(connection: Connection) -> Head:
    """The end of the chain, as the store tells it.

    Raises:
        BrokenAudit: it is gone.
    """
    columns = event_head.c
    row = connection.execute(
        select(columns["count"], columns.hash, columns.signature).where(columns.id == 1)
    ).one_or_none()
    if row is None:
        raise BrokenAudit("the audit trail has lost its head", hint="restore the store from a backup")
    try:
        signature = None if row.signature is None else b64decode(row.signature, validate=True)
    except (ValueError, TypeError):
        signature = b""
    return Head(row[0], row[1], signature)


def verify(connection: Connection) -> Head:
    """Recompute the whole chain and compare its end with the head; the head's signature is its caller's to check.

    Raises:
        BrokenAudit: an event was changed, removed or added behind mutua's back; the message names the first.
    """
    end = head(connection)
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
    if (expected - 1, previous) != (end.count, end.hash):
        raise BrokenAudit(
            f"the audit trail ends at event {expected - 1}, its head says {end.count}", hint="compare with a backup"
        )
    return end


def since(connection: Connection, identifier: int) -> list[Happened]:
    """What happened after an event, in order."""
    columns = events.c
    query = select(columns.id, columns.kind, columns.subject).where(columns.id > identifier).order_by(columns.id)
    return [Happened._make(row) for row in connection.execute(query)]


def last_id(connection: Connection) -> int:
    """The id of the newest event; 0 before the first."""
    return _head(connection)[0]


def _head(connection: Connection) -> tuple[int, str]:
    end = head(connection)
    return end.count, end.hash


def _digest(identifier: int, event: Event, body: str, previous: str) -> str:
    fields = [identifier, event.at.isoformat(), event.actor, event.kind, event.subject, body, previous]
    return hashlib.sha256(json.dumps(fields, separators=(",", ":")).encode()).hexdigest()
