"""A trial of other grants: what it tells, how little it keeps, and that the gate decides as before."""

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mutua import Home, KnownClient
from mutua.gate.decision import Decision, Refusal, Request
from mutua.inbound.live_gate import LiveGate
from mutua.inbound.seen import answering, trial, trying
from mutua.inbound.seen.ring import MAX_TEXT
from mutua.inbound.seen.run_folder import connect
from mutua.inbound.seen.trial import MAX_KINDS, MAX_TRIALS, Trial
from mutua.inbound.seen.trying import Affected, Trying
from mutua.inbound.seen.worker import Seen
from mutua.pki.certificates import write_der
from mutua.reasons import Reason
from mutua.registry.credentials import CredentialKind
from mutua.registry.grants import Grant
from mutua.tls.peer import PeerCertificate
from tests.inbound.connections import until
from tests.inbound.seen.conftest import ask, read_all
from tests.inbound.seen.test_workers import LIES, impostor

WOOVI = KnownClient("woovi", "x", CredentialKind.ISSUED)
PATIENCE_SECONDS = 30
NARROW = (Grant.parse("GET /status"),)

Call = Callable[..., Decision]


def request(path: str, method: str = "GET") -> Request:
    return Request(method, path, path.encode())


@pytest.fixture
def call(home: Home, gate: LiveGate) -> Call:
    """A request of woovi's, decided by the gate."""
    peer = PeerCertificate.read((write_der(home.identities.load("woovi").certificate),))
    return lambda path, method="GET": gate.decide(peer, request(path, method))


@pytest.fixture
def tried(home: Home, worker: Seen) -> Iterator[Trying]:
    """A trial of ``NARROW`` on a worker that takes part."""
    with Trying(home.path, "woovi", NARROW) as made:
        until(lambda: made.wait(0) or made.watching == 1)
        yield made


def counts(found: list[Affected]) -> dict[str, int]:
    return {f"{each.method} {each.path}": each.count for each in found}


def collected(tried: Trying, wanted: dict[str, int]) -> None:
    """Wait until the trial has told exactly this."""
    told: dict[str, int] = {}
    until(lambda: told.update(counts(tried.wait(1))) or told == wanted)


def test_what_the_grants_would_refuse_is_told_and_admitted_all_the_same(tried: Trying, call: Call) -> None:
    assert isinstance(call("/status"), KnownClient)
    assert isinstance(call("/balance"), KnownClient)
    assert isinstance(call("/webhook/pix", "POST"), KnownClient)
    collected(tried, {"GET /balance": 1, "POST /webhook/pix": 1})


def test_what_is_refused_anyway_and_what_others_do_is_not_told(home: Home, gate: LiveGate, worker: Seen) -> None:
    tried = Trial("woovi", NARROW)
    tried.note(Refusal(Reason.NOT_GRANTED, "no", "woovi"), request("/x"))
    tried.note(replace(WOOVI, name="bank"), request("/x"))
    assert tried.news() == []
    tried.note(WOOVI, request("/x"))
    assert [each["path"] for each in tried.news()] == ["/x"]


def test_repeats_are_counted(tried: Trying, call: Call) -> None:
    for _ in range(250):
        call("/balance")
    collected(tried, {"GET /balance": 250})
    call("/balance")
    collected(tried, {"GET /balance": 251})


def test_the_last_requests_are_told_at_the_end(tried: Trying, call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trial, "TELL_SECONDS", 3600)
    call("/balance")
    call("/other")
    assert counts(tried.finish()) == {"GET /balance": 1, "GET /other": 1}


def test_a_trial_ends_with_its_connection_and_leaves_nothing_on_the_way_of_requests(
    home: Home, gate: LiveGate, worker: Seen
) -> None:
    assert gate.watching == ()
    with Trying(home.path, "woovi", NARROW):
        until(lambda: gate.watching)
    until(lambda: gate.watching == ())


def test_when_a_worker_ends_its_trials_do_and_its_gate_decides_on(home: Home, gate: LiveGate, call: Call) -> None:
    with closing(Seen(home.path, gate)) as worker:
        worker.start()
        tried = Trying(home.path, "woovi", NARROW)
        until(lambda: gate.watching)
    assert gate.watching == ()
    assert isinstance(call("/balance"), KnownClient)
    with closing(tried):
        until(lambda: tried.wait(0.1) == [] and tried.watching == 0)
        assert tried.silent == set()


def test_whoever_comes_later_is_joined_and_counts_are_added_up(home: Home, gate: LiveGate, call: Call) -> None:
    with closing(Trying(home.path, "woovi", NARROW)) as tried:
        assert tried.wait(0) == []
        for number in (1, 2):
            with closing(Seen(home.path, gate)) as worker:
                worker.start()
                until(lambda: tried.wait(0.1) == [] and tried.watching == 1)
                call("/balance")
                collected(tried, {"GET /balance": number})


def test_two_trials_do_not_know_of_each_other(home: Home, tried: Trying, call: Call, gate: LiveGate) -> None:
    with Trying(home.path, "woovi", [Grant.parse("GET /balance")]) as other:
        until(lambda: other.wait(0) == [] and other.watching == 1)
        call("/status")
        call("/balance")
        collected(tried, {"GET /balance": 1})
        collected(other, {"GET /status": 1})


