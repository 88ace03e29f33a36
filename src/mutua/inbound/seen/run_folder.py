"""``run/`` of a home: a Unix socket for each worker, named by its pid, for the home's owner alone.

The kernel takes 107 bytes for the path of a Unix socket. A longer one is reached through the folder's own descriptor,
which is short wherever the folder is.
"""

import errno
import os
import socket
import struct
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from mutua.errors import UnreadableFile
from mutua.home.files import PRIVATE_DIRECTORY, PRIVATE_FILE, alone, refusals, require_private

FOLDER = "run"
SUFFIX = ".sock"

MAX_PATH_BYTES = 107
"""``sun_path`` of unix(7), without the NUL behind it."""

MAX_SOCKETS = 1024
"""In one folder: more than a machine has workers."""

_CREDENTIALS = struct.Struct("3i")


def listen(home: Path) -> tuple[socket.socket, Path]:
    """A socket of this process's own in a home, listening, and where it is. What dead workers left is removed.

    Raises:
        UnsafeHome: others can write the folder, or own it.
        UnreadableFile, DiskFull: no socket can be made there, as on a read-only disk.
    """
    folder = home.absolute() / FOLDER
    with refusals(folder):
        folder.mkdir(mode=PRIVATE_DIRECTORY, exist_ok=True)
    require_private(folder)
    # Alone, so that nobody takes for dead what is bound and does not listen yet.
    with refusals(folder), alone(folder):
        for each in sockets(folder):
            _remove_if_dead(each)
        path = _free(folder)
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            os.fchmod(listener.fileno(), PRIVATE_FILE)  # before it has a name, so that it never has another mode
            with _short(path) as address:
                listener.bind(address)
            listener.listen()
        except BaseException:
            listener.close()
            raise
    return listener, path


def sockets(folder: Path) -> list[Path]:
    """Those in ``run/``, whether or not anybody listens; none where there is no such folder.

    Raises:
        UnsafeHome: others can write the folder: they may have put theirs there.
    """
    try:
        require_private(folder)
        return sorted(each for each in folder.iterdir() if each.suffix == SUFFIX)[:MAX_SOCKETS]
    except (FileNotFoundError, NotADirectoryError):
        return []
    except OSError as error:
        raise UnreadableFile(f"'{folder}' cannot be read: {error.strerror}", hint=f"look: ls -la '{folder}'") from None


def connect(path: Path, seconds: float) -> socket.socket:
    """A connection to a worker.

    Raises:
        OSError: nobody listens there, or too many wait already.
    """
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        connection.settimeout(seconds)
        with _short(path) as address:
            connection.connect(address)
    except BaseException:
        connection.close()
        raise
    return connection


def credentials(connection: socket.socket) -> tuple[int, int]:
    """The pid and uid of the other side, as the kernel has them; the pid is 0 where it is not to be seen from here."""
    pid, uid, _ = _CREDENTIALS.unpack(connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size))
    return pid, uid


def parent_of(pid: int) -> int:
    """The pid of a process's parent; 0 where it cannot be learned."""
    with suppress(OSError, ValueError, IndexError):
        # The name of the program, which may be anything, stands in the last parentheses.
        return int(Path(f"/proc/{pid}/stat").read_text(encoding="latin-1").rpartition(")")[2].split()[1])
    return 0


def _free(folder: Path) -> Path:
    """A name that is not taken: a process may have several, and in another container there may be one of its pid."""
    path, pid = folder / f"{os.getpid()}{SUFFIX}", os.getpid()
    for number in range(1, MAX_SOCKETS):
        if not os.path.lexists(path):
            return path
        path = folder / f"{pid}-{number}{SUFFIX}"
    raise UnreadableFile(f"'{folder}' is full of sockets", hint=f"look: ls -la '{folder}'")


def _remove_if_dead(path: Path) -> None:
    try:
        connect(path, 0).close()
    except OSError as error:
        if error.errno == errno.ECONNREFUSED:
            path.unlink(missing_ok=True)


@contextmanager
def _short(path: Path) -> Iterator[str]:
    """A name for ``path`` that the kernel takes."""
    if len(os.fsencode(path)) <= MAX_PATH_BYTES:
        yield str(path)
        return
    descriptor = os.open(path.parent, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield f"/proc/self/fd/{descriptor}/{path.name}"
    finally:
        os.close(descriptor)
