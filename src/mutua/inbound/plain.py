"""Connections without TLS, for what a proxy forwards: whoever is there is asked of the socket, before any header."""

import asyncio
import logging
import socket
from collections.abc import Callable
from typing import Any

from mutua.inbound.accepting import Acceptor, address_of
from mutua.inbound.connection import Connection, SocketPeer

log = logging.getLogger("mutua.serve")


class PlainAcceptor(Acceptor):
    """Accepts connections on a socket, TCP or Unix, that other processes may accept on too.

    Args:
        listener: a bound socket, whose file is left in its place.
        protocol: makes the protocol of a connection.
    """

    def __init__(self, listener: socket.socket, protocol: Callable[[], asyncio.BaseProtocol]) -> None:
        super().__init__(listener, None, protocol)  # type: ignore[arg-type]  # only a handshake asks for it

    async def _handshake(self, client: socket.socket, address: str) -> None:
        try:
            await self._loop.connect_accepted_socket(self._protocol, client)
        except OSError as error:
            log.debug("no connection with %s: %s", address, error)


def plain_connection(family: int, peername: Any) -> Connection:
    """A connection without TLS.

    Args:
        family: of its socket.
        peername: what that socket says of its peer.
    """
    address = "unix" if family == socket.AF_UNIX else address_of(peername)
    return Connection(None, address, SocketPeer.of(family, peername))


def plain_connection_of(transport: asyncio.WriteTransport) -> Connection:
    """The same of a transport."""
    family: int = transport.get_extra_info("socket").family
    return plain_connection(family, transport.get_extra_info("peername"))
