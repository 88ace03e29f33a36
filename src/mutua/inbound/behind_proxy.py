"""The door behind a proxy that has ended TLS: uvicorn on a Unix socket, or on TCP for peers known by their address."""

import errno
import grp
import os
import socket
import stat
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from mutua.errors import AddressInUse, InvalidAddress, InvalidInput, InvalidSettings
from mutua.home.home import Home
from mutua.home.upkeep import Upkeep
from mutua.inbound.application import load_application
from mutua.inbound.forwarding import Forwarding
from mutua.inbound.listening import bind, ended_by_sigterm
from mutua.inbound.live_gate import LiveGate
from mutua.inbound.seen.worker import seen

if TYPE_CHECKING:
    from mutua.home.forwarded import ForwardedSettings
    from mutua.inbound.asgi import Application

MAX_SOCKET_PATH = 107
"""``sun_path`` of unix(7), without the NUL behind it."""


def serve(
    app: "Application | str",
    *,
    home: Home | str | os.PathLike[str] | None = None,
    unix: str | os.PathLike[str] | None = None,
    group: str | None = None,
    host: str = "127.0.0.1",
    port: int = 8000,
    loop: str = "auto",
    on_start: Callable[[str], object] | None = None,
) -> None:
    """Serve an application without TLS to the clients that a proxy forwards, until SIGINT or SIGTERM.

    Args:
        app: the ASGI application, or where to find it: ``module:attribute``.
        home: whose registry decides; its settings say who may forward.
        unix: where to make the Unix socket, with mode 0600. What is left of one that nobody listens on is replaced.
        group: of the socket, which it may then use too: mode 0660.
        host: the address to listen on, where there is no Unix socket.
        port: 0 picks a free one.
        loop: ``auto``, ``asyncio`` or ``uvloop``.
        on_start: called with the address once connections are accepted.

    Raises:
        InvalidInput: the settings let nobody forward over this kind of socket.
        AddressInUse: another process listens there. InvalidAddress: it cannot be listened on.
        AppNotFound, HomeNotFound, UnreadableStore and the like: it would not be safe to start.
    """
    from mutua.inbound import uvicorn_plain  # noqa: PLC0415 -- an extra

    with _opened(home) as opened, ended_by_sigterm():
        forwarding = Forwarding(_settings(opened, is_unix=unix is not None))
        application = load_application(app) if isinstance(app, str) else app
        listening = bind(host, port) if unix is None else bind_unix(Path(unix), group)
        with (
            closing(listening) as listener,
            _removed(None if unix is None else Path(unix)),
            closing(LiveGate(opened)) as gate,
            closing(Upkeep(opened, gate.sighted)) as upkeep,
            seen(opened, gate) as watched,
        ):
            upkeep.start()

            def started(bound: int) -> None:
                if on_start is not None:
                    on_start(f"unix:{unix}" if unix is not None else f"http://{host}:{bound}")

            uvicorn_plain.run(application, gate, forwarding, listener, loop=loop, on_start=watched.on_start(started))


def bind_unix(path: Path, group: str | None = None) -> socket.socket:
    """A bound Unix socket that does not listen yet, for its owner alone, or for a group too.

    Raises:
        AddressInUse: another process listens there, or something else is there.
        InvalidAddress: nothing can be made there, or there is no such group.
    """
    if len(os.fsencode(path)) > MAX_SOCKET_PATH:
        raise InvalidAddress(f"'{path}' is too long for a Unix socket", hint=f"at most {MAX_SOCKET_PATH} bytes")
    _clear(path)
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        listener.bind(os.fspath(path))
        # Nobody can connect before it listens, and that is after this.
        path.chmod(0o600)
        if group is not None:
            os.chown(path, -1, grp.getgrnam(group).gr_gid)
            path.chmod(0o660)
    except KeyError:
        listener.close()
        path.unlink(missing_ok=True)
        raise InvalidAddress(f"there is no group {group!r}", hint="the group of the proxy: getent group") from None
    except OSError as error:
        listener.close()
        if error.errno == errno.EADDRINUSE:
            raise AddressInUse(f"another process made '{path}' meanwhile", hint="give another --unix") from None
        raise InvalidAddress(f"cannot listen on '{path}': {error.strerror}", hint="give another --unix") from None
    return listener


def _clear(path: Path) -> None:
    """Take away a socket that nobody listens on any more."""
    try:
        kind = path.lstat().st_mode
    except OSError:
        return  # nothing there; what else is wrong, bind tells
    if not stat.S_ISSOCK(kind):
        raise AddressInUse(f"there is something at '{path}', and it is no socket", hint="give another --unix")
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.settimeout(1)
        try:
            probe.connect(os.fspath(path))
        except ConnectionRefusedError:
            with suppress(OSError):
                path.unlink()
            return
        except OSError as error:
            raise AddressInUse(f"'{path}' cannot be looked at: {error}", hint="give another --unix") from None
    raise AddressInUse(f"another process listens on '{path}'", hint="end it, or give another --unix")


def require_tls_door(settings: "ForwardedSettings | None", server: str) -> Forwarding | None:
    """What a door that ends TLS by itself has to know of a proxy in front of it.

    Args:
        settings: who may forward.
        server: the door's.

    Raises:
        InvalidSettings: the proxy would not come over TLS, or this server's door does not know of proxies.
    """
    if settings is None:
        return None
    if settings.certificate is None:
        raise InvalidSettings(
            "the proxy that mutua.toml speaks of comes without TLS, and this door demands it",
            hint="mutua serve APP --unix PATH, or take [forwarded] out of mutua.toml",
        )
    if server != "uvicorn":
        raise InvalidSettings(f"behind a proxy there is no {server}", hint="mutua serve APP --server uvicorn")
    return Forwarding(settings)


def _settings(home: Home, *, is_unix: bool) -> "ForwardedSettings":
    settings = home.settings.forwarded
    hint = "docs/proxies.md"
    if settings is None:
        raise InvalidInput("mutua.toml lets no proxy forward client certificates", hint=f"add [forwarded]: see {hint}")
    if is_unix and not settings.unix_socket:
        raise InvalidInput(
            "mutua.toml lets nobody forward over a Unix socket", hint="in [forwarded]: unix_socket = true"
        )
    if not is_unix and not settings.addresses:
        raise InvalidInput(
            "mutua.toml lets no address forward without TLS", hint='in [forwarded]: addresses = ["10.0.0.5"]'
        )
    return settings


@contextmanager
def _removed(path: Path | None) -> Iterator[None]:
    """Take our socket away at the end, if it is still ours."""
    made = None if path is None else path.lstat()
    try:
        yield
    finally:
        if path is not None and made is not None:
            with suppress(OSError):
                now = path.lstat()
                if (now.st_dev, now.st_ino) == (made.st_dev, made.st_ino):
                    path.unlink()


@contextmanager
def _opened(home: Home | str | os.PathLike[str] | None) -> Iterator[Home]:
    if isinstance(home, Home):
        yield home
        return
    with Home.open(home) as opened:
        yield opened
