"""Suspension, revocation and expiry reach connections that are open and sessions that are resumed."""

import ssl
import time
from collections.abc import Callable
from datetime import timedelta

import pytest

from mutua import Home
from tests.inbound.connections import PAUSE_SECONDS, TRIES, LiveConnection, client_context, until
from tests.serving import Serving

VERSIONS = [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3]
AFTERWARDS = 3


@pytest.fixture(params=VERSIONS, ids=["1.2", "1.3"])
def context(request: pytest.FixtureRequest, home: Home) -> ssl.SSLContext:
    return client_context(home, version=request.param)


def suspend(home: Home) -> None:
    home.clients.suspend("woovi")


def revoke(home: Home) -> None:
    home.revocation.revoke(home.identities.load("woovi").thumbprint)


ENDINGS = pytest.mark.parametrize(("end", "reason"), [(suspend, "suspended"), (revoke, "revoked")])


def resumed(port: int, context: ssl.SSLContext) -> LiveConnection:
    """A connection on a session that an admitted one has left."""
    with LiveConnection(port, context) as first:
        assert first.get() == 200  # in TLS 1.3 the ticket comes with the first read
        session = first.tls.session
    connection = LiveConnection(port, context, session)
    assert connection.tls.session_reused
    return connection


def admitted(port: int, context: ssl.SSLContext) -> bool:
    with LiveConnection(port, context) as connection:
        return connection.get() == 200


def assert_refused_from_now_on(
    connection: LiveConnection, serving: Serving, context: ssl.SSLContext, reason: str
) -> None:
    """Bounded: once it is refused, its connection ends, it is refused on every other one, and the log says why."""
    statuses = []
    for _ in range(TRIES):
        statuses.append(connection.get())
        if statuses[-1] == 403:
            break
    assert set(statuses[:-1]) <= {200}
    assert connection.is_over
    assert not any(admitted(serving.port, context) for _ in range(AFTERWARDS))
    assert serving.refusal_of(connection.address)["reason"] == reason


@ENDINGS
def test_the_next_request_on_a_live_connection_is_refused(
    end: Callable[[Home], None],
    reason: str,
    home: Home,
    serve: Callable[..., Serving],
    loop: str,
    context: ssl.SSLContext,
) -> None:
    serving = serve(loop=loop)
    with LiveConnection(serving.port, context) as connection:
        assert connection.get() == 200
        end(home)
        assert_refused_from_now_on(connection, serving, context, reason)


@ENDINGS
def test_the_next_request_on_a_resumed_session_is_refused(
    end: Callable[[Home], None],
    reason: str,
    home: Home,
    serve: Callable[..., Serving],
    loop: str,
    context: ssl.SSLContext,
) -> None:
    serving = serve(loop=loop)
    with resumed(serving.port, context) as connection:
        assert connection.get() == 200
        session = connection.tls.session
        end(home)
        assert_refused_from_now_on(connection, serving, context, reason)
    with LiveConnection(serving.port, context, session) as again:
        assert again.tls.session_reused
        assert again.get() == 403


def test_a_resumed_client_is_admitted_again(home: Home, serve: Callable[..., Serving]) -> None:
    serving, context = serve(), client_context(home)
    with LiveConnection(serving.port, context) as connection:
        home.clients.suspend("woovi")
        assert_refused_from_now_on(connection, serving, context, "suspended")
    home.clients.resume("woovi")
    until(lambda: admitted(serving.port, context))
    assert all(admitted(serving.port, context) for _ in range(AFTERWARDS))


def test_a_client_that_is_refused_for_what_it_asks_alone_keeps_its_connection(
    home: Home, serve: Callable[..., Serving]
) -> None:
    home.clients.add("narrow", allow=["GET /here"])
    home.identities.save("narrow", home.authority.issue_client("narrow"))
    serving = serve()
    with LiveConnection(serving.port, client_context(home, "narrow")) as connection:
        assert [connection.get(path) for path in ("/here", "/there", "/a/%2e%2e/b", "/here")] == [200, 403, 400, 200]


def test_suspending_one_client_leaves_the_others_alone(home: Home, serve: Callable[..., Serving]) -> None:
    home.clients.add("other", allow=["GET /**"])
    home.identities.save("other", home.authority.issue_client("other"))
    serving = serve()
    with (
        LiveConnection(serving.port, client_context(home, "other")) as other,
        LiveConnection(serving.port, client_context(home)) as woovi,
    ):
        home.clients.suspend("woovi")
        assert_refused_from_now_on(woovi, serving, client_context(home), "suspended")
        assert other.get() == 200


def test_a_certificate_that_expires_is_refused_on_live_connections_and_resumed_sessions(
    home: Home, serve: Callable[..., Serving], loop: str, context: ssl.SSLContext
) -> None:
    serving = serve(loop=loop)
    home.identities.save("brief", home.authority.issue_client("woovi", lifetime=timedelta(seconds=4)))
    brief = client_context(home, "brief", context.maximum_version)
    until(lambda: admitted(serving.port, brief))
    with resumed(serving.port, brief) as connection:
        session = connection.tls.session
        statuses = [connection.get()]
        while len(statuses) < TRIES and statuses[-1] == 200:
            time.sleep(PAUSE_SECONDS)
            statuses.append(connection.get())
        assert (statuses[0], statuses[-1]) == (200, 403)
        assert serving.refusal_of(connection.address)["reason"] == "expired"
    with LiveConnection(serving.port, brief, session) as again:
        assert again.tls.session_reused
        assert again.get() == 403
    assert serving.refusal_of(again.address)["reason"] == "expired"
