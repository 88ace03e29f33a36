"""The WSGI environ (PEP 3333): what the gate reads in it, and what it leaves there for the application.

Keys that begin with ``HTTP_`` are the client's words, all others the server's. An underscore and a hyphen in the name
of a header come out the same, so whatever looks like a certificate or an identity is taken out, not compared.
"""

import hashlib
import re
import socket
import ssl
from collections.abc import Mapping, MutableMapping
from dataclasses import replace
from functools import lru_cache
from typing import Any

from cryptography.x509 import Certificate

from mutua.errors import MutuaError, UnreadableCertificate
from mutua.gate.decision import Anyone, Request
from mutua.inbound.accepting import address_of
from mutua.inbound.connection import ANYONE, CONNECTION, UNTOLD, UNVERIFIED, Connection
from mutua.inbound.forwarding import Forwarding
from mutua.inbound.plain import plain_connection
from mutua.pki.certificates import read_certificate, write_der
from mutua.pki.dn import DistinguishedName
from mutua.pki.foreign import MALFORMED, parsing
from mutua.registry.clients import KnownClient
from mutua.tls.peer import REMEMBERED, PeerCertificate
from mutua.tls.trust import Trust

Environ = MutableMapping[str, Any]

KNOWN_CLIENT = "mutua.known_client"
"""The key in the environ under which the application finds the known client."""

_SOCKETS = ("gunicorn.socket", "werkzeug.socket")

_REQUEST_OF_GUNICORN = "gunicorn.http.message"
"""The module of the class whose ``headers`` are the lines as they came; those of HTTP/2 and uwsgi are not."""

_FORGEABLE = (
    "SSL_CLIENT_",
    "mutua.",
    "HTTP_MUTUA",
    "HTTP_CLIENT_CERT",
    "HTTP_SSL_C",
    "HTTP_X_AMZN_MTLS_",
    "HTTP_X_ARR_CLIENTCERT",
    "HTTP_X_CLIENT_CERT",
    "HTTP_X_FORWARDED_CLIENT_CERT",
    "HTTP_X_FORWARDED_SSL_CLIENT",
    "HTTP_X_FORWARDED_TLS_CLIENT",
    "HTTP_X_SSL_C",
    "HTTP_X_TLS_CLIENT",
)
"""What RFC 9440, Apache, nginx, Envoy, HAProxy, Traefik, AWS, Azure and we call certificates and identities."""

_REBASING = ("HTTP_SCRIPT_NAME", "HTTP_PATH_INFO")
"""Headers by which a peer that gunicorn takes for a proxy moves the path that an application routes on."""

_ABSOLUTE_FORM = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://[^/?#]*")


def request_of(environ: Environ) -> Request:
    """What the gate asks about: the whole path, ``SCRIPT_NAME`` and ``PATH_INFO``, next to the one that was sent.

    gunicorn and werkzeug tell the latter as ``RAW_URI``, mod_wsgi and uWSGI as ``REQUEST_URI``. Where it is
    not told, where both are and differ, or where a header claims to move the path, the gate refuses.
    """
    path = environ.get("SCRIPT_NAME", "") + environ.get("PATH_INFO", "")
    method = environ.get("REQUEST_METHOD", "")
    try:
        decoded = path.encode("latin-1").decode("utf-8", "replace")
    except UnicodeEncodeError:
        return Request(method, path, None)
    return Request(method, decoded, _raw_path(environ))


def _raw_path(environ: Environ) -> bytes | None:
    told = {uri for key in ("RAW_URI", "REQUEST_URI") if isinstance(uri := environ.get(key), str)}
    if len(told) != 1 or any(key in environ for key in _REBASING):
        return None
    sent = told.pop().partition("?")[0]
    if authority := _ABSOLUTE_FORM.match(sent):  # RFC 9112 section 3.2.2
        sent = sent[authority.end() :]
    try:
        return sent.encode("latin-1")
    except UnicodeEncodeError:
        return None


