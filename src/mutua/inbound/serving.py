"""``mutua.serve``: an application behind one of the servers, in one process or in several."""

import os
import socket
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, closing, contextmanager
from functools import partial
from pathlib import Path
from typing import Any, Literal

from mutua.errors import InvalidInput
from mutua.home.home import Home
from mutua.home.upkeep import Upkeep
from mutua.inbound.application import load_application
from mutua.inbound.asgi import Application
from mutua.inbound.forwarders import forwarding_for
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
    serve_on(
        partial(bind, host, port),
        app,
        identity=identity,
        home=home,
        server=server,
        workers=workers,
        worker=worker,
        loop=loop,
        access_log=access_log,
        on_start=on_start,
    )


def serve_on(
    listen: Callable[[], AbstractContextManager[socket.socket]],
    app: Application | str,
    *,
    identity: Identity | str | os.PathLike[str] | None,
    home: Home | str | os.PathLike[str] | None,
    server: Server,
    workers: int,
    worker: str,
    loop: str,
    access_log: bool,
    on_start: Callable[[int], object] | None,
    is_unix: bool = False,
) -> None:
    """``serve`` on any socket; without an identity it is served without TLS, to what a proxy forwards.

    Args:
        listen: makes the bound socket, once everything else is known to be in order.
        app: the application, or where to find it.
        identity: who the server is, or ``None``.
        home: whose registry decides, and whose settings say who may forward.
        server: ``uvicorn``, ``hypercorn`` or ``gunicorn``.
        workers: how many processes.
        worker: the kind of gunicorn's workers.
        loop: the event loop of uvicorn and hypercorn.
        access_log: whether several workers of theirs write a line for each admitted request.
        on_start: called with the port, 0 of a Unix socket, once connections are accepted.
        is_unix: whether it is a Unix socket.

    Raises:
        MutuaError: as ``serve``; and InvalidInput: the settings let nobody forward over this kind of socket.
    """
    if server not in SERVERS:
        raise InvalidInput(f"there is no server {server!r}", hint=f"one of {', '.join(SERVERS)}")
    if not 1 <= workers <= MAX_WORKERS:
        raise InvalidInput(f"{workers} workers cannot serve", hint=f"give a number from 1 to {MAX_WORKERS}")
    with ExitStack() as stack:
        opened = stack.enter_context(_opened(home))
        forwarding_for(opened.settings.forwarded, ends_tls=identity is not None, is_unix=is_unix)
        if server == "gunicorn":
            stack.close()  # gunicorn forks: a home that is open here would be open in every worker
            from mutua.inbound.gunicorn import serve_on as serve_with_gunicorn  # noqa: PLC0415 -- an extra

            serve_with_gunicorn(
                listen,
                app,
                identity=identity,
                home=home,
                workers=workers,
                worker=worker,
                is_unix=is_unix,
                on_start=on_start,
            )
            return
        if workers == 1:
            _serve_here(listen, app, opened, identity, server=server, loop=loop, on_start=on_start)
            return
        from mutua.inbound.supervising import supervise  # noqa: PLC0415 -- its workers import this module

        supervise(
            listen,
            _named(app),
            home=opened,
            identity=None if identity is None else _on_disk(opened, identity),
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
    listen: Callable[[], AbstractContextManager[socket.socket]],
    app: Application | str,
    home: Home,
    identity: Identity | str | os.PathLike[str] | None,
    *,
    server: Server,
    loop: str,
    on_start: Callable[[int], object] | None,
) -> None:
    application = load_application(app) if isinstance(app, str) else app
    with (
        ended_by_sigterm(),
        listen() as listener,
        closing(LiveGate(home)) as gate,
        closing(Upkeep(home, gate.sighted)) as upkeep,
    ):
        source = home.identities.find(identity) if isinstance(identity, str | os.PathLike) else identity
        upkeep.start()
        open_door(server, application, home, gate, source, listener, loop=loop, on_start=on_start)


def open_door(
    server: str,
    app: Application,
    home: Home,
    gate: LiveGate,
    source: Identity | Path | None,
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
        source: who the server is; ``None`` behind a proxy that has ended TLS.
        listener: a bound socket.
        loop: ``auto``, ``asyncio`` or ``uvloop``.
        on_start: called with the port, 0 of a Unix socket, once connections are accepted.

    Raises:
        MissingExtra: the server is not installed. MutuaError: the identity cannot be loaded.
        InvalidSettings, InvalidInput: the settings do not let a proxy come through this door.
    """
    door: Any
    is_unix = listener.family == socket.AF_UNIX
    forwarding = forwarding_for(home.settings.forwarded, ends_tls=source is not None, is_unix=is_unix)
    if server == "hypercorn":
        from mutua.inbound import hypercorn as door  # noqa: PLC0415 -- an extra
    else:
        from mutua.inbound import uvicorn as door  # noqa: PLC0415 -- an extra
    with ExitStack() as stack:
        identity = None
        if source is not None:
            optional = gate.certificate_optional
            live = LiveIdentity(source, lambda: gate.trust, door.ALPN, certificate_optional=optional)
            identity = stack.enter_context(closing(live))
        shown = None if identity is None else lambda: identity.identity
        watched = stack.enter_context(seen(home, gate, shown))
        told = watched.on_start(on_start)
        door.run(app, gate, identity, listener, loop=loop, on_start=told, forwarding=forwarding)


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
