"""A real server for tests: the uvicorn door on a free port of 127.0.0.1, in a thread of its own."""

import gc
import queue
import ssl
import threading
from contextlib import closing
from typing import TYPE_CHECKING, Any, Self

from mutua.errors import AppNotFound, MissingExtra
from mutua.home.home import Home
from mutua.inbound.asgi import Application
from mutua.inbound.listening import bind
from mutua.inbound.live_gate import LiveGate
from mutua.inbound.live_identity import LiveIdentity
from mutua.inbound.uvicorn import ALPN, Door, DoorConfig
from mutua.testing.home import SERVER
from mutua.tls.identity import Identity

if TYPE_CHECKING:
    import httpx2
    import requests

TIMEOUT_SECONDS = 30
"""For the start, the end, and each request of the clients given here."""


class RunningServer:
    """An application served over mutual TLS until ``stop``.

    Args:
        app: the application.
        home: whose registry decides; the server is its identity ``server`` unless another is given.
        identity: who the server is.

    Raises:
        AppNotFound: the application did not start.

    Attributes:
        home: as given.
        port: on 127.0.0.1.
    """

    def __init__(self, app: Application, home: Home, identity: Identity | None = None) -> None:
        self.home = home
        self._identity = identity or home.identities.load(SERVER)
        self._door: Door | None = None
        self._started: queue.Queue[int | Exception] = queue.Queue()
        self._thread = threading.Thread(target=self._run, args=(app,), name="mutua-test-server", daemon=True)
        self._thread.start()
        port = self._started.get(timeout=TIMEOUT_SECONDS)
        if not isinstance(port, int):
            self._thread.join(TIMEOUT_SECONDS)
            raise port
        self.port = port

    @property
    def url(self) -> str:
        """Where it is."""
        return f"https://127.0.0.1:{self.port}"

    def context(self, identity: Identity | None = None) -> ssl.SSLContext:
        """For a client of any library: shows the identity, or nothing, and trusts the home's CAs and no other."""
        trust = self.home.trust
        return identity.client_context(trust) if identity else trust.client_context()

    def httpx(self, identity: Identity | None = None, **options: Any) -> "httpx2.Client":
        """A client of httpx2, or httpx where that is missing, whose base is this server."""
        try:
            import httpx2 as httpx  # noqa: PLC0415
        except ImportError:
            httpx = _imported("httpx")
        settings = {"base_url": self.url, "timeout": TIMEOUT_SECONDS, "trust_env": False, **options}
        return httpx.Client(**settings, verify=self.context(identity))

    def requests(self, identity: Identity | None = None) -> "requests.Session":
        """A session of requests; its requests need whole URLs."""
        _imported("requests")
        from mutua.testing.requests import session  # noqa: PLC0415

        return session(self.context(identity))

    def stop(self) -> None:
        """End it: requests under way are answered, and everything it had is closed."""
        if self._door is not None:
            self._door.should_exit = True
        self._thread.join(TIMEOUT_SECONDS)
        # The door has spared the collector what was there at its start; this process goes on without it.
        gc.unfreeze()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def _live(self, gate: LiveGate) -> LiveIdentity:
        optional = gate.certificate_optional
        return LiveIdentity(self._identity, lambda: gate.trust, ALPN, certificate_optional=optional)

    def _run(self, app: Application) -> None:
        try:
            with (
                bind("127.0.0.1", 0) as listener,
                closing(LiveGate(self.home)) as gate,
                closing(self._live(gate)) as live,
            ):
                self._door = Door(DoorConfig(app, gate, loop="asyncio"), listener, live, self._started.put)
                self._door.run()
        except SystemExit:
            # uvicorn has logged what the application's lifespan raised, and would end the process.
            self._started.put(AppNotFound("the application did not start", hint="see the log of uvicorn.error"))
        except Exception as error:  # noqa: BLE001 -- told to whoever waits for the start
            self._started.put(error)


def _imported(name: str) -> Any:
    from importlib import import_module  # noqa: PLC0415

    try:
        return import_module(name)
    except ImportError as error:
        raise MissingExtra(f"{name} is not installed", hint=f"pip install {name}") from error
