"""Who may say who the client is: through each dialect, and along each way that is not to be trusted."""

import json
import logging
from collections.abc import Callable, Iterator
from ipaddress import ip_network
from pathlib import Path
from typing import Any

import pytest

from mutua import Home
from mutua.errors import InvalidSettings
from mutua.gate.decision import Refusal
from mutua.home.forwarded import ForwardedSettings
from mutua.inbound.asgi import KnownClients
from mutua.inbound.connection import Connection, SocketPeer
from mutua.inbound.forwarding import CERTIFICATE_HEADERS, Forwarding
from mutua.inbound.live_gate import LiveGate
from mutua.pki.certificates import write_der
from mutua.registry.credentials import Form
from mutua.registry.partners import by_certificate, by_subject
from mutua.tls.identity import Identity
from mutua.tls.peer import PeerCertificate
from tests.inbound.certificates import present_identities
from tests.inbound.connections import until
from tests.inbound.forwarded.writing import CASES
from tests.inbound.forwarding.requests import UNIX, UNSEEN, Door, Line, from_address, from_client
from tests.pki.hierarchy import NOW, issue, make_issuing_ca, make_root

OPTIONS: dict[str, dict[str, str | int | bool]] = {
    "xfcc-append": {"append": True},
    "alb-passthrough": {"mode": "passthrough"},
}
TRUSTED: dict[str, dict[str, Any]] = {
    "unix_socket": {"unix_socket": True},
    "certificate": {"certificate": "edge"},
    "addresses": {"addresses": (ip_network("10.0.0.5"), ip_network("2001:db8::/64"))},
}


@pytest.fixture
def gate(home: Home) -> Iterator[LiveGate]:
    home.clients.add("edge")
    home.identities.save("edge", home.authority.issue_client("edge"))
    made = LiveGate(home)
    yield made
    made.close()


@pytest.fixture
def refused(caplog: pytest.LogCaptureFixture) -> Callable[[], list[str]]:
    """The reasons of all refusals so far."""
    caplog.set_level(logging.WARNING, logger="mutua.access")
    return lambda: [json.loads(each.getMessage())["reason"] for each in caplog.records if each.name == "mutua.access"]


def settings(case: str = "nginx", by: str = "unix_socket") -> ForwardedSettings:
    return ForwardedSettings(dialect=CASES[case].dialect.name, options=OPTIONS.get(case, {}), **TRUSTED[by])


def lines(case: str, identity: Identity) -> list[Line]:
    """The headers as the proxy writes them, the whole chain where the dialect has one."""
    chain = map(write_der, identity.chain)
    return [(name, each) for name, values in CASES[case].write(*chain).items() for each in values]


def peer_of(home: Home, name: str) -> PeerCertificate:
    chain = (*home.identities.load(name).chain, *home.trust.anchors[:1])
    return PeerCertificate.read(tuple(map(write_der, chain)))


def trusted_ways(home: Home) -> dict[str, Connection]:
    return {
        "unix_socket": UNIX,
        "certificate": from_client(peer_of(home, "edge")),
        "addresses": from_address("10.0.0.5"),
    }


@pytest.mark.parametrize("by", TRUSTED)
@pytest.mark.parametrize("case", CASES)
def test_the_client_behind_the_proxy_is_known(home: Home, gate: LiveGate, case: str, by: str) -> None:
    door, woovi = Door(gate, settings(case, by)), home.identities.load("woovi")
    way = trusted_ways(home)[by]
    for kind, status in (("http", 200), ("websocket", 101)):
        headers = [("host", "api"), *lines(case, woovi), ("x-other", "1")]
        assert door.ask(way, headers, kind=kind) == status
        scope = door.scopes[-1]
        assert scope["state"]["known_client"].name == "woovi"
        assert scope["state"]["known_client"].thumbprint == woovi.thumbprint
        assert scope["headers"] == [(b"host", b"api"), (b"x-other", b"1")]
        tls = scope["extensions"]["tls"]["client_cert_chain"]
        assert len(tls) == 3
        assert tls[0].encode() == woovi.chain_pem()[: len(tls[0])]


@pytest.mark.parametrize("by", TRUSTED)
@pytest.mark.parametrize("case", CASES)
def test_no_certificate_is_nobody_and_never_the_proxy(
    home: Home, gate: LiveGate, refused: Callable[[], list[str]], case: str, by: str
) -> None:
    home.clients.grant("edge", allow=["GET /**"])
    door, way = Door(gate, settings(case, by)), trusted_ways(home)[by]
    for none in CASES[case].none:
        headers: list[Line] = [(name, each) for name, values in none.items() for each in values]
        assert door.ask(way, headers) == 401
    assert set(refused()) == {"no_certificate"}
    assert door.scopes == []


