"""The door without a socket under Starlette's own test client, which speaks WebSocket too."""

import threading

import pytest
from starlette.testclient import TestClient, WebSocketDenialResponse, WebSocketTestSession
from starlette.websockets import WebSocketDisconnect

from mutua import Identity
from mutua.testing import AsgiDoor, HandshakeRefused, UnsafeHome
from tests.testing.applications import Events, application


def talk_for_ever(websocket: WebSocketTestSession) -> None:
    # Its own gate is the one it came in with, which looks for changes many times a second.
    while True:
        websocket.send_text("still there?")
        websocket.receive_text()


def test_the_test_client_of_starlette_carries_the_certificate(mutua_home: UnsafeHome, mutua_known: Identity) -> None:
    events = Events()
    with AsgiDoor(application(events), mutua_home, mutua_known) as door, TestClient(door) as client:
        answer = client.get("/status").json()

    assert (answer["hello"], answer["scheme"]) == ("known", "https")
    assert answer["state"] == ["database", "known_client"]
    assert events == ["started", "ended"]


def test_a_websocket_comes_in_as_the_client(mutua_home: UnsafeHome, mutua_known: Identity) -> None:
    with (
        AsgiDoor(application(), mutua_home, mutua_known) as door,
        TestClient(door) as client,
        client.websocket_connect("/feed") as websocket,
    ):
        websocket.send_text("hello")
        assert websocket.receive_text() == "known: hello"


def test_a_websocket_of_a_client_that_is_suspended_meanwhile_is_cut_off(
    mutua_home: UnsafeHome, mutua_known: Identity
) -> None:
    with (
        AsgiDoor(application(), mutua_home, mutua_known) as door,
        TestClient(door) as client,
        client.websocket_connect("/feed") as websocket,
    ):
        mutua_home.clients.suspend("known")
        assert client.get("/status").status_code == 403
        with pytest.raises(WebSocketDisconnect) as ended:
            talk_for_ever(websocket)

    assert ended.value.code == 1008


def test_a_websocket_of_a_suspended_client_is_refused(mutua_home: UnsafeHome, mutua_suspended: Identity) -> None:
    with (
        AsgiDoor(application(), mutua_home, mutua_suspended) as door,
        TestClient(door) as client,
        pytest.raises(WebSocketDenialResponse) as denied,
        client.websocket_connect("/feed"),
    ):
        raise AssertionError

    assert denied.value.status_code == 403


def test_a_stranger_fails_in_the_handshake(mutua_home: UnsafeHome, mutua_stranger: Identity) -> None:
    with (
        AsgiDoor(application(), mutua_home, mutua_stranger) as door,
        TestClient(door) as client,
        pytest.raises(HandshakeRefused, match="unknown_issuer"),
    ):
        client.get("/status")


def test_nothing_of_it_runs_on_when_it_is_closed(mutua_home: UnsafeHome, mutua_known: Identity) -> None:
    with AsgiDoor(application(), mutua_home, mutua_known) as door, TestClient(door) as client:
        for act in (mutua_home.clients.suspend, mutua_home.clients.resume, mutua_home.clients.suspend):
            client.get("/status")
            act("known")

    assert [thread.name for thread in threading.enumerate() if thread.name.startswith("mutua")] == []
