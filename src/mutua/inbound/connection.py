"""What a door knows of a connection, and where it leaves that for the application."""

from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from ipaddress import IPv4Address, IPv6Address, ip_address
from socket import AF_UNIX
from ssl import DER_cert_to_PEM_cert
from typing import Any

from mutua.tls.peer import REMEMBERED, PeerCertificate

CONNECTION = "mutua.connection"
"""The key in ``scope["state"]`` under which a door of ours hands the connection to the gate."""

KNOWN_CLIENT = "known_client"
"""The key in ``scope["state"]`` under which the application finds the known client."""


@dataclass(frozen=True, slots=True)
class SocketPeer:
    """Whom a socket is connected to, as a door has asked the socket itself.

    Attributes:
        ip: its address; ``None`` for a Unix socket.
    """

    ip: IPv4Address | IPv6Address | None

    @classmethod
    def of(cls, family: int, peername: Any) -> "SocketPeer | None":
        """Read what ``getpeername`` says; ``None`` where that is of no use.

        Args:
            family: of the socket.
            peername: an address of that family.
        """
        if family == AF_UNIX:
            return cls(None)
        try:
            ip = ip_address(peername[0].partition("%")[0])
        except (ValueError, TypeError, IndexError, AttributeError):
            return None
        # A socket for both families sees IPv4 peers this way (RFC 4291 section 2.5.5.2).
        return cls((ip.ipv4_mapped if isinstance(ip, IPv6Address) else None) or ip)


@dataclass(frozen=True)
class Connection:
    """A connection on which a handshake has succeeded, or one without TLS behind a proxy.

    Attributes:
        peer: the client's certificate, verified.
        address: of the socket's peer, for the log.
        socket: the socket's peer where it may be a proxy's; ``None`` where no door has asked.
    """

    peer: PeerCertificate | None = field(repr=False)
    address: str
    socket: SocketPeer | None = None

    @cached_property
    def tls_extension(self) -> dict[str, Any]:
        """``scope["extensions"]["tls"]`` of the ASGI TLS extension: the verified chain in PEM, the leaf first."""
        chain = _pem(self.peer.chain) if self.peer else ()
        return {"client_cert_chain": list(chain), "client_cert_error": None}


@lru_cache(maxsize=REMEMBERED)
def _pem(chain: tuple[bytes, ...]) -> tuple[str, ...]:
    return tuple(DER_cert_to_PEM_cert(der) for der in chain)
