"""What Prometheus scrapes: every worker of the home on this machine, added up, and what ends soon."""

import logging
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from sqlalchemy.exc import SQLAlchemyError

from mutua.errors import MutuaError
from mutua.home.expiries import Kind, OwnCertificate, count_ending, crl_ages, own_authorities, own_identities
from mutua.home.home import Home
from mutua.inbound.seen.counts import HANDSHAKE_BOUNDS
from mutua.inbound.seen.exposition import Family, Sample, exposition, histogram
from mutua.inbound.seen.state import WorkerState
from mutua.inbound.seen.workers import Worker, states
from mutua.reasons import Reason
from mutua.store.expiries import CrlAge

EXPIRY_SECONDS = 60.0
"""How often the store is asked what ends soon: with a million certificates the question takes seconds."""

EXPIRY_SHARE = 20
"""It is asked no more often than that takes a twentieth of the time."""

MAX_OWN = 200
"""Certificates of our own that have a series each, those that end first."""

log = logging.getLogger("mutua.seen")


class Totals:
    """Sums over workers that come and go; they never go down, for a scraper takes that for a restart."""

    def __init__(self) -> None:
        self._last: dict[str, WorkerState] = {}
        self.admitted = 0
        self.refused = {reason.value: 0 for reason in Reason}
        self.handshakes = [0] * (len(HANDSHAKE_BOUNDS) + 1)
        self.handshake_seconds = 0.0

    def update(self, workers: Sequence[WorkerState], *, is_everyone: bool) -> None:
        """Add what workers have counted since the last time.

        Args:
            workers: those that answered.
            is_everyone: whether there is no other that did not; what ended can be forgotten then.
        """
        for each in workers:
            before = self._last.get(each.instance)
            self.admitted += each.admitted - (before.admitted if before else 0)
            for reason, number in each.refused.items():
                self.refused[reason] += number - (before.refused.get(reason, 0) if before else 0)
            for place, number in enumerate(each.handshakes):
                self.handshakes[place] += number - (before.handshakes[place] if before else 0)
            self.handshake_seconds += each.handshake_seconds - (before.handshake_seconds if before else 0.0)
        fresh = {each.instance: each for each in workers}
        self._last = fresh if is_everyone else self._last | fresh


@dataclass(frozen=True, slots=True, kw_only=True)
class Ends:
    """What ends, as the store and the home's files say."""

    own: list[OwnCertificate] = field(default_factory=list)
    credentials: dict[int, int] = field(default_factory=dict)
    crls: list[CrlAge] = field(default_factory=list)


class Metrics:
    """The metrics of a home; asked from one thread at a time.

    Args:
        home: the folder.

    Raises:
        HomeNotFound, UnreadableStore and the like: it cannot be opened now.
    """

    def __init__(self, home: Path) -> None:
        self._home = Home.open(home, actor="metrics")
        self._totals = Totals()
        self._ends = Ends()
        self._has_store = True
        self._due = float("-inf")

    def text(self) -> str:
        """All of them, in Prometheus' text format.

        Raises:
            UnsafeHome, UnreadableFile: the workers cannot be found.
        """
        workers = states(self._home.path)
        self._look_at_ends()
        return exposition(self._families(workers))

    def close(self) -> None:
        """Close the home."""
        self._home.close()

    def _families(self, workers: Sequence[Worker]) -> Iterator[Family]:
        answered = [each.state for each in workers if each.state is not None]
        self._totals.update(answered, is_everyone=len(answered) == len(workers))
        yield from self._counted()
        yield _gauge("mutua_workers", "Processes of this home that serve.", len(answered))
        yield _gauge("mutua_silent_workers", "Processes that do not say what they see.", len(workers) - len(answered))
        if answered:
            age = max(each.snapshot_age for each in answered)
            yield _gauge("mutua_snapshot_age_seconds", "Since the gate that is furthest behind saw the store.", age)
            limit = min(each.max_stale for each in answered)
            yield _gauge("mutua_snapshot_max_age_seconds", "From here on a gate refuses everybody.", limit)
        yield _gauge("mutua_store_up", "Whether the store can be read.", int(self._has_store))
        yield from _ending(self._ends, answered)

    def _counted(self) -> Iterator[Family]:
        totals = self._totals
        yield Family("mutua_admitted_total", "counter", "Requests admitted.", [Sample([], totals.admitted)])
        refused = [Sample([("reason", reason)], number) for reason, number in totals.refused.items()]
        yield Family("mutua_refused_total", "counter", "Requests and handshakes refused, by reason.", refused)
        yield histogram(
            "mutua_handshake_seconds",
            "From an accepted connection to the end of its handshake.",
            HANDSHAKE_BOUNDS,
            totals.handshakes,
            totals.handshake_seconds,
        )

    def _look_at_ends(self) -> None:
        began = time.monotonic()
        if began < self._due:
            return
        try:
            # What is in the pool may be open on a file that was replaced.
            self._home.store.close()
            own = [*own_authorities(self._home), *own_identities(self._home.identities.folder)]
            self._ends = Ends(own=own, credentials=count_ending(self._home), crls=crl_ages(self._home))
            self._has_store = True
            self._due = began + max(EXPIRY_SECONDS, EXPIRY_SHARE * (time.monotonic() - began))
        except (MutuaError, SQLAlchemyError) as error:
            if self._has_store:
                log.warning("metrics go on without the store: %s", error)
            self._has_store = False


def _ending(ends: Ends, workers: Sequence[WorkerState]) -> Iterator[Family]:
    own = [(each.kind.value, each.name, each.not_after.timestamp()) for each in ends.own if each.not_after is not None]
    served = [each.identity_ends for each in workers if each.identity_ends is not None]
    if served:
        own.append(("served", "", min(served)))
    yield Family(
        "mutua_certificate_expiry_timestamp_seconds",
        "gauge",
        "When a certificate of our own ends: of a CA, an identity of the home, or the one that is served.",
        [
            Sample([("kind", kind), ("name", name)], end)
            for kind, name, end in sorted(own, key=lambda each: each[2])[:MAX_OWN]
        ],
    )
    unreadable = sum(each.kind is Kind.IDENTITY and each.not_after is None for each in ends.own)
    yield _gauge("mutua_unreadable_identities", "Identities of the home that cannot be read.", unreadable)
    yield Family(
        "mutua_credentials_expiring",
        "gauge",
        "Credentials of active clients that end within so many days.",
        [Sample([("days", str(days))], number) for days, number in ends.credentials.items()],
    )
    yield Family(
        "mutua_crl_next_update_timestamp_seconds",
        "gauge",
        "When a CA's CRL is stale, or the first part of it.",
        [Sample([("ca", each.authority)], each.next_update.timestamp()) for each in ends.crls],
    )


def _gauge(name: str, help_: str, value: float) -> Family:
    return Family(name, "gauge", help_, [Sample([], value)])
