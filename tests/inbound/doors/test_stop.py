"""How a server ends, through every door: what is under way is finished, and nothing else holds it up."""

import signal
import socket
from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest
from h2.events import ResponseReceived, StreamEnded

from mutua import Home
from tests.inbound.connections import client_context, until
from tests.inbound.doors.calls import WEBSOCKETS, Http2Caller, calling, context_for
from tests.inbound.doors.doors import HTTP1, HTTP2, WEBSOCKET, WEBSOCKET_HTTP2, Door, spoken
from tests.inbound.test_stop import accepts, read_all
from tests.serving import Serving

ENDED = {0, -signal.SIGTERM}
"""Where a door raises the signal once more, the process may end by it."""


@pytest.fixture
def start(home: Home, door: Door) -> Iterator[Callable[[], Serving]]:
    """Starts a server of one's own, for it will end."""
    with ExitStack() as stack:

        def begin() -> Serving:
            serving = door.start(home)
            stack.callback(serving.stop)
            return serving

        yield begin


@pytest.mark.parametrize(("door_name", "protocol"), spoken(HTTP1))
def test_a_request_under_way_is_answered_before_it_ends(
    home: Home, protocol: str, start: Callable[[], Serving]
) -> None:
    serving = start()
    with calling(protocol, serving.port, context_for(protocol, client_context(home))) as caller:
        # The application answers when the body is whole, so the request is under way until we say so.
        caller.tls.sendall(b"POST /webhook/pix HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 2\r\n\r\n1")
        serving.next_line("reached")
        serving.process.send_signal(signal.SIGTERM)
        until(lambda: not accepts(serving.port))
        assert serving.process.poll() is None
        caller.tls.sendall(b"2")
        assert read_all(caller.tls).startswith(b"HTTP/1.1 200 ")
    assert serving.stop() in ENDED
    assert [line["status"] for line in serving.lines if line["event"] == "admitted"] == [200]
    assert "Traceback" not in serving.talk


@pytest.mark.parametrize(("door_name", "protocol"), spoken(HTTP2))
def test_a_request_under_way_over_http2_is_answered_before_it_ends(
    home: Home, protocol: str, start: Callable[[], Serving]
) -> None:
    serving = start()
    with calling(protocol, serving.port, context_for(protocol, client_context(home))) as caller:
        assert isinstance(caller, Http2Caller)
        stream = caller.request("/webhook/pix", method="POST", end=False)
        serving.next_line("reached")
        serving.process.send_signal(signal.SIGTERM)
        until(lambda: not accepts(serving.port))
        caller.http2.send_data(stream, b"12", end_stream=True)
        caller.flush()
        seen: list[type] = []
        for event in caller.events():
            seen.append(type(event))
            if isinstance(event, StreamEnded):
                break
        assert ResponseReceived in seen
    assert serving.stop() in ENDED
    assert [line["status"] for line in serving.lines if line["event"] == "admitted"] == [200]
    assert "Traceback" not in serving.talk


@pytest.mark.parametrize(("door_name", "protocol"), spoken(HTTP1, HTTP2))
def test_idle_connections_do_not_hold_it_up(home: Home, protocol: str, start: Callable[[], Serving]) -> None:
    serving = start()
    with calling(protocol, serving.port, context_for(protocol, client_context(home))) as caller:
        assert caller.get("/status") == 200
        assert serving.stop() in ENDED
    assert "Traceback" not in serving.talk


@pytest.mark.parametrize(("door_name", "protocol"), spoken(WEBSOCKET, WEBSOCKET_HTTP2))
def test_open_websockets_are_told_that_it_ends(home: Home, protocol: str, start: Callable[[], Serving]) -> None:
    assert protocol in WEBSOCKETS
    serving = start()
    with calling(protocol, serving.port, context_for(protocol, client_context(home))) as caller:
        assert caller.get("/live") == 200
        assert caller.say("olá") == "olá"  # type: ignore[attr-defined]
        serving.process.send_signal(signal.SIGTERM)
        assert caller.hear() == 1012  # type: ignore[attr-defined]
    assert serving.stop() in ENDED
    assert "Traceback" not in serving.talk


@pytest.mark.parametrize(("door_name", "protocol"), spoken(HTTP1))
def test_handshakes_that_never_began_do_not_hold_it_up(protocol: str, start: Callable[[], Serving]) -> None:
    serving = start()
    with socket.create_connection(("127.0.0.1", serving.port), timeout=30):
        assert serving.stop() in ENDED
    assert "Traceback" not in serving.talk
