"""New connections of workers whose sockets block: kept aside until there is a request to read.

A handful of peers who say nothing would otherwise keep every worker busy.
"""

import logging
import selectors
import socket
import time
from typing import Any

from mutua.inbound.accepting import address_of
from mutua.inbound.connection import Connection
from mutua.inbound.plain import plain_connection

FIRST_REQUEST_SECONDS = 10
"""A client whose first request has not begun by then is dropped; Apache's mod_reqtimeout allows 20 for all headers."""

log = logging.getLogger("mutua.serve")


class PlainSocket(socket.socket):
    """A connection without TLS.

    Attributes:
        connection: what the socket says of it.
        peername: of the socket.
    """

    connection: Connection
    peername: Any

    @classmethod
    def take(cls, client: socket.socket, peername: Any) -> "PlainSocket":
        """Take over an accepted socket."""
        made = cls(fileno=client.detach())
        made.settimeout(0)
        made.peername = peername
        made.connection = plain_connection(made.family, peername)
        return made


class Guest:
    """A connection that is not the worker's yet.

    Args:
        connection: the socket.
        seconds: how long it may take for what comes next.
    """

    def __init__(self, connection: Any, seconds: float) -> None:
        self.socket = connection
        self.began = time.monotonic()
        self.deadline = self.began + seconds
        self.drained = 0
        self.lingers = False

    @property
    def address(self) -> str:
        return address_of(self.socket.peername)


class Arrivals:
    """The new connections of one worker, without TLS; for one thread."""

    def __init__(self) -> None:
        self._selector = selectors.EpollSelector()
        self._guests: dict[Any, Guest] = {}

    def __len__(self) -> int:
        """How many connections it holds."""
        return len(self._guests)

    def fileno(self) -> int:
        """Readable when ``progress`` has something to do."""
        return self._selector.fileno()

    def begin(self, client: socket.socket, peername: Any) -> None:
        """Take an accepted socket."""
        self._admit(Guest(PlainSocket.take(client, peername), FIRST_REQUEST_SECONDS))

    def progress(self) -> list[Any]:
        """Go on with whoever has sent something; returns those with a request to read, which are the caller's now.

        To be called when ``fileno`` is readable, and every second or so for those who say nothing.
        """
        ready = [key.fileobj for key, _ in self._selector.select(0) if self._step(self._guests[key.fileobj])]
        now = time.monotonic()
        for guest in [guest for guest in self._guests.values() if guest.deadline <= now]:
            self._drop(guest, "it took too long")
        return ready

    def drop_all(self) -> None:
        """Close the connections that are still here."""
        for guest in list(self._guests.values()):
            self._drop(guest, "the server ends")

    def close(self) -> None:
        """Drop them all, for good."""
        self.drop_all()
        self._selector.close()

    def _admit(self, guest: Guest) -> None:
        self._guests[guest.socket] = guest
        self._selector.register(guest.socket, selectors.EVENT_READ)

    def _step(self, guest: Guest) -> bool:
        """Whether the connection, which has sent something, goes to the worker."""
        self._release(guest)
        return True

    def _release(self, guest: Guest) -> None:
        self._selector.unregister(guest.socket)
        del self._guests[guest.socket]
        guest.socket.settimeout(None)

    def _drop(self, guest: Guest, why: str) -> None:
        log.debug("no connection with %s: %s", guest.address, why)
        self._selector.unregister(guest.socket)
        del self._guests[guest.socket]
        guest.socket.close()
