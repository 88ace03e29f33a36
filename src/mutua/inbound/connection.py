"""What a door knows of a connection, and where it leaves that for the application."""

from dataclasses import dataclass, field
from functools import cached_property
from ssl import DER_cert_to_PEM_cert
from typing import Any

from mutua.tls.peer import PeerCertificate

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
        tls_version: ``TLSv1.2`` or ``TLSv1.3``.
    """

    peer: PeerCertificate | None = field(repr=False)
    address: str
    tls_version: str

    @cached_property
    def tls_extension(self) -> dict[str, Any]:
        """``scope["extensions"]["tls"]`` of the ASGI TLS extension: the verified chain in PEM, the leaf first."""
        chain = self.peer.chain if self.peer else ()
        return {"client_cert_chain": [DER_cert_to_PEM_cert(der) for der in chain], "client_cert_error": None}
