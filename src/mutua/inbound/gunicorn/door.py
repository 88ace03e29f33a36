"""What every worker has: a gate and an identity of its own, made after the fork, for both have threads."""

import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, closing, contextmanager
from threading import Event, Thread
from typing import Any, NoReturn

from gunicorn.arbiter import Arbiter  # type: ignore[import-untyped]

from mutua.errors import MutuaError
from mutua.home.home import Home
from mutua.inbound.connection import CONNECTION, HANG_UP
from mutua.inbound.forwarders import forwarding_for
from mutua.inbound.gunicorn.application import DoorApplication, require_kind
from mutua.inbound.gunicorn.arrivals import Arrivals
from mutua.inbound.gunicorn.ending import heed, leave
from mutua.inbound.gunicorn.handshakes import Handshakes
from mutua.inbound.gunicorn.plan import Plan
from mutua.inbound.gunicorn.upkeep import Sightings
from mutua.inbound.live_gate import LiveGate
from mutua.inbound.live_identity import LiveIdentity
from mutua.inbound.seen.worker import seen
from mutua.inbound.wsgi import KnownClients
from mutua.inbound.wsgi_environ import Environ

RETRY_SECONDS = 1
"""How long a worker that cannot start waits before the arbiter may try the next."""

NOTIFY_SECONDS = 1.0

HTTP1: tuple[str, ...] = ("http/1.1",)


class WorkerDoor:
    """The gate and the identity of a worker.

    Args:
        plan: of the arbiter.
        alpn: the protocols that the worker speaks.

    Attributes:
        gate: decides.
        identity: gives the TLS context for each new connection; ``None`` behind a proxy that has ended TLS.
        forwarding: what a proxy in front may say of its own clients.
        seen: lets the owner of the home ask what this worker sees.

    Raises:
        MutuaError: it would not be safe to serve.
    """

    def __init__(self, plan: Plan, alpn: tuple[str, ...]) -> None:
        ends_tls = plan.identity is not None
        with ExitStack() as opened:
            with Home.open(plan.home) as home:
                settings = home.settings.forwarded
                self.forwarding = forwarding_for(settings, ends_tls=ends_tls, is_unix=plan.is_unix)
                self.gate = opened.enter_context(closing(LiveGate(home)))
            opened.enter_context(closing(Sightings(self.gate.sighted, plan.sightings)))
            self.identity: LiveIdentity | None = None
            if plan.identity is not None:
                optional = self.gate.certificate_optional
                identity = LiveIdentity(plan.identity, lambda: self.gate.trust, alpn, certificate_optional=optional)
                self.identity = opened.enter_context(closing(identity))
            shown = (lambda: identity.identity) if ends_tls else None
            self.seen = opened.enter_context(seen(plan.home, self.gate, shown))
            self._opened = opened.pop_all()

    def arrivals(self) -> Arrivals:
        """What takes new connections of a worker whose sockets block."""
        if self.identity is None:
            return Arrivals()
        return Handshakes(self.identity, lambda: self.gate.trust)

    def close(self) -> None:
        self._opened.close()


class DoorWorker(ABC):
    """Mixed into gunicorn's workers: opens the door when the worker has been forked."""

    runs_asgi = False
    alpn = HTTP1
    app: DoorApplication
    notify: Callable[[], None]
    door: WorkerDoor
    application: Any

    def init_signals(self) -> None:
        """As gunicorn calls it in the forked process."""
        super().init_signals()  # type: ignore[misc]
        heed()

    def load_wsgi(self) -> None:
        """Load the application, of whichever kind; so gunicorn calls it."""
        try:
            self.application = self.app.wsgi()
            require_kind(self.application, asgi=self.runs_asgi)
            with _seen_to_live(self.notify):
                self.door = WorkerDoor(self.app.plan, self.alpn)
        except MutuaError as error:
            self._give_up(error)
        self.guard()

    @abstractmethod
    def guard(self) -> None:
        """Put the gate in front of ``application``."""

    def ready(self) -> None:
        """Say that this worker serves."""
        self.door.seen.ready()
        self.app.plan.words.ready()

    def _give_up(self, error: MutuaError) -> NoReturn:
        self.app.plan.words.failed(error)
        if not self.app.started:
            leave(Arbiter.WORKER_BOOT_ERROR)
        # Others serve: gunicorn would end them all for a worker that cannot boot, such as while the store is away.
        time.sleep(RETRY_SECONDS)
        leave(1)


@contextmanager
def _seen_to_live(notify: Callable[[], None]) -> Iterator[None]:
    """Show the arbiter that the worker lives, for a registry of a million clients takes longer than its patience."""
    loaded = Event()

    def go_on() -> None:
        while not loaded.wait(NOTIFY_SECONDS):
            notify()

    notifying = Thread(target=go_on, name="mutua-loading")
    notifying.start()
    try:
        yield
    finally:
        loaded.set()
        notifying.join()


class GuardedWsgi:
    """The gate in front of a WSGI application, fed from the socket that gunicorn serves.

    Args:
        application: without the gate.
        door: has the gate.
    """

    def __init__(self, application: Any, door: WorkerDoor) -> None:
        self._guarded = KnownClients(application, gate=door.gate, forwarding=door.forwarding)

    def __call__(self, environ: Environ, start_response: Any) -> Iterable[bytes]:
        environ[CONNECTION] = environ["gunicorn.socket"].connection
        # A refused client's connection ends with the answer. WSGI leaves that to the server (PEP 3333).
        environ[HANG_UP] = start_response.__self__.force_close
        return self._guarded(environ, start_response)
