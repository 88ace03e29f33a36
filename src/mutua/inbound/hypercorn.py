"""The hypercorn door: HTTP/1.1, HTTP/2, and WebSocket over both. TLS ends in ``accepting``.

Behind a proxy that has ended TLS it speaks HTTP/1.1 and WebSocket.

hypercorn's own way of serving is not used, for it takes one TLS context for good and a TLS of its own making.
From it come the protocols, and the connection that drives them.
"""

import asyncio
import logging
import signal
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

try:
    from hypercorn.app_wrappers import ASGIWrapper
    from hypercorn.asyncio.lifespan import Lifespan
    from hypercorn.asyncio.tcp_server import TCPServer
    from hypercorn.asyncio.worker_context import WorkerContext
    from hypercorn.config import Config
    from hypercorn.events import Event, Updated
    from hypercorn.protocol import ProtocolWrapper
    from hypercorn.protocol.events import Data
    from hypercorn.protocol.h2 import H2Protocol
    from hypercorn.protocol.h11 import H11Protocol
    from hypercorn.protocol.ws_stream import WSStream
    from hypercorn.utils import LifespanFailureError, LifespanTimeoutError
    from wsproto.events import CloseConnection
    from wsproto.utilities import LocalProtocolError
except ImportError as error:
    from mutua.errors import MissingExtra

    raise MissingExtra("hypercorn is not installed", hint="pip install 'mutua[hypercorn]'") from error

from mutua.errors import AppNotFound
from mutua.inbound.accepting import Acceptor, connection_of, loop_factory
from mutua.inbound.asgi import Application, KnownClients
from mutua.inbound.connection import CONNECTION, HANG_UP
from mutua.inbound.forwarded.fields import MAX_FIELD_BYTES
from mutua.inbound.forwarding import Forwarding
from mutua.inbound.hypercorn_http1 import harden
from mutua.inbound.live_gate import LiveGate
from mutua.inbound.live_identity import LiveIdentity
from mutua.inbound.plain import PlainAcceptor, plain_connection_of

ALPN = ("h2", "http/1.1")
"""What this door offers in a handshake."""

GRACE_SECONDS = 30

SERVICE_RESTART = 1012
"""The WebSocket close code for a server that ends, in IANA's registry; uvicorn sends it too."""

log = logging.getLogger("mutua.serve")


class DoorConnection(TCPServer):
    """hypercorn's connection, with the verified peer certificate in the state of every scope."""

    _ends = False

    @property
    def protocol(self) -> ProtocolWrapper:
        return self._protocol

    @protocol.setter
    def protocol(self, made: ProtocolWrapper) -> None:
        if isinstance(made.protocol, H11Protocol):
            harden(made.protocol)
        self._protocol = made

    def hang_up(self) -> None:
        """End the connection when nothing is under way on it any more."""
        self._ends = True

    async def protocol_send(self, event: Event) -> None:
        if self._ends and isinstance(event, Updated) and event.idle:
            if isinstance(self.protocol.protocol, H2Protocol):
                self.protocol.protocol.connection.close_connection()
                await self.protocol.protocol._flush()  # noqa: SLF001 -- GOAWAY (RFC 9113 section 6.8)
            await self._initiate_server_close()
            return
        await super().protocol_send(event)

    async def close_websockets(self) -> None:
        """Say goodbye on each WebSocket; nothing else would end them before the time of grace is over."""
        protocol: Any = self.protocol.protocol if hasattr(self, "_protocol") else None
        for stream in (*getattr(protocol, "streams", {}).values(), getattr(protocol, "stream", None)):
            if isinstance(stream, WSStream) and stream.handshake.accepted:
                try:
                    data = stream.connection.send(CloseConnection(code=SERVICE_RESTART))
                except LocalProtocolError:
                    continue  # it is closing already
                await stream.send(Data(stream_id=stream.stream_id, data=data))


