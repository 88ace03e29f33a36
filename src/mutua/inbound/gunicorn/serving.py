"""``serve``: gunicorn's arbiter in this process, and a door in each of its workers."""

import os
import socket
from collections.abc import Callable
from contextlib import AbstractContextManager, closing
from functools import partial
from pathlib import Path
from typing import Any

from gunicorn.arbiter import Arbiter  # type: ignore[import-untyped]

from mutua.errors import InvalidInput, InvalidSettings
from mutua.home.home import Home
from mutua.inbound.forwarders import forwarding_for
from mutua.inbound.gunicorn.application import DoorApplication
from mutua.inbound.gunicorn.arbiter import DoorArbiter, run
from mutua.inbound.gunicorn.asgi import AsgiDoor
from mutua.inbound.gunicorn.blocking import SyncDoor, ThreadDoor
from mutua.inbound.gunicorn.door import DoorWorker
from mutua.inbound.gunicorn.plan import Plan, Words
from mutua.inbound.gunicorn.upkeep import UpkeepProcess
from mutua.inbound.listening import bind, ended_by_sigterm
from mutua.tls.identity import Identity

WORKERS = ("gthread", "sync", "asgi", "uvicorn")
"""The kinds of workers: the first two for WSGI, the others for ASGI."""


def serve(
    app: str | Callable[..., Any],
    *,
    identity: Identity | str | os.PathLike[str],
    home: Home | str | os.PathLike[str] | None = None,
    host: str = "127.0.0.1",
    port: int = 8443,
    workers: int = 1,
    worker: str = "gthread",
    on_start: Callable[[int], object] | None = None,
) -> None:
    """Serve an application over mutual TLS with gunicorn, to known clients only, until SIGINT or SIGTERM.

    ``gunicorn.conf.py`` and ``GUNICORN_CMD_ARGS`` count, as far as they cannot open the door. SIGHUP reads them anew.
    To be called from a process with one thread, for it forks.

    Args:
        app: ``module:attribute``, imported by each worker; or the application itself.
        identity: who the server is: an ``Identity``, the name of one in the home, or a path as for
            ``Identity.load``. Names and paths are watched, and renewals picked up.
        home: whose registry decides, and whose CAs clients are verified with; ``MUTUA_HOME`` or
            ``./.mutua`` when not given.
        host: the address to listen on.
        port: 0 picks a free one.
        workers: processes that serve.
        worker: their kind: ``gthread`` or ``sync`` for WSGI, ``asgi`` or ``uvicorn`` for ASGI.
        on_start: called with the port once a worker is ready.

    Raises:
        AddressInUse: another process listens there. InvalidAddress: the host cannot be listened on.
        InvalidSettings: gunicorn's own settings would open the door, or no worker can start with them.
        AppNotFound: the application cannot be imported, or is made for another kind of worker.
        MissingExtra: the kind of worker is not installed.
        HomeNotFound, UnknownIdentity, UnreadableStore and the like: it would not be safe to start.
    """
    serve_on(
        partial(bind, host, port),
        app,
        identity=identity,
        home=home,
        workers=workers,
        worker=worker,
        on_start=on_start,
    )


def serve_on(
    listen: Callable[[], AbstractContextManager[socket.socket]],
    app: str | Callable[..., Any],
    *,
    identity: Identity | str | os.PathLike[str] | None,
    home: Home | str | os.PathLike[str] | None,
    workers: int,
    worker: str,
    on_start: Callable[[int], object] | None,
    is_unix: bool = False,
) -> None:
    """``serve`` on any socket; without an identity it is served without TLS, to what a proxy forwards.

    Args:
        listen: makes the bound socket, once everything else is known to be in order.
        app: ``module:attribute``, or the application itself.
        identity: who the server is, or ``None``.
        home: whose registry decides, and whose settings say who may forward.
        workers: processes that serve.
        worker: their kind.
        on_start: called with the port, 0 of a Unix socket, once a worker is ready.
        is_unix: whether it is a Unix socket.

    Raises:
        MutuaError: as ``serve``; and InvalidInput: the settings let nobody forward over this kind of socket.
    """
    if workers < 1:
        raise InvalidInput(f"{workers} workers serve nobody", hint="give --workers 1 or more")
    kind = _worker_class(worker)
    folder, source, forwards = _checked(home, identity, is_unix=is_unix)
    with (
        ended_by_sigterm(),
        listen() as listener,
        closing(UpkeepProcess(folder)) as upkeep,
        closing(Words()) as words,
    ):
        plan = Plan(
            app=app,
            home=folder,
            identity=source,
            is_unix=is_unix,
            forwards=forwards,
            words=words,
            sightings=upkeep.sightings,
        )
        application = DoorApplication(plan, worker_class=kind, workers=workers)
        arbiter = DoorArbiter(application, listener, upkeep, on_start)
        code = run(arbiter)
    if arbiter.failure is not None and not application.started:
        raise arbiter.failure
    if code == Arbiter.WORKER_BOOT_ERROR or (code and not application.started):
        raise InvalidSettings("gunicorn's workers cannot start", hint="read what gunicorn says above")


def _worker_class(worker: str) -> type[DoorWorker]:
    match worker:
        case "gthread":
            return ThreadDoor
        case "sync":
            return SyncDoor
        case "asgi":
            return AsgiDoor
        case "uvicorn":
            from mutua.inbound.gunicorn.uvicorn import UvicornDoor  # noqa: PLC0415 -- the extra may not be installed

            return UvicornDoor
        case _:
            raise InvalidInput(f"there is no worker {worker!r}", hint=f"give one of {', '.join(WORKERS)}")


def _checked(
    home: Home | str | os.PathLike[str] | None, identity: Identity | str | os.PathLike[str] | None, *, is_unix: bool
) -> tuple[Path, Identity | Path | None, bool]:
    """The folder of the home, where the identity is, and whether a proxy may forward, having seen that all can be used.

    Nothing stays open: what is open here would be open in every worker too.
    """
    path = home.path if isinstance(home, Home) else home
    with Home.open(path) as opened:
        folder = opened.path.absolute()
        settings = opened.settings.forwarded
        forwards = forwarding_for(settings, ends_tls=identity is not None, is_unix=is_unix) is not None
        if identity is None or isinstance(identity, Identity):
            return folder, identity, forwards
        source = opened.identities.find(identity).absolute()
        Identity.load(source)
        return folder, source, forwards
