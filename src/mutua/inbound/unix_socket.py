"""Unix sockets to listen on: made for their owner alone, and taken away at the end."""

import errno
import grp
import os
import socket
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from mutua.errors import AddressInUse, InvalidAddress

MAX_SOCKET_PATH = 107
"""``sun_path`` of unix(7), without the NUL behind it."""


@contextmanager
def unix_socket(path: Path, group: str | None = None) -> Iterator[socket.socket]:
    """As ``bind_unix``; at the end it is closed and its file removed, if that is still the same one."""
    with bind_unix(path, group) as listener:
        made = path.lstat()
        try:
            yield listener
        finally:
            with suppress(OSError):
                now = path.lstat()
                if (now.st_dev, now.st_ino) == (made.st_dev, made.st_ino):
                    path.unlink()


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
