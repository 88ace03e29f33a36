"""How often somebody may ask. Only who has proved to be somebody is counted, so that nobody is slowed by another."""

import time
from threading import Lock


class Pace:
    """Counts in one window of time after the other.

    Args:
        most: how often each may ask in a window.
        seconds: how long a window is.
    """

    def __init__(self, most: int, seconds: float) -> None:
        self._most, self._seconds = most, seconds
        self._counts: dict[str, int] = {}
        self._since = time.monotonic()
        self._lock = Lock()

    def allows(self, who: str) -> bool:
        """Count one more, and say whether it is not too many."""
        with self._lock:
            if time.monotonic() - self._since >= self._seconds:
                self._counts.clear()
                self._since = time.monotonic()
            self._counts[who] = self._counts.get(who, 0) + 1
            return self._counts[who] <= self._most
