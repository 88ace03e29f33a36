"""Opening the database, and its two kinds of transaction: reading and writing."""

import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import URL, Connection, Engine, create_engine, event, text
from sqlalchemy.exc import DatabaseError, DisconnectionError, OperationalError
from sqlalchemy.pool import QueuePool

from mutua.errors import UnreadableStore

BUSY_TIMEOUT_MS = 10_000
"""How long a writer waits for another; an issuance holds the lock for under a millisecond."""

SCHEMA_REVISION = "0001"
"""The Alembic revision this code works with."""

_MIGRATING = threading.Lock()  # Alembic keeps what it works on in module globals


class Store:
    """One database.

    Args:
        path: the SQLite file.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.engine = _engine(path)

    @classmethod
    def create(cls, path: Path) -> "Store":
        """Make a new database with every table, readable by its owner only."""
        path.touch(mode=0o600, exist_ok=False)
        store = cls(path)
        store.upgrade()
        return store

    @classmethod
    def open(cls, path: Path) -> "Store":
        """Open an existing database; one of an older mutua is brought up to date.

        Raises:
            UnreadableStore: missing, damaged, or made by a newer mutua.
        """
        if not path.is_file():
            raise UnreadableStore(f"there is no store at '{path}'", hint="restore it from a backup")
        store = cls(path)
        try:
            with store.read() as connection:
                found = connection.execute(text("SELECT version_num FROM alembic_version")).scalar()
        except UnreadableStore:
            store.close()
            raise
        if found != SCHEMA_REVISION:
            if found is None or found > SCHEMA_REVISION:
                store.close()
                raise UnreadableStore(f"the store at '{path}' is of a newer mutua", hint="upgrade mutua")
            store.upgrade()
        return store

    def upgrade(self) -> None:
        """Run the migrations that are missing, in one transaction."""
        # Alembic takes longer to import than most commands take to run; it is needed once in a store's life.
        from alembic import command  # noqa: PLC0415
        from alembic.config import Config  # noqa: PLC0415

        config = Config()
        config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
        with _MIGRATING, self.write() as connection:
            config.attributes["connection"] = connection
            command.upgrade(config, "head")

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """A transaction that sees one moment of the database."""
        with self._usable(), self.engine.connect() as connection, connection.begin():
            yield connection

    @contextmanager
    def write(self) -> Iterator[Connection]:
        """A transaction that is alone in writing; committed to disk when the block ends, or rolled back."""
        with self._usable(), self.engine.connect() as connection:
            writer = connection.execution_options(mutua_writes=True)
            with writer.begin():
                yield writer

    @contextmanager
    def _usable(self) -> Iterator[None]:
        """Tell of a damaged, locked or full database as ``UnreadableStore``, of a wrong statement as it is."""
        try:
            yield
        except DatabaseError as error:
            if type(error) not in {DatabaseError, OperationalError}:
                raise
            raise UnreadableStore(
                f"the store at '{self.path}' cannot be used: {error.orig}", hint="restore it from a backup"
            ) from error

    def close(self) -> None:
        """Close every connection."""
        self.engine.dispose()


def _engine(path: Path) -> Engine:
    # mode=rw: sqlite must not make an empty database where ours is gone.
    url = URL.create("sqlite+pysqlite", database=path.absolute().as_uri(), query={"mode": "rw", "uri": "true"})
    engine = create_engine(
        url, poolclass=QueuePool, connect_args={"check_same_thread": False, "timeout": BUSY_TIMEOUT_MS / 1000}
    )

    @event.listens_for(engine, "connect")
    def configure(connection: sqlite3.Connection, record: Any) -> None:
        record.info["file"] = _file(path)
        # The driver must not begin transactions by itself: BEGIN is ours, so that a writer locks at once.
        connection.isolation_level = None
        try:
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute("PRAGMA synchronous = FULL")
            connection.execute("PRAGMA foreign_keys = ON")
        except sqlite3.Error:
            connection.close()  # the pool forgets a connection whose set-up fails
            raise

    @event.listens_for(engine, "checkout")
    def check_file(_connection: sqlite3.Connection, record: Any, _proxy: Any) -> None:
        # What is written to a file that was deleted or replaced is lost.
        if record.info["file"] != _file(path):
            raise DisconnectionError

    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        writes = connection.get_execution_options().get("mutua_writes", False)
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")

    return engine


def _file(path: Path) -> tuple[int, int]:
    try:
        status = path.stat()
    except OSError as error:
        raise UnreadableStore(f"the store at '{path}' is lost: {error.strerror}", hint="bring it back") from None
    return status.st_dev, status.st_ino


def is_unavailable(error: Exception) -> bool:
    """Whether the database is out of reach, rather than our statement wrong."""
    return isinstance(error, OperationalError | sqlite3.OperationalError | UnreadableStore | OSError)
