"""gunicorn's own worker for ASGI applications: HTTP/1.1 and WebSocket."""

import asyncio
import os
import signal
import socket
from contextlib import closing, suppress
from typing import Any

from gunicorn.asgi.lifespan import LifespanManager, LifespanStartupFailed  # type: ignore[import-untyped]
from gunicorn.asgi.protocol import ASGIProtocol  # type: ignore[import-untyped]
from gunicorn.workers.gasgi import ASGIWorker  # type: ignore[import-untyped]

from mutua.errors import AppNotFound
from mutua.inbound.accepting import Acceptor, connection_of
from mutua.inbound.asgi import KnownClients
from mutua.inbound.connection import CONNECTION
from mutua.inbound.gunicorn.denial import Denying
from mutua.inbound.gunicorn.door import DoorWorker
from mutua.inbound.gunicorn.ending import heed
from mutua.inbound.plain import PlainAcceptor, plain_connection_of

TICK_SECONDS = 1.0
"""How often the worker shows the arbiter that it lives."""

SERVICE_RESTART = 1012
"""The WebSocket close code for a server that ends, in IANA's registry."""


class DoorProtocol(ASGIProtocol):  # type: ignore[misc]
    """gunicorn's protocol, with the verified peer certificate in the state of every scope."""

    def connection_made(self, transport: asyncio.Transport) -> None:
        door = self.worker.door
        ends_tls = door.identity is not None
        self._connection = connection_of(transport, door.gate.trust) if ends_tls else plain_connection_of(transport)
        self.worker.protocols.add(self)
        super().connection_made(transport)

    def connection_lost(self, exc: Exception | None) -> None:
        self.worker.protocols.discard(self)
        super().connection_lost(exc)

    def _build_http_scope(self, *arguments: Any) -> dict[str, Any]:
        return self._introduced(super()._build_http_scope(*arguments))

    def _build_websocket_scope(self, *arguments: Any) -> dict[str, Any]:
        scope = self._introduced(super()._build_websocket_scope(*arguments))
        # The connection is this WebSocket's from here on.
        self.app: Any = Denying(self.worker.asgi, self)
        return {**scope, "extensions": {**scope.get("extensions", {}), "websocket.http.response": {}}}

    def _introduced(self, scope: dict[str, Any]) -> dict[str, Any]:
        return {**scope, "state": {**scope.get("state", {}), CONNECTION: self._connection}}

    async def say_goodbye(self) -> None:
        """End what would otherwise last until it times out: an idle connection, an open WebSocket."""
        websocket = self._websocket
        if self._awaiting_request:
            self._close_transport()
        elif websocket is not None and websocket.accepted and not websocket.closed:
            with suppress(OSError, RuntimeError):
                await websocket._send({"type": "websocket.close", "code": SERVICE_RESTART})  # noqa: SLF001


class AsgiDoor(DoorWorker, ASGIWorker):  # type: ignore[misc]
    """gunicorn's asgi worker, given connections whose TLS has ended."""

    runs_asgi = True

    @classmethod
    def check_config(cls, cfg: object, log: object) -> None:
        """Nothing to say: gunicorn warns of threads, which only its other workers have."""

    def guard(self) -> None:
        self.asgi = KnownClients(self.application, gate=self.door.gate, forwarding=self.door.forwarding)

    def handle_exit_signal(self) -> None:
        super().handle_exit_signal()
        self._ending.set()

    def handle_quit_signal(self) -> None:
        super().handle_quit_signal()
        self._ending.set()

    def init_signals(self) -> None:
        # uvloop forgets a signal that comes before it runs: until then they do what they do to any process.
        for number in self.SIGNALS:
            signal.signal(number, signal.SIG_IGN if number == signal.SIGUSR1 else signal.SIG_DFL)
        heed()

    def run(self) -> None:
        with closing(self.door):
            super().run()

    async def _serve(self) -> None:
        self.protocols: set[DoorProtocol] = set()
        self._ending = asyncio.Event()
        super().init_signals()
        await self._start_lifespan()
        acceptor = self._acceptor(self.sockets[0].sock)
        acceptor.start()
        self.ready()
        try:
            while self.alive and os.getppid() == self.ppid:
                self.notify()
                with suppress(TimeoutError):
                    await asyncio.wait_for(self._ending.wait(), TICK_SECONDS)
        finally:
            acceptor.stop()
        goodbyes = [self.loop.create_task(protocol.say_goodbye()) for protocol in self.protocols]
        await self._shutdown()
        await asyncio.gather(*goodbyes)

    def _acceptor(self, listener: socket.socket) -> Acceptor:
        def protocol() -> DoorProtocol:
            return DoorProtocol(self)

        if self.door.identity is None:
            return PlainAcceptor(listener, protocol)
        return Acceptor(listener, self.door.identity, protocol)

    async def _start_lifespan(self) -> None:
        lifespan = LifespanManager(self.asgi, self.log, self.state)
        try:
            await lifespan.startup()
        except LifespanStartupFailed as error:
            self._give_up(AppNotFound(f"the application does not want to start: {error}", hint="read what it says"))
        except Exception as error:  # noqa: BLE001 -- whatever an application that knows no lifespan raises
            self.log.debug("no lifespan: %s", error)
        else:
            self.lifespan = lifespan
