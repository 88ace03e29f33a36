"""Attacks with requests: paths that two readers could read differently, requests within requests, other protocols.

Where a proxy forwards, the attacker is ``narrow`` behind it, and elsewhere ``narrow`` itself: a known client with a
good certificate, who may call ``/mine/**`` and wants ``/secret``.
"""

import base64
import ssl
from collections.abc import Callable, Iterator
from contextlib import suppress

import h2.events
import h2.exceptions

from tests.inbound.attacks.attack import NOT_ASKED, Attack, attack
from tests.inbound.attacks.targets import SECRET, TARGETS, Attacked, Line, head
from tests.inbound.doors.calls import Http2Caller

PATHS: dict[str, tuple[str | None, ...]] = {
    "/secret": ("not_granted",),
    "/mine/../secret": ("malformed",),
    "/mine/./../secret": ("malformed",),
    "/mine/%2e%2e/secret": ("malformed",),
    "/mine/.%2E/secret": ("malformed",),
    "/mine/..%2fsecret": ("malformed",),
    "/mine/%2e%2e%2Fsecret": ("malformed",),
    "/mine/%252e%252e/secret": ("malformed",),
    "/mine/..%252fsecret": ("malformed",),
    "/mine/..;/secret": ("malformed",),
    "/mine/..;x=1/secret": ("malformed",),
    "/mine/..\\secret": ("malformed",),
    "/mine/..%5csecret": ("malformed",),
    "/mine//../../secret": ("malformed",),
    "//mine/x": ("malformed",),
    "//secret": ("malformed", "not_granted"),
    "/mine/x%00/../../secret": ("malformed",),
    "/mine/x%0d%0aX:y": ("malformed",),
    "/mine/..%c0%afsecret": ("malformed",),
    "/mine/%c0%ae%c0%ae/secret": ("malformed",),
    "/mine/%uff0e%uff0e/secret": ("malformed",),
    "/mine/%2": ("malformed",),
    "/MINE/x": ("not_granted",),
    "/mine": ("not_granted",),
    "/%6dine/../secret": ("malformed",),
    "/secret?/mine/x": ("not_granted",),
    "/secret?x=/../mine/x": ("not_granted",),
    "/secret;/mine/x": ("not_granted",),
    "/secret%3f/mine/x": ("not_granted",),
    "/secret%23/mine/x": ("not_granted",),
    "http://localhost/secret": ("not_granted", "malformed", NOT_ASKED),
    "http://localhost/mine/../secret": ("malformed", NOT_ASKED),
    "mine/x": ("malformed", NOT_ASKED),
    "*": ("malformed", NOT_ASKED),
}
"""By spelling, the reasons; where a spelling covers ``/mine``, it must not be readable as it."""

ROUTES = ("uvicorn", "nginx gthread", "xfcc hypercorn", "haproxy asgi")
"""A server of each kind."""


def paths() -> Iterator[Attack]:
    for name in ROUTES:
        for path, reasons in PATHS.items():
            yield attack(f"the path {path}", name, _asking(path), *reasons)
        for header in (
            "Script-Name",
            "Script_Name",
            "Path-Info",
            "X-Original-URL",
            "X-Rewrite-URL",
            "X-Forwarded-Prefix",
        ):
            moved = f"{header}: /mine/x".encode()
            # gunicorn takes the first for a proxy's word; where it would move the path, the gate does not guess.
            yield attack(f"{header} in front of /secret", name, _asking(SECRET, moved), "not_granted", "malformed")
        for method in ("DELETE", "GE-T", "PROPFIND"):
            yield attack(f"the method {method}", name, _asking("/mine/x", method=method), "not_granted", NOT_ASKED)


def _asking(path: str, *more: bytes, method: str = "GET") -> Callable[[Attacked], int]:
    def act(server: Attacked) -> int:
        return server.say(head(path, _own(server), *more, method=method), _attacker(server))

    return act


def _own(server: Attacked) -> list[Line]:
    return server.lines_of("narrow") if server.target.way in {"unix", "tcp"} else []


def _attacker(server: Attacked) -> str:
    return "proxy" if server.target.way in {"unix", "tcp"} else "narrow"


def smuggled() -> Iterator[Attack]:
    """A second request in the first one's body, with a certificate that the proxy has never seen."""
    for name, target in TARGETS.items():
        if target.dialect is None:
            continue
        for tries, more in FRAMINGS.items():
            yield attack(f"a request within one with {tries}", name, _smuggling(*more), "not_granted", NOT_ASKED)
        yield attack("a certificate behind the body", name, _in_the_trailer("narrow"), "not_granted", NOT_ASKED)
        yield attack("a certificate only behind the body", name, _in_the_trailer(), "no_certificate", NOT_ASKED)
        yield attack("another request on the connection, without a certificate", name, _pipelined, "not_granted")


