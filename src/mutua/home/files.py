"""Files that are whole or not there: written aside, synced, then renamed; private ones from their first byte."""

import errno
import fcntl
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from mutua.errors import AlreadyExists, DiskFull, UnreadableFile, UnsafeHome

PRIVATE_DIRECTORY = 0o700
PRIVATE_FILE = 0o600
PUBLIC_FILE = 0o644

_NO_ROOM = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}


def write_file(path: Path, data: bytes, *, mode: int = PRIVATE_FILE) -> None:
    """Replace ``path`` by ``data``: a reader, or a crash, finds the old content or the new.

    Raises:
        DiskFull, UnreadableFile: it cannot be written; the old content stays.
    """
    with refusals(path):
        descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.write(data)
                file.flush()
                os.fchmod(file.fileno(), mode)
                os.fsync(file.fileno())
            Path(name).replace(path)
        except BaseException:
            Path(name).unlink(missing_ok=True)
            raise
        sync_directory(path.parent)


def write_new_file(path: Path, data: bytes) -> None:
    """Make a private file where there is nothing yet, nor a link; on any file system, such as a memory stick's.

    Raises:
        AlreadyExists: something is there, and untouched.
        DiskFull, UnreadableFile: it cannot be written; nothing is left of it.
    """
    with refusals(path):
        try:
            descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, PRIVATE_FILE)
        except FileExistsError:
            raise AlreadyExists(f"there is something at '{path}' already", hint=f"look: ls -la '{path}'") from None
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
        except BaseException:
            path.unlink(missing_ok=True)
            raise
        sync_directory(path.parent)


def update_file(path: Path, data: bytes, *, mode: int = PRIVATE_FILE) -> None:
    """Write a file unless it says so already: to read it is a hundred times faster than to wait for the disk."""
    with refusals(path):
        is_same = path.is_file() and path.stat().st_size == len(data) and path.read_bytes() == data
    if not is_same:
        write_file(path, data, mode=mode)


def sync_directory(path: Path) -> None:
    """Make renames in a directory survive a power cut."""
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def clear_away(folder: Path, *names: str) -> None:
    """Remove what writers of these files that were killed have left; nobody may be writing one meanwhile.

    Args:
        folder: where the files are.
        names: as the shell would match them, such as ``*.crl``.
    """
    for name in names:
        for left in folder.glob(f".{name}.*"):
            left.unlink(missing_ok=True)


@contextmanager
def refusals(path: Path) -> Iterator[None]:
    """The system's refusal to write at ``path``, as an error of ours."""
    try:
        yield
    except OSError as error:
        if error.errno in _NO_ROOM:
            raise DiskFull(f"there is no room for '{path}'", hint=f"make room: df -h '{path.parent}'") from None
        raise UnreadableFile(
            f"'{path}' cannot be written: {error.strerror}", hint=f"look: ls -la '{path.parent}'"
        ) from None


@contextmanager
def alone(folder: Path) -> Iterator[None]:
    """Hold a lock on a folder, against threads and processes."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def require_private(path: Path) -> None:
    """Refuse a directory that another user owns or can write.

    Raises:
        UnsafeHome: who could change it could add clients and read keys.
    """
    status = path.stat()
    if status.st_uid not in {os.geteuid(), 0}:
        raise UnsafeHome(f"'{path}' belongs to another user", hint=f"run as its owner, or: chown $USER '{path}'")
    if status.st_mode & 0o022:
        raise UnsafeHome(f"other users can write '{path}'", hint=f"chmod 700 '{path}'")
