"""Events: the audit trail and the change feed in one table, each row chained to the one before by its hash."""

import hashlib
import json
import sqlite3
from base64 import b64decode, b64encode
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import datetime
from json.encoder import encode_basestring_ascii
from typing import Any, NamedTuple

from sqlalchemy import BigInteger, Connection, Row, Select, func, select, type_coerce, update
from sqlalchemy.exc import DatabaseError

from mutua.errors import BrokenAudit
from mutua.store import rows
from mutua.store.schema import event_head, events, microseconds, moment_of

# Made once: json.dumps makes an encoder for each call that is not plain.
_JSON = json.JSONEncoder(sort_keys=True, separators=(",", ":"))

# Made once: to put a statement together takes longer than to run it.
_HEAD = select(event_head.c["count"], event_head.c.hash, event_head.c.signature).where(event_head.c.id == 1)
_END = update(event_head).where(event_head.c.id == 1)

Sign = Callable[[bytes], bytes]

GENESIS = "0" * 64
"""What the first event names as the hash before it."""


class Event(NamedTuple):
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


class Recorded(NamedTuple):
    """An event as it stands in the chain.

    Attributes:
        id: 1, 2, 3, ...
        at: when, UTC.
        actor, kind, subject: as in ``Event``.
        body: the facts, as the text that was hashed: canonical JSON.
        hash: SHA-256, hex; see ``digest``.
        previous: the hash of the event before.
    """

    id: int
    at: datetime
    actor: str
    kind: str
    subject: str
    body: str
    hash: str
    previous: str

    def digest(self) -> str:
        """What the hash must be: the SHA-256 of the JSON array of everything else."""
        return _digest(self.id, self, self.body, self.previous)


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


def append(
    connection: Connection, happened: Iterable[Event], sign: Sign, check: Callable[[Head], None] | None = None
) -> int:
    """Add events to the chain, within the transaction of the changes they record.

    Args:
        connection: a writing transaction.
        happened: in the order in which they are to stand.
        sign: signs the new head, so that nobody without the key can cut the chain's end off.
        check: raises unless the head is one that was signed: the new signature would vouch for it.

    Returns:
        The id of the last of them; those before it have the ids before its own.
    """
    end = head(connection)
    if check is not None:
        check(end)
    count, digest = end.count, end.hash
    added: list[tuple[object, ...]] = []
    for count, event in enumerate(happened, count + 1):  # noqa: B020 -- the count goes on where the head stood
        body = _JSON.encode(event.body)
        digest = _digest(count, event, body, digest)
        added.append((count, microseconds(event.at), event.actor, event.kind, event.subject, body, digest))
    if added:
        rows.put(connection, events, added)
        signature = b64encode(sign(head_bytes(count, digest))).decode("ascii")
        signed = {"count": count, "hash": digest, "signature": signature}
        connection.execute(_END, signed)
    return count


def head_bytes(count: int, digest: str) -> bytes:
    """What the signature of a head is over."""
    return f"mutua audit head\n{count}\n{digest}".encode()


def head(connection: Connection) -> Head:
    """The end of the chain, as the store tells it.

    Raises:
        BrokenAudit: it is gone.
    """
    with any_text(connection):
        row = connection.execute(_HEAD).one_or_none()
    if row is None:
        raise BrokenAudit("the audit trail has lost its head", hint="restore the store from a backup")
    return Head(row[0], row[1], _signature(row.signature))


def verify(connection: Connection) -> Head:
    """Recompute the whole chain and compare its end with the head; the head's signature is its caller's to check.

    Raises:
        BrokenAudit: an event was changed, removed or added behind mutua's back; the message names the first.
    """
    for _ in chain(connection):
        pass
    return head(connection)


def chain(connection: Connection) -> Generator[Recorded, None, None]:
    """Every event from the first to the last, each once its hash has been recomputed.

    Raises:
        BrokenAudit: as ``verify``; of an end that is not the head's, after the last event.
    """
    end, previous, expected = head(connection), GENESIS, 1
    try:
        with closing(_rows(connection, select(*_RAW).order_by(events.c.id))) as rows:
            for row in rows:
                recorded = _recorded(row, previous)
                if recorded is None or recorded.id != expected or recorded.hash != recorded.digest():
                    raise BrokenAudit(f"the audit trail is broken at event {expected}", hint="compare with a backup")
                yield recorded
                previous, expected = recorded.hash, expected + 1
    except DatabaseError as error:
        if error.connection_invalidated:
            raise  # its server went away, which says nothing of the trail
        # The database's own pages are damaged: rows are read a thousand at once, so it may be a later one.
        raise BrokenAudit(
            f"the audit trail cannot be read from event {expected} on", hint="compare with a backup"
        ) from None
    if (expected - 1, previous) != (end.count, end.hash):
        raise BrokenAudit(
            f"the audit trail ends at event {expected - 1}, its head says {end.count}", hint="compare with a backup"
        )


