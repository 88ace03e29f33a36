"""Certificates from requests, in alternating rounds: whoever issues has its turn, forwards and then backwards."""

import gc
import os
import statistics
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import Self, TypeVar

from cryptography import x509

from bench.issuance.handed_out import check

BARE = "bare cryptography"
"""The contestant that the others are measured against."""

T = TypeVar("T")


@dataclass(frozen=True)
class Plan:
    """How much is measured.

    Attributes:
        certificates: of a contestant's turn; one that is slow by nature issues its ``share`` of them.
        rounds: how often each has its turn.
    """

    certificates: int = 1000
    rounds: int = 9


@dataclass(frozen=True)
class Bound:
    """A contestant is to issue at least ``times`` as many certificates in a second as ``reference``."""

    reference: str
    times: float


class Contestant(ABC):
    """Who turns requests into certificates.

    Attributes:
        name: in the table.
        kept: where a certificate is when it has been handed out.
        share: of the plan's certificates that one turn issues.
        bounds: what is asked of it.
        issuer: the certificate of the CA that signs.
        issued: the certificates of the last turn in PEM, in the order of the requests.
    """

    name: str
    kept: str
    share: float = 1.0
    bounds: tuple[Bound, ...] = ()
    issuer: x509.Certificate
    issued: Sequence[bytes] = ()

    @abstractmethod
    def issue(self, csrs: Sequence[bytes]) -> float:
        """Issue a certificate for each request, given in PEM; how many seconds that took."""

    def close(self) -> None:  # noqa: B027 -- most start nothing
        """End what it started."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


@dataclass
class Row:
    """One contestant's certificates a second, a figure for each round."""

    name: str
    kept: str
    bounds: tuple[Bound, ...]
    rates: list[float] = field(default_factory=list)

    @property
    def median(self) -> float:
        return statistics.median(self.rates)

    def times(self, reference: "Row") -> float:
        """The median over the rounds of this rate divided by the reference's of the same round."""
        return statistics.median(ours / theirs for ours, theirs in zip(self.rates, reference.rates, strict=True))


def measure(
    plan: Plan, contestants: Sequence[Contestant], csrs: Sequence[bytes], tell: Callable[[str], None]
) -> list[Row]:
    """Give each its turn in each round; every certificate is checked when the clock has stopped.

    Args:
        plan: how much.
        contestants: entered here, and closed in the end.
        csrs: at least as many as the plan asks for.
        tell: takes a line of progress.
    """
    rows = [Row(contestant.name, contestant.kept, contestant.bounds) for contestant in contestants]
    with ExitStack() as running:
        for contestant in contestants:
            running.enter_context(contestant)

        def turn(contestant: Contestant, share: float = 1.0) -> float:
            wanted = csrs[: max(1, round(plan.certificates * contestant.share * share))]
            gc.collect()  # nobody pays for what the one before left behind
            seconds = contestant.issue(wanted)
            check(contestant.issued, wanted, contestant.issuer)
            return len(wanted) / seconds

        for contestant in contestants:
            turn(contestant, share=0.1)
        for number in range(plan.rounds):
            tell(f"certificates: round {number + 1} of {plan.rounds}")
            for row, rate in zip(rows, one_round(contestants, turn, number), strict=True):
                row.rates.append(rate)
    return rows


K = TypeVar("K")


def one_round(those: Sequence[K], turn: Callable[[K], T], number: int) -> list[T]:
    """A turn of each, forwards in even rounds and backwards in odd ones, so that a drift hits all alike."""
    numbered = list(enumerate(those))
    done = {index: turn(one) for index, one in (reversed(numbered) if number % 2 else numbered)}
    return [done[index] for index in range(len(those))]


def missed(rows: Sequence[Row]) -> list[str]:
    """Each bound that did not hold, in words."""
    return [
        f"{row.name}: {times:.2f} times {bound.reference}, at least {bound.times:g}"
        for row, bound, times in judged(rows)
        if times < bound.times
    ]


def judged(rows: Sequence[Row]) -> Iterator[tuple[Row, Bound, float]]:
    """Every bound of every row whose reference was measured, with what it came to."""
    named = {row.name: row for row in rows}
    for row in rows:
        for bound in row.bounds:
            if bound.reference in named:
                yield row, bound, row.times(named[bound.reference])


@contextmanager
def pinned(core: int) -> Iterator[None]:
    """This thread, and whatever it starts, on one core."""
    allowed = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {core})
    try:
        yield
    finally:
        os.sched_setaffinity(0, allowed)
