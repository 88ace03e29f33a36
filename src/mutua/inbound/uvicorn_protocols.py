"""uvicorn's protocols with the peer's certificate in the state of every scope: HTTP/1.1, and HTTP/2 where zttp is.

What the handshake agreed on (ALPN, RFC 7301) chooses. zttp also speaks HTTP/1.1; that stays with httptools.
"""

import asyncio
import ssl
from typing import TYPE_CHECKING, Any

try:
    from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle
except ImportError as error:
    from mutua.errors import MissingExtra

    raise MissingExtra("the server is not installed", hint="pip install 'mutua[serve]'") from error

try:
    from uvicorn.protocols.http.zttp_h2_impl import ZttpH2Protocol
except ImportError:
    ZttpH2Protocol = None  # type: ignore[assignment, misc]

from uvicorn.server import ServerState

from mutua.inbound.accepting import connection_of
from mutua.inbound.connection import CONNECTION, HANG_UP
from mutua.inbound.patience import Patience
from mutua.inbound.plain import plain_connection_of

if TYPE_CHECKING:
    from mutua.inbound.uvicorn import DoorConfig

HTTP2 = "h2"
HTTP1 = "http/1.1"

ALPN = (HTTP1,) if ZttpH2Protocol is None else (HTTP2, HTTP1)
"""What this door offers in a handshake."""


class UntrailedProtocol(HttpToolsProtocol):
    """uvicorn's, which takes the fields of a trailer (RFC 9110 section 6.5) for headers: here they are left out.

    A proxy takes its client's forgeries out of the headers, and may pass a trailer on as it is.
    """

    def on_chunk_header(self) -> None:
        """A trailer is behind the last chunk only (RFC 9112 section 7.1)."""
        self.headers = self.headers.copy()  # the scope has the other list, with what was in the head


class PatientProtocol(Patience, UntrailedProtocol):
    """HTTP/1.1, and the way into a WebSocket, for peers that ask for something before long."""

    _upgraded = False

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self.expect(a_request=True)

    def data_received(self, data: bytes) -> None:
        HttpToolsProtocol.data_received(self, data)  # on the way of every request: without a super() to look up
        cycle: RequestResponseCycle | None = self.cycle  # before the first request there is none, whatever it declares
        answered = cycle is None or cycle.response_complete
        if answered or self._due is not None:
            self.expect(a_request=answered and not self._upgraded)

    def handle_websocket_upgrade(self) -> None:
        self._upgraded = True
        super().handle_websocket_upgrade()

    def connection_lost(self, exc: Exception | None) -> None:
        self.expect(a_request=False)
        super().connection_lost(exc)


class DoorProtocol(PatientProtocol):
    """The same over TLS."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        self.app_state = _introduced(self.app_state, transport, self.config)
        super().connection_made(transport)


class PlainProtocol(PatientProtocol):
    """The same without TLS, for a proxy; whoever is there is asked of the socket."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        self.app_state = {**self.app_state, CONNECTION: plain_connection_of(transport)}
        super().connection_made(transport)


if ZttpH2Protocol is not None:

    class DoorHttp2Protocol(Patience, ZttpH2Protocol):
        """HTTP/2."""

        _ends = False

        def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
            self.app_state = {**_introduced(self.app_state, transport, self.config), HANG_UP: self.hang_up}
            super().connection_made(transport)
            self.expect(a_request=True)

        def data_received(self, data: bytes) -> None:
            super().data_received(data)
            self.expect(a_request=not self.cycles)

        def connection_lost(self, exc: Exception | None) -> None:
            self.expect(a_request=False)
            super().connection_lost(exc)

        def give_up(self) -> None:
            self._close_connection()

        def hang_up(self) -> None:
            """End the connection with GOAWAY (RFC 9113 section 6.8) when nothing is under way on it any more."""
            self._ends = True

        def on_stream_closed(self) -> None:
            super().on_stream_closed()
            if self._ends and not self.cycles:
                self._close_connection()

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
