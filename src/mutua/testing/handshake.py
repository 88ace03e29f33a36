"""A TLS handshake in memory: OpenSSL on both sides, with the contexts of a real door, and no socket between them."""

import ssl
from functools import cache

from mutua.errors import HandshakeRefused, MutuaError
from mutua.inbound.access_log import log_handshake
from mutua.inbound.connection import Connection
from mutua.pki.profiles import SERVER
from mutua.reasons import Reason
from mutua.testing.foreign import foreign_authority
from mutua.tls.handshake import HandshakeFailure, handshake_observer
from mutua.tls.identity import Identity
from mutua.tls.peer import PeerCertificate
from mutua.tls.trust import Trust

HOST = "testserver"
"""What the server is called, as in the test clients of Starlette and FastAPI."""

_MAX_FLIGHTS = 10
"""TLS 1.2, the longer one, takes two from each side (RFC 5246 section 7.3)."""


def connect(trust: Trust, identity: Identity | None, address: str, *, certificate_optional: bool = False) -> Connection:
    """What a door has of a client once the handshake is over.

    Args:
        trust: of the server, in its clients.
        identity: what the client shows; ``None`` for nothing.
        address: of the client, for the log.
        certificate_optional: whether the server lets a client go on that shows nothing.

    Raises:
        HandshakeRefused: the server refused the client. The line is in the log, as it is behind a real server.
    """
    server, believed = _server(), foreign_authority(HOST).trust
    client_context = identity.client_context(believed) if identity else believed.client_context()
    try:
        accepted = _shake_hands(server.server_context(trust, certificate_optional=certificate_optional), client_context)
        return Connection(_peer(accepted, trust), address)
    except HandshakeRefused as refused:
        log_handshake(
            HandshakeFailure(reason=Reason(refused.reason), detail=refused.detail, thumbprint=refused.thumbprint),
            address,
        )
        raise


def _peer(accepted: ssl.SSLObject, trust: Trust) -> PeerCertificate | None:
    try:
        return PeerCertificate.of_connection(accepted, trust)
    except MutuaError as error:
        # As the doors have it: what OpenSSL could read and we cannot is no connection.
        raise _refused(HandshakeFailure(reason=Reason.MALFORMED, detail=error.message)) from None


def _shake_hands(server: ssl.SSLContext, client: ssl.SSLContext) -> ssl.SSLObject:
    """The server's end of a finished handshake."""
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    accepting = server.wrap_bio(to_server, to_client, server_side=True)
    calling = client.wrap_bio(to_client, to_server, server_hostname=HOST)
    failures: list[HandshakeFailure] = []
    before = handshake_observer.set(failures.append)
    try:
        for _ in range(_MAX_FLIGHTS):
            # In TLS 1.3 the client has finished before the server has looked at its certificate.
            finished = [_go_on(calling), _go_on(accepting)]
            if failures:
                raise _refused(failures[0])
            if all(finished):
                return accepting
    except ssl.SSLError as error:
        raise _refused(
            HandshakeFailure(reason=Reason.HANDSHAKE_FAILED, detail=f"the client gave up: {error.reason}")
        ) from None
    finally:
        handshake_observer.reset(before)
    raise _refused(HandshakeFailure(reason=Reason.HANDSHAKE_FAILED, detail="it never ended"))


def _go_on(end: ssl.SSLObject) -> bool:
    """Whether this end has finished."""
    try:
        end.do_handshake()
    except ssl.SSLWantReadError:
        return False
    return True


@cache
def _server() -> Identity:
    return foreign_authority(HOST).issue(SERVER, HOST)


def _refused(failure: HandshakeFailure) -> HandshakeRefused:
    return HandshakeRefused(
        f"the handshake was refused: {failure.reason.value}: {failure.detail}",
        hint=f"see docs/reasons.md#{failure.reason.value}",
        reason=failure.reason,
        detail=failure.detail,
        thumbprint=failure.thumbprint,
    )
