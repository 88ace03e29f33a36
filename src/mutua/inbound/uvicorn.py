"""The uvicorn door: HTTP/1.1 and WebSocket.

uvicorn is given plain sockets to nothing: this door accepts connections itself, with the TLS context that is
in force at that moment, so that a renewal never touches a live connection, a failing handshake is reported
with its address on every event loop, and its alert has time to leave.
"""

import asyncio
import gc
import logging
import os
import socket
import ssl
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

try:
    import uvicorn
    from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
except ImportError as error:
    from mutua.errors import MissingExtra

    raise MissingExtra("the server is not installed", hint="pip install 'mutua[serve]'") from error

from mutua.errors import MutuaError
from mutua.home.home import Home
from mutua.home.upkeep import Upkeep
from mutua.inbound.access_log import log_handshake
from mutua.inbound.asgi import Application, KnownClients
from mutua.inbound.connection import CONNECTION, Connection
from mutua.inbound.listening import bind, ended_by_sigterm
from mutua.inbound.live_gate import LiveGate
from mutua.inbound.live_identity import LiveIdentity
from mutua.reasons import Reason
from mutua.tls.handshake import HandshakeFailure, handshake_observer
from mutua.tls.identity import Identity
from mutua.tls.peer import PeerCertificate

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
GRACE_SECONDS = 30

log = logging.getLogger("mutua.serve")


class DoorProtocol(HttpToolsProtocol):
    """uvicorn's protocol, with the verified peer certificate in the state of every scope."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        self.app_state = {**self.app_state, CONNECTION: self._connection(transport)}
        super().connection_made(transport)

    def _connection(self, transport: asyncio.Transport) -> Connection:
        tls: ssl.SSLObject = transport.get_extra_info("ssl_object")
        address = _address(transport.get_extra_info("peername"))
        assert isinstance(self.config, DoorConfig)
        try:
            peer = PeerCertificate.of_connection(tls, self.config.gate.trust)
        except MutuaError as error:
            log_handshake(HandshakeFailure(reason=Reason.MALFORMED, detail=error.message), address)
            transport.abort()
            peer = None
        return Connection(peer, address)


class DoorConfig(uvicorn.Config):
    """uvicorn's settings for a door: its own TLS, logging and header settings are not used."""

    def __init__(self, app: Application, gate: LiveGate, *, loop: str) -> None:
        super().__init__(
            KnownClients(app, gate=gate),
            loop=loop,
            http=DoorProtocol,
            ws="websockets-sansio",
            log_config=None,
            access_log=False,
            # The address of a peer comes from its socket; a header never changes it.
            proxy_headers=False,
            server_header=False,
            timeout_graceful_shutdown=GRACE_SECONDS,
        )
        self.gate = gate


class Door(uvicorn.Server):
    """A uvicorn server that ends TLS itself.

    Args:
        config: which application, which gate.
        listener: a bound socket.
        identity: gives the TLS context for each new connection.
        on_start: called with the port once connections are accepted.
    """

    def __init__(
        self,
        config: DoorConfig,
        listener: socket.socket,
        identity: LiveIdentity,
        on_start: Callable[[int], object] | None = None,
    ) -> None:
        super().__init__(config)
        self._listener = listener
        self._identity = identity
        self._on_start = on_start
        self._handshakes: set[asyncio.Task[None]] = set()
        self._resuming: asyncio.TimerHandle | None = None
        self._loop: asyncio.AbstractEventLoop

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:  # noqa: ARG002 -- ours is listening
        await super().startup(sockets=[])
        # What was loaded to get here stays for good: without this the collector walks it again and again.
        gc.collect()
        gc.freeze()
        self._loop = asyncio.get_running_loop()
        self._listener.listen(BACKLOG)
        self._listener.settimeout(0)
        self._listen()
        if self._on_start is not None:
            self._on_start(self._listener.getsockname()[1])

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:  # noqa: ARG002
        self._pause()
        if self._resuming is not None:
            self._resuming.cancel()
        self._listener.close()
        for task in self._handshakes:
            task.cancel()
        await super().shutdown(sockets=[])

    def _listen(self) -> None:
        """Accept whenever a connection waits. A reader that stays costs a tenth less than ``sock_accept`` each time."""
        self._loop.add_reader(self._listener.fileno(), self._accept)

    def _pause(self) -> None:
        self._loop.remove_reader(self._listener.fileno())

    def _accept(self) -> None:
        try:
            client, address = self._listener.accept()
        except (BlockingIOError, InterruptedError, ConnectionAbortedError):
            return
        except OSError as error:
            log.warning("cannot accept connections, trying again in a second: %s", error)
            self._pause()
            self._resuming = self._loop.call_later(1, self._listen)
            return
        client.settimeout(0)
        task = self._loop.create_task(self._handshake(client, _address(address)))
        self._handshakes.add(task)
        task.add_done_callback(self._handshake_ended)
        if len(self._handshakes) == MAX_HANDSHAKES:
            self._pause()

    def _handshake_ended(self, task: asyncio.Task[None]) -> None:
        self._handshakes.discard(task)
        if len(self._handshakes) == MAX_HANDSHAKES - 1 and self._listener.fileno() != -1:
            self._listen()

    async def _handshake(self, client: socket.socket, address: str) -> None:
        loop = asyncio.get_running_loop()
        task = asyncio.current_task()
        assert task is not None

        def refused(failure: HandshakeFailure) -> None:
            log_handshake(failure, address)
            loop.call_later(LINGER_SECONDS, task.cancel)

        handshake_observer.set(refused)
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

    def _protocol(self) -> asyncio.Protocol:
        return DoorProtocol(config=self.config, server_state=self.server_state, app_state=self.lifespan.state)


def serve(
    app: Application,
    *,
    identity: Identity | str | os.PathLike[str],
    home: Home | str | os.PathLike[str] | None = None,
    host: str = "127.0.0.1",
    port: int = 8443,
    loop: str = "auto",
    on_start: Callable[[int], object] | None = None,
) -> None:
    """Serve an ASGI application over mutual TLS, to known clients only, until SIGINT or SIGTERM.

    Args:
        app: the application.
        identity: who the server is: an ``Identity``, the name of one in the home, or a path as for
            ``Identity.load``. Names and paths are watched, and renewals picked up.
        home: whose registry decides, and whose CAs clients are verified with; ``MUTUA_HOME`` or
            ``./.mutua`` when not given.
        host: the address to listen on.
        port: 0 picks a free one.
        loop: ``auto``, ``asyncio`` or ``uvloop``.
        on_start: called with the port once connections are accepted.

    Raises:
        AddressInUse: another process listens there. InvalidAddress: the host cannot be listened on.
        HomeNotFound, UnknownIdentity, UnreadableStore and the like: it would not be safe to start.
    """
    if not isinstance(home, Home):
        with Home.open(home) as opened:
            serve(app, identity=identity, home=opened, host=host, port=port, loop=loop, on_start=on_start)
        return
    with (
        ended_by_sigterm(),
        bind(host, port) as listener,
        closing(LiveGate(home)) as gate,
        closing(Upkeep(home, gate.sighted)) as upkeep,
    ):
        source = _source(home, identity)
        upkeep.start()
        with closing(LiveIdentity(source, lambda: gate.trust)) as live:
            Door(DoorConfig(app, gate, loop=loop), listener, live, on_start).run()


def _source(home: Home, identity: Identity | str | os.PathLike[str]) -> Identity | Path:
    return identity if isinstance(identity, Identity) else home.identities.find(identity)


def _address(peername: Any) -> str:
    if not peername:
        return ""
    host, port = peername[:2]
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
