"""``mutua gate check``: what the registry says of a request, and what other grants would refuse of those that come."""

import threading
from contextlib import closing
from datetime import timedelta

import pytest

from mutua import Home
from mutua.gate.decision import Request
from mutua.inbound.live_gate import LiveGate
from mutua.inbound.seen.worker import Seen
from mutua.pki.certificates import write_der
from mutua.tls.peer import PeerCertificate
from tests.cli.conftest import Run
from tests.clock import Clock, clock

__all__ = ["clock"]

KEYS = ["client", "method", "path", "allowed", "grant", "reason", "detail"]


@pytest.mark.parametrize(
    ("request_", "grant"),
    [
        ("GET /status", "GET /**"),
        ("get /status", "GET /**"),
        ("HEAD /status?since=1", "GET /**"),
        ("POST /webhook/pix", "POST /webhook/*"),
        ("GET /caf%C3%A9", "GET /**"),
        ("GET /café", "GET /**"),
    ],
)
def test_what_a_client_may(mutua: Run, request_: str, grant: str) -> None:
    result = mutua("gate", "check", "woovi", request_)
    assert (result.code, result.err) == (0, "")
    assert result.out.startswith("woovi may ")
    assert result.out.endswith(f": {grant}\n")


@pytest.mark.parametrize(
    ("request_", "reason"),
    [
        ("POST /status", "not_granted"),
        ("PUT /webhook/pix", "not_granted"),
        ("POST /webhook/pix/refund", "not_granted"),
        ("POST /webhook/../admin", "malformed"),
        ("POST /webhook/..%2fadmin", "malformed"),
        ("GET //status", "malformed"),
        ("GET status", "malformed"),
    ],
)
def test_what_it_may_not_and_why(mutua: Run, request_: str, reason: str) -> None:
    result = mutua("gate", "check", "woovi", request_)
    assert result.code == 1
    assert f": {reason}, " in result.out


def test_as_json_with_stable_keys(mutua: Run) -> None:
    found = mutua("gate", "check", "woovi", "POST /webhook/pix", "--json")
    assert found.code == 0
    assert list(found.json) == KEYS
    assert (found.json["allowed"], found.json["grant"]) == (True, "POST /webhook/*")
    found = mutua("gate", "check", "woovi", "POST /x", "--json")
    assert found.code == 1
    assert (found.json["allowed"], found.json["grant"], found.json["reason"]) == (False, None, "not_granted")


def test_the_state_counts_first(mutua: Run, home: Home) -> None:
    home.clients.suspend("woovi")
    result = mutua("gate", "check", "woovi", "GET /status")
    assert (result.code, result.out) == (1, "woovi may not GET /status: suspended, the client is suspended\n")


def test_grants_that_it_does_not_have_can_be_tried_on_one_request(mutua: Run, home: Home) -> None:
    before = home.clients.get("woovi")
    assert mutua("gate", "check", "woovi", "PUT /x", "--allow", "PUT /x").code == 0
    assert mutua("gate", "check", "woovi", "GET /status", "--allow", "PUT /x").code == 1
    assert home.clients.get("woovi") == before


def test_what_is_public_needs_no_grant(mutua: Run, home: Home) -> None:
    settings = home.path / "mutua.toml"
    settings.write_text(settings.read_text() + '\npublic = ["GET /healthz"]\n')
    home.clients.add("bank")
    assert mutua("gate", "check", "bank", "GET /healthz").out == "bank may GET /healthz: GET /healthz\n"
    assert mutua("gate", "check", "bank", "GET /status").code == 1


def test_one_that_cannot_come_in_is_warned_of(mutua: Run, home: Home, clock: Clock) -> None:
    home.clients.add("bank", allow=["GET /x"])
    result = mutua("gate", "check", "bank", "GET /x")
    assert (result.code, result.out) == (0, "bank may GET /x: GET /x\n")
    assert "no certificate that counts now" in result.err
    home.authority.issue_client("bank", lifetime=timedelta(days=1))
    assert mutua("gate", "check", "bank", "GET /x").err == ""
    clock.move(timedelta(days=2))
    assert "no certificate that counts now" in mutua("gate", "check", "bank", "GET /x").err


@pytest.mark.parametrize(
    "arguments",
    [
        (),
        ("GET",),
        ("/status",),
        ("",),
        ("GET /x", "--report-only", "--allow", "GET /x"),
        ("--report-only",),
        ("GET /x", "--for", "1"),
        ("GET /x", "--allow", "x"),
        ("--report-only", "--for", "1", *(f"--allow=GET /{'x' * 100}{number}" for number in range(100))),
    ],
    ids=["nothing", "no path", "no method", "empty", "both", "no grants", "for", "no grant", "too many grants"],
)
def test_what_makes_no_sense_is_told(mutua: Run, arguments: tuple[str, ...]) -> None:
    result = mutua("gate", "check", "woovi", *arguments)
    assert result.code == 2
    assert result.error()


def test_a_client_that_nobody_knows(mutua: Run) -> None:
    assert mutua("gate", "check", "nobody", "GET /x").code == 2
    assert mutua("gate", "check", "nobody", "--allow", "GET /x", "--report-only").code == 2


def test_what_was_typed_cannot_move_the_cursor(mutua: Run) -> None:
    result = mutua("gate", "check", "woovi", "GET /\x1b[2J\u202e")
    assert not {"\x1b", "\u202e"} & set(result.out)


def test_watching_without_a_gate_ends_in_time_and_says_so(mutua: Run) -> None:
    result = mutua("gate", "check", "woovi", "--allow", "GET /x", "--report-only", "--for", "0.2")
    assert (result.code, result.out) == (0, "")
    assert "no gate runs on this machine" in result.err
    assert "nothing would be refused" in result.err


def test_what_would_be_refused_is_the_exit_code(mutua: Run, home: Home) -> None:
    peer = PeerCertificate.read((write_der(home.identities.load("woovi").certificate),))
    ended = threading.Event()

    def call_again_and_again(gate: LiveGate) -> None:
        while not ended.is_set():
            gate.decide(peer, Request("GET", "/balance/\x9b", b"/balance/%C2%9B"))

    with closing(LiveGate(home)) as gate, closing(Seen(home.path, gate)) as worker:
        worker.start()
        calling = threading.Thread(target=call_again_and_again, args=[gate])
        calling.start()
        result = mutua("gate", "check", "woovi", "--allow", "GET /status", "--report-only", "--for", "1")
        ended.set()
        calling.join()
    assert result.code == 1
    lines = [line.split("  ") for line in result.out.splitlines()]
    assert {line[1] for line in lines} == {"GET /balance/\\x9b"}
    assert len(lines) <= 9, "each is shown when there are ten times as many"
    assert "different ones: 1" in result.err


def test_where_run_cannot_be_trusted_nobody_is_asked(mutua: Run, home: Home) -> None:
    (home.path / "run").mkdir(mode=0o777, exist_ok=True)
    (home.path / "run").chmod(0o777)
    result = mutua("gate", "check", "woovi", "--allow", "GET /x", "--report-only")
    assert result.code == 4
