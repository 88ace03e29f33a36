"""Running the control plane: plain http for what certificates point to, and EST over TLS beside it."""

import asyncio
import socket
from collections.abc import Callable, Coroutine
from contextlib import ExitStack, closing
from types import FrameType

from mutua.errors import MissingExtra

try:
    import uvicorn
    from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
except ImportError as error:
    raise MissingExtra("the server is not installed", hint="pip install 'mutua[serve]'") from error

from mutua.home.home import Home
from mutua.home.upkeep import Upkeep
from mutua.inbound.listening import bind, ended_by_sigterm
from mutua.web.est.door import EstDoor, EstListener, est_door
from mutua.web.revocation import Revocation

BACKLOG = 2048
GRACE_SECONDS = 10

MAX_CONNECTIONS = 1024
"""Further ones are told to come again."""

REQUEST_SECONDS = 10
"""Whoever has not sent a whole request by then is dropped, and holds no connection that others could use."""


class _Protocol(HttpToolsProtocol):
    """uvicorn's protocol, with an end to its patience."""

    _patience: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._expect(transport)

    def connection_lost(self, exc: Exception | None) -> None:
        self._expect(None)
        super().connection_lost(exc)

    def on_message_begin(self) -> None:
        self._expect(self.transport)
        super().on_message_begin()

    def on_message_complete(self) -> None:
        self._expect(None)
        super().on_message_complete()

    def _expect(self, transport: asyncio.Transport | None) -> None:
        """Wait for a whole request on the connection, or wait no more."""
        if self._patience is not None:
            self._patience.cancel()
        self._patience = None if transport is None else self.loop.call_later(REQUEST_SECONDS, transport.abort)


class _Server(uvicorn.Server):
    """A server that tells its port once it accepts connections, and may have another beside it on its event loop.

    Args:
        config: its settings.
        on_start: called once connections are accepted.
        beside: starts and ends with it.
    """

    def __init__(self, config: uvicorn.Config, on_start: Callable[[], object], beside: EstDoor | None) -> None:
        super().__init__(config)
        self._on_start = on_start
        self._beside = beside

    async def serve(self, sockets: list[socket.socket] | None = None) -> None:
        with self.capture_signals():
            both = [self._until_the_end(self._serve(sockets))]
            if self._beside is not None:
                both.append(self._until_the_end(self._beside.serve()))
            await asyncio.gather(*both)

    async def _until_the_end(self, serving: Coroutine[object, object, None]) -> None:
        """Whichever ends first ends the other."""
        try:
            await serving
        finally:
            self.should_exit = True
            if self._beside is not None:
                self._beside.should_exit = True

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        super().handle_exit(sig, frame)
        if self._beside is not None:
            self._beside.should_exit, self._beside.force_exit = self.should_exit, self.force_exit

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started:
            self._on_start()


def serve_revocation(
    home: Home,
    *,
    host: str = "127.0.0.1",
    port: int = 8080,
    on_start: Callable[[int], object] | None = None,
    est: EstListener | None = None,
) -> None:
    """Publish a home's CRLs, CA certificates and OCSP answers until SIGINT or SIGTERM, and keep the CRLs fresh.

    Args:
        home: whose.
        host: the address to listen on.
        port: 0 picks a free one.
        on_start: called with the port once connections are accepted.
        est: serves EST as well, over TLS.

    Raises:
        AddressInUse: another process listens there. InvalidAddress: the host cannot be listened on.
        MissingPassphrase, WrongPassphrase: nothing could be signed.
        MutuaError: the identity of the EST server cannot be loaded.
    """
    home.keys.of(home.hierarchy.issuing)  # fails now instead of in the night
    with (
        ended_by_sigterm(),
        bind(host, port) as listener,
        ExitStack() as stack,
        closing(Upkeep(home)) as upkeep,
    ):
        beside = stack.enter_context(est_door(home, est)) if est is not None else None
        upkeep.start()
        config = uvicorn.Config(
            Revocation(home).application(),
            http=_Protocol,
            ws="none",
            log_config=None,
            access_log=False,
            proxy_headers=False,
            server_header=False,
            backlog=BACKLOG,
            limit_concurrency=MAX_CONNECTIONS,
            timeout_graceful_shutdown=GRACE_SECONDS,
        )
        bound: int = listener.getsockname()[1]
        listener.listen(BACKLOG)
        _Server(config, lambda: on_start(bound) if on_start else None, beside).run(sockets=[listener])
