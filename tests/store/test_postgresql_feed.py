"""The change feed on PostgreSQL: what it is told, what it asks, and a server that goes away."""

import os
import signal
import time
from collections.abc import Callable, Iterator
from typing import Any, Literal

import psycopg
import pytest

from mutua.errors import StoreUnreachable, UnreadableStore
from mutua.store import postgresql_feed
from mutua.store.feed import ChangeFeed
from mutua.store.store import Store
from tests.postgresql import Cluster
from tests.store.watching import eventually, hears, is_quiet

Append = Callable[[Store], int]


@pytest.fixture
def database() -> str:
    return "postgresql"


@pytest.fixture
def feed(store: Store) -> Iterator[ChangeFeed]:
    opened = store.feed()
    yield opened
    opened.close()


def test_a_change_that_nobody_told_of_is_found_by_asking(feed: ChangeFeed, behind: "psycopg.Connection[Any]") -> None:
    feed.changed()
    start = time.monotonic()
    behind.execute("UPDATE event_head SET count = 7")
    assert hears(feed)
    assert time.monotonic() - start > 0.2, "it was not told"
    assert is_quiet(feed, seconds=1.2)


def test_who_is_told_need_not_ask(
    feed: ChangeFeed, store: Store, append: Append, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(postgresql_feed, "POLL_SECONDS", 3600)
    assert feed.changed()
    for _ in range(3):
        append(store)
        assert hears(feed)
        assert is_quiet(feed)


@pytest.mark.parametrize("mode", ["fast", "immediate"])
def test_a_restart_is_news(
    feed: ChangeFeed, store: Store, append: Append, cluster: Cluster, mode: Literal["fast", "immediate"]
) -> None:
    feed.changed()
    cluster.restart(mode)
    assert hears(feed)
    assert is_quiet(feed)
    append(store)
    assert hears(feed)


def test_a_server_that_is_away_is_told_and_news_once_it_is_back(
    feed: ChangeFeed, store: Store, append: Append, cluster: Cluster
) -> None:
    feed.changed()
    cluster.stop()
    try:
        eventually(lambda: is_away(feed))
        assert all(is_away(feed) for _ in range(100))
    finally:
        cluster.start()
    eventually(lambda: not is_away(feed))
    assert is_quiet(feed)
    append(store)
    assert hears(feed)


def is_away(feed: ChangeFeed) -> bool:
    try:
        feed.changed()
    except StoreUnreachable as error:
        return "cannot be reached" in error.message
    return False


def test_a_server_that_is_away_is_not_asked_at_every_look() -> None:
    attempts = []

    def connect() -> "psycopg.Connection[Any]":
        attempts.append(time.monotonic())
        raise StoreUnreachable("away")

    feed = postgresql_feed.PostgresqlFeed(connect, lambda error, *, writing: None)
    start = time.monotonic()
    for _ in range(1000):
        with pytest.raises(StoreUnreachable):
            feed.changed()
    assert len(attempts) <= 1 + (time.monotonic() - start) / postgresql_feed.RETRY_SECONDS


def server_of_the_feed(behind: "psycopg.Connection[Any]") -> int:
    """The process id of the server that answers the feed."""
    query = "SELECT pid FROM pg_stat_activity WHERE query LIKE 'SELECT tableoid%'"
    [(pid,)] = behind.execute(query).fetchall()
    return int(pid)


def test_a_connection_that_was_ended_is_replaced(
    feed: ChangeFeed, store: Store, append: Append, behind: "psycopg.Connection[Any]"
) -> None:
    feed.changed()
    behind.execute("SELECT pg_terminate_backend(%s, 10000)", [server_of_the_feed(behind)])
    assert hears(feed)
    assert is_quiet(feed)
    append(store)
    assert hears(feed)


def test_a_connection_that_no_longer_answers_is_given_up(
    feed: ChangeFeed, behind: "psycopg.Connection[Any]", monkeypatch: pytest.MonkeyPatch
) -> None:
    """Silence because nobody answers must not look like silence because nothing happens."""
    monkeypatch.setattr(postgresql_feed, "ANSWER_SECONDS", 0.2)
    feed.changed()
    pid = server_of_the_feed(behind)
    os.kill(pid, signal.SIGSTOP)
    try:
        assert hears(feed), "a new connection may know better"
        assert is_quiet(feed)
    finally:
        os.kill(pid, signal.SIGCONT)


def test_a_trail_that_cannot_be_read_is_told(feed: ChangeFeed, behind: "psycopg.Connection[Any]") -> None:
    feed.changed()
    behind.execute("ALTER TABLE event_head RENAME TO elsewhere")

    def look() -> bool:
        try:
            feed.changed()
        except UnreadableStore as error:
            return "event_head" in error.message
        return False

    eventually(look)
    behind.execute("ALTER TABLE elsewhere RENAME TO event_head")
    eventually(lambda: not look())
    assert is_quiet(feed)