class Door:
    """A hypercorn server that accepts connections and ends TLS by itself.

    Args:
        app: the application.
        gate: decides.
        identity: gives the TLS context for each new connection; without one there is no TLS.
        listener: a bound socket.
        on_start: called with the port, 0 of a Unix socket, once connections are accepted.
        forwarding: what a proxy in front may say of its own clients.
    """

    def __init__(
        self,
        app: Application,
        gate: LiveGate,
        identity: LiveIdentity | None,
        listener: socket.socket,
        on_start: Callable[[int], object] | None = None,
        forwarding: Forwarding | None = None,
    ) -> None:
        self._app = ASGIWrapper(KnownClients(app, gate=gate, forwarding=forwarding))  # type: ignore[arg-type]
        self._gate = gate
        self._ends_tls = identity is not None
        self._acceptor = (
            PlainAcceptor(listener, self._protocol)
            if identity is None
            else Acceptor(listener, identity, self._protocol)
        )
        self._on_start = on_start
        self._config = _config(forwards=forwarding is not None)
        self._state: dict[str, Any] = {}
        self._connections: dict[asyncio.Task[None], DoorConnection] = {}

    async def serve(self) -> None:
        """Serve until SIGINT or SIGTERM.

        Raises:
            AppNotFound: the application does not want to start.
        """
        self._loop = asyncio.get_running_loop()
        self._context = WorkerContext(None)
        self._stopping, self._hurrying = asyncio.Event(), asyncio.Event()
        with _signals(self._signalled):
            lifespan = Lifespan(self._app, self._config, self._loop, self._state)
            running = self._loop.create_task(lifespan.handle_lifespan())
            await self._started(lifespan, running)
            try:
                port = self._acceptor.start()
                if self._on_start is not None:
                    self._on_start(port)
                await self._stopping.wait()
            finally:
                self._acceptor.stop()
                await self._end_connections()
                await self._ended(lifespan, running)

    async def _started(self, lifespan: Lifespan, running: asyncio.Task[None]) -> None:
        try:
            await lifespan.wait_for_startup()
            if running.done():
                running.result()
        except (LifespanFailureError, LifespanTimeoutError) as error:
            raise AppNotFound(
                f"the application did not start: {error}", hint="mend the application, then try again"
            ) from error

    async def _ended(self, lifespan: Lifespan, running: asyncio.Task[None]) -> None:
        try:
            await lifespan.wait_for_shutdown()
            running.cancel()
            await running
        except asyncio.CancelledError:
            pass
        except (LifespanFailureError, LifespanTimeoutError) as error:
            log.error("the application did not end well: %s", error)  # noqa: TRY400 -- its own words say it

    async def _end_connections(self) -> None:
        """Let requests under way be answered for a while; idle connections end at once."""
        await self._context.terminated.set()
        for connection in list(self._connections.values()):
            await connection.close_websockets()
        hurry = self._loop.create_task(self._hurrying.wait())
        under_way = self._loop.create_task(_all_of(list(self._connections)))
        await asyncio.wait((hurry, under_way), timeout=GRACE_SECONDS, return_when=asyncio.FIRST_COMPLETED)
        for task in (hurry, under_way, *self._connections):
            task.cancel()
        await _all_of([hurry, under_way, *self._connections])

    def _signalled(self, number: int) -> None:
        """The first asks for an end, and Ctrl-C once more for a quick one."""
        event = self._hurrying if self._stopping.is_set() and number == signal.SIGINT else self._stopping
        self._loop.call_soon_threadsafe(event.set)

    def _protocol(self) -> asyncio.Protocol:
        reader = asyncio.StreamReader(loop=self._loop)
        return asyncio.StreamReaderProtocol(reader, self._connected, loop=self._loop)

    def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        transport = writer.transport
        known = connection_of(transport, self._gate.trust) if self._ends_tls else plain_connection_of(transport)
        state = {**self._state, CONNECTION: known}
        connection = DoorConnection(self._app, self._loop, self._config, self._context, state, reader, writer)
        state[HANG_UP] = connection.hang_up
        task = self._loop.create_task(_driven(connection, known.address))
        self._connections[task] = connection
        task.add_done_callback(self._connections.pop)


def run(
    app: Application,
    gate: LiveGate,
    identity: LiveIdentity | None,
    listener: socket.socket,
    *,
    loop: str = "auto",
    on_start: Callable[[int], object] | None = None,
    forwarding: Forwarding | None = None,
) -> None:
    """Serve until SIGINT or SIGTERM.

    Args:
        app: the application.
        gate: decides.
        identity: gives the TLS context; made with this module's ``ALPN``. Without one there is no TLS.
        listener: a bound socket, which is closed at the end.
        loop: ``auto``, ``asyncio`` or ``uvloop``.
        on_start: called with the port, 0 of a Unix socket, once connections are accepted.
        forwarding: what a proxy in front may say of its own clients.

    Raises:
        AppNotFound: the application does not want to start. MissingExtra: uvloop is not installed.
    """
    with asyncio.Runner(loop_factory=loop_factory(loop)) as runner:
        runner.run(Door(app, gate, identity, listener, on_start, forwarding).serve())


def _config(*, forwards: bool) -> Config:
    """Settings for a door: none of those for TLS, sockets or workers is used."""
    config = Config()
    config.errorlog = logging.getLogger("hypercorn.error")
    config.include_server_header = False
    if forwards:
        config.h11_max_incomplete_size += MAX_FIELD_BYTES
    return config


async def _driven(connection: DoorConnection, address: str) -> None:
    try:
        await connection
    except OSError as error:
        log.debug("the connection with %s broke: %s", address, error)
    except Exception as error:  # noqa: BLE001 -- hypercorn lets out what it did not foresee in a peer's bytes
        log.warning("the connection with %s was given up: %s", address, _innermost(error))


def _innermost(error: BaseException) -> str:
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return f"{type(error).__name__}: {error}"


async def _all_of(tasks: list[asyncio.Task[Any]]) -> None:
    await asyncio.gather(*tasks, return_exceptions=True)


@contextmanager
def _signals(told: Callable[[int], None]) -> Iterator[None]:
    """Tell of SIGINT and SIGTERM; afterwards raise them again, so that a supervisor sees why the process ended."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    caught: list[int] = []

    def handle(number: int, _: object) -> None:
        caught.append(number)
        told(number)

    before = {number: signal.signal(number, handle) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    for each in caught:
        signal.raise_signal(each)
