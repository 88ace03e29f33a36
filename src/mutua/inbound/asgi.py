"""The gate as ASGI middleware, and the way for an application to learn who is calling."""

import logging
import os
import time
from collections.abc import Awaitable, Callable, MutableMapping
from functools import lru_cache
from ssl import PEM_cert_to_DER_cert
from typing import Any

from mutua.errors import MutuaError, UnknownClient
from mutua.gate.decision import Refusal, Request
from mutua.home.home import Home
from mutua.inbound.access_log import access, count_admitted, log_request
from mutua.inbound.connection import CONNECTION, KNOWN_CLIENT, Connection
from mutua.inbound.forwarding import Forwarding
from mutua.inbound.live_gate import LiveGate
from mutua.inbound.problems import problem
from mutua.registry.clients import KnownClient
from mutua.tls.peer import PeerCertificate

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Application = Callable[[Scope, Receive, Send], Awaitable[None]]

POLICY_VIOLATION = 1008
"""The WebSocket close code (RFC 6455 section 7.4.1) for a client that is refused while connected."""

SWITCHING_PROTOCOLS = 101


class KnownClients:
    """ASGI middleware: every request is decided by the gate, and only known clients reach ``app``.

    ``mutua serve`` puts it in front of the application by itself. Put it in by hand, outermost, under a
    server of your own that demands client certificates and fills the ASGI TLS extension.

    Args:
        app: the application.
        home: the home, or its path; ``MUTUA_HOME`` or ``./.mutua`` when not given.
        gate: a running gate, instead of a home; whoever made it closes it.
        forwarding: what a proxy in front may say; with a home its settings do.
    """

    def __init__(
        self,
        app: Application,
        home: Home | str | os.PathLike[str] | None = None,
        *,
        gate: LiveGate | None = None,
        forwarding: Forwarding | None = None,
    ) -> None:
        self.app = app
        self._home = home
        self._given_gate = gate
        self._gate = gate
        self._forwarding = forwarding

    @property
    def gate(self) -> LiveGate:
        """The running gate; started by the first request or by the server's start-up."""
        if self._gate is None:
            if isinstance(self._home, Home):
                self._start(self._home)
            else:
                with Home.open(self._home) as home:
                    self._start(home)
        assert self._gate is not None
        return self._gate

    def _start(self, home: Home) -> None:
        if home.settings.forwarded is not None:
            self._forwarding = Forwarding(home.settings.forwarded)
        self._gate = LiveGate(home)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._other(scope, receive, send)
            return
        started = time.perf_counter()
        method, path = scope["method"], scope["path"]
        connection, decision = self._decide(scope, Request(method, path, scope.get("raw_path")))
        if isinstance(decision, Refusal):
            status, headers, body = problem(decision.reason)
            log_request(decision, connection, method=method, path=path, status=status, started=started)
            await send({"type": "http.response.start", "status": status, "headers": headers})
            await send({"type": "http.response.body", "body": b"" if method == "HEAD" else body})
            return
        _introduce(scope, connection, decision)
        if not access.isEnabledFor(logging.INFO):
            count_admitted()
            await self.app(scope, receive, send)
            return
        status = 500

        def sending(message: Message) -> Awaitable[None]:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            return send(message)

        try:
            await self.app(scope, receive, sending)
        finally:
            log_request(decision, connection, method=method, path=path, status=status, started=started)

    def _decide(self, scope: Scope, request: Request) -> tuple[Connection, KnownClient | Refusal]:
        connection, gate = _connection(scope), self._gate or self.gate
        if self._forwarding is not None:
            forwarded = self._forwarding.read(connection, scope["headers"], gate)
            if isinstance(forwarded, Refusal):
                return connection, forwarded
            connection = forwarded
            scope["headers"] = self._forwarding.strip(scope["headers"])
        return connection, gate.decide(connection.peer, request)

    async def _other(self, scope: Scope, receive: Receive, send: Send) -> None:
        match scope["type"]:
            case "websocket":
                await self._websocket(scope, receive, send)
            case "lifespan":
                await self._lifespan(scope, receive, send)
            case _:
                raise RuntimeError(f"mutua does not know the ASGI scope {scope['type']!r} and lets nothing through")

    async def _lifespan(self, scope: Scope, receive: Receive, send: Send) -> None:
        _ = self.gate
        try:
            await self.app(scope, receive, send)
        finally:
            if self._gate is not None and self._given_gate is None:
                self._gate.close()
                self._gate = None

    async def _websocket(self, scope: Scope, receive: Receive, send: Send) -> None:
        started = time.perf_counter()
        request = Request("GET", scope["path"], scope.get("raw_path"))
        connection, decision = self._decide(scope, request)
        if isinstance(decision, Refusal):
            status, headers, body = problem(decision.reason)
            log_request(decision, connection, method="GET", path=request.path, status=status, started=started)
            await _refuse_websocket(scope, receive, send, status, headers, body)
            return
        guard = _WebSocketGuard(self.gate, connection, request, receive, send)
        _introduce(scope, connection, decision)
        try:
            await self.app(scope, guard.receive, guard.send)
        finally:
            ended = guard.refusal or decision
            log_request(ended, connection, method="GET", path=request.path, status=guard.status, started=started)


