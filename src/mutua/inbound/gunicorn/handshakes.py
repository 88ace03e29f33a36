"""TLS handshakes for workers whose sockets block: many at once, and none of them keeps a worker from its work.

Left to gunicorn, a handshake runs where the request will: in the one thread of a sync worker, in one of the few of a
gthread worker, for as long as the peer likes. A handful of peers who say nothing would then stand in everybody's way,
and they need no certificate for it. Here handshakes take their turns on a selector until there is a request to read.
"""

import _ssl
import logging
import selectors
import socket
import ssl
import time
from collections.abc import Callable
from typing import Any

from mutua.errors import MutuaError
from mutua.inbound.accepting import HANDSHAKE_SECONDS, LINGER_SECONDS, address_of
from mutua.inbound.access_log import log_handshake
from mutua.inbound.connection import Connection
from mutua.inbound.gunicorn.arrivals import FIRST_REQUEST_SECONDS, Arrivals, Guest
from mutua.inbound.live_identity import LiveIdentity
from mutua.inbound.seen.record import RECORD
from mutua.pki.thumbprints import x5t_s256
from mutua.reasons import Reason
from mutua.tls.handshake import HandshakeFailure, classify, shown_leaf
from mutua.tls.peer import PeerCertificate
from mutua.tls.trust import Trust

MAX_DRAINED_BYTES = 64 * 1024
"""What a refused client may still send before its connection is closed; gunicorn drains as much."""

_GONE = (ssl.SSLEOFError, ssl.SSLZeroReturnError, ssl.SSLSyscallError)
_TLS13 = 0x0304
_HANDSHAKE_RECORD = 22
_CERTIFICATE_MESSAGE = 11

log = logging.getLogger("mutua.serve")

_watch_messages: Callable[[ssl.SSLContext, Any], None] = _ssl._SSLContext._msg_callback.__set__  # type: ignore[attr-defined]  # noqa: SLF001
"""As in ``tls.handshake``: the only way to a certificate that OpenSSL has rejected."""


class DoorSocket(ssl.SSLSocket):
    """A connection whose TLS ended here.

    Attributes:
        connection: what the handshake has proved, once it has succeeded.
        peername: of the socket.
    """

    connection: Connection | None = None
    peername: Any = None
    _shown: bytes | None = None

    @classmethod
    def begin(cls, client: socket.socket, peername: Any, context: ssl.SSLContext) -> "DoorSocket":
        """Take over an accepted socket; the handshake is still to come.

        Raises:
            OSError: the peer is gone.
        """
        client.settimeout(0)
        context.sslsocket_class = cls
        _watch_messages(context, _remember_certificate)  # OpenSSL copies it when it makes a connection
        try:
            made = context.wrap_socket(client, server_side=True, do_handshake_on_connect=False)
        finally:
            _watch_messages(context, None)
        assert isinstance(made, DoorSocket)
        made.peername = peername
        return made

    def advance(self) -> None:
        """One more step of the handshake; raises what ``do_handshake`` does."""
        _watch_messages(self.context, _remember_certificate)
        try:
            self.do_handshake()
        finally:
            _watch_messages(self.context, None)

    def failure(self, error: ssl.SSLError) -> HandshakeFailure:
        """Why the handshake failed, as the log wants it."""
        reason, detail = classify(error)
        return HandshakeFailure(reason=reason, detail=detail, thumbprint=x5t_s256(self._shown) if self._shown else None)


def _remember_certificate(
    connection: Any, direction: str, version: int, content_type: int, message_type: int, data: bytes
) -> None:
    if direction == "read" and content_type == _HANDSHAKE_RECORD and message_type == _CERTIFICATE_MESSAGE:
        connection._shown = shown_leaf(data, tls13=version == _TLS13)  # noqa: SLF001


class Handshakes(Arrivals):
    """The handshakes of one worker; for one thread.

    Args:
        identity: gives the TLS context for each new connection.
        trust: finds the path of a resumed session.
    """

    def __init__(self, identity: LiveIdentity, trust: Callable[[], Trust]) -> None:
        super().__init__()
        self._identity = identity
        self._trust = trust

    def begin(self, client: socket.socket, peername: Any) -> None:
        """Take an accepted socket."""
        try:
            tls = DoorSocket.begin(client, peername, self._identity.context)
        except OSError as error:
            log.debug("no handshake with %s: %s", address_of(peername), error)
            client.close()
            return
        self._admit(Guest(tls, HANDSHAKE_SECONDS))

    def _step(self, guest: Guest) -> bool:
        if guest.lingers:
            self._drain(guest)
            return False
        if guest.socket.connection is not None:  # and now it has said something
            return super()._step(guest)
        try:
            guest.socket.advance()
        except ssl.SSLWantReadError:
            self._selector.modify(guest.socket, selectors.EVENT_READ)
        except ssl.SSLWantWriteError:
            self._selector.modify(guest.socket, selectors.EVENT_WRITE)
        except _GONE as error:
            self._drop(guest, str(error))
        except ssl.SSLError as error:
            self._refuse(guest, guest.socket.failure(error))
        except OSError as error:
            self._drop(guest, str(error))
        else:
            return self._finished(guest)
        return False

    def _finished(self, guest: Guest) -> bool:
        RECORD.handshakes.add(time.monotonic() - guest.began)
        try:
            peer = PeerCertificate.of_connection(guest.socket, self._trust())
        except MutuaError as error:
            self._refuse(guest, HandshakeFailure(reason=Reason.MALFORMED, detail=error.message))
            return False
        guest.socket.connection = Connection(peer, guest.address)
        if guest.socket.pending():
            return super()._step(guest)
        guest.deadline = time.monotonic() + FIRST_REQUEST_SECONDS
        self._selector.modify(guest.socket, selectors.EVENT_READ)
        return False

    def _refuse(self, guest: Guest, failure: HandshakeFailure) -> None:
        """OpenSSL has sent the alert; closing with unread bytes would reset the connection and lose it on its way."""
        log_handshake(failure, guest.address)
        guest.lingers, guest.deadline = True, time.monotonic() + LINGER_SECONDS
        try:
            guest.socket.shutdown(socket.SHUT_WR)  # from here on the socket reads raw bytes
            self._selector.modify(guest.socket, selectors.EVENT_READ)
        except OSError as error:
            self._drop(guest, str(error))

    def _drain(self, guest: Guest) -> None:
        try:
            data = guest.socket.recv(16 * 1024)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        guest.drained += len(data)
        if not data or guest.drained > MAX_DRAINED_BYTES:
            self._drop(guest, "refused")
