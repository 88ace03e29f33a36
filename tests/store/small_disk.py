"""File systems of a few pages, and stores that fill them."""

import os
import pwd
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from mutua.errors import MutuaError
from mutua.store import events
from mutua.store.events import Event
from mutua.store.store import Store
from tests.missing import missing

MOST_EVENTS = 10_000


@contextmanager
def small_disk(folder: Path, size: str, owner: str | None = None) -> Iterator[Path]:
    """A disk of ``size`` at ``folder``; only root can have one: see ``missing``.

    Args:
        folder: made for it.
        size: as ``mount`` takes it, such as ``1m``.
        owner: the user to whom it belongs.
    """
    folder.mkdir()
    user = pwd.getpwnam(owner).pw_uid if owner is not None else os.geteuid()
    options = f"size={size},uid={user},mode=700"
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(folder)], check=False)
    if mounted.returncode != 0:
        folder.rmdir()
        missing("only root can mount a small disk")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)
        folder.rmdir()


def grow(disk: Path, size: str) -> None:
    """Make room."""
    subprocess.run(["mount", "-o", f"remount,size={size}", str(disk)], check=True)


def fill_up(disk: Path, *, but: int) -> Path:
    """Leave ``but`` bytes; the file that takes the rest."""
    ballast = disk / "ballast"
    block = b"x" * 65536
    with ballast.open("wb", buffering=0) as file:
        with suppress(OSError):
            while file.write(block) == len(block):
                pass
        file.truncate(max(0, file.tell() - but))
    return ballast


def append_until_full(store: Store, happening: Event, sign: Callable[[bytes], bytes]) -> tuple[int, MutuaError]:
    """Append large events until it goes wrong; how many were acknowledged, and what was told then."""
    for acknowledged in range(MOST_EVENTS):
        # Not to be compressed.
        large = Event(at=happening.at, actor="ana", kind="k", subject="s", body={"text": os.urandom(5000).hex()})
        try:
            with store.write() as connection:
                events.append(connection, [large], sign)
        except MutuaError as error:
            return acknowledged, error
    raise AssertionError("the disk never was full")