FRAMINGS: dict[str, tuple[bytes, ...]] = {
    "two lengths": (b"Content-Length: 0", b"Content-Length: %d"),
    "two lengths in one": (b"Content-Length: 0, %d",),
    "a length and chunks": (b"Content-Length: %d", b"Transfer-Encoding: chunked"),
    "a signed length": (b"Content-Length: +0", b"X: %d"),
    "a length in another base": (b"Content-Length: 0x0", b"X: %d"),
    "unknown chunks": (b"Transfer-Encoding: xchunked", b"X: %d"),
    "chunks behind a tab": (b"Transfer-Encoding:\x0bchunked", b"X: %d"),
    "chunks and more": (b"Transfer-Encoding: chunked, identity", b"X: %d"),
    "chunks on two lines": (b"Transfer-Encoding: chunked", b"Transfer-Encoding: identity", b"X: %d"),
}


def _smuggling(*framing: bytes) -> Callable[[Attacked], int]:
    def act(server: Attacked) -> int:
        inner = head(lines=server.lines_of("woovi"))
        lines = [line % len(inner) if b"%d" in line else line for line in framing]
        outer = head("/secret", server.lines_of("narrow"), b"Connection: keep-alive", *lines, method="POST")
        return server.say(outer + (b"0\r\n\r\n" if any(b"chunked" in line for line in lines) else b"") + inner)

    return act


def _in_the_trailer(*forwarded: str) -> Callable[[Attacked], int]:
    def act(server: Attacked) -> int:
        own = [line for name in forwarded for line in server.lines_of(name)]
        outer = head(SECRET, own, b"Transfer-Encoding: chunked", b"Trailer: client-cert")
        trailer = b"".join(b"%b: %b\r\n" % (name.encode(), value) for name, value in server.lines_of("woovi"))
        return server.say(outer + b"2\r\nxx\r\n0\r\n" + trailer + b"\r\n")

    return act


def _pipelined(server: Attacked) -> int:
    first = head("/secret", server.lines_of("narrow"), b"Connection: keep-alive")
    return server.say(first + head("/secret", server.lines_of("narrow")))


def upgraded() -> Iterator[Attack]:
    """Another protocol on the connection, in which no proxy would take a header away."""
    settings = base64.urlsafe_b64encode(b"\0\x03\0\0\0\x64\0\x04\0\x01\0\0").rstrip(b"=")
    h2c = b"Connection: Upgrade, HTTP2-Settings", b"Upgrade: h2c", b"HTTP2-Settings: " + settings
    websocket = b"Connection: Upgrade", b"Upgrade: websocket", b"Sec-WebSocket-Version: 13"
    key = b"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA=="
    for name, target in TARGETS.items():
        own = "not_granted"
        yield attack("HTTP/2 by Upgrade: h2c", name, _upgrading(*h2c), own, NOT_ASKED)
        yield attack("a WebSocket", name, _upgrading(*websocket, key), own)
        if target.dialect is not None and target.way != "unix":
            yield attack("a WebSocket with a forged certificate", name, _forged(*websocket, key), "untrusted_forwarder")
        yield attack(
            "a WebSocket and HTTP/2 at once", name, _upgrading(*websocket, key, b"Upgrade: h2c"), own, NOT_ASKED
        )
        if target.way != "tls":
            yield attack("HTTP/2 from the first byte", name, _preface, "malformed", "no_certificate", NOT_ASKED)
            yield attack("TLS where there is none", name, _tls_inside, NOT_ASKED)


def _upgrading(*more: bytes) -> Callable[[Attacked], int]:
    return lambda server: server.say(head(SECRET, _own(server), *more), _attacker(server), once=True)


def _forged(*more: bytes) -> Callable[[Attacked], int]:
    return lambda server: server.say(head(SECRET, server.lines_of("woovi"), *more), "narrow", once=True)


def _preface(server: Attacked) -> int:
    empty_settings = b"\0\0\0\x04\0\0\0\0\0"
    return server.say(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + empty_settings)


def _tls_inside(server: Attacked) -> int:
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    hello = server.context("narrow").wrap_bio(incoming, outgoing, server_hostname="localhost")
    with suppress(ssl.SSLWantReadError):
        hello.do_handshake()
    return server.say(outgoing.read() + b"\r\n\r\n")


