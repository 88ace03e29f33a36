"""Accepting connections and ending their TLS, for the doors that run on an event loop.

The servers are given no socket to listen on: connections are accepted here, with the TLS context that is in force
at that moment, so that a renewal never touches a live connection, a failing handshake is reported with its address
on every event loop, and its alert has time to leave.
"""

import asyncio
import gc
import logging
import socket
import ssl
import time
from collections.abc import Callable
from typing import Any

from mutua.errors import MissingExtra, MutuaError
from mutua.inbound.access_log import log_handshake
from mutua.inbound.connection import UNVERIFIED, Connection
from mutua.inbound.live_identity import LiveIdentity
from mutua.inbound.seen.record import RECORD
from mutua.reasons import Reason
from mutua.tls.handshake import HandshakeFailure, handshake_observer
from mutua.tls.peer import PeerCertificate
from mutua.tls.trust import Trust

HANDSHAKE_SECONDS = 10
"""A client that has not finished its handshake by then is dropped; nginx allows 60, Go's net/http 10 by custom."""

LINGER_SECONDS = 1
"""How long a refused client may take to read the alert before the connection is closed."""

FAREWELL_SECONDS = 5
"""How long a peer may take to read the last bytes and say goodbye too. A client's pool never looks at its idle
connections: asyncio's 30 seconds would hold up every stop for as long."""

MAX_HANDSHAKES = 1024
"""Handshakes under way at once; further connections wait in the backlog."""

BACKLOG = 2048

log = logging.getLogger("mutua.serve")


class Acceptor:
    """Accepts connections on a socket, each with the context of the moment.

    Args:
        listener: a bound socket; other processes may accept on it too.
        identity: gives the TLS context for each new connection.
        protocol: makes the protocol of a connection, which hears of it once its handshake has succeeded.
    """

    def __init__(
        self, listener: socket.socket, identity: LiveIdentity, protocol: Callable[[], asyncio.BaseProtocol]
    ) -> None:
        self._listener = listener
        self._identity = identity
        self._protocol = protocol
        self._handshakes: set[asyncio.Task[None]] = set()
        self._resuming: asyncio.TimerHandle | None = None
        self._loop: asyncio.AbstractEventLoop

    def start(self) -> int:
        """Begin, on the running event loop; returns the port, 0 of a Unix socket."""
        # What was loaded to get here stays for good: without this the collector walks it again and again.
        gc.collect()
        gc.freeze()
        self._loop = asyncio.get_running_loop()
        self._listener.listen(BACKLOG)
        self._listener.settimeout(0)
        self._listen()
        name = self._listener.getsockname()
        return int(name[1]) if isinstance(name, tuple) else 0

    def stop(self) -> None:
        """Close the socket, and drop whoever has not finished its handshake. Connections live on."""
        self._pause()
        if self._resuming is not None:
            self._resuming.cancel()
        self._listener.close()
        for task in self._handshakes:
            task.cancel()

    def _listen(self) -> None:
        """Accept whenever a connection waits. A reader that stays costs a tenth less than ``sock_accept`` each time."""
        self._loop.add_reader(self._listener.fileno(), self._accept)

    def _pause(self) -> None:
        self._loop.remove_reader(self._listener.fileno())

    def _accept(self) -> None:
        try:
            client, peername = self._listener.accept()
        except (BlockingIOError, InterruptedError, ConnectionAbortedError):
            return
        except OSError as error:
            log.warning("cannot accept connections, trying again in a second: %s", error)
            self._pause()
            self._resuming = self._loop.call_later(1, self._listen)
            return
        client.settimeout(0)
        task = self._loop.create_task(self._handshake(client, address_of(peername)))
        self._handshakes.add(task)
        task.add_done_callback(self._handshake_ended)
        if len(self._handshakes) == MAX_HANDSHAKES:
            self._pause()

    def _handshake_ended(self, task: asyncio.Task[None]) -> None:
        self._handshakes.discard(task)
        if len(self._handshakes) == MAX_HANDSHAKES - 1 and self._listener.fileno() != -1:
            self._listen()

    async def _handshake(self, client: socket.socket, address: str) -> None:
        loop = self._loop
        task = asyncio.current_task()
        assert task is not None

        def refused(failure: HandshakeFailure) -> None:
            log_handshake(failure, address)
            loop.call_later(LINGER_SECONDS, task.cancel)

        handshake_observer.set(refused)
        started = time.perf_counter()
        try:
            await loop.connect_accepted_socket(
                self._protocol,
                client,
                ssl=self._identity.context,
                ssl_handshake_timeout=HANDSHAKE_SECONDS,
                ssl_shutdown_timeout=FAREWELL_SECONDS,
            )
        except (OSError, asyncio.CancelledError) as error:
            # Refusals are logged where they are found; this is a peer that went away or said nothing.
            log.debug("no handshake with %s: %s", address, error)
        else:
            RECORD.handshakes.add(time.perf_counter() - started)


def connection_of(transport: asyncio.WriteTransport, trust: Trust) -> Connection:
    """What a transport's finished handshake has proved, and whom its socket is connected to.

    A peer whose certificate cannot be read is logged and cut off, and what it may have sent is refused.
    """
    tls: ssl.SSLObject = transport.get_extra_info("ssl_object")
    address = address_of(transport.get_extra_info("peername"))
    try:
        peer = PeerCertificate.of_connection(tls, trust)
    except MutuaError as error:
        log_handshake(HandshakeFailure(reason=Reason.MALFORMED, detail=error.message), address)
        transport.abort()
        return Connection(None, address, refusal=UNVERIFIED)
    return Connection(peer, address)


def address_of(peername: Any) -> str:
    """A socket's peer as ``host:port``; empty where it has none."""
    if not peername or isinstance(peername, str | bytes):  # of a Unix socket it is a path
        return ""
    host, port = peername[:2]
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def loop_factory(name: str) -> Callable[[], asyncio.AbstractEventLoop] | None:
    """What makes an event loop: ``auto`` is uvloop where that is installed; ``None`` stands for asyncio's own.

    Raises:
        MissingExtra: uvloop is asked for and not installed.
    """
    if name == "asyncio":
        return None
    try:
        from uvloop import new_event_loop  # noqa: PLC0415 -- optional
    except ImportError:
        if name == "auto":
            return None
        raise MissingExtra(
            "uvloop is not installed", hint="pip install 'mutua[serve]', or give --loop asyncio"
        ) from None
    return new_event_loop