def test_a_worker_keeps_so_many_kinds_and_counts_the_rest() -> None:
    tried = Trial("woovi", NARROW)
    for number in range(MAX_KINDS + 7):
        tried.note(WOOVI, request(f"/{number}"))
    tried.note(WOOVI, request("/0"))
    news = tried.news()
    assert len(news) == MAX_KINDS + 1
    assert next(each for each in news if each.get("path") == "/0")["count"] == 2
    assert news[-1] == {"others": 7}
    assert tried.news() == []


def test_the_rest_is_counted_over_all_workers(tried: Trying, call: Call) -> None:
    for number in range(MAX_KINDS + 7):
        call(f"/{number}")
    until(lambda: tried.wait(0.1) == [] and tried.others == 7)


def test_long_texts_are_cut_and_still_fit_into_a_line() -> None:
    tried = Trial("woovi", NARROW)
    tried.note(WOOVI, request("\U0001f600" * 60_000, "\U0001f600" * 60_000))
    [told] = tried.news()
    assert len(told["path"]) == len(told["method"]) == MAX_TEXT
    assert len(json.dumps(told)) < trying.MAX_LINE_BYTES


def test_many_threads_count_what_they_do() -> None:
    tried = Trial("woovi", NARROW)

    def work() -> None:
        for number in range(1000):
            tried.note(WOOVI, request(f"/{number % 5}"))

    threads = [threading.Thread(target=work) for _ in range(8)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert sum(each["count"] for each in tried.news()) == 8000


def test_one_trial_too_many_is_not_begun_and_says_so(home: Home, worker: Seen, gate: LiveGate) -> None:
    made = [Trying(home.path, "woovi", NARROW) for _ in range(MAX_TRIALS)]
    try:
        until(lambda: len(gate.watching) == MAX_TRIALS)
        with Trying(home.path, "woovi", NARROW) as more:
            until(lambda: more.wait(0.1) == [] and more.silent)
            assert more.watching == 0
        assert len(gate.watching) == MAX_TRIALS
    finally:
        for each in made:
            each.close()


@pytest.mark.parametrize(
    "question",
    [
        {"ask": "trial"},
        {"ask": "trial", "client": "woovi", "grants": "GET /x"},
        {"ask": "trial", "client": 7, "grants": []},
        {"ask": "trial", "client": "woovi", "grants": ["GET x"]},
    ],
    ids=["nothing", "no list", "no name", "no grant"],
)
def test_a_question_that_is_none_begins_no_trial(worker: Seen, gate: LiveGate, question: dict[str, object]) -> None:
    assert ask(worker.path, json.dumps(question).encode() + b"\n") == b""
    assert gate.watching == ()


def test_who_does_not_read_is_dropped(
    worker: Seen, gate: LiveGate, call: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(answering, "EXCHANGE_SECONDS", 0.3)
    monkeypatch.setattr(trial, "TELL_SECONDS", 0.01)
    assert worker.path is not None
    with connect(worker.path, PATIENCE_SECONDS) as hanging:
        hanging.sendall(b'{"ask": "trial", "client": "woovi", "grants": []}\n')
        until(lambda: gate.watching)
        paths = [f"/{number}/{'x' * MAX_TEXT}" for number in range(MAX_KINDS)]
        until(lambda: [call(path) for path in paths] and gate.watching == ())
        assert read_all(hanging).startswith(b'{"trial": true}\n')


def test_a_trial_outlives_the_time_of_an_exchange(
    home: Home, worker: Seen, gate: LiveGate, call: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(answering, "EXCHANGE_SECONDS", 0.05)
    with Trying(home.path, "woovi", NARROW) as tried:
        until(lambda: tried.wait(0) or tried.watching == 1)
        tried.wait(0.2)
        call("/balance")
        collected(tried, {"GET /balance": 1})


@pytest.mark.parametrize(
    "name", [*LIES, "a trial that tells nonsense", "a count that is none", "a line without an end"]
)
def test_one_that_talks_nonsense_is_named_and_counts_nothing(home: Home, name: str) -> None:
    more = {
        "a trial that tells nonsense": b'{"trial": true}\n[1]\n',
        "a count that is none": b'{"trial": true}\n{"method": "GET", "path": "/", "count": true, "at": 1.0}\n',
        "a line without an end": b'{"trial": true}\n' + b"x" * 20_000,
    }
    with impostor(home.path, {**LIES, **more}[name]), Trying(home.path, "woovi", NARROW) as tried:
        until(lambda: tried.wait(0.1) == [] and (tried.silent or name == "nothing"))
        assert tried.watching == 0


def test_one_that_hangs_is_named(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trying, "ANSWER_SECONDS", 0.1)
    with impostor(home.path, None), Trying(home.path, "woovi", NARROW) as tried:
        until(lambda: tried.wait(0.1) == [] and tried.silent)


JSON = st.recursive(st.none() | st.booleans() | st.integers() | st.floats() | st.text(), st.lists, max_leaves=5)


@given(JSON, JSON)
def test_whatever_is_asked_is_a_question_or_none(client: object, grants: object) -> None:
    with suppress(ValueError):
        assert isinstance(trial.asked({"client": client, "grants": grants}), Trial)


@given(st.dictionaries(st.sampled_from(["method", "path", "count", "at", "x"]), JSON) | JSON)
def test_whatever_is_told_is_a_request_or_none(told: object) -> None:
    with suppress(ValueError):
        assert isinstance(trying.affected(told), Affected)
