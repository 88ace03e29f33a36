"""Counts that cost next to nothing where they are made: tens of nanoseconds, no lock, no library.

A counter of prometheus_client takes 0.3 microseconds, and 14 MiB of every worker. Here one is an ``itertools.count``:
a step of it is one call into C, which no other thread can interrupt half-way.
"""

import time
from bisect import bisect_left
from collections.abc import Mapping
from itertools import count
from threading import Lock

from mutua.reasons import Reason

HANDSHAKE_BOUNDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
"""Seconds: from a P-256 handshake on loopback up to ``HANDSHAKE_SECONDS``, when the door gives up."""

MINUTES = 60
"""How far back refusals are counted by the minute."""


class Counter:
    """A number that many threads add one to.

    Attributes:
        add: adds one.
    """

    def __init__(self) -> None:
        steps = count()
        self.add = steps.__next__
        self._reads = 0
        self._reading = Lock()

    @property
    def value(self) -> int:
        """How often ``add`` was called."""
        with self._reading:
            # Only a step tells where it is, and reading must not count.
            value = self.add() - self._reads
            self._reads += 1
            return value


class Histogram:
    """How long something took: how many took at most each of some bounds.

    Args:
        bounds: seconds, ascending.
    """

    def __init__(self, bounds: tuple[float, ...]) -> None:
        self.bounds = bounds
        self._counts = [0] * (len(bounds) + 1)
        self._sum = 0.0
        self._writing = Lock()

    def add(self, seconds: float) -> None:
        """Count one."""
        place = bisect_left(self.bounds, seconds)
        with self._writing:
            self._counts[place] += 1
            self._sum += seconds

    def read(self) -> tuple[tuple[int, ...], float]:
        """How many fell between each bound and the one before, the last beyond all of them; and the sum of seconds."""
        with self._writing:
            return tuple(self._counts), self._sum


class LastHour:
    """Refusals by reason, by the minute, for an hour: a ring of recent ones may be too short for a flood."""

    def __init__(self) -> None:
        self._minutes: list[tuple[int, dict[Reason, int]]] = [(-1, {})] * MINUTES
        self._writing = Lock()

    def add(self, reason: Reason, at: float) -> None:
        """Count one refusal at a time, in seconds since 1970."""
        minute = int(at // 60)
        with self._writing:
            began, counted = self._minutes[minute % MINUTES]
            if began != minute:
                counted = {}
                self._minutes[minute % MINUTES] = minute, counted
            counted[reason] = counted.get(reason, 0) + 1

    def read(self, now: float | None = None) -> Mapping[Reason, int]:
        """How many of each reason there were in the last hour; reasons without any are left out."""
        oldest = int((time.time() if now is None else now) // 60) - MINUTES
        total: dict[Reason, int] = {}
        with self._writing:
            for began, counted in self._minutes:
                if began > oldest:
                    for reason, number in counted.items():
                        total[reason] = total.get(reason, 0) + number
        return total
