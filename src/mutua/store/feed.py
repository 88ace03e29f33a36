"""The change feed on SQLite: has anything been committed since I last looked?"""

import sqlite3
from pathlib import Path

from mutua.errors import UnreadableStore


class ChangeFeed:
    """Looks at a store from outside its transactions; a look costs a few microseconds.

    ``PRAGMA data_version`` moves when another connection commits, but stays as it was when the file is
    deleted or replaced, so the file's device and inode are compared too.

    Args:
        path: the SQLite file.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._connection: sqlite3.Connection | None = None
        self._file: tuple[int, int] | None = None
        self._version: int | None = None

    def changed(self) -> bool:
        """Whether there may be something new since the last call; true on the first.

        Raises:
            UnreadableStore: the store is missing or cannot be read.
        """
        try:
            status = self._path.stat()
            file = (status.st_dev, status.st_ino)
            if self._connection is None or file != self._file:
                self._reopen(file)
            version = self._read()
        except (OSError, sqlite3.Error) as error:
            self.close()
            raise UnreadableStore(f"the store at '{self._path}' is lost: {error}", hint="bring it back") from None
        moved = version != self._version
        self._version = version
        return moved

    def close(self) -> None:
        """Let go of the database."""
        if self._connection is not None:
            self._connection.close()
        self._connection = self._file = self._version = None

    def _reopen(self, file: tuple[int, int]) -> None:
        self.close()
        # mode=rw: sqlite must not make an empty database where ours is gone.
        uri = f"{self._path.absolute().as_uri()}?mode=rw"
        self._connection = sqlite3.connect(uri, uri=True, check_same_thread=False, isolation_level=None)
        self._file = file

    def _read(self) -> int:
        assert self._connection is not None
        version: int = self._connection.execute("PRAGMA data_version").fetchone()[0]
        self._connection.execute("SELECT count FROM event_head").fetchone()
        return version
