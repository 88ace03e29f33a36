"""``mutua.serve``: an application behind one of the servers, in one process or in several."""

import os
import socket
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, Literal

from mutua.errors import InvalidInput
from mutua.home.home import Home
from mutua.home.upkeep import Upkeep
from mutua.inbound.application import load_application
from mutua.inbound.asgi import Application
from mutua.inbound.behind_proxy import require_tls_door
from mutua.inbound.listening import bind, ended_by_sigterm
from mutua.inbound.live_gate import LiveGate
from mutua.inbound.live_identity import LiveIdentity
from mutua.inbound.seen.worker import seen
from mutua.tls.identity import Identity

Server = Literal["uvicorn", "hypercorn", "gunicorn"]

SERVERS: tuple[Server, ...] = ("uvicorn", "hypercorn", "gunicorn")

MAX_WORKERS = 256
"""More processes than any machine has cores for; each has a snapshot of the registry."""


def serve(
    app: Application | str,
    *,
    identity: Identity | str | os.PathLike[str],
    home: Home | str | os.PathLike[str] | None = None,
    host: str = "127.0.0.1",
    port: int = 8443,
    server: Server = "uvicorn",
    workers: int = 1,
    worker: str = "gthread",
    loop: str = "auto",
    access_log: bool = True,
    on_start: Callable[[int], object] | None = None,
) -> None:
    """Serve an application over mutual TLS, to known clients only, until SIGINT or SIGTERM.

    Args:
        app: the ASGI application, or where to find it: ``module:attribute``. Several workers of uvicorn or
            hypercorn need the latter, for each of them imports it anew. gunicorn serves WSGI too.
        identity: who the server is: an ``Identity``, the name of one in the home, or a path as for
            ``Identity.load``. Names and paths are watched, and renewals picked up. Several workers of uvicorn or
            hypercorn need one of these.
        home: whose registry decides, and whose CAs clients are verified with; ``MUTUA_HOME`` or
            ``./.mutua`` when not given.
        host: the address to listen on.
        port: 0 picks a free one.
        server: ``uvicorn``, ``hypercorn`` or ``gunicorn``.
        workers: how many processes; one that dies is replaced. With uvicorn and hypercorn, one is this process.
        worker: the kind of gunicorn's workers: ``gthread`` or ``sync`` for WSGI, ``asgi`` or ``uvicorn`` for ASGI.
        loop: the event loop of uvicorn and hypercorn: ``auto``, ``asyncio`` or ``uvloop``.
        access_log: whether several workers of uvicorn or hypercorn write a line on stdout for each admitted request.
            Everywhere else the logger ``mutua.access`` has them, and does as its level and handlers say.
        on_start: called with the port once connections are accepted.

    Raises:
        AddressInUse: another process listens there. InvalidAddress: the host cannot be listened on.
        InvalidInput: no such server, or no such number of workers.
        AppNotFound: the application cannot be loaded. MissingExtra: the server is not installed.
        HomeNotFound, UnknownIdentity, UnreadableStore and the like: it would not be safe to start.
    """
    if server not in SERVERS:
        raise InvalidInput(f"there is no server {server!r}", hint=f"one of {', '.join(SERVERS)}")
    if not 1 <= workers <= MAX_WORKERS:
        raise InvalidInput(f"{workers} workers cannot serve", hint=f"give a number from 1 to {MAX_WORKERS}")
    if server == "gunicorn":
        from mutua.inbound.gunicorn import serve as serve_with_gunicorn  # noqa: PLC0415 -- an extra

        with _opened(home) as opened:
            require_tls_door(opened.settings.forwarded, server)
        # Without a home that is open: gunicorn forks.
        serve_with_gunicorn(
            app, identity=identity, home=home, host=host, port=port, workers=workers, worker=worker, on_start=on_start
        )
        return
    with _opened(home) as opened:
        require_tls_door(opened.settings.forwarded, server)
        if workers == 1:
            _serve_here(app, opened, identity, host=host, port=port, server=server, loop=loop, on_start=on_start)
            return
        from mutua.inbound.supervising import supervise  # noqa: PLC0415 -- its workers import this module

        supervise(
            _named(app),
            home=opened,
            identity=_on_disk(opened, identity),
            host=host,
            port=port,
            server=server,
            workers=workers,
            loop=loop,
            access_log=access_log,
            on_start=on_start,
        )


@contextmanager
def _opened(home: Home | str | os.PathLike[str] | None) -> Iterator[Home]:
    if isinstance(home, Home):
        yield home
        return
    with Home.open(home) as opened:
        yield opened


def _serve_here(
    app: Application | str,
    home: Home,
    identity: Identity | str | os.PathLike[str],
    *,
    host: str,
    port: int,
    server: Server,
    loop: str,
    on_start: Callable[[int], object] | None,
) -> None:
    application = load_application(app) if isinstance(app, str) else app
    with (
        ended_by_sigterm(),
        bind(host, port) as listener,
        closing(LiveGate(home)) as gate,
        closing(Upkeep(home, gate.sighted)) as upkeep,
    ):
        source = identity if isinstance(identity, Identity) else home.identities.find(identity)
        upkeep.start()
        open_door(server, application, home, gate, source, listener, loop=loop, on_start=on_start)


def open_door(
    server: str,
    app: Application,
    home: Home,
    gate: LiveGate,
    source: Identity | Path,
    listener: socket.socket,
    *,
    loop: str,
    on_start: Callable[[int], object] | None,
) -> None:
    """Serve in this process until SIGINT or SIGTERM.

    Args:
        server: ``uvicorn`` or ``hypercorn``.
        app: the application.
        home: whose; what this process sees can be asked in its ``run/``.
        gate: decides.
        source: who the server is.
        listener: a bound socket.
        loop: ``auto``, ``asyncio`` or ``uvloop``.
        on_start: called with the port once connections are accepted.

    Raises:
        MissingExtra: the server is not installed. MutuaError: the identity cannot be loaded.
    """
    door: Any
    forwarding = require_tls_door(home.settings.forwarded, server)
    more = {} if forwarding is None else {"forwarding": forwarding}
    if server == "hypercorn":
        from mutua.inbound import hypercorn as door  # noqa: PLC0415 -- an extra
    else:
        from mutua.inbound import uvicorn as door  # noqa: PLC0415 -- an extra
    with (
        closing(LiveIdentity(source, lambda: gate.trust, door.ALPN)) as identity,
        seen(home, gate, lambda: identity.identity) as watched,
    ):
        door.run(app, gate, identity, listener, loop=loop, on_start=watched.on_start(on_start), **more)


def _named(app: Application | str) -> str:
    if not isinstance(app, str):
        raise InvalidInput(
            "several processes cannot share an application object", hint='name it: mutua.serve("main:app", ...)'
        )
    return app


def _on_disk(home: Home, identity: Identity | str | os.PathLike[str]) -> Path:
    """Where the identity is; it is loaded once, to fail now and not in each worker."""
    if isinstance(identity, Identity):
        raise InvalidInput(
            "several processes cannot share an identity in memory", hint="home.identities.save(NAME, identity)"
        )
    path = home.identities.find(identity).absolute()
    Identity.load(path)
    return path
