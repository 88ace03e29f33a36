"""Something that is loaded from files and loaded anew when they change, whole or not at all."""

import os
import ssl
import time
from collections.abc import Callable
from pathlib import Path
from typing import Generic, TypeVar

from mutua.errors import MutuaError

RETRY_SECONDS = 0.25
"""How long files that could not be loaded are left alone, unless they change: a key takes time to decrypt."""

SETTLE_SECONDS = 0.1
"""How long a file has to stay as it is: ``cat key.pem leaf.pem ca.pem > bank.pem`` is three writes, and after two of
them what is there looks whole."""

Stamp = tuple[tuple[int, ...], ...]
T = TypeVar("T")


class Watched(Generic[T]):
    """A value, and the files it came from.

    Args:
        what: it is, for the log.
        load: reads the value, and proves that it can be used.
        paths: of the files; asked at every look, for a folder may become a file.
        complain: is given one line when what has changed cannot be loaded, once for each reason.

    Attributes:
        value: the last good one.

    Raises:
        MutuaError: it cannot be loaded now.
    """

    def __init__(
        self,
        what: str,
        load: Callable[[], T],
        paths: Callable[[], tuple[Path, ...]],
        complain: Callable[[str], object],
    ) -> None:
        self._what, self._load, self._paths, self._complain = what, load, paths, complain
        self._failed: tuple[Stamp, float] | None = None
        self._complaint: tuple[Stamp, str] | None = None
        # Before the files are read: what changes in between is seen at the next look.
        self._stamp = self._now()
        self.value = load()

    def look(self) -> bool:
        """Load it anew if the files have changed; whether there is another value now.

        Half of a renewal, or a bad file, leaves the last good value, and the next look tries again.
        """
        stamp = self._now()
        if not self._is_due(stamp):
            return False
        try:
            value = self._load()
        except (MutuaError, ssl.SSLError, OSError) as error:
            self._failed = (stamp, time.monotonic())
            if (complaint := (stamp, str(error))) != self._complaint:
                self._complaint = complaint
                self._complain(f"the renewed {self._what} cannot be loaded, going on with the last: {error}")
            return False
        self.value, self._stamp, self._failed, self._complaint = value, stamp, None, None
        return True

    def is_due(self) -> bool:
        """Whether a look would load it."""
        return self._is_due(self._now())

    def _is_due(self, stamp: Stamp) -> bool:
        return stamp != self._stamp and not _may_be_half_written(stamp) and not self._waits(stamp)

    def _waits(self, stamp: Stamp) -> bool:
        return (
            self._failed is not None and self._failed[0] == stamp and time.monotonic() - self._failed[1] < RETRY_SECONDS
        )

    def _now(self) -> Stamp:
        return tuple(_stamp_of(path) for path in self._paths())


def _may_be_half_written(stamp: Stamp) -> bool:
    """Whether one of the files was written a moment ago, by the clock that stamps files."""
    now = time.time()
    return any(0 <= now - file[2] / 1e9 < SETTLE_SECONDS for file in stamp if file)


def _stamp_of(path: Path) -> tuple[int, ...]:
    """What changes whenever a file is replaced, by rename or in place."""
    try:
        status = os.stat(path)  # noqa: PTH116 -- a third of what Path.stat costs, for every request asks
    except (OSError, ValueError):
        return ()
    return (status.st_dev, status.st_ino, status.st_mtime_ns, status.st_ctime_ns, status.st_size)
