"""Probes: who is alive, who is ready, and whose workers count."""

import urllib.error
import urllib.request
from dataclasses import replace
from pathlib import Path

import pytest

from mutua import Home
from mutua.errors import AddressInUse
from mutua.inbound.seen import pages
from mutua.inbound.seen.http import Address, bound
from mutua.inbound.seen.pages import healthz, readyz, serving
from mutua.inbound.seen.record import Record
from mutua.inbound.seen.state import WorkerState
from mutua.inbound.seen.watch import watched
from mutua.inbound.seen.worker import Seen
from mutua.inbound.seen.workers import Worker, states

ANYWHERE = Address("127.0.0.1", 0)


@pytest.fixture
def state(worker: Seen) -> WorkerState:
    worker.ready()
    return worker.state()


def saying(state: WorkerState | None) -> Worker:
    answer = None if state is None else ({**state.as_json(), "handshakes": list(state.handshakes)},)
    return Worker(name="1.sock", pid=1, answer=answer)


def get(address: Address, path: str) -> tuple[int, str]:
    try:
        with urllib.request.urlopen(f"http://{address}{path}", timeout=30) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read().decode()


def test_both_are_well_as_long_as_a_worker_decides_with_a_fresh_snapshot(state: WorkerState) -> None:
    for page in (healthz, readyz):
        assert page([saying(state)]) == (200, "ok\n", "text/plain; charset=utf-8")


def test_one_of_two_that_is_stale_is_enough_to_be_unwell_and_not_to_be_unready(state: WorkerState) -> None:
    stale = saying(replace(state, snapshot_age=state.max_stale + 1))
    assert healthz([saying(state), stale]).status == 503
    assert readyz([saying(state), stale]).status == 200
    assert readyz([stale]).status == 503


def test_one_that_lost_its_store_a_moment_ago_goes_on(state: WorkerState) -> None:
    assert healthz([saying(replace(state, snapshot_age=state.max_stale - 1))]).status == 200


def test_one_that_does_not_answer_is_unwell(state: WorkerState) -> None:
    assert healthz([saying(state), saying(None)]).status == 503
    assert readyz([saying(None)]).status == 503


def test_before_connections_are_accepted_nobody_is_ready(state: WorkerState) -> None:
    assert readyz([saying(replace(state, is_ready=False))]).status == 503
    assert healthz([saying(replace(state, is_ready=False))]).status == 200
    assert healthz([]).status == readyz([]).status == 503


@pytest.mark.parametrize("apart", [False, True])
def test_metrics_and_health_are_served_each_at_its_place_and_nowhere_else(
    home: Home, worker: Seen, record: Record, apart: bool
) -> None:
    record.admitted.add()
    worker.ready()
    other = Address("localhost", 0)
    with watched(home.path, metrics=ANYWHERE, health=other, apart=apart) as (metrics, health):
        assert "\nmutua_admitted_total 1\n" in get(metrics, "/metrics")[1]
        assert get(metrics, "/healthz")[0] == get(health, "/metrics")[0] == 404
        assert get(health, "/healthz") == get(health, "/readyz") == (200, "ok\n")
    with pytest.raises(urllib.error.URLError):
        get(metrics, "/metrics")


def test_both_may_have_one_address(home: Home, worker: Seen) -> None:
    with watched(home.path, metrics=ANYWHERE, health=ANYWHERE) as places:
        [place] = places
        assert get(place, "/metrics")[0] == get(place, "/healthz")[0] == 200


def test_without_any_nothing_is_served(home: Home) -> None:
    with watched(home.path) as places:
        assert places == []
    with watched(home.path, apart=True) as places:
        assert places == []


def test_an_address_that_is_taken_is_told_before_anything_is_served(home: Home) -> None:
    with (
        watched(home.path, health=ANYWHERE) as [place],
        pytest.raises(AddressInUse),
        watched(home.path, metrics=place),
    ):
        pytest.fail("it was served")


def test_workers_of_another_server_do_not_count_for_health(home: Home, worker: Seen) -> None:
    worker.ready()
    metrics, health = bound(ANYWHERE), bound(ANYWHERE)
    place, other = (Address("127.0.0.1", each.getsockname()[1]) for each in (metrics, health))
    with serving(home.path, metrics, health, server=1):
        assert "\nmutua_workers 1\n" in get(place, "/metrics")[1]
        assert get(other, "/healthz") == (503, "no worker\n")


def test_who_asks_in_a_loop_is_given_what_was_found_before(
    home: Home, worker: Seen, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[Path] = []

    def ask(path: Path) -> list[Worker]:
        asked.append(path)
        return states(path)

    monkeypatch.setattr(pages, "states", ask)
    monkeypatch.setattr(pages, "FRESH_SECONDS", 1000.0)
    with watched(home.path, health=ANYWHERE) as [place]:
        for _ in range(5):
            get(place, "/healthz")
    assert len(asked) == 1


def test_why_there_is_no_answer_is_said(home: Home, worker: Seen) -> None:
    with watched(home.path, metrics=ANYWHERE) as [place]:
        (home.path / "run").chmod(0o777)
        assert get(place, "/metrics") == (500, f"other users can write '{home.path / 'run'}'\n")
        (home.path / "run").chmod(0o700)
