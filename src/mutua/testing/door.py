"""A door without a socket: in front of an application it does what ``mutua serve`` does, for one client."""

from collections.abc import Iterator, MutableMapping
from contextlib import contextmanager
from threading import RLock
from typing import Any, Self

from mutua.home.home import Home
from mutua.inbound.asgi import Application, KnownClients, Receive, Send
from mutua.inbound.connection import CONNECTION, Connection
from mutua.inbound.live_gate import LiveGate
from mutua.testing.handshake import connect
from mutua.tls.identity import Identity

ADDRESS = ("127.0.0.1", 50000)
"""Of the client, in the scope and in the log."""

_ENCRYPTED = {"http": "https", "https": "https", "ws": "wss", "wss": "wss"}


class AsgiDoor:
    """An ASGI application that meets its callers over one TLS connection, and the gate on each request.

    The handshake is a real one, in memory, at the first request. What was changed in the registry before a request
    counts for that request, with no waiting.

    Made for Starlette's test client, which also knows WebSockets: ``TestClient(AsgiDoor(app, home, identity))``.

    Args:
        app: the application.
        home: whose registry decides, and whose CAs clients are verified with.
        identity: what the client shows; nothing when not given.
    """

    def __init__(self, app: Application, home: Home, identity: Identity | None = None) -> None:
        self._app, self._home, self._identity = app, home, identity
        self._feed = home.store.feed()
        self._turn: _Turn | None = None
        self._connection: Connection | None = None
        self._lock = RLock()
        self.state: dict[str, Any] = {}

    def connect(self) -> Connection:
        """The connection; there is one from the first call on.

        Raises:
            HandshakeRefused: the client's certificate is refused.
        """
        if self._connection is None:
            with self._taking_turn() as turn:
                self._connection = connect(
                    turn.gate.trust,
                    self._identity,
                    "{}:{}".format(*ADDRESS),
                    certificate_optional=turn.gate.certificate_optional,
                )
        return self._connection

    async def __call__(self, scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        connection = self.connect()
        state = {**self.state, **(scope.get("state") or {}), CONNECTION: connection}
        met = {**scope, "scheme": _ENCRYPTED[scope["scheme"]], "client": ADDRESS, "state": state}
        with self._taking_turn() as turn:
            await turn.guarded(met, receive, send)

    def close(self) -> None:
        """Let go of the registry."""
        with self._lock:
            if self._turn is not None:
                self._turn.end()
                self._turn = None
            self._feed.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @contextmanager
    def _taking_turn(self) -> Iterator["_Turn"]:
        """A gate that knows everything that was committed before now."""
        with self._lock:
            changed = self._feed.changed()
            if self._turn is None or changed:
                before, self._turn = self._turn, _Turn(self._app, self._home)
                if before is not None:
                    before.end()
            turn = self._turn
            turn.users += 1
        try:
            yield turn
        finally:
            with self._lock:
                turn.users -= 1
                turn.close_if_over()


class _Turn:
    """A gate and the application behind it, until something changes and the last who came in with it has gone."""

    def __init__(self, app: Application, home: Home) -> None:
        self.gate = LiveGate(home)
        self.guarded = KnownClients(app, gate=self.gate)
        self.users = 0
        self._over = False

    def end(self) -> None:
        self._over = True
        self.close_if_over()

    def close_if_over(self) -> None:
        if self._over and self.users == 0:
            self.gate.close()
