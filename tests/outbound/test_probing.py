"""A probe: one handshake, no request, and the verdict listened for."""

import socket
import ssl

import pytest

from mutua import Home
from mutua.doctor.call import CallObservation, Stage
from mutua.outbound import probing
from mutua.outbound.handshaking import target_of
from tests.outbound.servers import ANSWER, served, tls_server
from tests.outbound.test_call import VERSIONS


def look(url: str, home: Home, identity: str | None = "woovi") -> CallObservation:
    return probing.probe(
        target_of(url), identity=home.identities.load(identity) if identity else None, trust=home.trust
    )


def context_of(home: Home, version: ssl.TLSVersion = ssl.TLSVersion.TLSv1_3) -> ssl.SSLContext:
    context = home.identities.load("api").server_context(home.trust)
    context.minimum_version = context.maximum_version = version
    context.sslobject_class = ssl.SSLObject
    return context


@pytest.mark.parametrize("version", VERSIONS, ids=["1.2", "1.3"])
def test_whoever_is_welcome_sees_nothing_and_sends_nothing(version: ssl.TLSVersion, home: Home) -> None:
    context, received = context_of(home, version), []

    def listen(plain: socket.socket) -> None:
        with context.wrap_socket(plain, server_side=True) as tls:
            received.append(tls.recv(65536))

    with served(listen) as url:
        assert look(url, home).stage is Stage.DONE
    assert received == [b""]


@pytest.mark.parametrize("version", VERSIONS, ids=["1.2", "1.3"])
def test_whoever_is_not_hears_the_alert(version: ssl.TLSVersion, home: Home) -> None:
    with served(tls_server(context_of(home, version))) as url:
        seen = look(url, home, identity=None)
    assert seen.alert == ("handshake_failure" if version == ssl.TLSVersion.TLSv1_2 else "certificate_required")


def test_a_server_without_tickets_is_waited_for_only_so_long(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(probing, "PATIENCE_SECONDS", 0.05)
    context = context_of(home)
    context.num_tickets = 0
    with served(tls_server(context)) as url:
        assert look(url, home).stage is Stage.DONE


def test_a_server_that_speaks_first_is_none_that_was_meant(home: Home) -> None:
    context = context_of(home)

    def speak(plain: socket.socket) -> None:
        with context.wrap_socket(plain, server_side=True) as tls:
            tls.sendall(ANSWER)
            tls.recv(1)

    with served(speak) as url:
        seen = look(url, home)
    assert (seen.stage, seen.closed, seen.alert) == (Stage.FIRST_READ, False, None)


def test_a_port_that_nobody_listens_on_and_a_host_without_an_address_are_told_apart(home: Home) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    assert look(f"https://127.0.0.1:{port}", home).stage is Stage.CONNECT
    assert look("https://nowhere.invalid", home).stage is Stage.RESOLVE
