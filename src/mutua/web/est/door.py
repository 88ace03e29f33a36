"""The door in front of EST: uvicorn's of ``mutua serve``, with a client's certificate optional, and without the gate.

A certificate that is shown is verified in the handshake all the same, and a bad one ends it. Who may have what is
decided by each endpoint: a server's certificate has no client, and a machine without one has nothing to show.
"""

import logging
import socket
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, closing, contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy.exc import SQLAlchemyError

from mutua.errors import MutuaError
from mutua.home.home import Home
from mutua.home.watching import Watcher
from mutua.inbound.listening import bind
from mutua.inbound.live_identity import LiveIdentity
from mutua.inbound.uvicorn import Door, DoorConfig
from mutua.inbound.uvicorn_protocols import DoorProtocol
from mutua.tls.identity import Identity
from mutua.tls.trust import Trust
from mutua.web.est.application import application

HTTP1 = ("http/1.1",)

TRUST_SECONDS = 0.5
"""How soon a new CA is trusted, and a retired one no more; the rules of renewal ask the store each time."""

MAX_CONNECTIONS = 1024
"""Further ones are told to come again."""

log = logging.getLogger("mutua.web")


@dataclass(frozen=True, slots=True)
class EstListener:
    """Where EST is served.

    Attributes:
        host: the address to listen on.
        port: 0 picks a free one.
        identity: who the server is; a path is watched, and renewals picked up.
        on_start: called with the port once connections are accepted.
    """

    host: str
    port: int
    identity: Identity | Path
    on_start: Callable[[int], object] | None = None


class LiveTrust:
    """Trust in a home's own CAs, as they are now.

    Args:
        home: whose; a store of its own is opened.
    """

    def __init__(self, home: Home) -> None:
        self._home = home.another("est")
        self._feed = self._home.store.feed()
        self._lost = False
        self._feed.changed()
        self.trust: Trust = self._home.trust
        self._watcher = Watcher("mutua-est-trust", TRUST_SECONDS, self._look)
        self._watcher.start()

    def close(self) -> None:
        """Stop watching."""
        self._watcher.stop()
        self._feed.close()
        self._home.close()

    def _look(self) -> None:
        try:
            if not self._feed.changed() and not self._lost:
                return
            if self._lost:
                self._home.store.close()
            trust = self._home.trust
        except (MutuaError, SQLAlchemyError) as error:
            if not self._lost:
                log.warning("the store is lost; going on with the CAs that are known: %s", error)
            self._lost = True
            return
        self._lost = False
        # The same object as long as it says the same: contexts are built anew when it is another.
        self.trust = self.trust if self.trust == trust else trust


class _Config(DoorConfig):
    """A door's settings, without WebSocket, HTTP/2 and the gate."""

    def __init__(self, app: Any, trust: LiveTrust) -> None:
        super().__init__(app, trust, loop="auto")  # type: ignore[arg-type]  # its trust is what protocols ask a gate for
        self.app = app
        self.http = DoorProtocol
        self.ws = "none"
        self.limit_concurrency = MAX_CONNECTIONS


class EstDoor(Door):
    """A server beside another one, which has the process's signals and ends both."""

    def capture_signals(self) -> AbstractContextManager[None]:  # type: ignore[override]
        return nullcontext()


@contextmanager
def est_door(home: Home, listener: EstListener) -> Iterator[EstDoor]:
    """A door that listens, to be served. In the audit trail whatever comes through it is done by ``est``.

    Raises:
        AddressInUse: another process listens there. InvalidAddress: the host cannot be listened on.
        UnreadableCertificate, UnreadableKey and the like: the identity cannot be loaded.
    """
    with ExitStack() as stack:
        bound: socket.socket = stack.enter_context(bind(listener.host, listener.port))
        acting = stack.enter_context(home.another("est"))
        trust = stack.enter_context(closing(LiveTrust(home)))
        live = LiveIdentity(listener.identity, lambda: trust.trust, HTTP1, certificate_optional=True)
        stack.enter_context(closing(live))
        yield EstDoor(_Config(application(acting), trust), bound, live, listener.on_start)
