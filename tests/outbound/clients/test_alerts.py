"""What each library keeps of a server's verdict, where nothing on the way can lose it, and where there is none."""

import os
import socket
import ssl
import sys

import pytest

from mutua.tls.identity import Identity
from tests.outbound.clients.callers import Caller
from tests.outbound.clients.clients import CLIENTS
from tests.outbound.clients.doors import VERSIONS
from tests.outbound.servers import asyncio_server, served


def context_of(identity: Identity, caller: Caller, version: str) -> ssl.SSLContext:
    """A server's context that believes nobody the caller could be, with OpenSSL's own manners."""
    context = identity.server_context(caller.trust)
    context.minimum_version = context.maximum_version = VERSIONS[version]
    context.sslobject_class = ssl.SSLObject
    context.set_alpn_protocols(["h2", "http/1.1"])
    return context


@pytest.mark.parametrize("client", CLIENTS)
def test_the_alert_of_tls_13_is_in_what_is_raised(
    client: str, server_identity: Identity, callers: dict[str, Caller]
) -> None:
    context = context_of(server_identity, callers["stranger"], "1.3")

    def refuse(plain: socket.socket) -> None:
        """Send the alert, and read until the client has gone: no reset overtakes it."""
        with context.wrap_socket(plain, server_side=True, do_handshake_on_connect=False) as tls:
            try:
                tls.do_handshake()
            except ssl.SSLError:
                tls.setblocking(True)
                while os.read(tls.fileno(), 65536):
                    continue

    with served(refuse) as url:
        outcome = CLIENTS[client].outcome(callers["stranger"], f"{url}/status")
    assert outcome.probed == ("RefusedByServer", "unknown_ca")
    if CLIENTS[client].keeps_alerts:
        assert outcome.plain == outcome.probed
    else:
        assert outcome.plain in {outcome.probed, ("CallUnexplained", "no_alert_seen")}


@pytest.mark.skipif(sys.version_info >= (3, 14), reason="asyncio sends the alert from Python 3.14 on")
@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("client", CLIENTS)
def test_where_no_alert_came_that_is_said_plainly(
    client: str, version: str, server_identity: Identity, callers: dict[str, Caller]
) -> None:
    caller = callers["stranger"]
    with asyncio_server(context_of(server_identity, caller, version)) as url:
        outcome = CLIENTS[client].outcome(caller, f"{url}/status")
    assert outcome.plain == ("CallUnexplained", "no_alert_seen")
    assert outcome.probed == ("RefusedByServer", "closed_without_alert")
