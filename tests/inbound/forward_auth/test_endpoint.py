"""The endpoint without a proxy: who may ask, what is answered to whom, and what is written down."""

import asyncio
import json
import logging
from collections.abc import Callable, Iterator
from ipaddress import ip_address, ip_network
from typing import Any

import pytest

from mutua import Home
from mutua.home.forwarded import ForwardedSettings
from mutua.inbound.connection import CONNECTION, Connection, SocketPeer
from mutua.inbound.forward_auth.asking import ASKERS, ENDPOINT
from mutua.inbound.forward_auth.endpoint import ForwardAuth
from mutua.inbound.forwarding import Forwarding
from mutua.inbound.live_gate import LiveGate
from mutua.pki.certificates import write_der
from tests.inbound.forwarded.writing import CASES

UNIX = Connection(None, "unix", SocketPeer(None))
PROXY = Connection(None, "10.0.0.5:4711", SocketPeer(ip_address("10.0.0.5")))
STRANGER = Connection(None, "10.0.0.6:4711", SocketPeer(ip_address("10.0.0.6")))

DIALECT_OF = {"nginx": "nginx", "caddy": "haproxy", "traefik": "traefik", "envoy": "xfcc"}

Headers = list[tuple[bytes, bytes]]
Answer = tuple[int, dict[bytes, bytes], bytes]


class Asked:
    """The endpoint for one make of proxy."""

    def __init__(self, home: Home, gate: LiveGate, asker: str, *, by_address: bool = False) -> None:
        self.asker, self.home = ASKERS[asker], home
        dialect = DIALECT_OF[asker]
        settings = (
            ForwardedSettings(dialect=dialect, addresses=(ip_network("10.0.0.5"),))
            if by_address
            else ForwardedSettings(dialect=dialect, unix_socket=True)
        )
        self._endpoint = ForwardAuth(gate, Forwarding(settings), self.asker)

    def certificate(self, name: str = "woovi") -> Headers:
        chain = map(write_der, self.home.identities.load(name).chain)
        written = CASES[DIALECT_OF[self.asker.name]].write(*chain)
        return [(header.encode(), value) for header, values in written.items() for value in values]

    def ask(
        self, uri: bytes, headers: Headers, connection: Connection = UNIX, method: str = "GET", own: str = "GET"
    ) -> Answer:
        path, question = ENDPOINT, list(headers)
        if self.asker.method is None or self.asker.uri is None:
            path, own = ENDPOINT + uri.partition(b"?")[0], method
        else:
            question += [(self.asker.method.encode(), method.encode()), (self.asker.uri.encode(), uri)]
        scope: dict[str, Any] = {
            "type": "http",
            "method": own,
            "path": path.decode("latin-1"),
            "raw_path": path,
            "headers": question,
            "state": {CONNECTION: connection},
        }
        sent: list[Any] = []

        async def send(message: Any) -> None:
            sent.append(message)

        asyncio.run(self._endpoint(scope, None, send))  # type: ignore[arg-type]
        start, body = sent
        told = dict(start["headers"])
        assert len(told) == len(start["headers"])
        assert told[b"cache-control"] == b"no-store"
        return start["status"], told, body["body"]


@pytest.fixture
def gate(home: Home) -> Iterator[LiveGate]:
    made = LiveGate(home)
    yield made
    made.close()


@pytest.fixture
def written(caplog: pytest.LogCaptureFixture) -> Callable[[], dict[str, Any]]:
    """The last line of the log."""
    caplog.set_level(logging.INFO, logger="mutua.access")
    return lambda: json.loads([each.getMessage() for each in caplog.records if each.name == "mutua.access"][-1])


@pytest.mark.parametrize("asker", ASKERS)
def test_a_known_client_is_named(home: Home, gate: LiveGate, written: Callable[[], dict[str, Any]], asker: str) -> None:
    asked = Asked(home, gate, asker)
    status, headers, body = asked.ask(b"/webhook/pix?a=1", asked.certificate(), method="POST")
    thumbprint = home.identities.load("woovi").thumbprint
    assert (status, body) == (200, b"")
    assert (headers[b"mutua-client"], headers[b"mutua-client-thumbprint"]) == (b"woovi", thumbprint.encode())
    line = written()
    assert (line["event"], line["client"], line["method"], line["path"], line["status"]) == (
        "admitted",
        "woovi",
        "POST",
        "/webhook/pix",
        200,
    )


