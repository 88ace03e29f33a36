"""What is public: a certificate is optional there, a bad one is not, and nobody becomes a known client by it."""

from dataclasses import fields

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mutua.gate.decision import NO_CERTIFICATE, Anyone, Decision, Refusal, Request, decide
from mutua.gate.snapshot import NO_RULES, Rules, Snapshot
from mutua.reasons import Reason
from mutua.registry.clients import ClientState, KnownClient
from mutua.registry.grants import Grant
from mutua.tls.peer import PeerCertificate
from tests.gate.test_decision import DAY, NOW, PEER, REVOKED, client, snapshot

PUBLIC = Rules((Grant.parse("GET /healthz"), Grant.parse("GET,POST /open/*")))
HEALTHZ = Request("GET", "/healthz", b"/healthz")
NARROW = snapshot(client(grant="GET /elsewhere"))


def asked(method: str, raw: str, path: str | None = None) -> Request:
    return Request(method, raw if path is None else path, raw.encode())


def of_nobody(request: Request, public: Rules = PUBLIC) -> Decision:
    return decide(NARROW, None, request, NOW, public)


@pytest.mark.parametrize(
    "request_",
    [HEALTHZ, asked("HEAD", "/healthz"), asked("POST", "/open/a"), asked("GET", "/open/a%20b", "/open/a b")],
    ids=lambda request: f"{request.method} {request.path}",
)
def test_a_public_path_is_anyones(request_: Request) -> None:
    assert of_nobody(request_) == Anyone()


def test_anyone_has_no_name_and_is_no_known_client() -> None:
    assert (fields(Anyone), isinstance(Anyone(), KnownClient)) == ((), False)


@pytest.mark.parametrize(
    "request_",
    [
        asked("POST", "/healthz"),
        asked("OPTIONS", "/healthz"),
        asked("get", "/healthz"),
        asked("GET", "/Healthz"),
        asked("GET", "/healthz/"),
        asked("GET", "/healthz/x"),
        asked("GET", "/healthzx"),
        asked("GET", "/x/healthz"),
        asked("GET", "/open"),
        asked("GET", "/open/"),
        asked("GET", "/open/a/b"),
        asked("GET", "/status"),
        asked("GET", "/healthz%0a", "/healthz\n"),
    ],
    ids=lambda request: f"{request.method} {request.raw_path.decode()}",
)
def test_without_a_certificate_nothing_else_is(request_: Request) -> None:
    decision = of_nobody(request_)
    assert isinstance(decision, Refusal)
    assert decision.reason in {Reason.NO_CERTIFICATE, Reason.MALFORMED}


@pytest.mark.parametrize(
    "request_",
    [
        asked("GET", "/open/../status"),
        asked("GET", "/open/%2e%2e/status", "/open/../status"),
        asked("GET", "/open/..%2fstatus", "/open/../status"),
        asked("GET", "/open/..\\status"),
        asked("GET", "//healthz"),
        asked("GET", "/./healthz"),
        asked("GET", "/open/%252e", "/open/%2e"),
        asked("GET", "/open/a%00", "/open/a\0"),
        asked("GET", "/status", "/healthz"),
        asked("GET", "/healthz", "/status"),
        asked("GET", "https://host/healthz", "/healthz"),
        Request("GET", "/healthz", None),
    ],
    ids=lambda request: f"{request.raw_path!r} as {request.path!r}",
)
def test_a_spelling_that_two_readers_read_differently_is_refused_before_public_is_looked_at(request_: Request) -> None:
    wide = Rules((Grant.parse("* /**"),))
    decision = of_nobody(request_, wide)
    assert isinstance(decision, Refusal)
    assert decision.reason is Reason.MALFORMED


BAD: list[tuple[Reason, Snapshot, int]] = [
    (Reason.EXPIRED, snapshot(client()), 2),
    (Reason.NOT_YET_VALID, snapshot(client()), -2),
    (Reason.REVOKED, snapshot(client(), revoked=REVOKED), 0),
    (Reason.UNKNOWN_CLIENT, snapshot(), 0),
    (Reason.SUSPENDED, snapshot(client(ClientState.SUSPENDED)), 0),
]


@pytest.mark.parametrize(("reason", "registry", "days"), BAD, ids=[str(reason) for reason, *_ in BAD])
def test_a_bad_certificate_that_is_shown_is_refused_on_public_paths_too(
    reason: Reason, registry: Snapshot, days: int
) -> None:
    decision = decide(registry, PEER, HEALTHZ, NOW + days * DAY, PUBLIC)
    assert isinstance(decision, Refusal)
    assert decision.reason is reason


def test_a_known_client_needs_no_grant_for_what_is_public_and_stays_known() -> None:
    decision = decide(NARROW, PEER, HEALTHZ, NOW, PUBLIC)
    assert isinstance(decision, KnownClient)
    assert decision.name == "woovi"


def test_a_gate_that_has_lost_its_registry_refuses_what_is_public_too() -> None:
    for peer in (None, PEER):
        decision = decide(None, peer, HEALTHZ, NOW, PUBLIC)
        assert isinstance(decision, Refusal)
        assert decision.reason is Reason.STALE_REGISTRY


@given(
    public=st.lists(st.sampled_from(["GET /healthz", "GET /open/*", "POST /**", "* /x"]), max_size=3),
    shown=st.booleans(),
    known=st.booleans(),
    there=st.booleans(),
    method=st.sampled_from(["GET", "HEAD", "POST"]),
    path=st.sampled_from(["/healthz", "/open/a", "/open//a", "/x", "/elsewhere", "/open/.."]),
)
def test_anyone_is_only_who_shows_nothing_and_asks_for_what_is_public(
    public: list[str], shown: bool, known: bool, there: bool, method: str, path: str
) -> None:
    rules = Rules(tuple(map(Grant.parse, public)))
    registry = (NARROW if known else snapshot()) if there else None
    decision = decide(registry, PEER if shown else None, asked(method, path), NOW, rules)
    sound = path not in {"/open//a", "/open/.."}
    if isinstance(decision, Anyone):
        assert not shown
        assert there
        assert sound
        assert rules.allow(method, path)
    if isinstance(decision, KnownClient):
        assert shown
        assert known
        assert there
        assert sound


@pytest.mark.parametrize("peer", [None, PEER], ids=["nobody", "somebody"])
def test_without_public_paths_nobody_is_anyone(peer: PeerCertificate | None) -> None:
    decision = decide(snapshot(), peer, HEALTHZ, NOW)
    assert isinstance(decision, Refusal)
    assert decide(NARROW, None, HEALTHZ, NOW, NO_RULES) is NO_CERTIFICATE


@pytest.mark.parametrize("reason", Reason)
def test_a_refusal_of_the_request_alone_is_no_reason_to_end_the_connection(reason: Reason) -> None:
    of_request = {Reason.NOT_GRANTED, Reason.MALFORMED, Reason.UNTRUSTED_FORWARDER}
    assert Refusal(reason, "detail").is_of_client is (reason not in of_request)
