import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from mutua.errors import UnreadableStore
from mutua.store import events
from mutua.store.events import Event
from mutua.store.feed import ChangeFeed
from mutua.store.store import Store


@pytest.fixture
def feed(store: Store) -> Iterator[ChangeFeed]:
    opened = ChangeFeed(store.path)
    yield opened
    opened.close()


def write(store: Store, happening: Event) -> None:
    with store.write() as connection:
        events.append(connection, happening)


def test_the_first_look_is_always_news_and_the_next_is_not(feed: ChangeFeed) -> None:
    assert feed.changed()
    assert not any(feed.changed() for _ in range(20))


def test_a_commit_by_another_connection_is_news_once(feed: ChangeFeed, store: Store, happening: Event) -> None:
    feed.changed()
    for _ in range(5):
        write(store, happening)
        assert feed.changed()
        assert not feed.changed()


def test_a_commit_by_another_process_is_news(feed: ChangeFeed, store: Store) -> None:
    feed.changed()
    program = (
        "import sqlite3, sys; c = sqlite3.connect(sys.argv[1]);"
        "c.execute(\"INSERT INTO clients VALUES ('woovi', 'active', 0)\"); c.commit()"
    )
    subprocess.run([sys.executable, "-c", program, str(store.path)], check=True)
    assert feed.changed()


def test_a_rolled_back_transaction_is_no_news(feed: ChangeFeed, store: Store, happening: Event) -> None:
    feed.changed()
    with suppress(LookupError), store.write() as connection:
        events.append(connection, happening)
        raise LookupError
    assert not feed.changed()


def test_a_read_is_no_news(feed: ChangeFeed, store: Store) -> None:
    feed.changed()
    with store.read() as connection:
        events.last_id(connection)
    assert not feed.changed()


def test_a_store_that_was_replaced_by_a_copy_is_news(feed: ChangeFeed, store: Store, tmp_path: Path) -> None:
    feed.changed()
    store.close()
    copy = tmp_path / "restored.db"
    shutil.copy(store.path, copy)
    copy.replace(store.path)
    assert feed.changed()
    assert not feed.changed()


def test_commits_to_a_replaced_store_are_news_too(
    feed: ChangeFeed, store: Store, happening: Event, tmp_path: Path
) -> None:
    feed.changed()
    store.close()
    copy = tmp_path / "restored.db"
    shutil.copy(store.path, copy)
    copy.replace(store.path)
    feed.changed()
    write(store, happening)
    assert feed.changed()


def test_a_deleted_store_is_lost_and_news_once_it_is_back(feed: ChangeFeed, store: Store, tmp_path: Path) -> None:
    feed.changed()
    store.close()
    aside = tmp_path / "aside.db"
    store.path.rename(aside)
    for _ in range(3):
        with pytest.raises(UnreadableStore):
            feed.changed()
    assert not store.path.exists(), "looking must not make an empty database"
    aside.rename(store.path)
    assert feed.changed()
    assert not feed.changed()


def test_a_store_replaced_by_something_else_is_lost(feed: ChangeFeed, store: Store, tmp_path: Path) -> None:
    feed.changed()
    junk = tmp_path / "junk"
    junk.write_bytes(b"this is no database" * 300)
    junk.replace(store.path)
    with pytest.raises(UnreadableStore):
        feed.changed()


def test_an_emptied_store_is_lost(feed: ChangeFeed, store: Store, tmp_path: Path) -> None:
    feed.changed()
    empty = tmp_path / "empty"
    empty.touch()
    empty.replace(store.path)
    with pytest.raises(UnreadableStore):
        feed.changed()


def test_closing_twice_is_harmless_and_looking_again_is_news(feed: ChangeFeed) -> None:
    feed.changed()
    feed.close()
    feed.close()
    assert feed.changed()