class _WebSocketGuard:
    """Asks the gate again at every message: a client suspended while connected is cut off at once."""

    def __init__(self, gate: LiveGate, connection: Connection, request: Request, receive: Receive, send: Send) -> None:
        self._gate, self._connection, self._request = gate, connection, request
        self._receive, self._send = receive, send
        self.status = 403
        self.refusal: Refusal | None = None

    async def receive(self) -> Message:
        message = await self._receive()
        if message["type"] == "websocket.receive" and await self._refused():
            return {"type": "websocket.disconnect", "code": POLICY_VIOLATION}
        return message

    async def send(self, message: Message) -> None:
        kind = message["type"]
        if kind == "websocket.accept":
            self.status = SWITCHING_PROTOCOLS
        elif kind == "websocket.http.response.start":
            self.status = message["status"]
        elif kind == "websocket.send" and await self._refused():
            return
        if self.refusal is None:
            await self._send(message)

    async def _refused(self) -> bool:
        if self.refusal is None:
            decision = self._gate.decide(self._connection.peer, self._request)
            if isinstance(decision, Refusal):
                self.refusal = decision
                await self._send({"type": "websocket.close", "code": POLICY_VIOLATION, "reason": ""})
        return self.refusal is not None


async def _refuse_websocket(
    scope: Scope, receive: Receive, send: Send, status: int, headers: list[tuple[bytes, bytes]], body: bytes
) -> None:
    await receive()
    if "websocket.http.response" in scope.get("extensions", {}):
        await send({"type": "websocket.http.response.start", "status": status, "headers": headers})
        await send({"type": "websocket.http.response.body", "body": body})
    else:
        await send({"type": "websocket.close", "code": POLICY_VIOLATION})


def known_client(request: Any) -> KnownClient:
    """Who is calling.

    Args:
        request: a Starlette or FastAPI request or WebSocket, or an ASGI scope.

    Raises:
        UnknownClient: the request did not come through the gate, so nobody knows.
    """
    scope = request if isinstance(request, MutableMapping) else getattr(request, "scope", {})
    client = scope.get("state", {}).get(KNOWN_CLIENT)
    if not isinstance(client, KnownClient):
        raise UnknownClient(
            "this request did not come through the gate", hint="wrap the application: KnownClients(app)"
        )
    return client


def _connection(scope: Scope) -> Connection:
    connection = scope.get("state", {}).pop(CONNECTION, None)
    if isinstance(connection, Connection):
        return connection
    tls = (scope.get("extensions") or {}).get("tls") or {}
    chain = tuple(tls.get("client_cert_chain") or ())
    # A server that could not verify the chain says so; then it is as if none had been shown.
    peer = None if tls.get("client_cert_error") else _peer(chain)
    return Connection(peer, _address(scope.get("client")))


@lru_cache(maxsize=1024)
def _peer(chain: tuple[str | bytes, ...]) -> PeerCertificate | None:
    """The certificate in the TLS extension's chain, given as PEM or DER, as text or bytes."""
    try:
        ders = tuple(_der(certificate) for certificate in chain)
        return PeerCertificate.read(ders) if ders else None
    except (MutuaError, ValueError):
        return None


def _der(certificate: str | bytes) -> bytes:
    if isinstance(certificate, bytes) and not certificate.startswith(b"-----BEGIN"):
        return certificate
    return PEM_cert_to_DER_cert(certificate if isinstance(certificate, str) else certificate.decode("ascii"))


def _address(client: tuple[str, int] | None) -> str:
    return f"{client[0]}:{client[1]}" if client else ""


def _introduce(scope: Scope, connection: Connection, known: KnownClient) -> None:
    scope.setdefault("state", {})[KNOWN_CLIENT] = known
    others = scope.get("extensions")
    tls = connection.tls_extension
    scope["extensions"] = {**others, "tls": tls} if others else {"tls": tls}
