"""WebSocket through the gate: before it is accepted, and at every message after."""

from collections.abc import Callable

import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import ClientConnection, connect

from mutua import Home
from tests.inbound.connections import TRIES, client_context
from tests.serving import Serving


def dial(serving: Serving, home: Home, path: str = "/live") -> ClientConnection:
    return connect(f"wss://127.0.0.1:{serving.port}{path}", ssl=client_context(home), open_timeout=30)


def keep_talking(websocket: ClientConnection) -> None:
    for number in range(TRIES):
        websocket.send(str(number))
        assert websocket.recv(timeout=30) == str(number)


def test_a_known_client_talks_over_a_websocket(home: Home, serve: Callable[..., Serving], loop: str) -> None:
    serving = serve(loop=loop)
    with dial(serving, home) as websocket:
        websocket.send("olá")
        assert websocket.recv(timeout=30) == "olá"
    line = serving.next_line("admitted")
    assert (line["client"], line["path"], line["status"]) == ("woovi", "/live", 101)
    assert [line["type"] for line in serving.lines if line["event"] == "reached"] == ["websocket"]


def test_a_suspended_client_is_refused_before_the_websocket_is_accepted(
    home: Home, serve: Callable[..., Serving], loop: str
) -> None:
    home.clients.suspend("woovi")
    serving = serve(loop=loop)
    with pytest.raises(InvalidStatus) as refused:
        dial(serving, home)
    assert refused.value.response.status_code == 403
    assert refused.value.response.body == b'{"type":"about:blank","title":"Forbidden","status":403}'
    assert serving.next_line("refused")["reason"] == "suspended"
    serving.stop()
    assert serving.reached() == []


def test_a_malformed_path_is_refused_before_the_websocket_is_accepted(
    home: Home, serve: Callable[..., Serving]
) -> None:
    serving = serve()
    with pytest.raises(InvalidStatus) as refused:
        dial(serving, home, "/a/%2e%2e/b")
    assert refused.value.response.status_code == 400
    assert serving.next_line("refused")["reason"] == "malformed"
    serving.stop()
    assert serving.reached() == []


def test_a_client_suspended_while_connected_is_cut_off_with_policy_violation(
    home: Home, serve: Callable[..., Serving], loop: str
) -> None:
    serving = serve(loop=loop)
    with dial(serving, home) as websocket:
        websocket.send("before")
        assert websocket.recv(timeout=30) == "before"
        home.clients.suspend("woovi")
        with pytest.raises(ConnectionClosed) as cut:
            keep_talking(websocket)
    assert cut.value.rcvd is not None
    assert cut.value.rcvd.code == 1008
    line = serving.next_line("refused")
    assert (line["reason"], line["client"], line["status"]) == ("suspended", "woovi", 101)
