"""A known client that does not keep to the protocol: nothing gets past the gate, and the server serves on."""

import random
import socket
import ssl
from collections.abc import Iterator
from contextlib import suppress

import pytest

from mutua import Home
from tests.inbound.connections import client_context
from tests.inbound.doors.calls import Http2Caller, alert_of, calling, context_for
from tests.inbound.doors.doors import HTTP1, HTTP2, spoken
from tests.inbound.test_hostile_peers import client_hello
from tests.serving import Serving

MUTATIONS = 30

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
SETTINGS = b"\x00\x00\x00\x04\x00\x00\x00\x00\x00"


def exchange(serving: Serving, context: ssl.SSLContext, data: bytes) -> bytes:
    """Send the bytes over TLS, say that no more will come; what the server answers until it closes."""
    answer = b""
    plain = socket.create_connection(("127.0.0.1", serving.port), timeout=60)
    with plain, suppress(OSError), context.wrap_socket(plain, server_hostname="127.0.0.1") as tls:
        tls.sendall(data)
        # Of the socket below: that of ssl would forget about TLS.
        socket.socket.shutdown(tls, socket.SHUT_WR)
        while chunk := tls.recv(65536):
            answer += chunk
    return answer


def assert_serves(serving: Serving, home: Home, protocol: str) -> None:
    with calling(protocol, serving.port, context_for(protocol, client_context(home))) as caller:
        assert caller.get("/afterwards") == 200
    assert "Traceback" not in serving.talk


def assert_nothing_came_through(serving: Serving, mark: str) -> None:
    assert [line["path"] for line in serving.lines if line["event"] == "reached" and mark in line["path"]] == []


def head(*lines: bytes) -> bytes:
    return b"\r\n".join((*lines, b"Host: 127.0.0.1", b"Connection: close", b"", b""))


NOT_HTTP1 = {
    "zeros": b"\x00" * 5000,
    "a line without end": b"GET /" + b"x" * 200_000,
    "headers without end": b"GET /x HTTP/1.1\r\n" + b"A: b\r\n" * 20_000,
    "a header of 200 KB": head(b"GET /x HTTP/1.1", b"A: " + b"x" * 200_000),
    "no such version": head(b"GET /x HTTP/7.3"),
    "not a method": head(b"G\x80T /x HTTP/1.1"),
    "two lengths": head(b"POST /x HTTP/1.1", b"Content-Length: 1", b"Content-Length: 2"),
    "length and chunks": head(b"POST /x HTTP/1.1", b"Content-Length: 1", b"Transfer-Encoding: chunked"),
    "a chunk of nonsense": head(b"POST /x HTTP/1.1", b"Transfer-Encoding: chunked") + b"zz\r\n",
}


@pytest.mark.parametrize("name", NOT_HTTP1)
@pytest.mark.parametrize(("door_name", "protocol"), spoken(HTTP1))
def test_what_is_not_http1_ends_its_own_connection_alone(
    name: str, protocol: str, serving: Serving, shared_home: Home
) -> None:
    context = context_for(protocol, client_context(shared_home))
    exchange(serving, context, NOT_HTTP1[name])
    assert_serves(serving, shared_home, protocol)


SMUGGLED = {
    "h2c upgrade": head(
        b"GET /../secret HTTP/1.1", b"Upgrade: h2c", b"HTTP2-Settings: AAMAAABkAAQAAP__", b"Connection: Upgrade"
    ),
    "http/2 without agreement": PREFACE + SETTINGS,
    "an absolute address": head(b"GET https://127.0.0.1/%2e%2e/secret HTTP/1.1"),
    "an asterisk": head(b"OPTIONS * HTTP/1.1"),
    "an authority": head(b"CONNECT secret:443 HTTP/1.1"),
    "dots": head(b"GET /a/../secret HTTP/1.1"),
    "encoded dots": head(b"GET /a/%2e%2e/secret HTTP/1.1"),
    "a websocket to dots": head(
        b"GET /a/%2e%2e/secret HTTP/1.1", b"Upgrade: websocket", b"Connection: Upgrade", b"Sec-WebSocket-Version: 13",
        b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
    ),
    "a forwarded certificate": head(b"GET /a/../secret HTTP/1.1", b"Client-Cert: :AAAA:", b"X-Forwarded-For: 1.1.1.1"),
}  # fmt: skip


