"""Waiting for what a server does in its own time."""

import time
from collections.abc import Callable

from mutua.store.feed import ChangeFeed

PATIENCE_SECONDS = 30


def eventually(holds: Callable[[], object]) -> None:
    """Wait until it is so."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.005)


def hears(feed: ChangeFeed) -> bool:
    """Whether the feed tells of something before patience ends."""
    eventually(feed.changed)
    return True


def is_quiet(feed: ChangeFeed, seconds: float = 0.0) -> bool:
    """Whether the feed tells of nothing in the next looks, and for so long."""
    deadline = time.monotonic() + seconds
    looks = 0
    while looks < 20 or time.monotonic() < deadline:
        if feed.changed():
            return False
        looks += 1
        time.sleep(0 if looks < 20 else 0.01)
    return True
