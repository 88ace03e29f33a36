"""The trail itself: every byte of it, its end, and its key."""

import sqlite3
from base64 import b64decode, b64encode
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import Connection

from mutua import Home
from mutua.errors import BrokenAudit, UnreadableKey
from mutua.home.audit import AUDIT_KEY_FILE, make_audit_key
from mutua.pki.keys import KeyType, write_private_key
from mutua.pki.randomness import generate_key
from mutua.store import events as trail
from mutua.store.events import GENESIS, Recorded
from mutua.store.schema import event_head
from tests.home.foundation import foundation_home
from tests.home.history import eventful, every_event
from tests.store.tampering import Intruder

COLUMNS = ("id", "at", "actor", "kind", "subject", "body", "hash")


@pytest.fixture
def busy(home: Home) -> Home:
    """A home with an event of every kind that is still written."""
    eventful(home)
    return home


@pytest.fixture
def intruder(home: Home) -> Iterator[Intruder]:
    """Somebody who writes into the store of ``home``."""
    somebody = Intruder(home.store.path)
    yield somebody
    somebody.close()


def broken(home: Home) -> str:
    with pytest.raises(BrokenAudit) as found:
        home.audit.verify()
    return found.value.message


# Every byte of an event.


def flips(event: Recorded, stored: tuple[object, ...]) -> Iterator[tuple[str, object]]:
    """Every byte of every column one up and one down: the column, and what is bound for it."""
    for column, value in zip(COLUMNS, stored, strict=True):
        data = value.to_bytes(8, "big") if isinstance(value, int) else str(value).encode()
        for place in range(len(data)):
            for step in (1, -1):
                flipped = bytearray(data)
                flipped[place] = (flipped[place] + step) % 256
                yield column, int.from_bytes(flipped, "big", signed=True) if isinstance(value, int) else bytes(flipped)


def one_of_each_kind(home: Home) -> dict[str, Recorded]:
    return {event.kind: event for event in every_event(home)}


def require_every_flip_found(home: Home, event: Recorded) -> None:
    taken = {each.id for each in every_event(home)}
    with home.store.engine.connect() as connection:
        stored = connection.exec_driver_sql("SELECT * FROM events WHERE id = ?", (event.id,)).one()
        connection.rollback()
        for column, value in flips(event, tuple(stored)):
            if column != "id" or value not in taken:
                _require_found(connection, event, column, value)
            connection.rollback()


def _require_found(connection: Connection, event: Recorded, column: str, value: object) -> None:
    slot = "?" if isinstance(value, int) else "CAST(? AS TEXT)"
    connection.exec_driver_sql(f"UPDATE events SET {column} = {slot} WHERE id = ?", (value, event.id))
    with pytest.raises(BrokenAudit) as found:
        trail.verify(connection)
    expected = {f"broken at event {event.id}", "broken at event 1", f"ends at event {event.id - 1}"}
    assert any(each in found.value.message for each in expected), (column, value, found.value.message)


def test_any_byte_of_an_event_of_any_kind_flipped_is_found(busy: Home) -> None:
    kinds = one_of_each_kind(busy)
    assert len(kinds) == 23
    for event in kinds.values():
        require_every_flip_found(busy, event)


def test_any_byte_of_the_event_that_adopts_an_old_trail_flipped_is_found(tmp_path: Path) -> None:
    foundation_home(tmp_path / "old")
    with Home.open(tmp_path / "old") as home:
        require_every_flip_found(home, one_of_each_kind(home)["audit.signed"])


def test_an_event_deleted_anywhere_is_found(busy: Home) -> None:
    events = every_event(busy)
    for event in events:
        with busy.store.engine.connect() as connection:
            connection.exec_driver_sql("DELETE FROM events WHERE id = ?", (event.id,))
            with pytest.raises(BrokenAudit) as found:
                trail.verify(connection)
            connection.rollback()
        last = event.id == len(events)
        told = f"ends at event {event.id - 1}" if last else f"broken at event {event.id}"
        assert told in found.value.message


# The end of the trail.


def forge(intruder: Intruder, path: Path, first: int, *, body: str | None = None) -> None:
    """Write the trail anew from an event on, hashes and head and all, as far as it can be without the key."""
    with sqlite3.connect(path) as connection:
        rows = connection.execute("SELECT id, at, actor, kind, subject, body FROM events ORDER BY id").fetchall()
        known = dict(connection.execute("SELECT id, hash FROM events").fetchall())
    connection.close()
    previous = known.get(first - 1, GENESIS)
    for identifier, at, actor, kind, subject, told in rows[first - 1 :]:
        text = body if body is not None and identifier == first else told
        moment = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=at)
        previous = Recorded(identifier, moment, actor, kind, subject, text, "", previous).digest()
        intruder.run("UPDATE events SET body = ?, hash = ? WHERE id = ?", text, previous, identifier)
    intruder.run("UPDATE event_head SET hash = ?", previous)


def test_a_tail_cut_off_is_found_by_the_head(home: Home, intruder: Intruder) -> None:
    last = home.audit.verify()
    for cut in range(1, last + 1):
        assert intruder.run("DELETE FROM events WHERE id = ?", last - cut + 1) == 1
        assert broken(home) == f"the audit trail ends at event {last - cut}, its head says {last}"