@pytest.mark.parametrize("asker", ASKERS)
def test_a_refusal_has_a_status_that_the_proxy_takes_for_one(
    home: Home,
    gate: LiveGate,
    written: Callable[[], dict[str, Any]],
    monkeypatch: pytest.MonkeyPatch,
    asker: str,
) -> None:
    asked = Asked(home, gate, asker)
    good, seen = asked.certificate(), {}
    asks: list[tuple[bytes, Headers, str]] = [
        (b"/status", [], "GET"),
        (b"/status", good, "POST"),
        (b"/a/../b", good, "GET"),
        (b"a", good, "GET"),
        (b"/status", [*good, *good], "GET"),
    ]
    for uri, headers, method in asks:
        status, told, body = asked.ask(uri, headers, method=method)
        assert b'"status":%d' % status in body
        assert told[b"content-type"] == b"application/problem+json"
        assert not {b"mutua-client", b"connection"} & told.keys()
        assert written()["status"] == status
        seen[written()["reason"]] = status
    monkeypatch.setattr(gate, "_max_stale", -1)
    seen["stale_registry"], _, _ = asked.ask(b"/status", good)
    assert written()["reason"] == "stale_registry"
    assert seen == {
        "no_certificate": 401,
        "not_granted": 403,
        "malformed": 403 if asker == "nginx" else 400,
        "stale_registry": 503 if asker in {"caddy", "traefik"} else 403,
    }
    assert asked.ask(b"/status", [], own="HEAD", method="HEAD")[2] == b""


@pytest.mark.parametrize("asker", ASKERS)
def test_whoever_may_not_forward_may_not_ask(
    home: Home, gate: LiveGate, written: Callable[[], dict[str, Any]], asker: str
) -> None:
    by_address, by_socket = Asked(home, gate, asker, by_address=True), Asked(home, gate, asker)
    good = by_address.certificate()
    assert by_address.ask(b"/status", good, PROXY)[0] == 200
    for asked, connection in (
        (by_address, STRANGER),
        (by_address, UNIX),
        (by_address, Connection(None, "10.0.0.5:1")),
        (by_socket, PROXY),
        (by_socket, STRANGER),
    ):
        for headers in (good, [], [(b"x-forwarded-for", b"10.0.0.5")]):
            status, told, _ = asked.ask(b"/status", headers, connection)
            assert (status, told[b"connection"]) == (403, b"close")
            assert written()["reason"] == "untrusted_forwarder"


def test_a_question_that_cannot_be_read_is_written_down_with_who_asked(
    home: Home, gate: LiveGate, written: Callable[[], dict[str, Any]]
) -> None:
    asked = Asked(home, gate, "nginx")
    assert asked.ask(b"a\x1b[2J", asked.certificate())[0] == 403
    line = written()
    assert (line["reason"], line["method"], line["path"]) == ("malformed", "", "")
    assert line["thumbprint"] == home.identities.load("woovi").thumbprint
    assert line["detail"] == "the header x-original-uri does not begin with a path"


def test_a_connection_on_which_another_protocol_was_asked_for_ends(home: Home, gate: LiveGate) -> None:
    asked = Asked(home, gate, "caddy")
    upgrade = [(b"connection", b"upgrade"), (b"upgrade", b"websocket")]
    status, headers, _ = asked.ask(b"/status", [*asked.certificate(), *upgrade])
    assert (status, headers[b"connection"]) == (200, b"close")


def test_nobody_is_answered_over_anything_but_http(home: Home, gate: LiveGate) -> None:
    endpoint = ForwardAuth(gate, Forwarding(ForwardedSettings(dialect="nginx", unix_socket=True)), ASKERS["nginx"])
    for kind in ("websocket", "lifespan"):
        with pytest.raises(RuntimeError, match="nobody is answered"):
            asyncio.run(endpoint({"type": kind}, None, None))  # type: ignore[arg-type]
