"""The uvicorn door: HTTP/1.1, WebSocket, and HTTP/2 where zttp is installed. TLS ends in ``accepting``.

Behind a proxy that has ended TLS it speaks HTTP/1.1 and WebSocket.
"""

import asyncio
import socket
from collections.abc import Callable

try:
    import uvicorn
except ImportError as error:
    from mutua.errors import MissingExtra

    raise MissingExtra("the server is not installed", hint="pip install 'mutua[serve]'") from error

from mutua.inbound.accepting import Acceptor
from mutua.inbound.asgi import Application, KnownClients
from mutua.inbound.forwarding import Forwarding
from mutua.inbound.live_gate import LiveGate
from mutua.inbound.live_identity import LiveIdentity
from mutua.inbound.plain import PlainAcceptor
from mutua.inbound.uvicorn_protocols import ALPN, HTTP2, AgreedProtocol, DoorProtocol, PlainProtocol

__all__ = ["ALPN", "Door", "DoorConfig", "DoorProtocol", "run"]

GRACE_SECONDS = 30


class DoorConfig(uvicorn.Config):
    """uvicorn's settings for a door: its own TLS, logging and header settings are not used.

    What uvicorn would otherwise take from the environment (``WEB_CONCURRENCY``, ``FORWARDED_ALLOW_IPS``) is given.
    """

    def __init__(self, app: Application, gate: LiveGate, *, loop: str, forwarding: Forwarding | None = None) -> None:
        super().__init__(
            KnownClients(app, gate=gate, forwarding=forwarding),
            loop=loop,
            http=AgreedProtocol if HTTP2 in ALPN else DoorProtocol,
            ws="websockets-sansio",
            workers=1,
            log_config=None,
            access_log=False,
            # The address of a peer comes from its socket; a header never changes it.
            proxy_headers=False,
            forwarded_allow_ips=[],
            server_header=False,
            timeout_graceful_shutdown=GRACE_SECONDS,
        )
        self.gate = gate


class Door(uvicorn.Server):
    """A uvicorn server that accepts connections and ends TLS by itself.

    Args:
        config: which application, which gate.
        listener: a bound socket.
        identity: gives the TLS context for each new connection; without one there is no TLS.
        on_start: called with the port, 0 of a Unix socket, once connections are accepted.
    """

    def __init__(
        self,
        config: DoorConfig,
        listener: socket.socket,
        identity: LiveIdentity | None,
        on_start: Callable[[int], object] | None = None,
    ) -> None:
        super().__init__(config)
        self._ends_tls = identity is not None
        self._acceptor = (
            PlainAcceptor(listener, self._protocol)
            if identity is None
            else Acceptor(listener, identity, self._protocol)
        )
        self._on_start = on_start

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:  # noqa: ARG002 -- ours is listening
        await super().startup(sockets=[])
        port = self._acceptor.start()
        if self._on_start is not None:
            self._on_start(port)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:  # noqa: ARG002
        self._acceptor.stop()
        await super().shutdown(sockets=[])

    def _protocol(self) -> asyncio.Protocol:
        kind = self.config.http_protocol_class if self._ends_tls else PlainProtocol
        return kind(  # type: ignore[call-arg]
            config=self.config, server_state=self.server_state, app_state=self.lifespan.state
        )


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
    """
    Door(DoorConfig(app, gate, loop=loop, forwarding=forwarding), listener, identity, on_start).run()
