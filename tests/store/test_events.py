import math
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import Connection

from mutua.errors import BrokenAudit
from mutua.store import events
from mutua.store.events import Event
from mutua.store.store import Store

TEXT_COLUMNS = ("actor", "kind", "subject", "body", "hash")


@contextmanager
def undone(store: Store) -> Iterator[Connection]:
    """A transaction that is rolled back when it has served."""
    with store.engine.connect() as connection:
        transaction = connection.begin()
        yield connection
        transaction.rollback()


@pytest.fixture
def trail(store: Store, happening: Event) -> Store:
    """A store with three events."""
    with store.write() as connection:
        for _ in range(3):
            events.append(connection, happening)
    return store


def tampered(store: Store, *statements: tuple[str, tuple[Any, ...]]) -> str:
    """What ``verify`` says after statements that went past mutua; undone afterwards."""
    with undone(store) as connection:
        for statement, values in statements:
            assert connection.exec_driver_sql(statement, values).rowcount == 1
        with pytest.raises(BrokenAudit) as broken:
            events.verify(connection)
        return broken.value.message


def test_an_empty_trail_is_whole(store: Store) -> None:
    with store.read() as connection:
        assert events.verify(connection) == 0
        assert events.last_id(connection) == 0


def test_events_are_numbered_from_one_without_a_gap(store: Store, happening: Event) -> None:
    with store.write() as connection:
        assert [events.append(connection, happening) for _ in range(5)] == [1, 2, 3, 4, 5]
    with store.read() as connection:
        assert events.verify(connection) == events.last_id(connection) == 5


def test_the_same_event_twice_has_two_hashes(trail: Store) -> None:
    with trail.read() as connection:
        hashes = connection.exec_driver_sql("SELECT hash FROM events").scalars().all()
    assert len(set(hashes)) == 3


@pytest.mark.parametrize("column", TEXT_COLUMNS)
@pytest.mark.parametrize("mask", [0x01, 0x80])
def test_any_byte_of_a_text_flipped_is_found(trail: Store, column: str, mask: int) -> None:
    with trail.read() as connection:
        original: str = connection.exec_driver_sql(f"SELECT {column} FROM events WHERE id = 2").scalar_one()
    data = original.encode()
    for position in range(len(data)):
        flipped = bytearray(data)
        flipped[position] ^= mask
        told = tampered(trail, (f"UPDATE events SET {column} = CAST(? AS TEXT) WHERE id = 2", (bytes(flipped),)))
        assert "event 2" in told or "from event 1 on" in told


def test_any_bit_of_the_time_flipped_is_found(trail: Store) -> None:
    with trail.read() as connection:
        at: int = connection.exec_driver_sql("SELECT at FROM events WHERE id = 2").scalar_one()
    for bit in range(63):
        tampered(trail, ("UPDATE events SET at = ? WHERE id = 2", (at ^ 1 << bit,)))


@pytest.mark.parametrize("value", ["not a time", b"\x00\xff", math.inf])
@pytest.mark.parametrize("column", ["at", *TEXT_COLUMNS])
def test_a_value_of_another_kind_is_found(trail: Store, column: str, value: object) -> None:
    assert tampered(trail, (f"UPDATE events SET {column} = ? WHERE id = 2", (value,)))


@pytest.mark.parametrize(("identifier", "told"), [(1, "at event 1"), (2, "at event 2"), (3, "ends at event 2")])
def test_a_removed_event_is_found(trail: Store, identifier: int, told: str) -> None:
    assert told in tampered(trail, ("DELETE FROM events WHERE id = ?", (identifier,)))


def test_a_tail_cut_off_is_found(trail: Store) -> None:
    cut = [("DELETE FROM events WHERE id = ?", (identifier,)) for identifier in (3, 2, 1)]
    assert "ends at event 1" in tampered(trail, *cut[:2])
    assert "ends at event 0" in tampered(trail, *cut)


@pytest.mark.parametrize("identifier", [0, 4, 9, -1])
def test_an_event_put_in_is_found(trail: Store, identifier: int) -> None:
    copy = "INSERT INTO events SELECT ?, at, actor, kind, subject, body, hash FROM events WHERE id = 3"
    assert tampered(trail, (copy, (identifier,)))


def test_events_that_changed_places_are_found(trail: Store, happening: Event) -> None:
    with trail.write() as connection:
        events.append(connection, happening)
    moves = [(3, 99), (2, 3), (99, 2)]
    assert "at event 2" in tampered(trail, *(("UPDATE events SET id = ? WHERE id = ?", (b, a)) for a, b in moves))


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
    assert tampered(trail, (statement, ()))


def test_a_second_head_changes_nothing(trail: Store, happening: Event) -> None:
    with trail.write() as connection:
        connection.exec_driver_sql("INSERT INTO event_head VALUES (2, 0, 'x')")
        assert events.append(connection, happening) == 4
        assert events.verify(connection) == 4


def test_nothing_can_be_added_to_a_trail_without_a_head(trail: Store, happening: Event) -> None:
    with undone(trail) as connection:
        connection.exec_driver_sql("DELETE FROM event_head")
        with pytest.raises(BrokenAudit):
            events.append(connection, happening)


def test_a_trail_longer_than_one_fetch_is_verified_to_its_end(store: Store, happening: Event) -> None:
    with undone(store) as connection:
        for _ in range(1100):
            events.append(connection, happening)
        assert events.verify(connection) == 1100
        connection.exec_driver_sql("UPDATE events SET actor = 'eva' WHERE id = 1050")
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
def test_whatever_is_appended_verifies(store_template: Path, written: list[Event]) -> None:
    store = Store(store_template)
    with undone(store) as connection:
        for happening in written:
            events.append(connection, happening)
        assert events.verify(connection) == len(written)
    store.close()


@given(happening=happenings, later=st.timedeltas(timedelta(microseconds=1), timedelta(days=1)))
@settings(max_examples=40, deadline=None)
def test_a_time_moved_by_a_microsecond_or_more_is_found(
    store_template: Path, happening: Event, later: timedelta
) -> None:
    store = Store(store_template)
    with undone(store) as connection:
        events.append(connection, happening)
        connection.exec_driver_sql("UPDATE events SET at = at + ?", (later // timedelta(microseconds=1),))
        with pytest.raises(BrokenAudit):
            events.verify(connection)
    store.close()
