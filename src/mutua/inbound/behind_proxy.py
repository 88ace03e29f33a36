"""The doors behind a proxy that has ended TLS: on a Unix socket, or on TCP for peers known by their address."""

import os
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from mutua.home.home import Home
from mutua.inbound.listening import bind
from mutua.inbound.serving import Server, serve_on
from mutua.inbound.unix_socket import unix_socket

if TYPE_CHECKING:
    from mutua.inbound.asgi import Application


def serve(
    app: "Application | str",
    *,
    home: Home | str | os.PathLike[str] | None = None,
    unix: str | os.PathLike[str] | None = None,
    group: str | None = None,
    host: str = "127.0.0.1",
    port: int = 8000,
    server: Server = "uvicorn",
    workers: int = 1,
    worker: str = "gthread",
    loop: str = "auto",
    access_log: bool = True,
    on_start: Callable[[str], object] | None = None,
) -> None:
    """Serve an application without TLS to the clients that a proxy forwards, until SIGINT or SIGTERM.

    Args:
        app: the application, or where to find it; as for ``mutua.serve``, and so are ``server`` and what follows it.
        home: whose registry decides; its settings say who may forward.
        unix: where to make the Unix socket, with mode 0600. What is left of one that nobody listens on is replaced.
        group: of the socket, which it may then use too: mode 0660.
        host: the address to listen on, where there is no Unix socket.
        port: 0 picks a free one.
        server: ``uvicorn``, ``hypercorn`` or ``gunicorn``.
        workers: how many processes.
        worker: the kind of gunicorn's workers.
        loop: ``auto``, ``asyncio`` or ``uvloop``.
        access_log: whether several workers of uvicorn or hypercorn write a line for each admitted request.
        on_start: called with the address once connections are accepted.

    Raises:
        InvalidInput: the settings let nobody forward over this kind of socket.
        AddressInUse: another process listens there. InvalidAddress: it cannot be listened on.
        AppNotFound, HomeNotFound, UnreadableStore and the like: it would not be safe to start.
    """

    def started(bound: int) -> None:
        if on_start is not None:
            on_start(f"unix:{unix}" if unix is not None else f"http://{host}:{bound}")

    serve_on(
        partial(bind, host, port) if unix is None else partial(unix_socket, Path(unix), group),
        app,
        identity=None,
        is_unix=unix is not None,
        home=home,
        server=server,
        workers=workers,
        worker=worker,
        loop=loop,
        access_log=access_log,
        on_start=started,
    )
