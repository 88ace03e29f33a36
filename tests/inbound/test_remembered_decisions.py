"""What a gate remembers of its decisions is what it would decide anew."""

from collections.abc import Iterator
from datetime import UTC, datetime

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mutua import Home
from mutua.gate.decision import Identified, Refusal, Request, decide
from mutua.gate.snapshot import standing_of
from mutua.home.snapshots import load
from mutua.inbound import live_gate
from mutua.inbound.live_gate import LiveGate
from mutua.pki.certificates import write_der
from mutua.reasons import Reason
from mutua.registry.clients import KnownClient
from mutua.tls.peer import PeerCertificate
from tests.inbound.connections import until

PIECES = st.sampled_from(["/", "status", "webhook", "pix", "..", ".", "%2e", "%2F", "//", "é", "a" * 60, ";", "?"])
PATHS = st.lists(PIECES, max_size=6).map("".join)
REQUESTS = st.builds(
    lambda method, path, raw: Request(method, path, path.encode() if raw is None else raw.encode()),
    st.sampled_from(["GET", "POST", "HEAD", "DELETE"]),
    PATHS,
    st.none() | PATHS,
)


@pytest.fixture
def gate(home: Home) -> Iterator[LiveGate]:
    made = LiveGate(home)
    yield made
    made.close()


def peer_of(home: Home, name: str = "woovi") -> PeerCertificate:
    return PeerCertificate.read(tuple(map(write_der, home.identities.load(name).chain)))


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(REQUESTS, min_size=1, max_size=12))
def test_each_decision_is_the_same_however_often_it_is_asked_for(
    home: Home, gate: LiveGate, monkeypatch: pytest.MonkeyPatch, asked: list[Request]
) -> None:
    monkeypatch.setattr(live_gate, "MOST_ADMITTED", 3)
    peer, snapshot = peer_of(home), load(home)
    for request in asked * 3:  # identified, remembered, and out of the memory
        assert gate.decide(peer, request) == decide(snapshot, peer, request, datetime.now(UTC))


def test_what_was_admitted_is_refused_once_the_grant_is_gone(home: Home, gate: LiveGate) -> None:
    peer, request = peer_of(home), Request("GET", "/status", b"/status")
    assert isinstance(gate.decide(peer, request), KnownClient)
    home.clients.grant("woovi", deny=["GET /**"])
    until(lambda: isinstance(gate.decide(peer, request), Refusal))


def test_one_clients_admission_is_nobody_elses(home: Home, gate: LiveGate) -> None:
    home.clients.add("bank", allow=["GET /bank"])
    home.identities.save("bank", home.authority.issue_client("bank"))
    request = Request("GET", "/status", b"/status")
    until(lambda: getattr(gate.decide(peer_of(home, "bank"), request), "client", None) == "bank")
    assert isinstance(gate.decide(peer_of(home), request), KnownClient)
    assert isinstance(gate.decide(peer_of(home, "bank"), request), Refusal)
    assert isinstance(gate.decide(None, request), Refusal)


def test_an_admission_does_not_outlive_the_identity_that_it_was_for(home: Home, gate: LiveGate) -> None:
    """One credential of a certificate ends, and by the next one it is somebody else who may call less."""
    peer, request = peer_of(home), Request("GET", "/status", b"/status")
    assert isinstance(gate.decide(peer, request), KnownClient)
    assert isinstance(gate.decide(peer, request), KnownClient)
    view = gate._view
    (remembered,) = view.admitted.values()
    assert remembered is view.identified[peer.thumbprint]
    other = KnownClient("bank", peer.thumbprint, remembered.known.credential)
    view.identified[peer.thumbprint] = Identified(other, standing_of(False, ()), remembered.expires)
    decision = gate.decide(peer, request)
    assert isinstance(decision, Refusal)
    assert (decision.reason, decision.client) == (Reason.NOT_GRANTED, "bank")


def test_a_first_request_is_not_remembered_for_most_make_no_second_one(home: Home, gate: LiveGate) -> None:
    peer, request = peer_of(home), Request("GET", "/status", b"/status")
    gate.decide(peer, request)
    assert not gate._view.admitted
    gate.decide(peer, request)
    assert list(gate._view.admitted) == [(peer.thumbprint, request)]
