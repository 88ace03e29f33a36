"""Events: numbered, chained, and found out when they were changed. What the audit makes of them: tests/home."""

import json
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import Connection, text
from sqlalchemy.exc import DBAPIError

from mutua.errors import BrokenAudit
from mutua.store import events
from mutua.store.events import GENESIS, Event, Head
from mutua.store.store import Store

TEXT_COLUMNS = ("actor", "kind", "subject", "body", "hash")

Sign = Callable[[bytes], bytes]
Value = str | bytes | int | float


class Undone(Exception):
    """What was written was for a look only."""


@contextmanager
def undone(store: Store) -> Iterator[Connection]:
    """A transaction that is rolled back when it has served."""
    with suppress(Undone), store.write() as connection:
        yield connection
        raise Undone


@pytest.fixture
def trail(store: Store, happening: Event, sign: Sign) -> Store:
    """A store with three events."""
    with store.write() as connection:
        for _ in range(3):
            events.append(connection, [happening], sign)
    return store


def tampered(store: Store, *statements: tuple[str, Mapping[str, Value]]) -> str:
    """What ``verify`` says after statements that went past mutua; undone afterwards."""
    told = []
    with undone(store) as connection:
        told.append(_told(connection, statements))
    return told[0]


def _told(connection: Connection, statements: Sequence[tuple[str, Mapping[str, Value]]]) -> str:
    try:
        for statement, values in statements:
            assert connection.execute(text(statement), values).rowcount == 1
    except DBAPIError:
        assert connection.dialect.name == "postgresql"
        return "refused"  # by the database itself
    with pytest.raises(BrokenAudit) as broken:
        events.verify(connection)
    return broken.value.message


def test_an_empty_trail_is_whole(store: Store) -> None:
    with store.read() as connection:
        assert events.verify(connection) == Head(0, GENESIS, None)
        assert events.last_id(connection) == 0
        assert events.newest(connection, 5) == []


def test_events_are_numbered_from_one_without_a_gap(store: Store, happening: Event, sign: Sign) -> None:
    with store.write() as connection:
        assert [events.append(connection, [happening], sign) for _ in range(3)] == [1, 2, 3]
        assert events.append(connection, [happening] * 2, sign) == 5
        assert events.append(connection, [], sign) == 5
    with store.read() as connection:
        assert events.verify(connection).count == events.last_id(connection) == 5
        assert [event.id for event in events.chain(connection)] == [1, 2, 3, 4, 5]


def test_events_are_read_after_one_and_the_newest(trail: Store) -> None:
    with trail.read() as connection:
        everything = list(events.after(connection, 0))
        assert [event.previous for event in everything] == [GENESIS, everything[0].hash, everything[1].hash]
        assert list(events.after(connection, 1)) == everything[1:]
        assert list(events.after(connection, 3)) == []
        assert events.newest(connection, 2) == everything[1:]
        assert events.newest(connection, 9) == everything
        assert [events.hash_of(connection, number) for number in (0, 3, 4)] == [GENESIS, everything[2].hash, None]


def test_nothing_is_added_behind_a_head_that_is_refused(trail: Store, happening: Event, sign: Sign) -> None:
    def refuse(head: Head) -> None:
        raise BrokenAudit(f"not signed: {head.count}")

    with pytest.raises(BrokenAudit, match="not signed: 3"), trail.write() as connection:
        events.append(connection, [happening], sign, refuse)
    with trail.read() as connection:
        assert events.last_id(connection) == 3


def test_the_same_event_twice_has_two_hashes(trail: Store) -> None:
    with trail.read() as connection:
        assert len({event.hash for event in events.chain(connection)}) == 3


@pytest.mark.parametrize("column", TEXT_COLUMNS)
@pytest.mark.parametrize("mask", [0x01, 0x80])
def test_any_byte_of_a_text_flipped_is_found(trail: Store, column: str, mask: int) -> None:
    with trail.read() as connection:
        original: str = connection.execute(text(f"SELECT {column} FROM events WHERE id = 2")).scalar_one()
    data = original.encode()
    sqlite = trail.engine.dialect.name == "sqlite"
    for position in range(len(data)):
        flipped = bytearray(data)
        flipped[position] ^= mask
        value = bytes(flipped) if sqlite else flipped.decode("utf-8", "replace")
        told = tampered(trail, (f"UPDATE events SET {column} = CAST(:value AS TEXT) WHERE id = 2", {"value": value}))
        assert told == "the audit trail is broken at event 2"


def test_any_bit_of_the_time_flipped_is_found(trail: Store) -> None:
    with trail.read() as connection:
        at: int = connection.execute(text("SELECT at FROM events WHERE id = 2")).scalar_one()
    for bit in range(63):
        told = tampered(trail, ("UPDATE events SET at = :value WHERE id = 2", {"value": at ^ 1 << bit}))
        assert told == "the audit trail is broken at event 2"


