"""What a door knows of a connection, and where it leaves that for the application."""

from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from ipaddress import IPv4Address, IPv6Address, ip_address
from socket import AF_UNIX
from ssl import DER_cert_to_PEM_cert
from typing import Any

from mutua.errors import UnknownClient
from mutua.gate.decision import Anyone, Refusal
from mutua.reasons import Reason
from mutua.registry.clients import KnownClient
from mutua.tls.peer import REMEMBERED, PeerCertificate

CONNECTION = "mutua.connection"
"""The key in ``scope["state"]`` under which a door of ours hands the connection to the gate."""

KNOWN_CLIENT = "known_client"
"""The key in ``scope["state"]`` under which the application finds the known client."""

ANYONE = "mutua.anyone"
"""The key, there and in a WSGI environ, that tells of a public path asked for without a certificate."""

HANG_UP = "mutua.hang_up"
"""The key, there too, under which a door of ours hands over what ends the connection after this answer."""

UNTOLD = Refusal(Reason.NO_CERTIFICATE, "the server does not tell whether a client certificate was shown")
UNVERIFIED = Refusal(Reason.NO_CERTIFICATE, "a client certificate was shown that is not verified, or cannot be read")
"""What comes of a connection on which nothing may be called, not even what is public."""


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
        refusal: of whatever is asked for, because nobody knows that no bad certificate was shown.
    """

    peer: PeerCertificate | None = field(repr=False)
    address: str
    socket: SocketPeer | None = None
    refusal: Refusal | None = None

    @cached_property
    def tls_extension(self) -> dict[str, Any]:
        """``scope["extensions"]["tls"]`` of the ASGI TLS extension: the verified chain in PEM, the leaf first."""
        chain = _pem(self.peer.chain) if self.peer else ()
        return {"client_cert_chain": list(chain), "client_cert_error": None}


def known_or_raise(client: object, anyone: object) -> KnownClient:
    """Who is calling, from what a gate has left under ``KNOWN_CLIENT`` and ``ANYONE``.

    Raises:
        UnknownClient: nobody knows.
    """
    if isinstance(client, KnownClient):
        return client
    if isinstance(anyone, Anyone):
        raise UnknownClient(
            "this path is public and no certificate was shown, so there is no known client",
            hint="do without one here, or take the path out of public in mutua.toml",
        )
    raise UnknownClient("this request did not come through the gate", hint="wrap the application: KnownClients(app)")


@lru_cache(maxsize=REMEMBERED)
def _pem(chain: tuple[bytes, ...]) -> tuple[str, ...]:
    return tuple(DER_cert_to_PEM_cert(der) for der in chain)