def connection_of(environ: Environ, trust: Trust, *, server_verifies: bool) -> Connection:
    """Who is there, from what a door of ours or a server's own socket has proved.

    Args:
        environ: of the request.
        trust: finds the path of a certificate that comes without one.
        server_verifies: whether ``SSL_CLIENT_VERIFY`` and ``SSL_CLIENT_CERT`` are this server's word.
    """
    connection = environ.get(CONNECTION)
    if isinstance(connection, Connection):
        return connection
    address = remote_of(environ)
    try:
        for key in _SOCKETS:
            found = environ.get(key)
            if isinstance(found, ssl.SSLSocket):
                return Connection(PeerCertificate.of_connection(found, trust), address_of(found.getpeername()))
            if isinstance(found, socket.socket):
                return replace(plain_connection(found.family, found.getpeername()), refusal=UNTOLD)
        verified = environ.get("SSL_CLIENT_VERIFY") if server_verifies else None
        if verified == "SUCCESS":
            return Connection(_peer(environ.get("SSL_CLIENT_CERT", ""), trust), address)
    except (MutuaError, OSError, ValueError):
        return Connection(None, address, refusal=UNVERIFIED)  # it cannot be read, or the socket is gone
    if verified == "NONE" and not environ.get("SSL_CLIENT_CERT"):
        return Connection(None, address)
    return Connection(None, address, refusal=UNVERIFIED if verified else UNTOLD)


def lines_of(start_response: Any) -> list[tuple[bytes, bytes]] | None:
    """The header lines of a request as they came; ``None`` where the server does not tell.

    The environ joins doubled lines with a comma, and has one name for ``Client-Cert`` and ``Client_Cert`` (RFC 3875
    section 4.1.18): what a proxy has written cannot be told in it from what its client has.

    Args:
        start_response: the server's; that of gunicorn knows the request.
    """
    request: Any = getattr(getattr(start_response, "__self__", None), "req", None)
    if type(request).__module__ != _REQUEST_OF_GUNICORN:
        return None
    return [(name.encode("latin-1"), value.encode("latin-1")) for name, value in request.headers]


def names_in(environ: Environ) -> list[str]:
    """What the environ calls the headers of the request, without ``HTTP_``."""
    return [key[5:] for key in environ if key.startswith("HTTP_")]


def _peer(pem: str, trust: Trust) -> PeerCertificate:
    leaf = read_certificate(ssl.PEM_cert_to_DER_cert(pem.strip()))
    return PeerCertificate.read(tuple(map(write_der, trust.path(leaf))))


def remote_of(environ: Mapping[str, Any]) -> str:
    """The address of the peer, as the server tells it."""
    host, port = environ.get("REMOTE_ADDR", ""), environ.get("REMOTE_PORT", "")
    return address_of((host, port)) if port else str(host)


def clean(environ: Environ, forwarding: Forwarding | None = None) -> None:
    """Take out whatever could pass for the identity of a client.

    Args:
        environ: of the request.
        forwarding: knows what else a proxy calls its headers.
    """
    for key in [key for key in environ if key.startswith(_FORGEABLE)]:
        del environ[key]
    if forwarding is not None:
        for name in filter(forwarding.watches, names_in(environ)):
            del environ[f"HTTP_{name}"]


def introduce(environ: Environ, connection: Connection, decision: KnownClient | Anyone) -> None:
    """Tell the application who is calling: as a ``KnownClient``, and in the variables of Apache and nginx."""
    environ[KNOWN_CLIENT if isinstance(decision, KnownClient) else ANYONE] = decision
    if connection.peer is not None:
        environ.update(_variables(connection.peer.chain))


@lru_cache(maxsize=REMEMBERED)
def _variables(chain: tuple[bytes, ...]) -> dict[str, str]:
    """``SSL_CLIENT_*`` of a verified path: serials in upper-case hexadecimal, the fingerprint is nginx's, SHA-1."""
    pems = [ssl.DER_cert_to_PEM_cert(der) for der in chain]
    leaf = PeerCertificate.read(chain).leaf
    return {
        "SSL_CLIENT_VERIFY": "SUCCESS",
        "SSL_CLIENT_CERT": pems[0],
        **{f"SSL_CLIENT_CERT_CHAIN_{number}": pem for number, pem in enumerate(pems[1:])},
        "SSL_CLIENT_M_SERIAL": f"{leaf.serial_number:X}".zfill(2),
        "SSL_CLIENT_FINGERPRINT": hashlib.sha1(chain[0], usedforsecurity=False).hexdigest(),
        **_names(leaf),
    }


def _names(leaf: Certificate) -> dict[str, str]:
    """RFC 4514; absent where the certificate of somebody else's making has no name that can be read."""
    try:
        with parsing(UnreadableCertificate("the names cannot be read")):
            names = DistinguishedName.of(leaf.subject), DistinguishedName.of(leaf.issuer)
    except (UnreadableCertificate, *MALFORMED):
        return {}
    return dict(zip(("SSL_CLIENT_S_DN", "SSL_CLIENT_I_DN"), map(_native, map(str, names)), strict=True))


def _native(text: str) -> str:
    """PEP 3333: UTF-8, each byte of it as a character."""
    return text.encode("utf-8", "replace").decode("latin-1")
