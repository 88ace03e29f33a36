"""The SQLite file of a store, and what happens when another file takes its place."""

import fcntl
import os
import sqlite3
from contextlib import suppress
from pathlib import Path
from threading import Lock

from mutua.errors import UnreadableStore

BUSY_TIMEOUT_SECONDS = 30
"""How long a writer waits for others. SQLite asks for the lock ten times a second, and whoever writes without a pause
has it nearly every time: in 10 s, one writer in 20,000 was never lucky."""

MOST_TRIES = 5
"""How often a file may be replaced while it is being opened."""

Identity = tuple[int, int]


class FileConnection(sqlite3.Connection):
    """A connection that knows which file it is on.

    Attributes:
        file: the device and inode.
    """

    file: Identity


class SqliteFile:
    """The file at a path, watched for being another than it was.

    A file that is moved over the store leaves the old store's journal, ``-wal``, where it was, and SQLite would play
    that into the new one. Whoever had the old store open recognizes its journal, and moves it aside.

    Args:
        path: the SQLite file.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._known: Identity | None = None
        self._journal: int | None = None
        self._opening = Lock()

    def identity(self) -> Identity:
        """Device and inode.

        Raises:
            UnreadableStore: there is no file.
        """
        try:
            status = self.path.stat()
        except OSError as error:
            raise UnreadableStore(
                f"the store at '{self.path}' is lost: {error.strerror}", hint="bring it back, or restore it"
            ) from None
        return status.st_dev, status.st_ino

    def connect(self) -> FileConnection:
        """A connection to the file that is there now.

        Raises:
            UnreadableStore: there is none.
            sqlite3.Error: it cannot be opened.
        """
        with self._opening:
            for _ in range(MOST_TRIES):
                identity = self.identity()
                if self._known not in {None, identity}:
                    self._set_journal_aside()
                connection = self._connect()
                if self.identity() == identity:
                    connection.file = identity
                    self._hold_journal(identity)
                    return connection
                connection.close()
        raise UnreadableStore(f"the store at '{self.path}' is being replaced again and again", hint="see who does that")

    def close(self) -> None:
        """Forget which file it was."""
        with self._opening:
            self._known = None
            self._let_journal_go()

    def _connect(self) -> FileConnection:
        # mode=rw: sqlite must not make an empty database where ours is gone. No isolation level: BEGIN is ours to
        # send, so that a writer locks at once.
        connection = sqlite3.connect(
            f"{self.path.absolute().as_uri()}?mode=rw",
            uri=True,
            check_same_thread=False,
            isolation_level=None,
            timeout=BUSY_TIMEOUT_SECONDS,
            factory=FileConnection,
        )
        try:
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute("PRAGMA synchronous = FULL")
            connection.execute("PRAGMA foreign_keys = ON")
            # A key that was moved out or sealed anew leaves zeros behind, whatever SQLite was built to do.
            connection.execute("PRAGMA secure_delete = ON")
        except BaseException:
            connection.close()
            raise
        return connection

    def _hold_journal(self, identity: Identity) -> None:
        """Keep the journal open, so that no other file can get its inode while it may have to be recognized."""
        self._let_journal_go()
        self._known = identity
        with suppress(FileNotFoundError):
            self._journal = os.open(self._sibling("-wal"), os.O_RDONLY | os.O_CLOEXEC)

    def _let_journal_go(self) -> None:
        if self._journal is not None:
            os.close(self._journal)
            self._journal = None

    def _set_journal_aside(self) -> None:
        if self._journal is None:
            return
        wal = self._sibling("-wal")
        try:
            # Several processes find out at the same time: the second must not move what the first has begun anew.
            fcntl.flock(self._journal, fcntl.LOCK_EX)
            if os.path.samestat(os.fstat(self._journal), wal.stat()):
                self._sibling("-shm").unlink(missing_ok=True)
                wal.rename(self._sibling("-wal.replaced"))
        except FileNotFoundError:
            pass
        except OSError as error:
            raise UnreadableStore(
                f"the store at '{self.path}' was replaced, and the old one's journal is in the way: {error.strerror}",
                hint=f"stop every process that uses it, then: rm '{wal}' '{self._sibling('-shm')}'",
            ) from None
        finally:
            self._let_journal_go()

    def _sibling(self, suffix: str) -> Path:
        return self.path.with_name(self.path.name + suffix)
