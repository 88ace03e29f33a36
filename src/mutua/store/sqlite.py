"""A store in one SQLite file: its transactions, its change feed, and what its errors mean."""

import os
import sqlite3
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

from sqlalchemy import URL, Connection, Engine, create_engine, event
from sqlalchemy.exc import DisconnectionError
from sqlalchemy.pool import QueuePool

from mutua.errors import AlreadyExists, DiskFull, MutuaError, UnreadableStore
from mutua.store.database import BEGIN, POOL_TIMEOUT_SECONDS, REVISION, Begin
from mutua.store.sqlite_file import BUSY_TIMEOUT_SECONDS, FileConnection, SqliteFile

RESTORE = "restore it from a backup"

_OUR_MISTAKES = {sqlite3.SQLITE_CONSTRAINT, sqlite3.SQLITE_MISMATCH, sqlite3.SQLITE_MISUSE, sqlite3.SQLITE_RANGE}
_MAYBE_FULL = {sqlite3.SQLITE_IOERR, sqlite3.SQLITE_CANTOPEN}


class SqliteDatabase:
    """The store's way to SQLite.

    Args:
        path: the file.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.location = str(path)
        self._file = SqliteFile(path)
        self.engine = _engine(self._file)

    def create(self) -> None:
        """Make the file, readable by its owner only. Raises AlreadyExists: something is there, and untouched."""
        try:
            self.path.touch(mode=0o600, exist_ok=False)
        except FileExistsError:
            raise AlreadyExists(f"there is something at '{self.path}' already", hint="give another path") from None
        except OSError as error:
            raise UnreadableStore(
                f"no store can be made at '{self.path}': {error.strerror}", hint="give another path"
            ) from None

    def remove(self) -> None:
        """Take away what ``create`` made."""
        self.close()
        for suffix in ("", "-wal", "-shm"):
            self.path.with_name(self.path.name + suffix).unlink(missing_ok=True)

    def require(self) -> None:
        """See to it that there may be a store. Raises UnreadableStore: there is none."""
        if not self.path.is_file():
            raise UnreadableStore(f"there is no store at '{self.path}'", hint=RESTORE)

    def is_empty(self, connection: Connection) -> bool:
        """Whether no store is there yet."""
        return connection.exec_driver_sql("SELECT name FROM sqlite_master").first() is None

    def before_migrating(self, connection: Connection) -> None:
        """Readers go on with the tables of the moment at which they began."""

    def after_migrating(self, connection: Connection) -> None:
        """See to it that every reference leads to a row: they are not checked while tables are made anew."""
        broken = connection.exec_driver_sql("PRAGMA foreign_key_check").first()
        if broken is not None:
            raise UnreadableStore(
                f"the store at '{self.path}' cannot be brought up to date: a row of '{broken[0]}' refers to none",
                hint=RESTORE,
            )

    def before_commit(self, connection: Connection) -> str | None:
        """What is written to a file that was moved or replaced is lost: notice it while nothing is promised."""
        if _driver(connection).file != self._file.identity():
            raise UnreadableStore(
                f"the store at '{self.path}' was replaced meanwhile; nothing was written", hint="do it again"
            )
        return None

    def feed(self) -> "SqliteFeed":
        """A look at the store from outside its transactions."""
        return SqliteFeed(self._file)

    def scrub(self) -> bool:
        """Empty the journal, once everything in it is in the file, which keeps nothing that was deleted."""
        with suppress(sqlite3.Error, UnreadableStore), closing(self._file.connect()) as connection:
            busy, _, _ = connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
            return not busy
        return False

    def close(self) -> None:
        """Close every connection."""
        self.engine.dispose()
        self._file.close()

    def is_lost(self, error: Exception) -> bool:  # noqa: ARG002
        """Whether the connection to the database broke: there is no server to lose."""
        return False

    def explain(self, error: Exception, *, writing: bool) -> MutuaError | None:
        """What an error of the driver means; ``None`` if it is our statement that was wrong."""
        return explain(error, self.path, writing=writing) if isinstance(error, sqlite3.Error) else None


class SqliteFeed:
    """The change feed on SQLite.

    ``PRAGMA data_version`` moves when another connection commits, but stays as it was when the file is
    deleted or replaced, so the file's device and inode are compared too.

    Args:
        file: the store's own: whoever opens a file that has just taken the store's place must know whose journal it is.
    """

    def __init__(self, file: SqliteFile) -> None:
        self._file = file
        self._connection: FileConnection | None = None
        self._version: int | None = None

    def changed(self) -> bool:
        """See ``ChangeFeed``."""
        try:
            if self._connection is None or self._connection.file != self._file.identity():
                self._let_go()
                self._connection = self._file.connect()
            version: int = self._connection.execute("PRAGMA data_version").fetchone()[0]
            self._connection.execute("SELECT count FROM event_head").fetchone()
        except sqlite3.Error as error:
            self._let_go()
            told = explain(error, self._file.path)
            raise told or UnreadableStore(f"the store at '{self._file.path}' is lost: {error}") from None
        except UnreadableStore:
            self._let_go()
            raise
        moved = version != self._version
        self._version = version
        return moved

    def close(self) -> None:
        """Let go of the database."""
        self._let_go()

    def _let_go(self) -> None:
        if self._connection is not None:
            self._connection.close()
        self._connection = self._version = None


def explain(error: sqlite3.Error, path: Path, *, writing: bool = False) -> MutuaError | None:
    """What an error of SQLite means; ``None`` if it is our statement that was wrong."""
    code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_OK) & 0xFF  # an extended code ends in the primary one
    if code in _OUR_MISTAKES or type(error) not in {sqlite3.DatabaseError, sqlite3.OperationalError}:
        return None
    store, end = f"the store at '{path}'", "; nothing was written" if writing else ""
    if code == sqlite3.SQLITE_FULL or (code in _MAYBE_FULL and _is_full(path)):
        return DiskFull(f"the disk of {store} is full{end}", hint=f"make room: df -h '{path.parent}'")
    if code in {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED}:
        told = f"{store} has been locked by another process for {BUSY_TIMEOUT_SECONDS} s{end}"
        return UnreadableStore(told, hint=f"see which: fuser -v '{path}'")
    if code == sqlite3.SQLITE_READONLY:
        return UnreadableStore(f"{store} cannot be written: {error}{end}", hint=f"ls -la '{path.parent}'")
    if "no such table: alembic_version" in str(error):
        return UnreadableStore(f"what is at '{path}' is no store of mutua", hint=RESTORE)
    return UnreadableStore(f"{store} cannot be used: {error}{end}", hint=RESTORE)


def _is_full(path: Path) -> bool:
    with suppress(OSError):
        return os.statvfs(path.parent).f_bavail == 0
    return False


def _engine(file: SqliteFile) -> Engine:
    engine = create_engine(
        URL.create("sqlite+pysqlite", database=str(file.path)),
        creator=file.connect,
        poolclass=QueuePool,
        pool_timeout=POOL_TIMEOUT_SECONDS,
        hide_parameters=True,
    )

    @event.listens_for(engine, "checkout")
    def check_file(connection: FileConnection, _record: Any, _proxy: Any) -> None:
        # What is written to a file that was deleted or replaced is lost.
        if connection.file != file.identity():
            raise DisconnectionError

    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        driver, how = _driver(connection), connection.get_execution_options().get(BEGIN, Begin.READ)
        if how is Begin.MIGRATE:
            # Without effect within a transaction; the connection is not used for anything afterwards.
            driver.execute("PRAGMA foreign_keys = OFF")
            driver.execute("BEGIN IMMEDIATE")
            return
        driver.execute("BEGIN" if how is Begin.READ else "BEGIN IMMEDIATE")
        row = driver.execute("SELECT version_num FROM alembic_version").fetchone()
        connection.info[REVISION] = None if row is None else row[0]

    return engine


def _driver(connection: Connection) -> FileConnection:
    driver = connection.connection.driver_connection
    assert isinstance(driver, FileConnection)
    return driver
