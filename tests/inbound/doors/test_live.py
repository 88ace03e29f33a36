"""Suspension, revocation and expiry through every door: on connections that are open, on sessions that are resumed."""

import ssl
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import timedelta
from itertools import count
from typing import Any

import pytest

from mutua import Home
from mutua.tls.identity import Identity
from tests.inbound.connections import PAUSE_SECONDS, TRIES
from tests.inbound.doors.calls import WEBSOCKETS, Caller, calling, context_for
from tests.inbound.doors.doors import HTTP1, spoken
from tests.serving import Serving

VERSIONS = {"1.2": ssl.TLSVersion.TLSv1_2, "1.3": ssl.TLSVersion.TLSv1_3}

_numbers = count(1)


def suspend(home: Home, identity: Identity, name: str) -> None:
    home.clients.suspend(name)


def revoke(home: Home, identity: Identity, name: str) -> None:
    home.revocation.revoke(identity.thumbprint)


ENDINGS = pytest.mark.parametrize(("end", "reason"), [(suspend, "suspended"), (revoke, "revoked")])


@pytest.fixture
def name(shared_home: Home) -> str:
    """A client of one's own."""
    name = f"client-{next(_numbers)}"
    shared_home.clients.add(name, allow=["GET /**"])
    return name


@pytest.fixture
def identity(name: str, shared_home: Home) -> Identity:
    return shared_home.authority.issue_client(name)


@pytest.fixture
def stack() -> Iterator[ExitStack]:
    with ExitStack() as opened:
        yield opened


def context_of(identity: Identity, home: Home, protocol: str, version: str) -> ssl.SSLContext:
    context = context_for(protocol, identity.client_context(home.trust))
    context.minimum_version = context.maximum_version = VERSIONS[version]
    return context


def admitted(
    stack: ExitStack, protocol: str, port: int, context: ssl.SSLContext, session: ssl.SSLSession | None = None
) -> Caller:
    """A connection on which a request has been admitted: the gate may not have heard of the client at first."""
    for _ in range(TRIES):
        with ExitStack() as trying:
            caller = trying.enter_context(calling(protocol, port, context, session))
            if caller.get("/first") == 200:
                stack.push(trying.pop_all())
                return caller
        time.sleep(PAUSE_SECONDS)
    raise AssertionError("it was never admitted")


def refused(caller: Any, protocol: str) -> None:
    """Go on until the client is refused; it has to come to that."""
    for number in range(TRIES):
        if protocol in WEBSOCKETS:
            answer = caller.say(str(number))
            assert answer in {str(number), 1008}
            if answer == 1008:
                return
        else:
            answer = caller.get(f"/again/{number}")
            assert answer in {200, 403}
            if answer == 403:
                return
    raise AssertionError("it was never refused")


@ENDINGS
@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize(("door_name", "protocol"), spoken(living=True))
def test_a_live_connection_is_refused_at_the_next_request_or_message_and_ends_with_that(
    end: Callable[[Home, Identity, str], None],
    reason: str,
    version: str,
    protocol: str,
    name: str,
    identity: Identity,
    serving: Serving,
    shared_home: Home,
    stack: ExitStack,
) -> None:
    context = context_of(identity, shared_home, protocol, version)
    caller = admitted(stack, protocol, serving.port, context)
    end(shared_home, identity, name)
    refused(caller, protocol)
    assert caller.ended()
    line = serving.refusal_of(caller.address)
    assert (line["reason"], line["client"], line["thumbprint"]) == (reason, name, identity.thumbprint)


@ENDINGS
@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize(("door_name", "protocol"), spoken(resuming=True))
def test_a_resumed_session_is_admitted_while_it_may_and_refused_from_then_on(
    end: Callable[[Home, Identity, str], None],
    reason: str,
    version: str,
    protocol: str,
    name: str,
    identity: Identity,
    serving: Serving,
    shared_home: Home,
    stack: ExitStack,
) -> None:
    context = context_of(identity, shared_home, protocol, version)
    # In TLS 1.3 the ticket comes with the first read.
    session = admitted(stack, protocol, serving.port, context).tls.session
    resumed = admitted(stack, protocol, serving.port, context, session)
    assert resumed.tls.session_reused
    session = resumed.tls.session or session
    end(shared_home, identity, name)
    refused(resumed, protocol)
    assert serving.refusal_of(resumed.address)["reason"] == reason
    with calling(protocol, serving.port, context, session) as again:
        assert again.tls.session_reused
        assert again.get("/resumed") == 403
    line = serving.refusal_of(again.address)
    assert (line["reason"], line["client"], line["status"]) == (reason, name, 403)


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize(("door_name", "protocol"), spoken(HTTP1, resuming=True))
def test_a_certificate_that_has_expired_since_is_refused_on_a_resumed_session(
    version: str, protocol: str, name: str, serving: Serving, shared_home: Home, stack: ExitStack
) -> None:
    brief = shared_home.authority.issue_client(name, lifetime=timedelta(seconds=4))
    context = context_of(brief, shared_home, protocol, version)
    caller = admitted(stack, protocol, serving.port, context)
    session = caller.tls.session
    for _ in range(TRIES):
        if caller.get("/until") == 403:
            break
        time.sleep(PAUSE_SECONDS)
    assert serving.refusal_of(caller.address)["reason"] == "expired"
    with calling(protocol, serving.port, context, session) as again:
        assert again.tls.session_reused
        assert again.get("/resumed") == 403
    assert serving.refusal_of(again.address)["reason"] == "expired"