def untrusted_ways(home: Home, by: str) -> list[Connection | None]:
    """Everything that is not the way that the settings name."""
    stranger = PeerCertificate.read(tuple(map(write_der, issue(make_root()).chain)))
    ways: dict[str, list[Connection | None]] = {
        "unix_socket": [UNIX],
        "addresses": [from_address("10.0.0.5")],
        "certificate": [from_client(peer_of(home, "edge"))],
        "others": [
            None,
            UNSEEN,
            from_address("10.0.0.6"),
            from_address("127.0.0.1"),
            from_address("2001:db8:0:1::5"),
            from_address("::ffff:10.0.0.6"),
            from_client(peer_of(home, "woovi")),
            from_client(stranger),
        ],
    }
    return [way for name, each in ways.items() if name != by for way in each]


@pytest.mark.parametrize("by", TRUSTED)
@pytest.mark.parametrize("case", CASES)
def test_nobody_else_may_forward(
    home: Home, gate: LiveGate, refused: Callable[[], list[str]], case: str, by: str
) -> None:
    door, headers = Door(gate, settings(case, by)), lines(case, home.identities.load("woovi"))
    ways = untrusted_ways(home, by)
    for way in ways:
        for more in ((), (("x-forwarded-for", "10.0.0.5"), ("forwarded", "for=10.0.0.5"), ("x-real-ip", "10.0.0.5"))):
            assert door.ask(way, [*headers, *more]) == 403
            assert door.ask(way, [*more, *headers], kind="websocket") == 403
    assert door.scopes == []
    assert refused() == ["untrusted_forwarder"] * 4 * len(ways)


@pytest.mark.parametrize("name", sorted(CERTIFICATE_HEADERS))
def test_any_dialects_header_from_anyone_else_is_refused(
    gate: LiveGate, refused: Callable[[], list[str]], name: str
) -> None:
    door = Door(gate, settings())
    spellings = [
        name,
        name.upper(),
        name.title(),
        name.replace("-", "_"),
        name.replace("-", "_", 1),
        name.upper().replace("-", "_"),
    ]
    for spelling in spellings:
        for value in ("", "x", "NONE", ":AA==:"):
            assert door.ask(from_address("10.0.0.9"), [(spelling, value)]) == 403
    assert set(refused()) == {"untrusted_forwarder"}


def test_who_the_scope_says_is_calling_changes_nothing(
    home: Home, gate: LiveGate, refused: Callable[[], list[str]]
) -> None:
    """uvicorn's and others' proxy middleware rewrites ``scope["client"]`` out of X-Forwarded-For."""
    door, headers = Door(gate, settings(by="addresses")), lines("nginx", home.identities.load("woovi"))
    assert door.ask(from_address("10.9.9.9"), headers, client=("10.0.0.5", 1)) == 403
    assert door.ask(None, headers, client=("10.0.0.5", 1)) == 403
    assert refused() == ["untrusted_forwarder"] * 2
    assert door.ask(from_address("10.0.0.5"), headers, client=("6.6.6.6", 1)) == 200


@pytest.mark.parametrize("case", CASES)
def test_doubled_lines_are_never_read(home: Home, gate: LiveGate, refused: Callable[[], list[str]], case: str) -> None:
    """A client's own copy before or behind the proxy's, the same or another's, and joined with commas."""
    other = home.authority.issue_client("edge")
    door, proxys = Door(gate, settings(case)), lines(case, home.identities.load("woovi"))
    forged = lines(case, other)
    main = CASES[case].main
    doubles = [each for each in forged if each[0] == main]
    asked = 0
    for headers in ([*doubles, *proxys], [*proxys, *doubles], [*proxys, *(each for each in proxys if each[0] == main)]):
        assert door.ask(UNIX, headers) == 400
        asked += 1
    if case != "xfcc-append" and case not in {"traefik", "old traefik"}:
        joined = [(name, value if name != main else b"%b, %b" % ((_bytes(value),) * 2)) for name, value in proxys]
        assert door.ask(UNIX, joined) == 400
        asked += 1
    assert refused() == ["malformed"] * asked
    assert door.scopes == []


