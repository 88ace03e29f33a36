"""Log lines as the command line writes them: requests and refusals on stdout, all other talk on stderr."""

import fcntl
import logging
import os
import sys


class _WholeLines(logging.StreamHandler):  # type: ignore[type-arg]
    """Writes a line while no other process does.

    Several workers share one stdout. A pipe takes no more than PIPE_BUF (4,096 bytes on Linux) as a whole, and whoever
    asks for a long path would have the lines of others inside of his own.

    Args:
        lock: a descriptor of a file that all of these processes have open for writing.
    """

    def __init__(self, lock: int) -> None:
        super().__init__(sys.stdout)
        self._file = lock

    def emit(self, record: logging.LogRecord) -> None:
        # Of the process, not of the descriptor as flock is: the workers have inherited the same one.
        fcntl.lockf(self._file, fcntl.LOCK_EX)
        try:
            super().emit(record)
        finally:
            fcntl.lockf(self._file, fcntl.LOCK_UN)


def log_to_standard_streams(*, access_log: bool, lock: int | None = None) -> None:
    """Send the log of this process to its standard streams.

    Args:
        access_log: whether admitted requests have a line too; refusals always do.
        lock: where other processes write to the same stdout, a descriptor that they lock as well.
    """
    lines = logging.StreamHandler(sys.stdout) if lock is None else _WholeLines(lock)
    lines.setFormatter(logging.Formatter("%(message)s"))
    access = logging.getLogger("mutua.access")
    access.handlers, access.propagate = [lines], False
    access.setLevel(logging.INFO if access_log else logging.WARNING)
    logging.basicConfig(level=logging.WARNING, format="mutua: %(levelname)s: %(message)s", stream=sys.stderr)
    logging.getLogger("mutua").setLevel(logging.INFO)


def lock_file() -> int:
    """A descriptor of a nameless file in memory, for several processes to lock."""
    return os.memfd_create("mutua-lines")
