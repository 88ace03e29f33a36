"""Requests to the middleware as a door hands them over: with what the socket has said, and header lines as sent."""

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass, field
from ipaddress import ip_address
from typing import Any

from mutua.asgi import KnownClients
from mutua.home.forwarded import ForwardedSettings
from mutua.inbound.connection import CONNECTION, Connection, SocketPeer
from mutua.inbound.forwarding import Forwarding
from mutua.inbound.live_gate import LiveGate
from mutua.tls.peer import PeerCertificate

UNIX = Connection(None, "unix", SocketPeer(None))
UNSEEN = Connection(None, "10.0.0.5:4711")

Line = tuple[str | bytes, str | bytes]


def from_address(text: str) -> Connection:
    return Connection(None, f"{text}:4711", SocketPeer(ip_address(text)))


def from_client(peer: PeerCertificate) -> Connection:
    """A client, or a proxy that is one, on a connection with TLS."""
    return Connection(peer, "10.0.0.5:4711")


@dataclass
class Door:
    """The middleware of a door, and what reached the application behind it."""

    gate: LiveGate
    settings: ForwardedSettings
    scopes: list[Any] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._app = KnownClients(self._reached, gate=self.gate, forwarding=Forwarding(self.settings))

    async def _reached(self, scope: Any, _receive: Any, send: Any) -> None:
        self.scopes.append(scope)
        if scope["type"] == "websocket":
            await send({"type": "websocket.accept"})
            await send({"type": "websocket.close", "code": 1000})
            return
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b""})

    def ask(
        self,
        connection: Connection | None,
        lines: Iterable[Line] = (),
        *,
        path: str = "/status",
        kind: str = "http",
        client: tuple[str, int] | None = ("10.0.0.5", 4711),
    ) -> int:
        """The status of the answer, of a WebSocket 101 or 403."""
        scope: dict[str, Any] = {
            "type": kind,
            "method": "GET",
            "path": path,
            "raw_path": path.encode(),
            "headers": [(_bytes(name), _bytes(value)) for name, value in lines],
            "client": client,
            "state": {} if connection is None else {CONNECTION: connection},
        }
        sent: list[Any] = []

        async def send(message: Any) -> None:
            sent.append(message)

        async def receive() -> Any:
            return {"type": f"{kind}.connect"}

        asyncio.run(self._app(scope, receive, send))
        if kind == "websocket":
            return 101 if sent[0]["type"] == "websocket.accept" else 403
        return int(sent[0]["status"])


def _bytes(text: str | bytes) -> bytes:
    return text if isinstance(text, bytes) else text.encode("latin-1")
