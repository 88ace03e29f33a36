"""The real server for tests: real sockets, real clients, and nothing left when it has ended."""

import http.client
import socket
import ssl
import threading
from collections.abc import Callable

import pytest
import requests

from mutua import Identity
from mutua.errors import AddressInUse, AppNotFound
from mutua.inbound.listening import bind
from mutua.testing import AccessLog, RunningServer, UnsafeHome, known
from tests.testing.applications import Events, application

Serve = Callable[..., RunningServer]


def test_httpx_and_requests_reach_it_as_known_clients(mutua_server: Serve, mutua_known: Identity) -> None:
    server = mutua_server(application())

    with server.httpx(mutua_known) as client:
        assert client.get("/status").json()["hello"] == "known"
    with server.requests(mutua_known) as session:
        assert session.get(f"{server.url}/status", timeout=30).json()["hello"] == "known"


def test_a_context_serves_any_other_client(mutua_server: Serve, mutua_known: Identity) -> None:
    server = mutua_server(application())
    connection = http.client.HTTPSConnection("127.0.0.1", server.port, context=server.context(mutua_known), timeout=30)
    connection.request("GET", "/status")

    assert connection.getresponse().status == 200
    connection.close()


def test_the_session_of_requests_trusts_the_home_and_nobody_else(mutua_server: Serve, mutua_known: Identity) -> None:
    server = mutua_server(application())
    context = server.context(mutua_known)
    trusted = len(context.get_ca_certs())
    from mutua.testing.requests import session

    with session(context) as made:
        made.get(f"{server.url}/status", timeout=30)
    assert len(context.get_ca_certs()) == trusted == len(server.home.trust.anchors)

    with requests.Session() as plain, pytest.raises(requests.exceptions.SSLError):
        plain.get(f"{server.url}/status", timeout=30)


def test_nobody_gets_in_without_a_certificate(mutua_server: Serve, mutua_log: AccessLog) -> None:
    server = mutua_server(application())
    with server.requests() as session, pytest.raises(requests.exceptions.ConnectionError):
        session.get(f"{server.url}/status", timeout=30)

    assert mutua_log.next("refused")["reason"] == "no_certificate"


def test_a_client_that_is_suspended_is_refused_on_its_live_connection(
    mutua_home: UnsafeHome, mutua_server: Serve
) -> None:
    identity = known(mutua_home, "woovi", allow=["GET /status"])
    with mutua_server(application()).httpx(identity) as client:
        assert client.get("/status").status_code == 200
        mutua_home.clients.suspend("woovi")
        while client.get("/status").status_code == 200:
            continue
        assert client.get("/status").status_code == 403


def test_several_servers_run_at_once_and_the_lifespan_of_each_ends_with_it(
    mutua_server: Serve, mutua_known: Identity
) -> None:
    first, second = Events(), Events()
    one, other = mutua_server(application(first)), mutua_server(application(second))
    one.stop()

    assert (first, second) == (["started", "ended"], ["started"])
    with other.httpx(mutua_known) as client:
        assert client.get("/status").status_code == 200


def test_nothing_of_a_server_is_left_when_it_has_ended(mutua_home: UnsafeHome, mutua_known: Identity) -> None:
    with RunningServer(application(), mutua_home) as server, server.httpx(mutua_known) as client:
        assert client.get("/status").status_code == 200

    assert [thread.name for thread in threading.enumerate() if thread.name.startswith("mutua")] == []
    bind("127.0.0.1", server.port).close()


def test_it_listens_on_loopback_only(mutua_server: Serve) -> None:
    server = mutua_server(application())

    # Another address of this machine's own network of 127.0.0.0/8 is free: the server is bound to one address.
    bind("127.0.0.2", server.port).close()
    with pytest.raises(AddressInUse):
        bind("127.0.0.1", server.port)


def test_an_application_that_cannot_start_says_so(mutua_home: UnsafeHome) -> None:
    with pytest.raises(AppNotFound, match="did not start"):
        RunningServer(application(fails=True), mutua_home)

    assert [thread.name for thread in threading.enumerate() if thread.name.startswith("mutua")] == []


def test_another_identity_of_the_server_is_the_one_that_clients_see(
    mutua_home: UnsafeHome, mutua_server: Serve
) -> None:
    other = mutua_home.authority.issue_server("127.0.0.1", "api.acme.example")
    server = mutua_server(application(), identity=other)
    context = server.context(known(mutua_home, "woovi", allow=[]))

    with (
        socket.create_connection(("127.0.0.1", server.port), timeout=30) as plain,
        context.wrap_socket(plain, server_hostname="api.acme.example") as tls,
    ):
        assert ssl.DER_cert_to_PEM_cert(tls.getpeercert(binary_form=True) or b"") in other.chain_pem().decode()