@pytest.mark.parametrize("value", ["not a time", b"\x00\xff", math.inf])
@pytest.mark.parametrize("column", ["at", *TEXT_COLUMNS])
def test_a_value_of_another_kind_is_found(trail: Store, column: str, value: Value) -> None:
    told = tampered(trail, (f"UPDATE events SET {column} = :value WHERE id = 2", {"value": value}))
    assert told in {"the audit trail is broken at event 2", "refused"}


@pytest.mark.parametrize(("identifier", "told"), [(1, "at event 1"), (2, "at event 2"), (3, "ends at event 2")])
def test_a_removed_event_is_found(trail: Store, identifier: int, told: str) -> None:
    assert told in tampered(trail, ("DELETE FROM events WHERE id = :id", {"id": identifier}))


def test_a_tail_cut_off_is_found(trail: Store) -> None:
    cut = [("DELETE FROM events WHERE id = :id", {"id": identifier}) for identifier in (3, 2, 1)]
    assert "ends at event 1" in tampered(trail, *cut[:2])
    assert "ends at event 0" in tampered(trail, *cut)


@pytest.mark.parametrize("identifier", [0, 4, 9, -1])
def test_an_event_put_in_is_found(trail: Store, identifier: int) -> None:
    copy = (
        "INSERT INTO events SELECT CAST(:id AS BIGINT), at, actor, kind, subject, body, hash FROM events WHERE id = 3"
    )
    assert "event" in tampered(trail, (copy, {"id": identifier}))


def test_events_that_changed_places_are_found(trail: Store, happening: Event, sign: Sign) -> None:
    with trail.write() as connection:
        events.append(connection, [happening], sign)
    moves = [(3, 99), (2, 3), (99, 2)]
    assert "at event 2" in tampered(
        trail, *(("UPDATE events SET id = :b WHERE id = :a", {"a": a, "b": b}) for a, b in moves)
    )


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE event_head SET count = 2",
        "UPDATE event_head SET count = 4",
        "UPDATE event_head SET count = 'three'",
        "UPDATE event_head SET hash = upper(hash)",
        "UPDATE event_head SET hash = (SELECT hash FROM events WHERE id = 2)",
        "UPDATE event_head SET id = 2",
        "DELETE FROM event_head",
    ],
)
def test_a_changed_head_is_found(trail: Store, statement: str) -> None:
    assert tampered(trail, (statement, {}))


def test_a_second_head_changes_nothing(trail: Store, happening: Event, sign: Sign) -> None:
    with trail.write() as connection:
        connection.execute(text("INSERT INTO event_head VALUES (2, 0, 'x', NULL)"))
        assert events.append(connection, [happening], sign) == 4
        assert events.verify(connection).count == 4


def test_nothing_can_be_added_to_a_trail_without_a_head(trail: Store, happening: Event, sign: Sign) -> None:
    with undone(trail) as connection:
        connection.execute(text("DELETE FROM event_head"))
        with pytest.raises(BrokenAudit):
            events.append(connection, [happening], sign)


def test_a_trail_longer_than_one_fetch_is_verified_to_its_end(store: Store, happening: Event, sign: Sign) -> None:
    with undone(store) as connection:
        events.append(connection, [happening] * 1100, sign)
        assert events.verify(connection).count == 1100
        connection.execute(text("UPDATE events SET actor = 'eva' WHERE id = 1050"))
        with pytest.raises(BrokenAudit, match="at event 1050"):
            events.verify(connection)


encodable = st.text(st.characters(exclude_categories=["Cs"]))
moments = st.datetimes(datetime(1970, 1, 1), datetime(9999, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001 -- hypothesis adds the zone
values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | encodable,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(encodable, inner, max_size=3),
    max_leaves=5,
)
happenings = st.builds(
    Event,
    at=moments,
    actor=encodable,
    kind=encodable,
    subject=encodable,
    body=st.dictionaries(encodable, values, max_size=4),
)


@given(written=st.lists(happenings, max_size=5))
@settings(max_examples=60, deadline=None)
def test_whatever_is_appended_verifies_and_is_read_again(
    store_template: Path, sign: Sign, written: list[Event]
) -> None:
    store = Store(store_template)
    with undone(store) as connection:
        events.append(connection, written, sign)
        assert events.verify(connection).count == len(written)
        for event, recorded in zip(written, events.after(connection, 0), strict=True):
            assert (event.at, event.actor, event.kind) == (recorded.at, recorded.actor, recorded.kind)
            assert (event.subject, event.body) == (recorded.subject, json.loads(recorded.body))
            assert recorded.digest() == recorded.hash
    store.close()


@given(happening=happenings, later=st.timedeltas(timedelta(microseconds=1), timedelta(days=1)))
@settings(max_examples=40, deadline=None)
def test_a_time_moved_by_a_microsecond_or_more_is_found(
    store_template: Path, sign: Sign, happening: Event, later: timedelta
) -> None:
    store = Store(store_template)
    with undone(store) as connection:
        events.append(connection, [happening], sign)
        connection.execute(text("UPDATE events SET at = at + :later"), {"later": later // timedelta(microseconds=1)})
        with pytest.raises(BrokenAudit):
            events.verify(connection)
    store.close()
