"""uvicorn without TLS, for what a proxy forwards: HTTP/1.1 and WebSocket."""

import asyncio
import socket
from collections.abc import Callable

from uvicorn import Server
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from mutua.inbound.accepting import BACKLOG, address_of
from mutua.inbound.asgi import Application
from mutua.inbound.connection import CONNECTION, Connection, SocketPeer
from mutua.inbound.forwarding import Forwarding
from mutua.inbound.live_gate import LiveGate
from mutua.inbound.uvicorn import DoorConfig


class PlainProtocol(HttpToolsProtocol):
    """HTTP/1.1 over a connection whose peer is asked of the socket, before any header is read."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        family = transport.get_extra_info("socket").family
        peername = transport.get_extra_info("peername")
        address = "unix" if family == socket.AF_UNIX else address_of(peername)
        connection = Connection(None, address, SocketPeer.of(family, peername))
        self.app_state = {**self.app_state, CONNECTION: connection}
        super().connection_made(transport)


class PlainDoor(Server):
    """A uvicorn server on a socket of ours.

    Args:
        config: which application, which gate.
        listener: a bound socket.
        on_start: called with the port, 0 for a Unix socket, once connections are accepted.
    """

    def __init__(
        self, config: DoorConfig, listener: socket.socket, on_start: Callable[[int], object] | None = None
    ) -> None:
        super().__init__(config)
        self._listener = listener
        self._on_start = on_start
        self._accepting: asyncio.Server | None = None

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:  # noqa: ARG002 -- ours is bound
        await super().startup(sockets=[])
        loop = asyncio.get_running_loop()
        if self._listener.family == socket.AF_UNIX:
            self._accepting = await loop.create_unix_server(self._protocol, sock=self._listener, backlog=BACKLOG)
        else:
            self._accepting = await loop.create_server(self._protocol, sock=self._listener, backlog=BACKLOG)
        if self._on_start is not None:
            name = self._listener.getsockname()
            self._on_start(name[1] if isinstance(name, tuple) else 0)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:  # noqa: ARG002
        if self._accepting is not None:
            self._accepting.close()
        await super().shutdown(sockets=[])

    def _protocol(self) -> asyncio.Protocol:
        return PlainProtocol(  # type: ignore[no-any-return, unused-ignore]
            config=self.config, server_state=self.server_state, app_state=self.lifespan.state
        )


def run(
    app: Application,
    gate: LiveGate,
    forwarding: Forwarding,
    listener: socket.socket,
    *,
    loop: str = "auto",
    on_start: Callable[[int], object] | None = None,
) -> None:
    """Serve until SIGINT or SIGTERM.

    Args:
        app: the application.
        gate: decides.
        forwarding: who may say who the client is.
        listener: a bound socket, TCP or Unix, which is closed at the end.
        loop: ``auto``, ``asyncio`` or ``uvloop``.
        on_start: called with the port, 0 for a Unix socket, once connections are accepted.
    """
    PlainDoor(DoorConfig(app, gate, loop=loop, forwarding=forwarding), listener, on_start).run()
