"""A CA is followed up, and retired, while a server runs: nobody who is welcome notices, and nobody else stays."""

import ssl
from collections.abc import Callable

import pytest

from mutua import Home
from mutua.ca.hierarchy import Purpose
from tests.inbound.certificates import client_identity
from tests.inbound.connections import LiveConnection, client_context, until
from tests.serving import Serving

AFTERWARDS = 20


def issue(home: Home, name: str, authority: str) -> ssl.SSLContext:
    """What a new identity of woovi's connects with, that has just come from this CA."""
    home.identities.save(name, home.authority.issue_client("woovi", authority=authority))
    return client_context(home, name)


def statuses(port: int, context: ssl.SSLContext) -> list[int]:
    """Of three requests on a connection; of one, if it is refused, for that is the end of the connection."""
    with LiveConnection(port, context) as connection:
        first = connection.get()
        return [first, connection.get(), connection.get()] if first == 200 else [first]


def assert_refused_from_now_on(connection: LiveConnection, port: int, context: ssl.SSLContext) -> None:
    """On the connection that is there, which ends by it, and on new ones: the root is trusted as ever."""
    until(lambda: connection.get() == 403)
    assert connection.is_over
    assert [statuses(port, context) for _ in range(AFTERWARDS)] == [[403]] * AFTERWARDS


def test_certificates_of_old_and_new_are_admitted_at_once_without_a_restart(
    home: Home, serve: Callable[..., Serving], loop: str
) -> None:
    serving, old = serve(loop=loop), client_context(home)
    with LiveConnection(serving.port, old) as live:
        assert live.get() == 200
        home.hierarchy.rotate("issuing-1")
        new = issue(home, "new", "issuing-2")
        until(lambda: statuses(serving.port, new) == [200] * 3)
        assert statuses(serving.port, old) == [200] * 3
        assert [live.get() for _ in range(AFTERWARDS)] == [200] * AFTERWARDS


def test_a_ca_made_while_a_server_runs_is_believed_without_its_root(home: Home, serve: Callable[..., Serving]) -> None:
    """As a client does that sends its own certificate alone: the CA must be among what the server trusts."""
    serving = serve()
    home.hierarchy.add("partners", purpose=Purpose.CLIENT)
    made = home.authority.issue_client("woovi")
    context = type(made)(made.key, made.chain[:1]).client_context(home.trust)

    def status() -> list[int]:
        try:
            return statuses(serving.port, context)
        except (ssl.SSLError, ConnectionError):
            return []

    until(lambda: status() == [200] * 3)


def test_a_retired_ca_s_clients_are_refused_on_live_connections_too(
    home: Home, serve: Callable[..., Serving], loop: str
) -> None:
    serving, old = serve(loop=loop), client_context(home)
    home.hierarchy.rotate("issuing-1")
    new = issue(home, "new", "issuing-2")
    until(lambda: statuses(serving.port, new) == [200] * 3)
    with LiveConnection(serving.port, old) as gone, LiveConnection(serving.port, new) as staying:
        assert (gone.get(), staying.get()) == (200, 200)
        home.hierarchy.retire("issuing-1", force=True, reason="ca_compromise")
        assert_refused_from_now_on(gone, serving.port, old)
        line = serving.refusal_of(gone.address)
        assert (line["reason"], line["client"]) == ("revoked", "woovi")
        assert [staying.get() for _ in range(AFTERWARDS)] == [200] * AFTERWARDS


def test_those_below_a_retired_ca_are_refused_with_it(home: Home, serve: Callable[..., Serving]) -> None:
    home.hierarchy.add("partners", purpose=Purpose.CLIENT, path_length=1)
    home.hierarchy.add("acme", purpose=Purpose.CLIENT, parent="partners")
    serving, context = serve(), issue(home, "acme", "acme")
    until(lambda: statuses(serving.port, context) == [200] * 3)
    with LiveConnection(serving.port, context) as live:
        assert live.get() == 200
        home.hierarchy.retire("partners", force=True)
        assert_refused_from_now_on(live, serving.port, context)


def test_a_certificate_from_a_stolen_key_of_a_ca_is_known_to_nobody(home: Home, serve: Callable[..., Serving]) -> None:
    """Whoever has a CA's key makes certificates that pass every handshake, and none that the registry knows."""
    forged = client_identity(home)
    serving = serve()
    assert statuses(serving.port, forged.client_context(home.trust)) == [403]
    assert serving.next_line("refused")["reason"] == "unknown_client"


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_a_session_from_before_does_not_outlive_its_ca(
    home: Home, serve: Callable[..., Serving], version: ssl.TLSVersion
) -> None:
    serving, context = serve(), client_context(home, version=version)
    with LiveConnection(serving.port, context) as first:
        assert first.get() == 200
        session = first.tls.session
    home.hierarchy.rotate("issuing-1")
    home.hierarchy.retire("issuing-1", force=True)

    def status() -> int:
        with LiveConnection(serving.port, context, session) as again:
            return again.get()

    until(lambda: status() == 403)
    assert [status() for _ in range(3)] == [403] * 3
