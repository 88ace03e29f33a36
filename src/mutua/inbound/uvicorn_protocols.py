"""uvicorn's protocols with the peer's certificate in the state of every scope: HTTP/1.1, and HTTP/2 where zttp is.

What the handshake agreed on (ALPN, RFC 7301) chooses. zttp also speaks HTTP/1.1; that stays with httptools.
"""

import asyncio
import ssl
from typing import TYPE_CHECKING, Any

try:
    from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
except ImportError as error:
    from mutua.errors import MissingExtra

    raise MissingExtra("the server is not installed", hint="pip install 'mutua[serve]'") from error

try:
    from uvicorn.protocols.http.zttp_h2_impl import ZttpH2Protocol
except ImportError:
    ZttpH2Protocol = None  # type: ignore[assignment, misc]

from uvicorn.server import ServerState

from mutua.inbound.accepting import connection_of
from mutua.inbound.connection import CONNECTION

if TYPE_CHECKING:
    from mutua.inbound.uvicorn import DoorConfig

HTTP2 = "h2"
HTTP1 = "http/1.1"

ALPN = (HTTP1,) if ZttpH2Protocol is None else (HTTP2, HTTP1)
"""What this door offers in a handshake."""


class DoorProtocol(HttpToolsProtocol):
    """HTTP/1.1, and the way into a WebSocket."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        self.app_state = _introduced(self.app_state, transport, self.config)
        super().connection_made(transport)


if ZttpH2Protocol is not None:

    class DoorHttp2Protocol(ZttpH2Protocol):
        """HTTP/2."""

        def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
            self.app_state = _introduced(self.app_state, transport, self.config)
            super().connection_made(transport)

        def handle_request(self, event: Any) -> None:
            if not (event.path.isascii() and event.method.isascii()):
                # Malformed (RFC 9113 section 8.3.1, RFC 3986 section 2); uvicorn would fall over it.
                self.conn.stream(event.stream_id).reset()
                return
            super().handle_request(event)
            # zttp tells of the end of a request without a body in its head alone, which uvicorn 0.54 minds in
            # HTTP/1.1 only: the application would wait for a body for ever.
            if event.end_stream and (cycle := self.cycles.get(event.stream_id)) is not None:
                cycle.more_body = False
                cycle.message_event.set()


class AgreedProtocol(asyncio.Protocol):
    """Whichever protocol the handshake has agreed on."""

    def __init__(self, config: "DoorConfig", server_state: ServerState, app_state: dict[str, Any]) -> None:
        self._arguments: dict[str, Any] = {"config": config, "server_state": server_state, "app_state": app_state}

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        tls: ssl.SSLObject = transport.get_extra_info("ssl_object")
        kind = DoorHttp2Protocol if tls.selected_alpn_protocol() == HTTP2 else DoorProtocol
        protocol: asyncio.Protocol = kind(**self._arguments)
        transport.set_protocol(protocol)
        protocol.connection_made(transport)


def _introduced(state: dict[str, Any], transport: asyncio.Transport, config: Any) -> dict[str, Any]:
    return {**state, CONNECTION: connection_of(transport, config.gate.trust)}
