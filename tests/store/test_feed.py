import time
from collections.abc import Callable, Iterator
from contextlib import suppress

import pytest
from sqlalchemy import text

from mutua.store import events
from mutua.store.events import Event
from mutua.store.feed import ChangeFeed
from mutua.store.store import Store
from tests.store.watching import hears, is_quiet

Append = Callable[[Store], int]


@pytest.fixture
def feed(store: Store) -> Iterator[ChangeFeed]:
    opened = store.feed()
    yield opened
    opened.close()


def test_the_first_look_is_always_news_and_the_next_is_not(feed: ChangeFeed) -> None:
    assert feed.changed()
    assert is_quiet(feed)


def test_a_commit_by_another_connection_is_news_once(feed: ChangeFeed, store: Store, append: Append) -> None:
    feed.changed()
    for _ in range(5):
        append(store)
        assert hears(feed)
        assert is_quiet(feed)


def test_what_is_news_can_be_read(feed: ChangeFeed, store: Store, append: Append) -> None:
    feed.changed()
    for count in range(1, 20):
        append(store)
        assert hears(feed)
        with store.read() as connection:
            assert events.last_id(connection) == count


def test_a_commit_without_an_event_is_news_too(feed: ChangeFeed, store: Store) -> None:
    feed.changed()
    with store.write() as connection:
        connection.execute(text("INSERT INTO clients VALUES ('woovi', 'active', 0)"))
    assert hears(feed)
    assert is_quiet(feed)


def test_many_commits_between_two_looks_are_few_news(feed: ChangeFeed, store: Store, append: Append) -> None:
    feed.changed()
    for _ in range(50):
        append(store)
    assert hears(feed)
    news = 1
    while not is_quiet(feed):
        news += 1
    assert news <= 50


def test_an_older_state_that_was_brought_back_is_news(feed: ChangeFeed, store: Store, append: Append) -> None:
    append(store)
    feed.changed()
    with store.write() as connection:
        connection.execute(text("DELETE FROM events"))
        connection.execute(text("UPDATE event_head SET count = 0, hash = :genesis"), {"genesis": events.GENESIS})
    assert hears(feed)
    assert is_quiet(feed)


def test_a_rolled_back_transaction_is_no_news(
    feed: ChangeFeed, store: Store, happening: Event, sign: Callable[[bytes], bytes]
) -> None:
    feed.changed()
    with suppress(LookupError), store.write() as connection:
        events.append(connection, [happening], sign)
        raise LookupError
    assert is_quiet(feed, seconds=0.2)


def test_a_read_is_no_news(feed: ChangeFeed, store: Store) -> None:
    feed.changed()
    with store.read() as connection:
        events.last_id(connection)
    assert is_quiet(feed, seconds=0.2)


def test_each_feed_is_told_for_itself(feed: ChangeFeed, store: Store, append: Append) -> None:
    other = store.feed()
    feed.changed()
    other.changed()
    append(store)
    assert hears(feed)
    assert hears(other)
    other.close()


def test_closing_twice_is_harmless_and_looking_again_is_news(feed: ChangeFeed) -> None:
    feed.changed()
    feed.close()
    feed.close()
    assert feed.changed()


def test_a_look_that_finds_nothing_takes_microseconds(feed: ChangeFeed) -> None:
    """Bounded loosely: 25 ms lie between two looks of a gate, and a query to a server takes 100 microseconds."""
    feed.changed()
    times = []
    for _ in range(1000):
        start = time.perf_counter()
        feed.changed()
        times.append(time.perf_counter() - start)
    assert sorted(times)[500] < 0.0005