HTTP2: dict[str, tuple[list[tuple[str, str]], tuple[str | None, ...]]] = {
    "a path of another level": ([(":path", "/mine/../secret")], ("malformed",)),
    "two paths": ([(":path", "/mine/x"), (":path", "/secret")], ("malformed", "not_granted", NOT_ASKED)),
    "no path": ([], ("malformed", "not_granted", NOT_ASKED)),
    "an absolute path": ([(":path", "https://127.0.0.1/secret")], ("malformed", NOT_ASKED)),
    "a tunnel": ([(":method", "CONNECT"), (":path", "/secret")], ("not_granted", NOT_ASKED)),
    "a path behind the headers": (
        [(":path", "/secret"), ("x-a", "1"), (":path", "/mine/x")],
        ("not_granted", NOT_ASKED),
    ),
    "a path as a header": ([(":path", "/secret"), ("path", "/mine/x")], ("not_granted",)),
    "a line end in the path": ([(":path", "/secret HTTP/1.1\r\nX: /mine/x")], ("malformed", "not_granted", NOT_ASKED)),
    "chunks": ([(":path", "/secret"), ("transfer-encoding", "chunked")], ("not_granted", NOT_ASKED)),
    "a connection header": ([(":path", "/secret"), ("connection", "client-cert")], ("not_granted", NOT_ASKED)),
    "an upgrade": ([(":path", "/secret"), ("upgrade", "websocket")], ("not_granted", NOT_ASKED)),
    "another scheme": ([(":scheme", "unix"), (":path", "/secret")], ("not_granted", NOT_ASKED)),
}
"""Pseudo-headers (RFC 9113 section 8.3) that a client writes as it likes, and the reasons."""

FORGED: dict[str, tuple[str, str]] = {
    "a forged certificate": ("{}", ""),
    "a forged certificate in capitals": ("{}", "upper"),
    "a forged certificate with underscores": ("{}", "underscores"),
    "a forged certificate with a colon before its name": (":{}", ""),
}


def http2() -> Iterator[Attack]:
    for name in ("uvicorn", "xfcc hypercorn", "traefik gunicorn-uvicorn"):
        for tries, (fields, reasons) in HTTP2.items():
            yield attack(f"HTTP/2 with {tries}", name, _over_http2(fields), *reasons)
        if TARGETS[name].dialect is None:
            continue
        for tries, (form, spelling) in FORGED.items():
            yield attack(f"HTTP/2 with {tries}", name, _forging(form, spelling), "untrusted_forwarder", NOT_ASKED)
        yield attack("HTTP/2 with two certificates of the proxy", name, _two_certificates, "malformed")
        yield attack("HTTP/2 with a certificate behind the body", name, _in_the_trailer_over_http2, "no_certificate")


Fields = list[tuple[str, str]]


def _over_http2(fields: Fields, who: str = "narrow", trailer: Fields | None = None) -> Callable[[Attacked], int]:
    def act(server: Attacked) -> int:
        context = server.context(who)
        context.set_alpn_protocols(["h2"])
        with server.connect(who, context) as tls:
            assert isinstance(tls, ssl.SSLSocket)
            caller = Http2Caller(tls)
            caller.http2.config.validate_outbound_headers = False
            caller.http2.config.normalize_outbound_headers = False
            given = {name for name, _ in fields}
            usual = [(":method", "GET"), (":scheme", "https"), (":authority", "localhost")]
            stream = caller.http2.get_next_available_stream_id()
            sent = [*(each for each in usual if each[0] not in given), *fields]
            caller.http2.send_headers(stream, sent, end_stream=trailer is None)
            if trailer is not None:
                caller.http2.send_data(stream, b"xx")
                caller.http2.send_headers(stream, trailer, end_stream=True)
            caller.flush()
            return _answer(caller)

    return act


def _answer(caller: Http2Caller) -> int:
    with suppress(OSError, h2.exceptions.ProtocolError):
        for event in caller.events():
            if isinstance(event, h2.events.ResponseReceived):
                return int(dict(event.headers or ())[b":status"])
            if isinstance(event, h2.events.StreamReset | h2.events.ConnectionTerminated):
                break
    return 0


def _in_the_trailer_over_http2(server: Attacked) -> int:
    trailer = [(name, value.decode()) for name, value in server.lines_of("woovi")]
    return _over_http2([(":path", SECRET)], "proxy", trailer)(server)


def _forging(form: str, spelling: str) -> Callable[[Attacked], int]:
    def act(server: Attacked) -> int:
        fields = []
        for name, value in server.lines_of("woovi"):
            spelt = {"upper": name.upper(), "underscores": name.replace("-", "_")}.get(spelling, name)
            fields.append((form.format(spelt), value.decode()))
        return _over_http2([(":path", SECRET), *fields])(server)

    return act


def _two_certificates(server: Attacked) -> int:
    lines = [*server.lines_of("narrow"), *server.lines_of("woovi")]
    return _over_http2([(":path", SECRET), *((name, value.decode()) for name, value in lines)], "proxy")(server)
