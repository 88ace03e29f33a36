"""What only a store in a file can suffer."""

import os
import shutil
import sqlite3
import stat
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from pathlib import Path

import pytest
from sqlalchemy import event, select, text

from mutua.errors import AlreadyExists, BrokenAudit, DiskFull, UnreadableStore
from mutua.store import events
from mutua.store.events import Event
from mutua.store.feed import ChangeFeed
from mutua.store.schema import metadata
from mutua.store.store import Store
from tests.store.small_disk import append_until_full, fill_up, grow, small_disk

Append = Callable[[Store], int]
Sign = Callable[[bytes], bytes]


@pytest.fixture
def database() -> str:
    return "sqlite"


@pytest.fixture
def path(location: Path) -> Path:
    return location


@pytest.fixture
def feed(store: Store) -> Iterator[ChangeFeed]:
    opened = store.feed()
    yield opened
    opened.close()


def last(store: Store) -> int:
    with store.read() as connection:
        assert connection.exec_driver_sql("PRAGMA integrity_check").scalar() == "ok"
        return events.verify(connection).count


@pytest.mark.parametrize(
    ("pragma", "value"),
    [("journal_mode", "wal"), ("synchronous", 2), ("foreign_keys", 1), ("busy_timeout", 30_000)],
)
def test_every_connection_is_durable_and_checks_references(store: Store, pragma: str, value: object) -> None:
    with store.read() as first, store.read() as second:
        assert first.execute(text(f"PRAGMA {pragma}")).scalar() == value
        assert second.execute(text(f"PRAGMA {pragma}")).scalar() == value


def test_the_file_is_its_owners_alone_whatever_the_umask(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        store = Store.create(tmp_path / "store.db")
        with store.read():
            modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in tmp_path.iterdir()}
        store.close()
    finally:
        os.umask(before)
    assert modes["store.db"] == 0o600
    assert set(modes.values()) == {0o600}


def test_where_no_file_can_be_made_it_says_so(tmp_path: Path) -> None:
    with pytest.raises(UnreadableStore, match="no store can be made"):
        Store.create(tmp_path / "missing" / "store.db")
    with pytest.raises(AlreadyExists):
        Store.create(tmp_path)


def test_messages_name_the_path(store: Store, path: Path) -> None:
    assert store.location == str(store.path) == str(path)


def test_a_writer_takes_the_lock_at_once(store: Store, path: Path) -> None:
    with closing(sqlite3.connect(path, timeout=0, isolation_level=None)) as other:
        with store.write(), pytest.raises(sqlite3.OperationalError, match="locked"):
            other.execute("BEGIN IMMEDIATE")
        other.execute("BEGIN IMMEDIATE")


def test_a_lock_that_another_program_holds_is_told_with_how_to_find_it(path: Path, impatient: None) -> None:
    store = Store.open(path)
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(UnreadableStore, match="locked by another process") as told, store.write():
            pass
    assert told.value.message.endswith("; nothing was written")
    assert told.value.hint == f"see which: fuser -v '{path}'"
    store.close()


def test_a_missing_store_is_refused_and_not_made(tmp_path: Path) -> None:
    with pytest.raises(UnreadableStore, match="no store"):
        Store.open(tmp_path / "store.db")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("content", [b"", b"not a database at all, but long enough to have a header" * 40])
def test_what_is_no_store_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "store.db"
    path.write_bytes(content)
    with pytest.raises(UnreadableStore):
        Store.open(path)


def test_a_store_with_a_damaged_first_page_is_refused(store: Store, path: Path) -> None:
    store.close()
    data = bytearray(path.read_bytes())
    data[100:4096] = b"\xff" * 3996
    path.write_bytes(data)
    with pytest.raises(UnreadableStore):
        Store.open(path)


def test_a_page_damaged_further_in_is_told_when_it_is_read(
    store: Store, path: Path, happening: Event, sign: Sign
) -> None:
    with store.write() as connection:
        events.append(connection, [happening] * 200, sign)
        page = connection.execute(text("SELECT rootpage FROM sqlite_master WHERE name = 'events'")).scalar_one()
    store.close()
    data = bytearray(path.read_bytes())
    data[(page - 1) * 4096 : page * 4096] = b"\xff" * 4096
    path.write_bytes(data)
    with pytest.raises(BrokenAudit), store.read() as connection:
        events.verify(connection)
    with pytest.raises(UnreadableStore, match="malformed"), store.read() as connection:
        connection.execute(select(metadata.tables["events"])).all()


