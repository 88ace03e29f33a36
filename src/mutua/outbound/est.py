"""A client of EST (RFC 7030, clarified by RFC 8951): CA certificates, a first certificate, and the next one.

The server is verified with what is trusted already, from the first byte on: a token or a request never goes to anybody
else. Redirects are not followed, and no proxy of the environment is used.
"""

import http.client
import socket
import ssl
import time
from base64 import b64decode, b64encode
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from threading import Timer

from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID

from mutua.doctor.call import Stage, diagnose
from mutua.errors import EstFailed, MutuaError, RefusedEnrolment, RefusedRenewal, Unreadable
from mutua.outbound.handshaking import (
    FIRST_READ_FLOOR,
    FIRST_READ_ROUND_TRIPS,
    Target,
    await_verdict,
    connect,
    observation,
    target_of,
)
from mutua.pki.certificates import is_ca, purposes
from mutua.pki.chain_order import is_self_signed
from mutua.pki.pkcs7 import read_pkcs7
from mutua.pki.requests import read_request
from mutua.pki.thumbprints import x5t_s256
from mutua.tls.identity import Identity
from mutua.tls.trust import Trust

ROOT = "/.well-known/est"

STEP_SECONDS = 10.0
"""For one address to answer, and for each byte after that."""

TOTAL_SECONDS = 30.0
"""For a whole exchange, once connected: a server that sends a byte every few seconds ends here."""

MAX_ANSWER_BYTES = 512 * 1024
"""64 certificates of 4 KiB each in base64; one with an RSA-4096 key takes 2 KiB in DER."""

MAX_AUTHORITIES = 64
"""CAs of one authority: a root and its issuing CAs, old and new."""

_WORDS = 120
_REQUEST = {"Content-Type": "application/pkcs10", "Content-Transfer-Encoding": "base64"}
_CERTS_ONLY = "application/pkcs7-mime"


