"""One request as an identity, watched closely enough to say afterwards why it failed."""

import http.client
import select
import socket
import ssl
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from urllib.parse import urlsplit

from mutua.doctor.call import CallObservation, Stage
from mutua.errors import InvalidAddress
from mutua.tls.alerts import alert_in
from mutua.tls.identity import Identity
from mutua.tls.trust import Trust

TIMEOUT_SECONDS = 10.0

MAX_BODY_BYTES = 16 * 1024 * 1024
"""More than any API answer; a download belongs to another tool."""

FIRST_READ_ROUND_TRIPS = 3
FIRST_READ_FLOOR = 0.05
"""In TLS 1.3 the verdict on our certificate comes one round trip after the handshake; this waits for it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CallResult:
    """What came of a call.

    Attributes:
        observation: how far it came; ``mutua.doctor.call.diagnose`` reads it.
        status: the HTTP status, or ``None`` if there was no answer.
        reason: the status line's words.
        headers: in the order they came.
        body: at most 16 MiB.
        tls_version: ``TLSv1.3``; empty before the handshake.
    """

    observation: CallObservation
    status: int | None = None
    reason: str = ""
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes = b""
    tls_version: str = ""


@dataclass(frozen=True, slots=True)
class _Target:
    host: str
    port: int
    path: str

    @property
    def name(self) -> str:
        return f"{self.host}:{self.port}"


def call(
    url: str,
    *,
    identity: Identity | None,
    trust: Trust,
    method: str = "GET",
    timeout: float = TIMEOUT_SECONDS,
) -> CallResult:
    """Make one request and report what was seen, also when it fails.

    Args:
        url: ``https://host[:port]/path``.
        identity: who we are; without one, no certificate is presented.
        trust: what the server's certificate is verified with.
        method: the HTTP method.
        timeout: seconds for each step.

    Raises:
        InvalidAddress: the URL is not one for https.
    """
    return _Call(_target(url), identity, trust, method, timeout).run()


class _Call:
    """One call; ``stage`` always names the step that is under way."""

    def __init__(self, target: _Target, identity: Identity | None, trust: Trust, method: str, timeout: float) -> None:
        self.target, self.identity, self.method, self.timeout = target, identity, method, timeout
        self.context = identity.client_context(trust) if identity else trust.client_context()
        self.stage = Stage.CONNECT
        self.tls_version = ""

    def run(self) -> CallResult:
        try:
            return self._run()
        except socket.gaierror as error:
            self.stage = Stage.RESOLVE
            return CallResult(observation=self._observation(error))
        except (OSError, http.client.HTTPException) as error:
            return CallResult(observation=self._observation(error), tls_version=self.tls_version)

    def _run(self) -> CallResult:
        started = time.monotonic()
        plain = _connect(self.target, self.timeout)
        round_trip = time.monotonic() - started
        with plain:
            self.stage = Stage.HANDSHAKE
            with self.context.wrap_socket(plain, server_hostname=self.target.host) as secured:
                self.tls_version = secured.version() or ""
                self.stage = Stage.FIRST_READ
                _await_verdict(secured, FIRST_READ_FLOOR + FIRST_READ_ROUND_TRIPS * round_trip)
                secured.settimeout(self.timeout)
                self.stage = Stage.RESPONSE
                return self._exchange(secured)

    def _exchange(self, secured: ssl.SSLSocket) -> CallResult:
        connection = http.client.HTTPConnection(self.target.host, self.target.port, timeout=self.timeout)
        connection.sock = secured
        connection.request(self.method, self.target.path, headers={"Connection": "close", "User-Agent": "mutua"})
        response = connection.getresponse()
        body = response.read(MAX_BODY_BYTES)
        self.stage = Stage.DONE
        return CallResult(
            observation=self._observation(None, response.status),
            status=response.status,
            reason=response.reason,
            headers=tuple(response.getheaders()),
            body=body,
            tls_version=self.tls_version,
        )

    def _observation(self, error: Exception | None, status: int | None = None) -> CallObservation:
        closed = isinstance(
            error, ssl.SSLEOFError | ssl.SSLZeroReturnError | ConnectionError | http.client.RemoteDisconnected
        )
        return CallObservation(
            target=self.target.name,
            stage=self.stage,
            error=str(error) if error else "",
            alert=alert_in(error) if error else None,
            verify_code=error.verify_code if isinstance(error, ssl.SSLCertVerificationError) else None,
            closed=closed,
            identity=self.identity.chain if self.identity else (),
            status=status,
            seen_at=datetime.now(UTC),
        )


def _await_verdict(secured: ssl.SSLSocket, seconds: float) -> None:
    """Read before the first write: once data lies unread at a server that refuses us, its alert can get lost.

    Returns when the server stays silent, which means it has nothing against us.
    """
    if secured.version() != "TLSv1.3":
        return
    deadline = time.monotonic() + seconds
    secured.settimeout(0)
    while (left := deadline - time.monotonic()) > 0:
        if not select.select([secured], [], [], left)[0]:
            return
        try:
            if secured.recv(1) == b"":
                raise ssl.SSLEOFError(ssl.SSL_ERROR_EOF, "closed after the handshake")
        except ssl.SSLWantReadError:
            continue  # a session ticket, not data
        raise http.client.BadStatusLine("the server spoke before it was asked")


def _connect(target: _Target, timeout: float) -> socket.socket:
    """The first address that answers."""
    addresses = socket.getaddrinfo(target.host, target.port, type=socket.SOCK_STREAM)
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


def _target(url: str) -> _Target:
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port or 443
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
    return _Target(host, port, path)
