"""When a certificate is renewed, when a failure is tried again, and when somebody is warned. Pure: ``now`` is given.

Everything is decided from the time of day, anew at each look. A clock that jumps forward makes things due; one that
jumps back never makes anything wait longer than it would have.
"""

import hashlib
from dataclasses import dataclass
from datetime import datetime, timedelta

RENEW_AT = 2 / 3
"""Of a certificate's life, as Let's Encrypt and certbot do it: a third of it is left for an authority to come back."""

JITTER = 1 / 12
"""Of a life, behind that: a thousand machines that were enrolled together do not come back together."""

FIRST_RETRY = timedelta(minutes=1)
LONGEST_RETRY = timedelta(hours=1)

RETRIES_IN_LIFE = 50
"""However short a life is, at least so many attempts fit into it at the longest pause."""

SHORTEST_RETRY = timedelta(seconds=1)

RETRY_JITTER = 0.25

LONGEST_SLEEP = timedelta(minutes=1)
"""The clock is looked at again by then: it may have been set, or the machine was asleep."""

SHORTEST_SLEEP = timedelta(milliseconds=50)

WARN_DAYS = (30, 14, 7, 1, 0)
"""Days before the end; 0 is the end itself."""


@dataclass(frozen=True, slots=True)
class Life:
    """A certificate's life, here.

    Attributes:
        thumbprint: of the certificate: it decides about the jitter, so that each look decides alike.
        begins: when it became valid, or came here if that was later: CAs date back, ours by five minutes.
        ends: UTC.
    """

    thumbprint: str
    begins: datetime
    ends: datetime

    @property
    def length(self) -> timedelta:
        """How long it lives here."""
        return max(self.ends - self.begins, timedelta(0))

    @property
    def renew_at(self) -> datetime:
        """When it is renewed: after two thirds of it, and up to a twelfth later."""
        return self.begins + self.length * (RENEW_AT + JITTER * share(self.thumbprint))


@dataclass(frozen=True, slots=True)
class Failures:
    """Attempts that failed one after the other.

    Attributes:
        count: how many; 0 after a success.
        last: when the last of them did, UTC.
    """

    count: int = 0
    last: datetime | None = None

    def next_try(self, life: Life, now: datetime) -> datetime:
        """When it is tried again; ``now`` or before is at once.

        Args:
            life: of the certificate: the shorter, the sooner.
            now: UTC. A last failure in the future means that the clock was set back, and waits for nothing.
        """
        if self.count == 0 or self.last is None or self.last > now:
            return now
        return self.last + pause(self.count, life)


def life_of(thumbprint: str, not_before: datetime, not_after: datetime, obtained_at: datetime | None) -> Life:
    """The life of a certificate; when it came here counts only if that was within it."""
    came = obtained_at if obtained_at is not None and not_before < obtained_at < not_after else not_before
    return Life(thumbprint, came, not_after)


def pause(count: int, life: Life) -> timedelta:
    """How long after the ``count``-th failure in a row it is tried again: doubled each time, up to a bound.

    The bound is an hour, or a fiftieth of the life if that is less.
    """
    longest = max(min(LONGEST_RETRY, life.length / RETRIES_IN_LIFE), SHORTEST_RETRY)
    first = max(min(FIRST_RETRY, longest / 8), SHORTEST_RETRY)
    doubled = min(first * 2.0 ** min(count - 1, 20), longest)
    return doubled * (1 - RETRY_JITTER * share(f"{life.thumbprint} {count}"))


def next_renewal(life: Life, failures: Failures, now: datetime) -> datetime:
    """When the next attempt is due; ``now`` or before is at once. It goes on after the end: the clock may be wrong."""
    return max(life.renew_at, failures.next_try(life, now))


def sleep_until(moments: tuple[datetime, ...], now: datetime) -> timedelta:
    """How long to sleep: until the first of them, and never long."""
    left = min((each - now for each in moments), default=LONGEST_SLEEP)
    return min(max(left, SHORTEST_SLEEP), LONGEST_SLEEP)


def warning_due(life: Life, now: datetime, told: int | None, *, renewed: bool, failures: int) -> int | None:
    """Of which number of days before the end somebody has to be warned now, if of any.

    Each is told once; of several that have passed meanwhile only the last.

    Args:
        life: of the certificate.
        now: UTC.
        told: the least number of days that was told of this certificate, or ``None``.
        renewed: whether it is renewed here: then there is no reason to worry as long as that works.
        failures: in a row.
    """
    if renewed and failures == 0:
        return None
    passed = [days for days in WARN_DAYS if life.ends - now <= timedelta(days=days)]
    if not passed or (told is not None and told <= passed[-1]):
        return None
    return passed[-1]


def share(text: str) -> float:
    """A number from 0 up to 1 that is always the same for the same text, and spread evenly over all texts."""
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:7], "big") / 2**56
