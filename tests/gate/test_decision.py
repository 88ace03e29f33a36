"""The decision: nobody gets in unless everything is in order, and the first thing that is not is the reason."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mutua.ca.hierarchy import draft_root
from mutua.gate.decision import Identified, Refusal, Request, decide, examine, identify, recognize
from mutua.gate.snapshot import MAX_METHODS, Rules, Snapshot, parted
from mutua.pki.certificates import write_der
from mutua.pki.randomness import generate_key
from mutua.reasons import Reason
from mutua.registry.clients import Client, ClientState, KnownClient
from mutua.registry.credentials import Credential, CredentialKind
from mutua.registry.grants import Grant
from mutua.tls.peer import PeerCertificate

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
DAY = timedelta(days=1)
REQUEST = Request("GET", "/status", b"/status")
THUMBPRINTS = st.sampled_from("abcdef")


def make_peer() -> PeerCertificate:
    key = generate_key()
    read = PeerCertificate.read((write_der(draft_root("Acme", key.public_key(), serial=7, now=NOW).sign(key)),))
    return replace(read, not_before=NOW - DAY, not_after=NOW + DAY)


PEER = make_peer()


def client(state: ClientState = ClientState.ACTIVE, grant: str = "GET /**") -> Client:
    credentials = (Credential(CredentialKind.ISSUED, PEER.thumbprint),)
    return Client(name="woovi", state=state, grants=(Grant.parse(grant),), credentials=credentials)


def snapshot(*clients: Client, revoked: tuple[str, ...] = ()) -> Snapshot:
    return Snapshot.of(1, clients, revoked)


def test_a_known_client_is_admitted() -> None:
    known = KnownClient("woovi", PEER.thumbprint, CredentialKind.ISSUED)
    assert decide(snapshot(client()), PEER, REQUEST, NOW) == known


REVOKED = (PEER.thumbprint,)
NARROW = client(grant="GET /elsewhere")
REFUSALS: list[tuple[Reason, Snapshot | None, PeerCertificate | None, Request, datetime]] = [
    (Reason.STALE_REGISTRY, None, PEER, REQUEST, NOW),
    (Reason.NO_CERTIFICATE, snapshot(client()), None, REQUEST, NOW),
    (Reason.NOT_YET_VALID, snapshot(client()), PEER, REQUEST, NOW - 2 * DAY),
    (Reason.EXPIRED, snapshot(client()), PEER, REQUEST, NOW + 2 * DAY),
    (Reason.REVOKED, snapshot(client(), revoked=REVOKED), PEER, REQUEST, NOW),
    (Reason.UNKNOWN_CLIENT, snapshot(), PEER, REQUEST, NOW),
    (Reason.UNKNOWN_CLIENT, Snapshot(), PEER, REQUEST, NOW),
    (Reason.SUSPENDED, snapshot(client(ClientState.SUSPENDED)), PEER, REQUEST, NOW),
    (Reason.MALFORMED, snapshot(client()), PEER, Request("GET", "/a//b", b"/a//b"), NOW),
    (Reason.MALFORMED, snapshot(client()), PEER, Request("GET", "/status", None), NOW),
    (Reason.NOT_GRANTED, snapshot(NARROW), PEER, REQUEST, NOW),
    (Reason.NOT_GRANTED, snapshot(client()), PEER, Request("POST", "/status", b"/status"), NOW),
    # Where several things are wrong, the first in this order is the reason.
    (Reason.STALE_REGISTRY, None, None, REQUEST, NOW),
    (Reason.EXPIRED, snapshot(client(ClientState.SUSPENDED), revoked=REVOKED), PEER, REQUEST, NOW + 2 * DAY),
    (Reason.REVOKED, snapshot(client(ClientState.SUSPENDED), revoked=REVOKED), PEER, REQUEST, NOW),
    (Reason.REVOKED, snapshot(revoked=REVOKED), PEER, REQUEST, NOW),
    (Reason.SUSPENDED, snapshot(client(ClientState.SUSPENDED)), PEER, Request("GET", "//", b"//"), NOW),
    (Reason.MALFORMED, snapshot(NARROW), PEER, Request("GET", "/../a", b"/../a"), NOW),
]


@pytest.mark.parametrize(("reason", "registry", "peer", "request_", "now"), REFUSALS)
def test_the_reason_of_a_refusal(
    reason: Reason, registry: Snapshot | None, peer: PeerCertificate | None, request_: Request, now: datetime
) -> None:
    refusal = decide(registry, peer, request_, now)
    assert isinstance(refusal, Refusal)
    assert (refusal.reason, bool(refusal.detail)) == (reason, True)
    shown = peer.thumbprint if peer and registry is not None else None
    assert refusal.thumbprint == shown
    is_known = bool(registry and (registry.issued or any(registry.revoked.values())))
    assert refusal.client == ("woovi" if shown and is_known else None)


@pytest.mark.parametrize(("at", "admitted"), [(PEER.not_before, True), (PEER.not_after, True)])
def test_both_ends_of_the_validity_belong_to_it(at: datetime, admitted: bool) -> None:
    assert isinstance(decide(snapshot(client()), PEER, REQUEST, at), KnownClient) is admitted
    beyond = at + (timedelta(seconds=1) if at == PEER.not_after else timedelta(seconds=-1))
    assert isinstance(decide(snapshot(client()), PEER, REQUEST, beyond), Refusal)


@given(
    there=st.booleans(),
    shown=st.booleans(),
    issued=st.booleans(),
    revoked=st.booleans(),
    state=st.sampled_from(ClientState),
    grant=st.sampled_from(["GET /**", "GET /status", "HEAD /status", "POST /status", "GET /*/x", "* /other"]),
    path=st.sampled_from(["/status", "/Status", "/a//b", "/other", "/%2e%2e"]),
    method=st.sampled_from(["GET", "HEAD", "POST"]),
    days=st.integers(min_value=-3, max_value=3),
)
def test_nobody_gets_in_unless_everything_is_in_order(
    there: bool,
    shown: bool,
    issued: bool,
    revoked: bool,
    state: ClientState,
    grant: str,
    path: str,
    method: str,
    days: int,
) -> None:
    known = client(state, grant) if issued else replace(client(state, grant), credentials=())
    registry = snapshot(known, revoked=REVOKED if revoked else ()) if there else None
    request = Request(method, path, path.encode())
    decision = decide(registry, PEER if shown else None, request, NOW + days * DAY)
    granted = (method in {"GET", "HEAD"} and grant == "GET /**" and path in {"/status", "/Status", "/other"}) or (
        path == "/status" and (grant, method) in {("GET /status", "GET"), ("GET /status", "HEAD")}
    )
    granted = granted or (path, grant, method) == ("/status", "POST /status", "POST")
    granted = granted or (path, grant) == ("/other", "* /other")
    in_order = there and shown and issued and not revoked and state is ClientState.ACTIVE and abs(days) <= 1
    assert isinstance(decision, KnownClient) is (in_order and granted)


@given(
    issued=st.booleans(),
    revoked=st.booleans(),
    pinned=st.booleans(),
    state=st.sampled_from(ClientState),
    at=st.sampled_from([-DAY, DAY]).flatmap(
        lambda end: st.integers(-2, 2).map(lambda microseconds: end + timedelta(microseconds=microseconds))
    ),
)
def test_the_short_way_of_most_admits_nobody_whom_the_long_one_would_not(
    issued: bool, revoked: bool, pinned: bool, state: ClientState, at: timedelta
) -> None:
    kinds = {CredentialKind.ISSUED} if issued else set()
    credentials = [Credential(kind, PEER.thumbprint) for kind in kinds | ({CredentialKind.PIN} if pinned else set())]
    registry = snapshot(replace(client(state), credentials=tuple(credentials)), revoked=REVOKED if revoked else ())
    now = NOW + at
    found, whole = recognize(registry, PEER, now.timestamp()), examine(registry, PEER, now)
    assert identify(registry, PEER, now) == whole
    if found is not None:
        assert found == whole
    assert (found is not None) is (issued and isinstance(whole, Identified))


@given(st.dictionaries(THUMBPRINTS, st.sampled_from(["woovi", "bank"])), st.lists(THUMBPRINTS))
def test_no_certificate_is_both_a_clients_and_revoked(issued: dict[str, str], revoked: list[str]) -> None:
    good, refused = parted(issued.items(), revoked)
    assert set(refused) == set(revoked)
    assert not good.keys() & refused.keys()
    assert {**good, **{each: name for each, name in refused.items() if name}} == issued


@given(methods=st.lists(st.text(st.characters(codec="ascii"), min_size=1, max_size=5), unique=True, max_size=200))
def test_invented_methods_are_refused_and_do_not_fill_the_memory(methods: list[str]) -> None:
    rules = Rules(client().grants)
    for method in methods:
        assert rules.allow(method, "/status") is (method in {"GET", "HEAD"})
    assert len(rules._patterns) <= MAX_METHODS