@pytest.mark.parametrize("case", CASES)
def test_another_spelling_beside_the_proxys_is_refused(
    home: Home, gate: LiveGate, refused: Callable[[], list[str]], case: str
) -> None:
    door, woovi = Door(gate, settings(case)), home.identities.load("woovi")
    main = CASES[case].main
    proxys = lines(case, woovi)
    for spelling in (main.replace("-", "_"), main.replace("-", "_", 1), main.upper().replace("-", "_")):
        for headers in ([(spelling, "x"), *proxys], [*proxys, (spelling, "")], [(spelling, dict(proxys)[main])]):
            assert door.ask(UNIX, headers) == 400
    assert set(refused()) == {"malformed"}
    assert door.scopes == []
    capitals = [(str(name).upper(), value) for name, value in proxys]
    assert door.ask(UNIX, capitals) == 200


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("damage", [b"\r\n ", b"\n ", b"\x00", b"\t", b"\x80", b"\xc0\xaf", b"%0d%0a"])
def test_folded_and_binary_values_are_never_read(
    home: Home, gate: LiveGate, refused: Callable[[], list[str]], case: str, damage: bytes
) -> None:
    door, main = Door(gate, settings(case)), CASES[case].main
    proxys = lines(case, home.identities.load("woovi"))
    # Behind the last name of XFCC it is part of that name, which nobody reads.
    places = (0, 40) if damage == b"%0d%0a" else (0, 40, None)
    for place in places:
        headers = [(name, _damaged(value, place, damage) if name == main else value) for name, value in proxys]
        assert door.ask(UNIX, headers) == 400
    assert refused() == ["malformed"] * len(places)
    assert door.scopes == []


def _damaged(value: str | bytes, place: int | None, damage: bytes) -> bytes:
    assert isinstance(value, bytes)
    return value + damage if place is None else value[:place] + damage + value[place:]


@pytest.mark.parametrize("case", CASES)
def test_oversized_headers_are_never_read(
    home: Home, gate: LiveGate, refused: Callable[[], list[str]], case: str
) -> None:
    door, main = Door(gate, settings(case)), CASES[case].main
    for value in (b"A" * 65_537, b"MIIB" * 250_000, b":" + b"A" * 200_000 + b":"):
        assert door.ask(UNIX, [(main, value)]) == 400
    assert door.ask(UNIX, [(main, b"A")] * 2_000) == 400
    assert refused() == ["malformed"] * 4
    assert door.scopes == []


def test_another_dialects_headers_are_taken_away_and_not_read(home: Home, gate: LiveGate) -> None:
    """A client behind the proxy sends them along; the proxy speaks RFC 9440."""
    door = Door(gate, settings("rfc9440"))
    forged = [
        each
        for case in ("nginx", "haproxy", "xfcc", "alb")
        for each in lines(case, home.authority.issue_client("edge"))
    ]
    assert door.ask(UNIX, [*forged, *lines("rfc9440", home.identities.load("woovi"))]) == 200
    assert door.scopes[0]["state"]["known_client"].name == "woovi"
    assert door.scopes[0]["headers"] == []
    assert door.ask(UNIX, forged) == 401


def test_without_the_setting_such_headers_are_only_headers(home: Home, gate: LiveGate) -> None:
    seen: list[Any] = []
    door = Door(gate, settings())
    door._app = KnownClients(door._reached, gate=gate)
    headers = lines("nginx", home.authority.issue_client("edge"))
    assert door.ask(UNIX, headers) == 401
    assert door.ask(from_client(peer_of(home, "woovi")), headers) == 200
    seen = [scope["state"]["known_client"].name for scope in door.scopes]
    assert seen == ["woovi"]
    assert len(door.scopes[0]["headers"]) == len(headers)


def test_the_same_cases_as_at_every_door(
    home: Home, gate: LiveGate, refused: Callable[[], list[str]], tmp_path: Path
) -> None:
    wanted = {
        "stranger's CA": "unknown_issuer",
        "expired": "expired",
        "not yet valid": "not_yet_valid",
        "wrong purpose": "wrong_purpose",
        "weak key": "weak_key",
        "revoked": "revoked",
        "unregistered": "unknown_client",
        "suspended": "suspended",
        "outside the grant": "not_granted",
    }
    shown = present_identities(home, tmp_path / "stranger")
    door = Door(gate, settings("rfc9440"))
    until(lambda: door.ask(UNIX, lines("rfc9440", _given(shown["outside the grant"])), path="/elsewhere/x") == 200)
    before = len(refused())
    for name in wanted:
        assert door.ask(UNIX, lines("rfc9440", _given(shown[name]))) == 403, name
    assert refused()[before:] == list(wanted.values())
    assert door.ask(UNIX, lines("rfc9440", home.identities.load("woovi")), path="/a//b") == 400


def _given(identity: Identity | None) -> Identity:
    assert identity is not None
    return identity


def test_a_suspension_counts_on_the_next_request(home: Home, gate: LiveGate) -> None:
    door, headers = Door(gate, settings()), lines("nginx", home.identities.load("woovi"))
    assert door.ask(UNIX, headers) == 200
    home.clients.suspend("woovi")
    until(lambda: door.ask(UNIX, headers) == 403)


def test_a_proxy_that_is_suspended_may_not_forward(
    home: Home, gate: LiveGate, refused: Callable[[], list[str]]
) -> None:
    door, way = Door(gate, settings(by="certificate")), from_client(peer_of(home, "edge"))
    headers = lines("nginx", home.identities.load("woovi"))
    assert door.ask(way, headers) == 200
    home.clients.suspend("edge")
    until(lambda: door.ask(way, headers) == 403)
    assert refused() == ["untrusted_forwarder"] * len(refused())