def after(connection: Connection, identifier: int) -> Generator[Recorded, None, None]:
    """The events after one, in order, as they stand; their hashes are not recomputed.

    Raises:
        BrokenAudit: one of them is not readable at all.
    """
    previous = hash_of(connection, identifier) or GENESIS
    with closing(_rows(connection, select(*_RAW).where(events.c.id > identifier).order_by(events.c.id))) as rows:
        for row in rows:
            recorded = _recorded(row, previous)
            if recorded is None:
                raise BrokenAudit(f"the event {row.id} cannot be read", hint="mutua audit verify")
            yield recorded
            previous = recorded.hash


def newest(connection: Connection, count: int) -> list[Recorded]:
    """The newest events, at most ``count``, the oldest of them first; their hashes are not recomputed."""
    last = connection.execute(select(func.max(events.c.id))).scalar_one() or 0
    return list(after(connection, max(0, last - count)))


def hash_of(connection: Connection, identifier: int) -> str | None:
    """The hash of an event; that of the event 0 is what the first one names; ``None`` for one that is not there."""
    if identifier == 0:
        return GENESIS
    with any_text(connection):
        found = connection.execute(select(events.c.hash).where(events.c.id == identifier)).scalar_one_or_none()
    return None if found is None else str(found)


@contextmanager
def any_text(connection: Connection) -> Iterator[None]:
    """Read text that is none too: SQLite stores any bytes as text, and a row that holds such is to be named."""
    driver = connection.connection.driver_connection
    if not isinstance(driver, sqlite3.Connection):
        yield
        return
    before = driver.text_factory
    driver.text_factory = _lenient
    try:
        yield
    finally:
        driver.text_factory = before


def since(connection: Connection, identifier: int, *, limit: int | None = None) -> list[Happened]:
    """What happened after an event, in order; no more than ``limit`` of it."""
    columns = events.c
    query = select(columns.id, columns.kind, columns.subject).where(columns.id > identifier).order_by(columns.id)
    query = query.limit(limit)
    return [Happened._make(row) for row in connection.execute(query)]


def last_id(connection: Connection) -> int:
    """The id of the newest event; 0 before the first."""
    return head(connection).count


_TYPES = (int, int, str, str, str, str, str)
_RAW = [type_coerce(column, BigInteger).label("at") if column.name == "at" else column for column in events.c]
"""The time as a number: what is no time does not stop the reading."""


def _rows(connection: Connection, query: Select[Any]) -> Generator[Row[tuple[Any, ...]], None, None]:
    # Closed by whoever iterates: SQLite goes on showing this moment to the connection while a query is open.
    with any_text(connection), connection.execute(query, execution_options={"yield_per": 1000}) as result:
        yield from result


def _recorded(row: Sequence[Any], previous: str) -> Recorded | None:
    """A row as an event; ``None`` for what cannot be one."""
    if tuple(map(type, row)) != _TYPES:
        return None
    identifier, stored, actor, kind, subject, body, digest = row
    try:
        at = moment_of(stored)
    except OverflowError:
        return None
    return Recorded(identifier, at, actor, kind, subject, body, digest, previous)


def _signature(stored: object) -> bytes | None:
    """The signature of a head; empty for what is none."""
    try:
        return b64decode(stored, validate=True) if isinstance(stored, str) else None if stored is None else b""
    except ValueError:
        return b""


def _lenient(data: bytes) -> str:
    return data.decode("utf-8", "surrogateescape")


def _digest(identifier: int, event: Event | Recorded, body: str, previous: str) -> str:
    fields = event.at.isoformat(), event.actor, event.kind, event.subject, body, previous
    # The list in JSON, put together from its texts: for a list as such an encoder is made each time.
    return hashlib.sha256(f"[{identifier},{','.join(map(encode_basestring_ascii, fields))}]".encode()).hexdigest()
