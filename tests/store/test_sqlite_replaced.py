"""Another file in the place of a store, while it is in use."""

import shutil
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest
from sqlalchemy import text

from mutua.errors import UnreadableStore
from mutua.store import events
from mutua.store.events import Event
from mutua.store.feed import ChangeFeed
from mutua.store.store import Store

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


def elsewhere(path: Path) -> int:
    """The last event as another process sees it."""
    program = (
        "import sqlite3, sys; print(sqlite3.connect(sys.argv[1]).execute('SELECT count FROM event_head').fetchone()[0])"
    )
    return int(subprocess.run([sys.executable, "-c", program, str(path)], capture_output=True, check=True).stdout)


def backup(path: Path) -> Path:
    """A copy of the store as it is now, as SQLite makes one while it is in use."""
    copy = path.with_name("backup.db")
    with closing(sqlite3.connect(path)) as source, closing(sqlite3.connect(copy)) as target:
        source.backup(target)
    return copy


def test_whoever_looks_for_the_first_time_right_after_that_takes_the_old_journal_for_no_part_of_the_copy(
    feed: ChangeFeed, store: Store, append: Append, path: Path
) -> None:
    append(store)
    copy = backup(path)
    append(store)  # is in the journal alone
    copy.replace(path)
    assert feed.changed()
    assert last(store) == 1
    assert elsewhere(path) == 1


def test_a_store_that_was_replaced_by_a_copy_is_news(feed: ChangeFeed, store: Store, path: Path) -> None:
    feed.changed()
    store.close()
    backup(path).replace(path)
    assert feed.changed()
    assert not feed.changed()


def test_commits_to_a_replaced_store_are_news_too(feed: ChangeFeed, store: Store, path: Path, append: Append) -> None:
    feed.changed()
    store.close()
    backup(path).replace(path)
    feed.changed()
    append(store)
    assert feed.changed()


def test_a_deleted_store_is_lost_and_news_once_it_is_back(feed: ChangeFeed, store: Store, path: Path) -> None:
    feed.changed()
    store.close()
    aside = path.with_name("aside.db")
    path.rename(aside)
    for _ in range(3):
        with pytest.raises(UnreadableStore):
            feed.changed()
    assert not path.exists(), "looking must not make an empty database"
    aside.rename(path)
    assert feed.changed()
    assert not feed.changed()


@pytest.mark.parametrize("content", [b"this is no database" * 300, b""])
def test_a_store_replaced_by_something_else_is_lost(
    feed: ChangeFeed, path: Path, tmp_path: Path, content: bytes
) -> None:
    feed.changed()
    junk = tmp_path / "junk"
    junk.write_bytes(content)
    junk.replace(path)
    for _ in range(2):
        with pytest.raises(UnreadableStore):
            feed.changed()


@pytest.mark.parametrize("first", ["feed", "reader", "writer"])
def test_the_journal_of_a_replaced_store_is_not_played_into_the_new_one(
    store: Store, feed: ChangeFeed, path: Path, append: Append, first: str
) -> None:
    """While the service runs somebody moves last week's copy over its store, and leaves the journal where it is."""
    append(store)
    copy = backup(path)
    feed.changed()
    with store.read() as one, store.read() as two:  # several connections lie in the pool
        one.execute(text("SELECT 1"))
        two.execute(text("SELECT 1"))
    for _ in range(5):
        append(store)
    assert path.with_name("store.db-wal").stat().st_size > 0
    copy.replace(path)

    expected = 1
    if first == "feed":
        assert feed.changed()
    elif first == "writer":
        assert append(store) == 2
        expected = 2
    assert last(store) == expected
    assert append(store) == expected + 1
    assert elsewhere(path) == expected + 1
    assert feed.changed()
    assert last(store) == expected + 1
    aside = path.with_name("store.db-wal.replaced")
    assert aside.stat().st_size > 0, "what the old store had not yet taken in is kept"
    store.close()
    feed.close()
    assert elsewhere(path) == expected + 1


def test_a_journal_that_came_with_the_new_store_is_kept(
    store: Store, feed: ChangeFeed, path: Path, append: Append, tmp_path: Path, store_template: Path
) -> None:
    other = tmp_path / "other" / "store.db"
    other.parent.mkdir()
    shutil.copy(store_template, other)
    feed.changed()
    append(store)
    with closing(sqlite3.connect(other)) as living:
        living.execute("PRAGMA journal_mode = WAL")
        living.execute("UPDATE event_head SET count = 77")
        living.commit()
        for suffix in ("-wal", ""):
            shutil.copy(f"{other}{suffix}", tmp_path / f"copy{suffix}")
    path.with_name("store.db-shm").unlink()
    (tmp_path / "copy-wal").replace(path.with_name("store.db-wal"))
    (tmp_path / "copy").replace(path)
    assert feed.changed()
    assert elsewhere(path) == 77
    with store.read() as connection:
        assert events.last_id(connection) == 77


def test_what_was_begun_on_a_replaced_store_is_not_promised(
    store: Store, path: Path, happening: Event, sign: Sign
) -> None:
    copy = backup(path)

    def write() -> None:
        with store.write() as connection:
            events.append(connection, [happening], sign)
            copy.replace(path)

    with pytest.raises(UnreadableStore, match="replaced meanwhile; nothing was written"):
        write()
    assert last(store) == 0


def test_several_who_notice_at_once_agree(store: Store, path: Path, append: Append) -> None:
    others = [Store.open(path) for _ in range(4)]
    copy = backup(path)
    for each in (store, *others):
        append(each)
    copy.replace(path)
    barrier = threading.Barrier(len(others))

    def write(each: Store) -> None:
        barrier.wait()
        append(each)

    threads = [threading.Thread(target=write, args=[each]) for each in others]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert last(store) == elsewhere(path) == len(others)
    for each in others:
        each.close()
