"""A clock that can be put forward: every home of this process looks at it."""

from datetime import UTC, datetime, timedelta

import pytest

from mutua import Home


class Clock:
    """The time, and how far it was moved."""

    def __init__(self) -> None:
        self._moved = timedelta(0)

    def now(self) -> datetime:
        return datetime.now(UTC) + self._moved

    def move(self, by: timedelta) -> None:
        self._moved += by


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """The clock of every home."""
    made = Clock()
    monkeypatch.setattr(Home, "now", lambda _home: made.now())
    return made
