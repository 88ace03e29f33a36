"""What a door knows of a connection, and where it leaves that for the application."""

from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from ssl import DER_cert_to_PEM_cert
from typing import Any

from mutua.tls.peer import REMEMBERED, PeerCertificate

CONNECTION = "mutua.connection"
"""The key in ``scope["state"]`` under which a door of ours hands the connection to the gate."""

KNOWN_CLIENT = "known_client"
"""The key in ``scope["state"]`` under which the application finds the known client."""


@dataclass(frozen=True)
class Connection:
    """A connection on which a handshake has succeeded.

    Attributes:
        peer: the client's certificate, verified.
        address: of the socket's peer, for the log.
    """

    peer: PeerCertificate | None = field(repr=False)
    address: str

    @cached_property
    def tls_extension(self) -> dict[str, Any]:
        """``scope["extensions"]["tls"]`` of the ASGI TLS extension: the verified chain in PEM, the leaf first."""
        chain = _pem(self.peer.chain) if self.peer else ()
        return {"client_cert_chain": list(chain), "client_cert_error": None}


@lru_cache(maxsize=REMEMBERED)
def _pem(chain: tuple[bytes, ...]) -> tuple[str, ...]:
    return tuple(DER_cert_to_PEM_cert(der) for der in chain)
