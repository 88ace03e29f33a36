"""Who has called: each told at once, then once a minute, and never more than fits."""

from collections.abc import Callable

import pytest

from mutua.inbound import callers
from mutua.inbound.callers import AGAIN_SECONDS, Callers


@pytest.fixture
def later(monkeypatch: pytest.MonkeyPatch) -> Callable[[float], None]:
    """Puts the clock that counts minutes forward."""
    now = [0.0]
    monkeypatch.setattr("mutua.inbound.callers.time.monotonic", lambda: now[0])

    def move(seconds: float) -> None:
        now[0] += seconds

    return move


def test_each_is_told_with_the_certificate_it_was_known_by() -> None:
    made = Callers()
    made.note("A" * 43, "woovi")
    made.note("B" * 43, "woovi")
    assert list(made.fresh()) == [f"{'A' * 43} woovi", f"{'B' * 43} woovi"]
    assert made.fresh() == {}


def test_whoever_goes_on_calling_is_told_once_a_minute_with_a_call_of_it(later: Callable[[float], None]) -> None:
    made = Callers()
    made.note("A" * 43, "woovi")
    (first,) = made.fresh().values()
    for _ in range(5):
        made.note("A" * 43, "woovi")
        assert made.fresh() == {}
    later(AGAIN_SECONDS)
    (last,) = made.fresh().values()
    assert last >= first
    assert made.fresh() == {}


def test_a_new_one_does_not_wait_for_the_minute() -> None:
    made = Callers()
    made.note("A" * 43, "woovi")
    made.fresh()
    made.note("B" * 43, "bank")
    assert list(made.fresh()) == [f"{'B' * 43} bank"]


def test_should_nobody_ask_only_so_many_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(callers, "MOST_NOTED", 3)
    made = Callers()
    for number in range(9):
        made.note(f"{number:043}", "bank")
    made.note(f"{0:043}", "bank")
    assert len(made.fresh()) == 3