@pytest.mark.parametrize("name", SMUGGLED)
@pytest.mark.parametrize(("door_name", "protocol"), spoken(HTTP1))
def test_no_other_way_of_asking_gets_past_the_gate(
    name: str, protocol: str, serving: Serving, shared_home: Home
) -> None:
    answer = exchange(serving, context_for(protocol, client_context(shared_home)), SMUGGLED[name])
    assert b'"event": "reached"' not in answer
    assert_serves(serving, shared_home, protocol)
    assert_nothing_came_through(serving, "secret")


def hostile_frames() -> Iterator[bytes]:
    chance = random.Random(20261123)
    yield b""
    yield PREFACE[:10]
    yield PREFACE + b"\x00" * 1000
    yield PREFACE + b"\xff" * 1000  # a frame of 16 MiB
    yield PREFACE + SETTINGS + b"\x00\x00\x05\x00\x00\x00\x00\x00\x01hello"  # DATA on a stream that is not open
    yield PREFACE + SETTINGS + b"\x00\x00\x04\x08\x00\x00\x00\x00\x00\x00\x00\x00\x00"  # WINDOW_UPDATE of nothing
    yield PREFACE + SETTINGS + b"\x00\x00\x08\x06\x00\x00\x00\x00\x00pingpong" * 500
    yield PREFACE + SETTINGS + b"\x00\x00\x01\x09\x00\x00\x00\x00\x01\x82" * 500  # CONTINUATION after nothing
    yield (
        PREFACE
        + SETTINGS
        + b"\x00\x00\x01\x01\x00\x00\x00\x00\x01\x82"
        + b"\x00\x00\x01\x09\x00\x00\x00\x00\x01\x82" * 5000
    )
    good = PREFACE + SETTINGS + b"\x00\x00\x04\x01\x05\x00\x00\x00\x01\x82\x84\x87\x41"
    for _ in range(MUTATIONS):
        mutant = bytearray(good)
        for _ in range(chance.randint(1, 6)):
            mutant[chance.randrange(len(PREFACE), len(mutant))] = chance.randrange(256)
        yield bytes(mutant)


@pytest.mark.parametrize(("door_name", "protocol"), spoken(HTTP2))
def test_frames_of_nonsense_end_their_own_connection_alone(protocol: str, serving: Serving, shared_home: Home) -> None:
    context = context_for(protocol, client_context(shared_home))
    for data in hostile_frames():
        exchange(serving, context, data)
    assert_serves(serving, shared_home, protocol)


REQUESTS = {
    "dots": (("GET", "/a/../secret"),),
    "encoded dots": (("GET", "/a/%2e%2e/secret"),),
    "no slash": (("GET", "secret"),),
    "an asterisk": (("OPTIONS", "*"),),
    "an absolute address": (("GET", "https://127.0.0.1/secret/../x"),),
    "a tunnel": (("CONNECT", "/a/../secret"),),
    "a method that is not granted": (("DELETE", "/secret"),),
    "beyond ascii": (("GET", "/secr\u00e9t"),),
}


@pytest.mark.parametrize("name", REQUESTS)
@pytest.mark.parametrize(("door_name", "protocol"), spoken(HTTP2))
def test_no_way_of_asking_over_http2_gets_past_the_gate(
    name: str, protocol: str, serving: Serving, shared_home: Home
) -> None:
    with calling(protocol, serving.port, context_for(protocol, client_context(shared_home))) as caller:
        assert isinstance(caller, Http2Caller)
        caller.http2.config.validate_outbound_headers = False
        caller.http2.config.normalize_outbound_headers = False
        for method, path in REQUESTS[name]:
            stream = caller.request(path, method=method)
            with suppress(OSError, AssertionError):
                assert caller.status(stream) in {400, 403, 404}
    assert_serves(serving, shared_home, protocol)
    assert_nothing_came_through(serving, "secr")


@pytest.mark.parametrize(("door_name", "protocol"), spoken(HTTP1))
def test_bytes_that_are_no_handshake_disturb_nobody(protocol: str, serving: Serving, shared_home: Home) -> None:
    hello = client_hello()
    for data in (b"", b"\x00" * 5000, b"GET / HTTP/1.1\r\n\r\n", hello[:50], hello + hello):
        with socket.create_connection(("127.0.0.1", serving.port), timeout=60) as plain, suppress(OSError):
            plain.sendall(data)
            plain.shutdown(socket.SHUT_WR)
            while plain.recv(65536):
                continue
    anonymous = context_for(protocol, shared_home.trust.client_context())
    assert alert_of(serving.port, anonymous)[0] in {"certificate required", "handshake failure"}
    assert_serves(serving, shared_home, protocol)
