"""The endpoints of EST (RFC 7030 section 3.2.2, clarified by RFC 8951)."""

import logging
from collections.abc import Callable, Sequence
from functools import partial

try:
    from starlette.applications import Starlette
    from starlette.concurrency import run_in_threadpool
    from starlette.requests import Request
    from starlette.responses import Response
    from starlette.routing import Route
except ImportError as error:
    from mutua.errors import MissingExtra

    raise MissingExtra("the web server is not installed", hint="pip install 'mutua[serve]'") from error

from cryptography import x509

from mutua.errors import (
    InvalidInput,
    MutuaError,
    RefusedEnrolment,
    RefusedRenewal,
    RefusedRequest,
    UnreadableRequest,
    UnreadableStatement,
)
from mutua.home.home import Home
from mutua.home.requests import Signed
from mutua.inbound.connection import CONNECTION, Connection
from mutua.inbound.tls_extension import told_connection
from mutua.pki.csr_attributes import write_csr_attributes
from mutua.pki.pkcs7 import write_pkcs7
from mutua.web.est.authorization import basic, bearer
from mutua.web.est.bodies import BadBody, read_body, write_body
from mutua.web.est.pace import Pace

ROOT = "/.well-known/est"

CERTS_ONLY = "application/pkcs7-mime; smime-type=certs-only"
CSR_ATTRIBUTES = "application/csrattrs"

CHALLENGE = 'Basic realm="mutua", charset="UTF-8"'
"""RFC 7617. Whatever is wrong with a token, the answer is the same."""

MOST_ASKED = 30
ASKED_SECONDS = 60.0
"""How often one token or certificate may ask, and in what time: a machine needs one request, and a few retries."""

_STATUS: tuple[tuple[type[MutuaError], int], ...] = (
    (RefusedEnrolment, 401),
    (RefusedRequest, 403),
    (RefusedRenewal, 403),
    (InvalidInput, 403),
    (UnreadableRequest, 400),
    (UnreadableStatement, 400),
)
_TEXT = {
    400: "that is no request that can be read\n",
    401: "an invitation is needed, and what was sent is none that is good now\n",
    403: "the request is refused\n",
    429: "that is too often\n",
    503: "try again later\n",
}

log = logging.getLogger("mutua.web")


def application(home: Home) -> Starlette:
    """The ASGI application of a home's EST server; the home stays the caller's to close.

    Nothing in it reads a header to learn whose certificate was shown: that is what the connection has proved.
    """
    return Est(home).application()


