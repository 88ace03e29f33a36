"""The ASGI TLS extension: what a server that is no door of ours says of the client's certificate."""

from collections.abc import Mapping
from functools import lru_cache
from ssl import PEM_cert_to_DER_cert
from typing import Any

from mutua.errors import MutuaError
from mutua.inbound.connection import UNTOLD, UNVERIFIED, Connection
from mutua.tls.peer import PeerCertificate


def told_connection(scope: Mapping[str, Any]) -> Connection:
    """The connection of a scope, as its server tells of it.

    The extension's ``client_cert_chain`` is empty where the client has shown no certificate. Whoever leaves the
    extension out has told nothing, and then nobody is let in.
    """
    address = _address(scope.get("client"))
    tls = (scope.get("extensions") or {}).get("tls")
    if not isinstance(tls, Mapping) or "client_cert_chain" not in tls:
        return Connection(None, address, refusal=UNTOLD)
    if tls.get("client_cert_error"):
        return Connection(None, address, refusal=UNVERIFIED)
    if not tls["client_cert_chain"]:
        return Connection(None, address)
    peer = _peer(tuple(tls["client_cert_chain"]))
    return Connection(peer, address, refusal=None if peer else UNVERIFIED)


@lru_cache(maxsize=1024)
def _peer(chain: tuple[str | bytes, ...]) -> PeerCertificate | None:
    """The certificate in the extension's chain, given as PEM or DER, as text or bytes."""
    try:
        return PeerCertificate.read(tuple(_der(certificate) for certificate in chain))
    except (MutuaError, ValueError):
        return None


def _der(certificate: str | bytes) -> bytes:
    if isinstance(certificate, bytes) and not certificate.startswith(b"-----BEGIN"):
        return certificate
    return PEM_cert_to_DER_cert(certificate if isinstance(certificate, str) else certificate.decode("ascii"))


def _address(client: tuple[str, int] | None) -> str:
    return f"{client[0]}:{client[1]}" if client else ""
