"""When: decided from two times and a count, whatever they are."""

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from mutua.agent.schedule import (
    LONGEST_RETRY,
    LONGEST_SLEEP,
    SHORTEST_RETRY,
    SHORTEST_SLEEP,
    WARN_DAYS,
    Failures,
    Life,
    life_of,
    next_renewal,
    pause,
    share,
    sleep_until,
    warning_due,
)

START = datetime(2026, 11, 23, tzinfo=UTC)
DAY = timedelta(days=1)

_YEARS = [START.replace(year=year, tzinfo=None) for year in (2000, 2100)]
moments = st.datetimes(*_YEARS, timezones=st.just(UTC))
lives = st.builds(
    lambda name, begins, length: Life(name, begins, begins + length),
    st.text(max_size=5),
    moments,
    st.timedeltas(timedelta(seconds=1), timedelta(days=3650)),
)
counts = st.integers(0, 10_000)


@given(lives)
def test_it_is_renewed_between_two_thirds_and_three_quarters_of_life(life: Life) -> None:
    passed = (life.renew_at - life.begins) / life.length
    assert 0.666 <= passed <= 0.751


@given(lives, st.integers(1, 10_000))
def test_pauses_are_bounded_and_many_fit_into_a_life(life: Life, count: int) -> None:
    found = pause(count, life)
    assert SHORTEST_RETRY * 0.75 <= found <= LONGEST_RETRY
    assert found <= max(life.length / 50, SHORTEST_RETRY)


def test_pauses_double_until_they_are_long() -> None:
    life = Life("x", START, START + 90 * DAY)
    found = [pause(count, life) / timedelta(minutes=1) for count in range(1, 12)]
    assert 0.75 <= found[0] <= 1
    assert 1.5 <= found[1] <= 2
    assert 45 <= found[-1] <= 60


@given(lives, counts, moments, moments)
def test_a_clock_that_jumps_never_makes_an_attempt_wait_longer_than_its_pause(
    life: Life, count: int, last: datetime, now: datetime
) -> None:
    again = Failures(count, last).next_try(life, now)
    assert again <= now + LONGEST_RETRY


@given(lives, counts, moments, moments)
def test_before_its_time_nothing_is_renewed_however_often_it_has_failed(
    life: Life, count: int, last: datetime, now: datetime
) -> None:
    assert next_renewal(life, Failures(count, last), now) >= life.renew_at


def test_it_is_still_tried_after_the_end_for_the_clock_may_be_wrong() -> None:
    life = Life("x", START, START + 90 * DAY)
    now = START + 91 * DAY
    assert next_renewal(life, Failures(), now) <= now


@given(st.lists(moments, max_size=5).map(tuple), moments)
def test_no_sleep_is_longer_than_a_minute_nor_is_it_none(found: tuple[datetime, ...], now: datetime) -> None:
    assert SHORTEST_SLEEP <= sleep_until(found, now) <= LONGEST_SLEEP


def test_a_life_begins_when_it_came_here() -> None:
    ends = START + timedelta(minutes=6)
    assert life_of("x", START, ends, START + timedelta(minutes=5)).length == timedelta(minutes=1)
    assert life_of("x", START, ends, None).length == timedelta(minutes=6)


def test_a_time_of_coming_that_is_outside_of_its_life_says_nothing() -> None:
    for wrong in (START - DAY, START + 2 * DAY):
        assert life_of("x", START, START + DAY, wrong).begins == START


@given(st.text())
def test_a_share_is_always_the_same(text: str) -> None:
    assert 0 <= share(text) < 1
    assert share(text) == share(text)


def test_each_warning_comes_once_in_its_order() -> None:
    life, told, said = Life("x", START, START + 90 * DAY), None, []
    for hour in range(91 * 24):
        now = START + timedelta(hours=hour)
        if (days := warning_due(life, now, told, renewed=False, failures=0)) is not None:
            said.append((days, hour // 24))
            told = days
    assert said == [(30, 60), (14, 76), (7, 83), (1, 89), (0, 90)]
    assert [days for days, _ in said] == list(WARN_DAYS)


def test_whoever_looks_for_the_first_time_in_the_last_week_warns_once() -> None:
    life = Life("x", START, START + 90 * DAY)
    now = START + 85 * DAY
    assert warning_due(life, now, None, renewed=False, failures=0) == 7
    assert warning_due(life, now, 7, renewed=False, failures=0) is None


def test_nobody_is_warned_of_an_end_that_a_renewal_prevents() -> None:
    life = Life("x", START, START + 20 * DAY)
    assert warning_due(life, START, None, renewed=True, failures=0) is None
    assert warning_due(life, START + 14 * DAY, None, renewed=True, failures=1) == 7
    assert warning_due(life, START + 14 * DAY, None, renewed=False, failures=0) == 7