class Est:
    """The endpoints of a home.

    Args:
        home: whose authority; stays the caller's to close.
    """

    def __init__(self, home: Home) -> None:
        self._home = home
        self._pace = Pace(MOST_ASKED, ASKED_SECONDS)

    def application(self) -> Starlette:
        """The ASGI application."""
        return Starlette(
            routes=[
                Route(f"{ROOT}/cacerts", self._cacerts),
                Route(f"{ROOT}/csrattrs", self._csrattrs),
                Route(f"{ROOT}/simpleenroll", self._enrol, methods=["POST"]),
                Route(f"{ROOT}/simplereenroll", self._renew, methods=["POST"]),
            ],
            exception_handlers={MutuaError: _refused, BadBody: _bad_body},
        )

    def _cacerts(self, _request: Request) -> Response:
        """Every CA that is trusted, the root among them: old and new ones while one follows another (section 4.1.3)."""
        return _certs_only([each.certificate for each in self._home.hierarchy.trusted()])

    def _csrattrs(self, _request: Request) -> Response:
        attributes = write_csr_attributes(self._home.settings.policies["client"].keys)
        return _encoded(attributes, CSR_ATTRIBUTES)

    async def _enrol(self, request: Request) -> Response:
        """Section 4.2.1, with the token of an invitation for what section 3.2.3 calls HTTP-based authentication."""
        connection = _connection(request)
        given = basic(request.headers.get("authorization", ""))
        if request.scope.get("scheme") != "https" or given is None:
            return _answer(401)
        client, token = given
        # Whoever has no good token costs no more than this, and sends no body.
        found = await run_in_threadpool(self._home.invitations.find, token, client=client)
        if not self._pace.allows(found.token_hash):
            return _too_often(connection, found.client)
        return await self._certified(
            request,
            f"{found.client} (invitation {found.id})",
            connection,
            partial(self._home.invitations.enrol, token, client=client),
        )

    async def _renew(self, request: Request) -> Response:
        """Section 4.2.2: with the certificate that is to be renewed, or with a statement signed by its key.

        A server's certificate is none for a client (RFC 5280 section 4.2.1.12), so that it cannot be shown in the
        handshake; its key can sign all the same.
        """
        connection = _connection(request)
        peer, statement = connection.peer, bearer(request.headers.get("authorization", ""))
        if request.scope.get("scheme") != "https" or connection.refusal is not None:
            log.warning("no renewal for %s: %s", connection.address, connection.refusal or "it is not over TLS")
            return _answer(403)
        if peer is not None:
            if not self._pace.allows(peer.thumbprint):
                return _too_often(connection, peer.thumbprint)
            return await self._certified(
                request, peer.thumbprint, connection, lambda body: self._home.renewal.by_connection(peer, body)
            )
        if statement is not None:
            return await self._certified(
                request,
                "whoever signed a statement",
                connection,
                lambda body: self._home.renewal.by_statement(statement, request=body),
            )
        log.warning("no renewal for %s: it has shown no certificate", connection.address)
        return _answer(403)

    async def _certified(
        self, request: Request, who: str, connection: Connection, certify: Callable[[bytes], Signed]
    ) -> Response:
        body = await read_body(request)
        signed = await run_in_threadpool(certify, body)
        left_out = f"; left out: {'; '.join(signed.dropped)!a}" if signed.dropped else ""
        log.info("certified %s for %s, from %s%s", signed.thumbprint, who, connection.address, left_out)
        return _certs_only([signed.certificate])


def _connection(request: Request) -> Connection:
    """What the door has proved, or what another server tells of the connection; never what a header says."""
    given = request.scope.get("state", {}).get(CONNECTION)
    return given if isinstance(given, Connection) else told_connection(request.scope)


def _certs_only(certificates: Sequence[x509.Certificate]) -> Response:
    return _encoded(write_pkcs7(certificates, pem=False), CERTS_ONLY)


def _encoded(der: bytes, media_type: str) -> Response:
    # The header says nothing since RFC 8951 section 3.1; clients of RFC 7030 look for it.
    headers = {"Content-Transfer-Encoding": "base64", "Cache-Control": "no-store"}
    return Response(write_body(der), media_type=media_type, headers=headers)


def _answer(status: int) -> Response:
    headers = {401: {"WWW-Authenticate": CHALLENGE}, 429: {"Retry-After": "60"}, 503: {"Retry-After": "5"}}
    return Response(_TEXT[status], status_code=status, media_type="text/plain", headers=headers.get(status))


def _too_often(connection: Connection, who: str) -> Response:
    log.warning("%s asks too often, from %s", who, connection.address)
    return _answer(429)


def _refused(request: Request, error: Exception) -> Response:
    """One text for the peer, and why for the log."""
    assert isinstance(error, MutuaError)
    status = next((status for kind, status in _STATUS if isinstance(error, kind)), 503)
    log.warning("%s refused to %s: %s", request.scope["path"], _connection(request).address, ascii(error.message)[1:-1])
    return _answer(status)


def _bad_body(request: Request, error: Exception) -> Response:
    assert isinstance(error, BadBody)
    log.warning("%s refused to %s: %s", request.scope["path"], _connection(request).address, error)
    return Response(f"{error}\n", status_code=error.status, media_type="text/plain", headers={"Connection": "close"})
