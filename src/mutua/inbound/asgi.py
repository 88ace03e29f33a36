"""The gate as ASGI middleware, and the way for an application to learn who is calling."""

import logging
import os
import time
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from mutua.gate.decision import Anyone, Decision, Refusal, Request
from mutua.home.home import Home
from mutua.inbound.access_log import access, count_admitted, log_request
from mutua.inbound.connection import ANYONE, CONNECTION, HANG_UP, KNOWN_CLIENT, Connection, known_or_raise
from mutua.inbound.forwarding import Forwarding
from mutua.inbound.live_gate import LiveGate
from mutua.inbound.problems import problem
from mutua.inbound.tls_extension import told_connection
from mutua.registry.clients import KnownClient

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Application = Callable[[Scope, Receive, Send], Awaitable[None]]
_HangUp = Callable[[], object]

POLICY_VIOLATION = 1008
"""The WebSocket close code (RFC 6455 section 7.4.1) for a client that is refused while connected."""

SWITCHING_PROTOCOLS = 101


class KnownClients:
    """ASGI middleware: every request is decided by the gate, and only known clients reach ``app``.

    And whoever asks for what the settings call ``public``, with no certificate or a good one.

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
        connection, decision, hang_up, is_shared = self._decide(scope, Request(method, path, scope.get("raw_path")))
        if isinstance(decision, Refusal):
            status, headers, body = problem(decision.reason)
            log_request(decision, connection, method=method, path=path, status=status, started=started)
            headers += _Line(scope, hang_up, is_shared=is_shared).ending(decision)
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

    def _decide(self, scope: Scope, request: Request) -> tuple[Connection, Decision, "_HangUp | None", bool]:
        """What is decided, and what ends the connection; and whether other clients' requests come over it."""
        gate, state = self._gate or self.gate, scope.get("state", {})
        hang_up, given = state.pop(HANG_UP, None), state.pop(CONNECTION, None)
        own = connection = given if isinstance(given, Connection) else told_connection(scope)
        if self._forwarding is not None:
            forwarded = self._forwarding.read(connection, scope["headers"], gate)
            if isinstance(forwarded, Refusal):
                return connection, forwarded, None, True
            connection = forwarded
            scope["headers"] = self._forwarding.strip(scope["headers"])
        decision = connection.refusal or gate.decide(connection.peer, request)
        return connection, decision, hang_up, connection is not own

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
        connection, decision, hang_up, is_shared = self._decide(scope, request)
        line = _Line(scope, hang_up, is_shared=is_shared)
        if isinstance(decision, Refusal):
            status, headers, body = problem(decision.reason)
            log_request(decision, connection, method="GET", path=request.path, status=status, started=started)
            line.ending(decision)
            await _refuse_websocket(scope, receive, send, status, headers, body)
            return
        guard = _WebSocketGuard(self.gate, connection, line, request, receive, send)
        _introduce(scope, connection, decision)
        try:
            await self.app(scope, guard.receive, guard.send)
        finally:
            ended = guard.refusal or decision
            log_request(ended, connection, method="GET", path=request.path, status=guard.status, started=started)


class _Line:
    """What a request has come over, and how that is brought to its end.

    Args:
        scope: of the request.
        hang_up: ends the connection after the answer, where the door knows how.
        is_shared: whether it is a proxy's, and other clients' requests come over it.
    """

    def __init__(self, scope: Scope, hang_up: _HangUp | None, *, is_shared: bool) -> None:
        self._http1 = str(scope.get("http_version", "1.1")).startswith("1")
        self._hang_up = hang_up
        self._is_shared = is_shared

    def ending(self, refusal: Refusal) -> list[tuple[bytes, bytes]]:
        """End it after the answer if the client has no use for it any more; returns what the answer has to say so."""
        if self._is_shared or not refusal.is_of_client:
            return []
        if self._hang_up is not None:
            self._hang_up()
        return [(b"connection", b"close")] if self._http1 else []  # RFC 9112 section 9.6; RFC 9113 section 8.2.2


class _WebSocketGuard:
    """Asks the gate again at every message: a client suspended while connected is cut off at once."""

    def __init__(
        self, gate: LiveGate, connection: Connection, line: _Line, request: Request, receive: Receive, send: Send
    ) -> None:
        self._gate, self._connection, self._line, self._request = gate, connection, line, request
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
                self._line.ending(decision)
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
        UnknownClient: what was asked for is public, and no certificate was shown; or the request did not come
            through the gate, so nobody knows.
    """
    scope = request if isinstance(request, MutableMapping) else getattr(request, "scope", {})
    state = scope.get("state", {})
    return known_or_raise(state.get(KNOWN_CLIENT), state.get(ANYONE))


def _introduce(scope: Scope, connection: Connection, decision: KnownClient | Anyone) -> None:
    state = scope.setdefault("state", {})
    it, other = (KNOWN_CLIENT, ANYONE) if isinstance(decision, KnownClient) else (ANYONE, KNOWN_CLIENT)
    state[it] = decision
    state.pop(other, None)
    others = scope.get("extensions")
    tls = connection.tls_extension
    scope["extensions"] = {**others, "tls": tls} if others else {"tls": tls}
