"""Counting: right with many threads, and for an hour."""

import threading

from mutua.inbound.seen.counts import MINUTES, Counter, Histogram, LastHour
from mutua.reasons import Reason

THREADS, EACH = 8, 5_000


def in_threads(act: object) -> None:
    threads = [threading.Thread(target=act) for _ in range(THREADS)]  # type: ignore[arg-type]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def test_nothing_that_many_threads_count_is_lost() -> None:
    counter, times, hour = Counter(), Histogram((1.0,)), LastHour()

    def count() -> None:
        for _ in range(EACH):
            counter.add()
            times.add(0.5)
            hour.add(Reason.EXPIRED, 0)

    in_threads(count)
    assert counter.value == THREADS * EACH
    assert times.read() == ((THREADS * EACH, 0), THREADS * EACH / 2)
    assert hour.read(59) == {Reason.EXPIRED: THREADS * EACH}


def test_reading_a_counter_does_not_count() -> None:
    counter = Counter()
    assert [counter.value, counter.value] == [0, 0]
    counter.add()
    assert [counter.value, counter.value, counter.value] == [1, 1, 1]


def test_a_time_counts_up_to_and_with_its_bound() -> None:
    times = Histogram((0.1, 1.0))
    for seconds in (0.0, 0.1, 0.100001, 1.0, 1.5, 100.0):
        times.add(seconds)
    assert times.read()[0] == (2, 2, 2)


def test_refusals_are_forgotten_after_an_hour_and_not_before() -> None:
    hour = LastHour()
    hour.add(Reason.EXPIRED, 0)
    hour.add(Reason.REVOKED, 59 * 60)
    assert hour.read(59 * 60) == {Reason.EXPIRED: 1, Reason.REVOKED: 1}
    assert hour.read(MINUTES * 60) == {Reason.REVOKED: 1}
    assert hour.read(200 * 60) == {}


def test_a_minute_begins_anew_an_hour_later() -> None:
    hour = LastHour()
    hour.add(Reason.EXPIRED, 5)
    hour.add(Reason.EXPIRED, 3605)
    assert hour.read(3605) == {Reason.EXPIRED: 1}
