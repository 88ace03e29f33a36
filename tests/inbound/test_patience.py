"""Peers that hold connections and ask for nothing: each is closed, and a request under way takes its time.

The server's patience is shortened once a slow request is under way, so that no request of the test has to be fast.
"""

import asyncio
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any

import pytest

from mutua import Home
from mutua.inbound import patience
from mutua.testing.server import RunningServer
from tests.inbound.doors.calls import Caller, calling, context_for
from tests.inbound.doors.doors import HTTP1, HTTP2, WEBSOCKET
from tests.inbound.doors.test_hostile_requests import PREFACE, SETTINGS

SHORT_SECONDS = 0.1

HEAD = b"GET /status HTTP/1.1\r\nHost: 127.0.0.1\r\n"
POST = b"POST /status HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 100\r\n\r\n"
HEADERS = b"\x00\x00\x40\x01\x00\x00\x00\x00\x01\x82\x84"
"""The first bytes of a frame of 64."""


class Slow:
    """An application whose ``/slow`` and whose WebSockets wait until the test says so."""

    def __init__(self) -> None:
        self.under_way, self.release = threading.Event(), threading.Event()

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "lifespan":
            raise RuntimeError("no lifespan")
        if scope["type"] == "websocket" or scope["path"] == "/slow":
            self.under_way.set()
            await asyncio.to_thread(self.release.wait, 60)
        if scope["type"] == "websocket":
            await receive()
            await send({"type": "websocket.accept"})
            await receive()
            return
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"0")]})
        await send({"type": "http.response.body", "body": b""})


@pytest.fixture
def slow() -> Iterator[Slow]:
    made = Slow()
    yield made
    made.release.set()


@pytest.fixture
def server(home: Home, slow: Slow) -> Iterator[RunningServer]:
    settings = home.path / "mutua.toml"
    settings.write_text('public = ["* /status"]\n' + settings.read_text())
    with Home.open(home.path) as opened, RunningServer(slow, opened, opened.identities.load("api")) as running:
        yield running


def nothing(caller: Caller) -> None:
    """The handshake, and not a word."""


def half_a_head(caller: Caller) -> None:
    caller.tls.sendall(HEAD)


def half_a_head_after_an_answer(caller: Caller) -> None:
    caller.get("/status")
    caller.tls.sendall(HEAD)


def empty_lines(caller: Caller) -> None:
    caller.get("/status")
    caller.tls.sendall(b"\r\n")


def a_body_that_nobody_reads(caller: Caller) -> None:
    caller.tls.sendall(POST)
    caller.tls.recv(1000)
    caller.tls.sendall(b"x")


def half_a_preface(caller: Caller) -> None:
    caller.tls.sendall(PREFACE[:10])


def half_a_frame(caller: Caller) -> None:
    caller.tls.sendall(PREFACE + SETTINGS + HEADERS)


def headers_without_an_end(caller: Caller) -> None:
    caller.tls.sendall(PREFACE + SETTINGS + b"\x00\x00\x02\x01\x00\x00\x00\x00\x01\x82\x84")


ATTACKS: list[tuple[str, Callable[[Caller], None]]] = [
    *((HTTP1, each) for each in (nothing, half_a_head, half_a_head_after_an_answer, empty_lines)),
    (HTTP1, a_body_that_nobody_reads),
    *((HTTP2, each) for each in (nothing, half_a_preface, half_a_frame, headers_without_an_end)),
]


def closed(tls: ssl.SSLSocket) -> bool:
    """Wait for the end; without one the socket's own timeout fails the test."""
    with suppress(ConnectionError, ssl.SSLEOFError):
        while tls.recv(65536):
            continue
    return True


@pytest.mark.parametrize("slow_protocol", [HTTP1, HTTP2, WEBSOCKET])
def test_who_asks_for_nothing_is_closed_and_who_is_being_answered_is_not(
    slow_protocol: str, home: Home, server: RunningServer, slow: Slow, monkeypatch: pytest.MonkeyPatch
) -> None:
    woovi = home.identities.load("woovi")
    answers: list[int] = []

    def ask() -> None:
        with calling(slow_protocol, server.port, context_for(slow_protocol, server.context(woovi))) as caller:
            answers.append(caller.get("/slow"))

    asking = threading.Thread(target=ask)
    asking.start()
    assert slow.under_way.wait(60)
    monkeypatch.setattr(patience, "HEAD_SECONDS", SHORT_SECONDS)
    for identity in (woovi, None):
        for protocol, attack in ATTACKS:
            context = context_for(protocol, server.context(identity))
            with calling(protocol, server.port, context) as caller:
                with suppress(ConnectionError, ssl.SSLEOFError):
                    attack(caller)
                assert closed(caller.tls), attack
    assert answers == []
    slow.release.set()
    asking.join(60)
    assert answers == [200]
