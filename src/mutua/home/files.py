"""Files that are whole or not there: written aside, synced, then renamed; private ones from their first byte."""

import os
import tempfile
from pathlib import Path

from mutua.errors import UnsafeHome

PRIVATE_DIRECTORY = 0o700
PRIVATE_FILE = 0o600
PUBLIC_FILE = 0o644


def write_file(path: Path, data: bytes, *, mode: int = PRIVATE_FILE) -> None:
    """Replace ``path`` by ``data``: a reader, or a crash, finds the old content or the new."""
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


def sync_directory(path: Path) -> None:
    """Make renames in a directory survive a power cut."""
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
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