def test_a_client_beside_the_proxy_is_itself(home: Home, gate: LiveGate) -> None:
    door = Door(gate, settings(by="certificate"))
    assert door.ask(from_client(peer_of(home, "woovi"))) == 200
    assert door.scopes[0]["state"]["known_client"].name == "woovi"


def test_partners_come_by_what_they_brought(home: Home, gate: LiveGate, refused: Callable[[], list[str]]) -> None:
    """An intermediate that the proxy does not send was registered; what is only sent proves nothing."""
    root = make_root(organization="Bank")
    ca = make_issuing_ca(root)
    leaf = issue(ca, names=["api.bank.example"])
    alone = issue(make_issuing_ca(make_root(organization="Alone")), names=["alone.example"])
    home.clients.add("bank", allow=["GET /**"])
    home.clients.add("alone", allow=["GET /**"])
    door = Door(gate, settings("nginx"))
    assert door.ask(UNIX, lines("nginx", leaf)) == 403
    home.credentials.add("bank", by_subject([root.certificate, ca.certificate], Form.DNS, "api.bank.example", now=NOW))
    home.credentials.add("alone", by_certificate([alone.certificate], now=NOW))
    until(lambda: door.ask(UNIX, lines("nginx", leaf)) == 200)
    until(lambda: door.ask(UNIX, lines("nginx", alone)) == 200)
    assert [scope["state"]["known_client"].name for scope in door.scopes] == ["bank", "alone"]

    before = len(refused())
    impostor = issue(make_issuing_ca(make_root(organization="Bank")), names=["api.bank.example"])
    forged = Identity(impostor.key, (impostor.certificate, ca.certificate, root.certificate))
    with_chain = Door(gate, settings("rfc9440"))
    for each in (impostor, forged):
        assert with_chain.ask(UNIX, lines("rfc9440", each)) == 403
    assert refused()[before:] == ["unknown_issuer"] * 2
    assert with_chain.scopes == []


def test_a_lost_registry_is_told_as_such(
    home: Home, gate: LiveGate, refused: Callable[[], list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gate, "_max_stale", -1)
    door = Door(gate, settings(by="certificate"))
    assert door.ask(from_client(peer_of(home, "edge")), lines("nginx", home.identities.load("woovi"))) == 503
    assert refused() == ["stale_registry"]


def test_a_bare_loopback_address_is_warned_about(caplog: pytest.LogCaptureFixture) -> None:
    Forwarding(ForwardedSettings(dialect="nginx", addresses=(ip_network("10.0.0.5"),)))
    assert caplog.text == ""
    Forwarding(ForwardedSettings(dialect="nginx", addresses=(ip_network("127.0.0.1"),)))
    assert "use a Unix socket" in caplog.text


def test_options_of_a_dialect_that_make_no_sense_are_refused() -> None:
    for dialect, options in (("alb", {"mode": "both"}), ("nginx", {"certificate": "A B"}), ("apache", {"depth": 99})):
        with pytest.raises(InvalidSettings):
            Forwarding(ForwardedSettings(dialect=dialect, options=options, unix_socket=True))


@pytest.mark.parametrize(
    ("family", "peername", "wanted"),
    [
        (1, "", "unix"),
        (2, ("10.0.0.5", 1), "10.0.0.5"),
        (10, ("::ffff:10.0.0.5", 1, 0, 0), "10.0.0.5"),
        (10, ("fe80::1%eth0", 1, 0, 2), "fe80::1"),
        (2, None, "nobody"),
        (2, (), "nobody"),
        (2, ("proxy.acme.example", 1), "nobody"),
    ],
)
def test_the_sockets_own_peer_is_read(family: int, peername: Any, wanted: str) -> None:
    found = SocketPeer.of(family, peername)
    assert ("nobody" if found is None else str(found.ip or "unix")) == wanted


def test_a_path_is_verified_once_as_long_as_the_trust_stays(home: Home, gate: LiveGate) -> None:
    forwarding = Forwarding(settings("nginx"))
    headers = [(str(name).encode(), _bytes(value)) for name, value in lines("nginx", home.identities.load("woovi"))]

    def peer() -> PeerCertificate | None:
        found = forwarding.read(UNIX, headers, gate)
        assert not isinstance(found, Refusal)
        return found.peer

    first, trust = peer(), gate.trust
    assert peer() is first
    home.hierarchy.rotate()
    until(lambda: gate.trust is not trust)
    assert len(_given_peer(peer()).chain) == 3


def _given_peer(peer: PeerCertificate | None) -> PeerCertificate:
    assert peer is not None
    return peer


def _bytes(value: str | bytes) -> bytes:
    assert isinstance(value, bytes)
    return value
