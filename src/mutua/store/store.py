"""The store: one database, its two kinds of transaction, and the migrations that keep its tables up to date."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from weakref import WeakKeyDictionary

from sqlalchemy import Connection, Engine, make_url, select, text
from sqlalchemy.exc import ArgumentError, DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from mutua.errors import AlreadyExists, InvalidAddress, MissingExtra, MutuaError, StoreUnreachable, UnreadableStore
from mutua.store.database import BEGIN, POOL_TIMEOUT_SECONDS, REVISION, Begin, Database
from mutua.store.feed import ChangeFeed
from mutua.store.schema import events, metadata
from mutua.store.sqlite import SqliteDatabase

SCHEMA_REVISION = "0006"
"""The Alembic revision this code works with."""

SETTLE_SECONDS = 10.0
"""How long a writer whose commit was cut off tries to learn what became of it; most servers restart in less."""

SETTLE_PAUSE_SECONDS = 0.1

_MIGRATING = threading.Lock()  # Alembic keeps what it works on in module globals


class Store:
    """One database.

    Args:
        location: the path of an SQLite file, or ``postgresql+psycopg://user@host/database``.

    Raises:
        InvalidAddress: the text is no such URL. MissingExtra: psycopg is not installed.
    """

    def __init__(self, location: Path | str) -> None:
        self._database = SqliteDatabase(location) if isinstance(location, Path) else _server(location)
        self._cut_off: WeakKeyDictionary[StoreUnreachable, str | None] = WeakKeyDictionary()

    @property
    def location(self) -> str:
        """Where it is, for messages: never with a password."""
        return self._database.location

    @property
    def path(self) -> Path:
        """The SQLite file."""
        assert isinstance(self._database, SqliteDatabase)
        return self._database.path

    @property
    def engine(self) -> Engine:
        """SQLAlchemy's way in, for what goes past the store's own transactions."""
        return self._database.engine

    @classmethod
    def create(cls, location: Path | str) -> "Store":
        """Make a new store with every table: a file readable by its owner only, or in an existing database.

        Raises:
            AlreadyExists: there is one; it was not touched.
            UnreadableStore, StoreUnreachable, DiskFull: it cannot be made; nothing of it is left.
        """
        store = cls(location)
        store._database.create()
        try:
            store._migrate(new=True)
        except BaseException:
            store.close()
            store._database.remove()
            raise
        return store

    @classmethod
    def open(cls, location: Path | str) -> "Store":
        """Open an existing store; one of an older mutua is brought up to date.

        Raises:
            UnreadableStore: missing, damaged, or made by a newer mutua.
            StoreUnreachable: its server does not answer.
        """
        store = cls(location)
        try:
            store._database.require()
            with store._begun(Begin.READ) as connection:
                found = connection.info[REVISION]
            if found != SCHEMA_REVISION:
                store.upgrade()
        except BaseException:
            store.close()
            raise
        return store

    def discard(self) -> None:
        """Take away the tables that ``create`` has made: what was to be built on them came to nothing."""
        with suppress(MutuaError), self.write() as connection:
            metadata.drop_all(connection)
            connection.execute(text("DROP TABLE alembic_version"))
        self.close()

    def upgrade(self) -> None:
        """Run the migrations that are missing, in one transaction; safe while others use the store.

        Raises:
            UnreadableStore: it is of a newer mutua, or of none.
        """
        self._migrate(new=False)

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """A transaction that sees one moment of the database.

        Raises:
            UnreadableStore: damaged, or another mutua's by now. StoreUnreachable: the server does not answer.
        """
        with self._begun(Begin.READ) as connection:
            self._require_revision(connection.info[REVISION])
            yield connection

    @contextmanager
    def write(self) -> Iterator[Connection]:
        """A transaction that is alone in writing; committed to disk when the block ends, or rolled back.

        Raises:
            UnreadableStore, DiskFull: nothing was written.
            StoreUnreachable: the connection broke; nothing was written, unless the message says that this is not
                known. Then ``committed`` tells once the server is back.
        """
        with self._begun(Begin.WRITE) as connection:
            self._require_revision(connection.info[REVISION])
            yield connection
            self._commit(connection, self._database.before_commit(connection))

    def committed(self, error: StoreUnreachable) -> bool:
        """Whether the change that ``write`` failed to promise is in the store after all.

        It waits for the writers' lock, and so for the transaction in question if the server still works on it:
        what is not there then will never be.

        Raises:
            StoreUnreachable: it still cannot be learned.
        """
        if error not in self._cut_off:
            return False
        end = self._cut_off[error]
        if end is None:
            raise error
        return self._has(end)

    def feed(self) -> ChangeFeed:
        """A look at the store from outside its transactions; its caller closes it."""
        return self._database.feed()

    def scrub(self) -> bool:
        """Leave nothing in the database's files of what was deleted.

        Returns:
            Whether that could be seen to: not on PostgreSQL, nor while somebody reads for long.
        """
        return self._database.scrub()

    def close(self) -> None:
        """Close every connection."""
        self._database.close()

    def _commit(self, connection: Connection, end: str | None) -> None:
        try:
            connection.commit()
        except DBAPIError as error:
            if error.orig is None or not self._database.is_lost(error.orig):
                raise
        else:
            return
        told = f"the connection to the store at '{self.location}' broke while a change was being committed"
        unknown = StoreUnreachable(
            f"{told}; whether it was written is not known", hint="look for it before you do it again"
        )
        self._cut_off[unknown] = end
        if not self._settle(unknown):
            raise StoreUnreachable(f"{told}; nothing was written", hint="do it again")

    def _settle(self, unknown: StoreUnreachable) -> bool:
        deadline = time.monotonic() + SETTLE_SECONDS
        while True:
            try:
                return self.committed(unknown)
            except MutuaError as error:
                if error is unknown or time.monotonic() > deadline:
                    raise unknown from None
            time.sleep(SETTLE_PAUSE_SECONDS)

    def _has(self, end: str) -> bool:
        """Whether the chain of events has an event of this number and hash: each hash vouches for all before it."""
        count, digest = end.split(" ")
        query = select(events.c.id).where(events.c.id == int(count), events.c.hash == digest)
        with self._begun(Begin.WRITE) as connection:
            return connection.execute(query).first() is not None

    @contextmanager
    def _begun(self, how: Begin) -> Iterator[Connection]:
        """A transaction that is rolled back unless it was committed; every error of the database one of ours."""
        try:
            with self._begin(how) as connection:
                yield connection
        except Exception as error:
            if told := self._explain(error, writing=how is not Begin.READ):
                raise told from error
            raise

    def _begin(self, how: Begin) -> Connection:
        try:
            return self._begin_once(how)
        except Exception as error:
            if not self._database.is_lost(error):
                raise
        # What has been lying in the pool since before the server was restarted; nothing has begun yet.
        self.engine.dispose()
        return self._begin_once(how)

    def _begin_once(self, how: Begin) -> Connection:
        connection = self.engine.connect()
        try:
            connection.execution_options(**{BEGIN: how}).begin()
        except BaseException:
            connection.invalidate()
            connection.close()
            raise
        return connection

    def _explain(self, error: Exception, *, writing: bool) -> MutuaError | None:
        if isinstance(error, PoolTimeoutError):
            told = f"every connection to the store at '{self.location}' was in use for {POOL_TIMEOUT_SECONDS} s"
            return StoreUnreachable(told, hint="do it again, with fewer at once")
        original = error.orig if isinstance(error, DBAPIError) else error
        return None if original is None else self._database.explain(original, writing=writing)

    def _require_revision(self, found: str | None) -> None:
        if found == SCHEMA_REVISION:
            return
        store = f"the store at '{self.location}'"
        if found is None:
            raise UnreadableStore(f"{store} has lost its revision", hint="restore it from a backup")
        if found > SCHEMA_REVISION:
            raise UnreadableStore(f"{store} is of a newer mutua", hint="upgrade mutua: pip install --upgrade mutua")
        raise UnreadableStore(f"{store} is of an older mutua", hint="open it anew: that brings it up to date")

    def _migrate(self, *, new: bool) -> None:
        # Alembic takes longer to import than most commands take to run; it is needed once in a store's life.
        from alembic import command  # noqa: PLC0415
        from alembic.config import Config  # noqa: PLC0415
        from alembic.util import CommandError  # noqa: PLC0415

        config = Config()
        config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
        with _MIGRATING, self._begun(Begin.MIGRATE) as connection:
            try:
                if self._is_to_migrate(connection, new=new):
                    config.attributes["connection"] = connection
                    command.upgrade(config, "head")
                    self._database.after_migrating(connection)
                    self._database.before_commit(connection)
                    self._commit(connection, None)
            except CommandError as error:
                raise UnreadableStore(
                    f"the store at '{self.location}' cannot be brought up to date: {error}", hint="is it mutua's?"
                ) from None
            finally:
                # Its statements are of the old tables, and on SQLite it does not check references.
                connection.invalidate()

    def _is_to_migrate(self, connection: Connection, *, new: bool) -> bool:
        """Look again, now that nobody else can migrate."""
        if new:
            if not self._database.is_empty(connection):
                raise AlreadyExists(f"there is a store at '{self.location}' already", hint="open that, or make another")
            return True
        self._database.before_migrating(connection)
        found = connection.exec_driver_sql("SELECT version_num FROM alembic_version").scalar()
        if found is None or found >= SCHEMA_REVISION:
            self._require_revision(found)
            return False
        return True


def _server(location: str) -> Database:
    try:
        url = make_url(location)
    except (ArgumentError, ValueError):
        url = None
    if url is None or url.drivername not in {"postgresql", "postgresql+psycopg"}:
        # Without the text itself: it may have a password.
        raise InvalidAddress("that is not the address of a store", hint="postgresql+psycopg://user@host/database")
    try:
        from mutua.store.postgresql import PostgresqlDatabase  # noqa: PLC0415 -- psycopg is installed on request
    except ImportError as error:
        raise MissingExtra("a store on PostgreSQL needs psycopg", hint="pip install 'mutua[postgresql]'") from error
    return PostgresqlDatabase(url)