def test_opening_does_not_leave_connections_behind_when_it_fails(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    path.write_bytes(b"damaged" * 1000)
    for _ in range(3):
        with pytest.raises(UnreadableStore):
            Store.open(path)
    assert not opened_below(tmp_path)


def test_closing_leaves_no_file_open(store: Store, feed: ChangeFeed, append: Append, tmp_path: Path) -> None:
    feed.changed()
    append(store)
    assert opened_below(tmp_path)
    feed.close()
    store.close()
    assert not opened_below(tmp_path)


def opened_below(folder: Path) -> set[Path]:
    found = set()
    for each in Path("/proc/self/fd").iterdir():
        with suppress(OSError):
            found.add(each.readlink())
    return {path for path in found if path.is_relative_to(folder)}


def test_being_locked_out_is_told(store: Store, path: Path) -> None:
    store.close()
    path.unlink()
    path.mkdir()
    with pytest.raises(UnreadableStore, match="unable to open"), store.read():
        pass


def test_a_row_that_refers_to_none_stops_an_upgrade(store: Store, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """References are not checked while tables are made anew; what that leaves is checked at the end."""
    with closing(sqlite3.connect(path)) as other:
        other.execute("UPDATE alembic_version SET version_num = '0001'")
        other.commit()

    def upgrade(config: object, _to: str) -> None:
        connection = config.attributes["connection"]  # type: ignore[attr-defined]
        connection.execute(text("INSERT INTO grants (client, methods, pattern) VALUES ('nobody', '*', '/')"))
        connection.execute(text("UPDATE alembic_version SET version_num = '0002'"))

    monkeypatch.setattr("alembic.command.upgrade", upgrade)
    with pytest.raises(UnreadableStore, match="a row of 'grants' refers to none"):
        Store.open(path)
    with closing(sqlite3.connect(path)) as other:
        assert other.execute("SELECT version_num FROM alembic_version").fetchall() == [("0001",)]
        assert other.execute("SELECT count(*) FROM grants").fetchall() == [(0,)]


def last_after_filling(store: Store, happening: Event, sign: Sign) -> int:
    acknowledged, told = append_until_full(store, happening, sign)
    assert isinstance(told, DiskFull)
    assert told.message == f"the disk of the store at '{store.path}' is full; nothing was written"
    assert told.hint == f"make room: df -h '{store.path.parent}'"
    return acknowledged


def test_a_full_disk_is_told_and_loses_nothing(
    tmp_path: Path, happening: Event, sign: Sign, store_template: Path
) -> None:
    with small_disk(tmp_path / "disk", "1m") as disk:
        path = disk / "store.db"
        shutil.copy(store_template, path)
        store = Store.open(path)
        acknowledged = last_after_filling(store, happening, sign)
        assert acknowledged > 0
        assert last(store) == acknowledged
        assert last_after_filling(store, happening, sign) == 0

        grow(disk, "4m")
        with store.write() as connection:
            assert events.append(connection, [happening], sign) == acknowledged + 1
        assert last(store) == acknowledged + 1
        store.close()


def test_a_disk_without_room_for_a_journal_is_told(tmp_path: Path, store_template: Path) -> None:
    size = store_template.stat().st_size
    with small_disk(tmp_path / "disk", str(size + 8192)) as disk:
        path = disk / "store.db"
        shutil.copy(store_template, path)
        fill_up(disk, but=0)
        with pytest.raises(DiskFull):
            Store.open(path)
        with pytest.raises(DiskFull):
            Store.create(disk / "another.db")
        assert not list(disk.glob("another.db*"))


def test_a_quota_that_is_used_up_is_told_and_loses_nothing(store: Store, happening: Event, sign: Sign) -> None:
    """The same without a disk of one's own: SQLite's own limit."""

    @event.listens_for(store.engine, "checkout")
    def limit(connection: sqlite3.Connection, *_: object) -> None:
        connection.execute("PRAGMA max_page_count = 60")

    acknowledged = last_after_filling(store, happening, sign)
    assert acknowledged > 0
    assert last(store) == acknowledged