def test_a_tail_cut_off_with_the_head_adjusted_is_found_by_its_signature(home: Home, intruder: Intruder) -> None:
    last = home.audit.verify()
    hashes = {event.id: event.hash for event in every_event(home)}
    for cut in range(1, last):
        intruder.run("DELETE FROM events WHERE id = ?", last - cut + 1)
        intruder.run("UPDATE event_head SET count = ?, hash = ?", last - cut, hashes[last - cut])
        assert "cut or written anew" in broken(home)
    intruder.run("DELETE FROM events")
    intruder.run("UPDATE event_head SET count = 0, hash = ?", GENESIS)
    assert "cut or written anew" in broken(home)
    intruder.run("UPDATE event_head SET signature = NULL")
    assert "was removed" in broken(home)


def test_a_tail_cut_off_with_an_older_head_put_back_is_found_by_the_rows(home: Home, intruder: Intruder) -> None:
    (head,) = intruder.rows(event_head)
    home.clients.add("bank")
    intruder.run("DELETE FROM events WHERE id > ?", head[1])
    intruder.run("UPDATE event_head SET count = ?, hash = ?, signature = ?", *head[1:])
    assert "clients 'bank' is there, and no event tells of it" in broken(home)


def test_a_trail_written_anew_is_found_and_not_signed_by_the_next_act(home: Home, intruder: Intruder) -> None:
    forge(intruder, home.store.path, 1, body='{"authority":"mine"}')
    assert "cut or written anew" in broken(home)
    before = every_event(home)
    with Home.open(home.path) as again:
        for one in (home, again):
            with pytest.raises(BrokenAudit, match="cut or written anew"):
                one.clients.add("bank")
            with pytest.raises(BrokenAudit, match="cut or written anew"):
                one.audit.checkpoint()
    assert every_event(home) == before
    assert [client.name for client in home.clients.all()] == ["woovi"]


@pytest.mark.parametrize("body", ["", "{", "[" * 100_000, "1", "null", "[]", '{"certificate":[]}', "\x00"])
def test_a_forged_trail_of_nonsense_is_a_broken_trail(home: Home, intruder: Intruder, body: str) -> None:
    for event in every_event(home):
        forge(intruder, home.store.path, event.id, body=body)
        assert "cut or written anew" in broken(home)


# The key.


def test_the_key_of_another_home_is_told_from_a_changed_trail(home: Home) -> None:
    home.audit.verify()
    make_audit_key(home.path)
    with Home.open(home.path) as other:
        told = broken(other)
        assert f"another key than '{home.path / AUDIT_KEY_FILE}'" in told
        with pytest.raises(BrokenAudit, match="another key"):
            other.clients.add("bank")
    home.audit.verify()  # this process has read the right one


@pytest.mark.parametrize("act", [Home.snapshot, lambda home: home.clients.all(), lambda home: home.audit.newest(3)])
def test_without_its_key_a_home_can_be_read(home: Home, act: Callable[[Home], object]) -> None:
    (home.path / AUDIT_KEY_FILE).unlink()
    with Home.open(home.path) as opened:
        act(opened)


@pytest.mark.parametrize(
    "act", [lambda home: home.audit.verify(), lambda home: home.audit.checkpoint(), lambda home: home.clients.add("x")]
)
def test_a_missing_key_is_missed_by_name(home: Home, act: Callable[[Home], object]) -> None:
    (home.path / AUDIT_KEY_FILE).unlink()
    with Home.open(home.path) as opened, pytest.raises(UnreadableKey, match="the audit key is missing"):
        act(opened)
    assert not (home.path / AUDIT_KEY_FILE).exists()


def test_a_key_of_another_kind_is_no_audit_key(home: Home) -> None:
    (home.path / AUDIT_KEY_FILE).write_bytes(write_private_key(generate_key(KeyType.P256)))
    with Home.open(home.path) as opened, pytest.raises(UnreadableKey, match="is not an audit key"):
        opened.audit.verify()


def test_a_removed_signature_is_told_and_never_made_anew(home: Home, intruder: Intruder) -> None:
    intruder.run("UPDATE event_head SET signature = NULL")
    with Home.open(home.path) as opened:
        assert broken(opened) == "the signature of the audit trail's head was removed"
        with pytest.raises(BrokenAudit, match="was removed"):
            opened.clients.add("bank")
    ((signature,),) = [row[3:] for row in intruder.rows(event_head)]
    assert signature is None


@pytest.mark.parametrize("signature", ["", "AAAA", "no base64!", "é" * 128, "A" * 128, b"\x00" * 96])
def test_a_signature_that_is_none_is_found(home: Home, intruder: Intruder, signature: str | bytes) -> None:
    intruder.run("UPDATE event_head SET signature = ?", signature)
    assert "the head of the audit trail was signed with another key" in broken(home)


def test_any_bit_of_the_signature_flipped_is_found(home: Home, intruder: Intruder) -> None:
    ((stored,),) = [row[3:] for row in intruder.rows(event_head)]
    data = b64decode(str(stored))
    for place in range(len(data)):
        flipped = data[:place] + bytes([data[place] ^ 1]) + data[place + 1 :]
        intruder.run("UPDATE event_head SET signature = ?", b64encode(flipped).decode())
        assert ("another key" if place < 32 else "cut or written anew") in broken(home)