@dataclass(frozen=True, slots=True)
class EstClient:
    """An EST server, as its client sees it.

    Attributes:
        url: the base, ``https://HOST[:PORT]``.
        trust: what the server is verified with; for a first contact the anchor of the invitation, and nothing else.
        total_seconds: for each exchange.
    """

    url: str
    trust: Trust
    total_seconds: float = field(default=TOTAL_SECONDS, kw_only=True)

    def authorities(self) -> tuple[x509.Certificate, ...]:
        """The CA certificates that the server publishes (section 4.1), roots first, always in the same order.

        Raises:
            EstFailed: there are none that can be used, or no root among them.
        """
        found = self._certificates("GET", "cacerts", {})
        if len(found) > MAX_AUTHORITIES or not all(map(is_ca, found)):
            raise self._failed("what it gives as its CA certificates are none, or too many")
        if not any(map(is_self_signed, found)):
            raise self._failed("there is no root among its CA certificates")
        return tuple(sorted(dict.fromkeys(found), key=lambda each: (not is_self_signed(each), x5t_s256(each))))

    def enroll(self, client: str, token: str, request: bytes) -> x509.Certificate:
        """A first certificate (section 4.2.1), with the token of an invitation (section 3.2.3).

        Args:
            client: whom the invitation is for.
            token: of the invitation.
            request: a CSR in PEM or DER.

        Raises:
            RefusedEnrolment: the server does not accept the invitation, or the request.
            EstFailed: anything else; the same key may ask again.
        """
        credentials = b64encode(f"{client}:{token}".encode()).decode()
        return self._certified("simpleenroll", request, {"Authorization": f"Basic {credentials}"})

    def reenroll(self, identity: Identity, request: bytes, now: datetime) -> x509.Certificate:
        """The certificate that follows one (section 4.2.2), by TLS with that one.

        A server's certificate is none to show as a client (RFC 5280 section 4.2.1.12): for it a statement goes along
        that its key has signed; see ``mutua.pki.statements``.

        Args:
            identity: to be renewed.
            request: a CSR in PEM or DER, for a new key or the same.
            now: UTC.

        Raises:
            RefusedRenewal: the server does not renew it.
            EstFailed: anything else; the same key may ask again.
        """
        held = purposes(identity.certificate)
        if not held or ExtendedKeyUsageOID.CLIENT_AUTH in held:
            return self._certified("simplereenroll", request, {}, identity)
        return self._certified("simplereenroll", request, {"Authorization": f"Bearer {_said(identity, request, now)}"})

    def _certified(
        self, operation: str, request: bytes, headers: Mapping[str, str], identity: Identity | None = None
    ) -> x509.Certificate:
        parsed = read_request(request)
        found = self._certificates("POST", operation, {**_REQUEST, **headers}, b64encode(parsed.der), identity)
        for each in found:
            if each.public_key() == parsed.public_key and not is_ca(each):
                return each
        raise self._failed("it gives a certificate for another key than ours")

    def _certificates(
        self,
        method: str,
        operation: str,
        headers: Mapping[str, str],
        body: bytes | None = None,
        identity: Identity | None = None,
    ) -> tuple[x509.Certificate, ...]:
        status, kind, answer = self._exchange(method, operation, headers, body, identity)
        if status != http.client.OK:
            raise self._answered(operation, status, answer)
        if kind.partition(";")[0].strip().lower() != _CERTS_ONLY:
            raise self._failed(f"it answers {kind[:_WORDS]!a} where certificates belong: is it an EST server?")
        try:
            return read_pkcs7(b64decode(answer.translate(None, b" \t\r\n"), validate=True))
        except (ValueError, Unreadable) as error:
            why = error.message if isinstance(error, MutuaError) else "it is not base64"
            raise self._failed(f"its answer cannot be read: {why}") from None

    def _exchange(
        self, method: str, operation: str, headers: Mapping[str, str], body: bytes | None, identity: Identity | None
    ) -> tuple[int, str, bytes]:
        """Status, content type and body of an answer, over one connection of its own."""
        target = target_of(f"{self.url}{ROOT}/{operation}")
        context = identity.client_context(self.trust) if identity else self.trust.client_context()
        stage = Stage.CONNECT
        try:
            started = time.monotonic()
            with connect(target, STEP_SECONDS) as plain, ended_after(self.total_seconds, plain):
                verdict = FIRST_READ_FLOOR + FIRST_READ_ROUND_TRIPS * (time.monotonic() - started)
                stage = Stage.HANDSHAKE
                with context.wrap_socket(plain, server_hostname=target.host) as secured:
                    if identity is not None:
                        stage = Stage.FIRST_READ
                        await_verdict(secured, verdict)
                        secured.settimeout(STEP_SECONDS)
                    stage = Stage.RESPONSE
                    return self._asked(secured, target, method, headers, body)
        except socket.gaierror as error:
            raise self._unreached(target, Stage.RESOLVE, error, identity) from None
        except (OSError, http.client.HTTPException, ValueError) as error:
            raise self._unreached(target, stage, error, identity) from None

    def _asked(
        self, secured: ssl.SSLSocket, target: Target, method: str, headers: Mapping[str, str], body: bytes | None
    ) -> tuple[int, str, bytes]:
        with closing(http.client.HTTPSConnection(target.host, target.port)) as connection:
            connection.sock = secured
            always = {"Connection": "close", "User-Agent": "mutua", "Accept-Encoding": "identity"}
            connection.request(method, target.path, body, {**always, **headers})
            with connection.getresponse() as response:
                answer = response.read(MAX_ANSWER_BYTES + 1)
                if len(answer) > MAX_ANSWER_BYTES:
                    raise http.client.HTTPException(f"its answer has more than {MAX_ANSWER_BYTES} bytes")
                if response.length:  # of a body with a length, a part is read without a word
                    raise http.client.IncompleteRead(answer, response.length)
                return response.status, response.getheader("Content-Type", ""), answer

    def _answered(self, operation: str, status: int, answer: bytes) -> MutuaError:
        """Why there is no certificate; what the server says of it is foreign text."""
        words = " ".join(answer[:_WORDS].decode("utf-8", "replace").split())
        said = f"{self.url} answers {status}" + (f", {words!a}" if words else "")
        if status in {http.client.UNAUTHORIZED, http.client.FORBIDDEN}:
            if operation == "simpleenroll":
                used = "it may be used, withdrawn or expired: ask the operator to type mutua client invite again"
                why = "ask the operator why: it stands in the log of mutua ca serve"
                hint = used if status == http.client.UNAUTHORIZED else why
                return RefusedEnrolment(f"there is no certificate for the invitation: {said}", hint=hint)
            return RefusedRenewal(
                f"the renewal is refused: {said}",
                hint="ask the operator why, from the log of mutua ca serve; with a new invitation: mutua enroll",
            )
        if status == http.client.ACCEPTED:
            return EstFailed(f"{said}: somebody has to approve it first", hint="type it again later")
        hint = "type it again later" if status in {429, 503} else f"is there an EST server at {self.url}?"
        return EstFailed(said, hint=hint)

    def _unreached(self, target: Target, stage: Stage, error: Exception, identity: Identity | None) -> EstFailed:
        findings = diagnose(observation(target, stage, error, identity=identity))
        if isinstance(error, http.client.HTTPException | ValueError) or not findings:
            return self._failed(f"{type(error).__name__}: {str(error)[:_WORDS]!a}")
        return EstFailed(f"{target.name}: {findings[0].summary} ({str(error)[:_WORDS]})", hint=findings[0].remedy)

    def _failed(self, why: str) -> EstFailed:
        return EstFailed(f"{self.url}: {why}", hint="see docs/agent.md#when-the-authority-does-not-answer")


def _said(identity: Identity, request: bytes, now: datetime) -> str:
    from mutua.pki.statements import write_statement  # noqa: PLC0415 -- JOSE loads slowly

    if len(identity.chain) < 2:
        raise RefusedRenewal(
            "the identity does not hold the certificate of its CA", hint="put the CA's certificate behind its own"
        )
    audience = x5t_s256(identity.chain[1])
    moment = now.astimezone(UTC)
    return write_statement(identity.key, identity.certificate, read_request(request).der, now=moment, audience=audience)


@contextmanager
def ended_after(seconds: float, connected: socket.socket) -> Iterator[None]:
    """End a connection at a time, whatever comes over it: a socket's own timeout starts anew with each byte."""
    with connected.dup() as twin:
        timer = Timer(seconds, _end, [twin])
        timer.daemon = True
        timer.start()
        try:
            yield
        finally:
            timer.cancel()
            timer.join()


def _end(connected: socket.socket) -> None:
    try:
        connected.shutdown(socket.SHUT_RDWR)
    except OSError:
        return  # it has ended by itself
