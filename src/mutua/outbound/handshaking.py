"""The first steps of a call, each one watched: connect, shake hands, and read before anything is written."""

import http.client
import select
import socket
import ssl
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from urllib.parse import urlsplit

from mutua.doctor.call import CallObservation, Stage
from mutua.errors import InvalidAddress
from mutua.tls.alerts import alert_in
from mutua.tls.identity import Identity

TIMEOUT_SECONDS = 10.0

HTTPS_PORT = 443

FIRST_READ_ROUND_TRIPS = 3
FIRST_READ_FLOOR = 0.05
"""In TLS 1.3 the verdict on our certificate comes one round trip after the handshake; this waits for it."""

_READ_BYTES = 16 * 1024
"""What a TLS record holds (RFC 8446 section 5.1)."""


@dataclass(frozen=True, slots=True)
class Target:
    """Where a call goes.

    Attributes:
        host: a name or an IP address.
        port: 443 unless the URL has one.
        path: with the query, never empty.
    """

    host: str
    port: int
    path: str

    @property
    def name(self) -> str:
        """Host and port, for the text."""
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    @property
    def authority(self) -> str:
        """Host and port, for the request: in ASCII, and without the port where it is that of https."""
        host = f"[{self.host}]" if ":" in self.host else self.host.encode("idna").decode("ascii")
        return host if self.port == HTTPS_PORT else f"{host}:{self.port}"


def target_of(url: str) -> Target:
    """Read a URL.

    Raises:
        InvalidAddress: it is not one for https.
    """
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port or HTTPS_PORT
        # What the resolver would do; a label that is empty or too long fails here.
        (host or "").encode("idna")
    except ValueError:
        host, port = None, 0
    if host is None or parts.scheme != "https" or parts.username is not None:
        raise InvalidAddress(f"{url[:200]!r} cannot be called", hint="give a URL such as https://api.acme.example/pay")
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    if not all("!" <= character <= "~" for character in path):
        raise InvalidAddress(
            f"{url[:200]!r} has a character that a request cannot carry", hint="percent-encode it: %20 for a space"
        )
    return Target(host, port, path)


def connect(target: Target, timeout: float, *, on_resolved: Callable[[], None] | None = None) -> socket.socket:
    """Connect to the first address that answers.

    Args:
        target: where to.
        timeout: seconds for each address.
        on_resolved: called when the name has become addresses.

    Raises:
        OSError: none does; ``socket.gaierror`` where there is none.
    """
    addresses = socket.getaddrinfo(target.host, target.port, type=socket.SOCK_STREAM)
    if on_resolved is not None:
        on_resolved()
    failure = OSError("no address")
    for family, kind, protocol, _, address in addresses:
        plain = socket.socket(family, kind, protocol)
        plain.settimeout(timeout)
        try:
            plain.connect(address)
        except OSError as error:
            plain.close()
            failure = error
        else:
            return plain
    raise failure


def await_verdict(
    secured: ssl.SSLSocket, seconds: float, *, after_ticket: float | None = None, may_speak: bool = False
) -> bytes:
    """Read before the first write: once data lies unread at a server that refuses us, its alert can get lost.

    Returns when the server stays silent, which means it has nothing against us.

    Args:
        secured: a connection whose handshake is over on our side.
        seconds: how long to listen.
        after_ticket: how much longer once a session ticket has come; servers send one to whom they have accepted.
        may_speak: whether the server may say something of its own accord, as in HTTP/2, once it has accepted us.

    Returns:
        What it said of its own accord; empty otherwise.

    Raises:
        ssl.SSLError: the server refuses us. OSError, http.client.HTTPException: it does something else.
    """
    if secured.version() != "TLSv1.3":
        return b""
    deadline = time.monotonic() + seconds
    secured.settimeout(0)
    while (left := deadline - time.monotonic()) > 0:
        if not select.select([secured], [], [], left)[0]:
            return b""
        try:
            said = secured.recv(_READ_BYTES)
            if said == b"":
                raise ssl.SSLEOFError(ssl.SSL_ERROR_EOF, "closed after the handshake")
        except ssl.SSLWantReadError:  # a session ticket, not data
            if after_ticket is not None:
                deadline = min(deadline, time.monotonic() + after_ticket)
            continue
        if may_speak:
            return said
        raise http.client.BadStatusLine("the server spoke before it was asked")
    return b""


def observation(
    target: Target,
    stage: Stage,
    error: Exception | None,
    *,
    identity: Identity | None,
    status: int | None = None,
    body: bytes = b"",
) -> CallObservation:
    """What was seen of a call that went through the steps here.

    Args:
        target: where it went.
        stage: the step that was under way.
        error: what ended it, or ``None``.
        identity: who we were, or ``None``.
        status: the HTTP status, once there was one.
        body: of the answer.
    """
    closed = isinstance(
        error, ssl.SSLEOFError | ssl.SSLZeroReturnError | ConnectionError | http.client.RemoteDisconnected
    )
    return CallObservation(
        target=target.name,
        stage=stage,
        error=str(error) if error else "",
        alert=alert_in(error) if error else None,
        verify_code=error.verify_code if isinstance(error, ssl.SSLCertVerificationError) else None,
        closed=closed,
        identity=identity.chain if identity else (),
        status=status,
        body=body,
        seen_at=datetime.now(UTC),
    )
