"""A second look at a server: a handshake and nothing more, listening for the verdict before a byte is written."""

import http.client
import socket
import time

from mutua.doctor.call import CallObservation, Stage
from mutua.outbound.handshaking import (
    FIRST_READ_FLOOR,
    FIRST_READ_ROUND_TRIPS,
    TIMEOUT_SECONDS,
    Target,
    await_verdict,
    connect,
    observation,
)
from mutua.tls.identity import Identity
from mutua.tls.trust import Trust

PATIENCE_SECONDS = 3.0
"""How long a TLS 1.3 server may take with its verdict. Those that send session tickets, which is most, are not waited
for: the ticket is the good news."""


def probe(
    target: Target, *, identity: Identity | None, trust: Trust, timeout: float = TIMEOUT_SECONDS
) -> CallObservation:
    """Connect and shake hands, send no request, and say what was seen; ``DONE`` where nobody objects.

    Args:
        target: where; its path is not asked for.
        identity: who we are; without one, no certificate is presented.
        trust: what the server's certificate is verified with.
        timeout: seconds for the connection, and again for the handshake.

    Raises:
        MutuaError: no context can be made of the identity and the trust.
    """
    context = identity.client_context(trust) if identity else trust.client_context()
    stage = Stage.CONNECT
    try:
        started = time.monotonic()
        with connect(target, timeout) as plain:
            grace = FIRST_READ_FLOOR + FIRST_READ_ROUND_TRIPS * (time.monotonic() - started)
            stage = Stage.HANDSHAKE
            with context.wrap_socket(plain, server_hostname=target.host) as secured:
                stage = Stage.FIRST_READ
                await_verdict(secured, PATIENCE_SECONDS, after_ticket=grace)
    except socket.gaierror as error:
        return observation(target, Stage.RESOLVE, error, identity=identity)
    except (OSError, http.client.HTTPException) as error:
        return observation(target, stage, error, identity=identity)
    return observation(target, Stage.DONE, None, identity=identity)
