"""A store in a PostgreSQL database that several machines share: its connections and its transactions."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, cast

import psycopg
from sqlalchemy import URL, Connection, Engine, create_engine, event

from mutua.errors import InvalidAddress, MutuaError, UnreadableStore
from mutua.store import postgresql_errors
from mutua.store.database import BEGIN, POOL_TIMEOUT_SECONDS, REVISION, Begin
from mutua.store.postgresql_feed import PostgresqlFeed
from mutua.store.schema import metadata

WRITERS_LOCK = int.from_bytes(b"mutua", "big")
"""The advisory lock by which writers take turns, so that events get their ids in the order of the commits."""

LOCK_TIMEOUT_MS = 10_000
"""How long a writer waits for another, as on SQLite; also a reader for a migration, and a migration for readers."""

IDLE_TIMEOUT_MS = 60_000
"""After this the server ends the transaction of a writer that is frozen while everybody waits for it."""

CONNECTION_DEFAULTS: Mapping[str, Any] = MappingProxyType(
    {
        "fallback_application_name": "mutua",
        "client_encoding": "utf8",
        "connect_timeout": 5,
        # A network that has gone without a word is noticed within half a minute.
        "keepalives_idle": 10,
        "keepalives_interval": 5,
        "keepalives_count": 3,
        "tcp_user_timeout": 20_000,
    }
)
"""What libpq is told unless the URL says otherwise: seconds, the last one milliseconds."""

_SHOWN = frozenset({"host", "hostaddr", "port", "service", "options", "sslmode", "target_session_attrs"})

_SESSION = (
    f"SET lock_timeout = {LOCK_TIMEOUT_MS}",
    # Set in either case: what the session has set for itself outlives a change of the server's settings.
    """SELECT set_config('synchronous_commit', CASE was WHEN 'off' THEN 'on' ELSE was END, false)
         FROM current_setting('synchronous_commit') AS was""",
)

_TURN = ("BEGIN ISOLATION LEVEL READ COMMITTED", f"SELECT pg_advisory_xact_lock({WRITERS_LOCK})")

# Sent as one: a way to the server and back costs as much as the statements themselves.
_BEGIN = {
    Begin.READ: (
        "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY",
        # Before the first query, which takes the snapshot: one from before a migration shows tables that are no more.
        "LOCK TABLE alembic_version IN ACCESS SHARE MODE",
        "SELECT version_num, NULL FROM alembic_version",
    ),
    Begin.WRITE: (
        *_TURN,
        f"SET LOCAL idle_in_transaction_session_timeout = {IDLE_TIMEOUT_MS}",
        "SELECT version_num, (SELECT count || ' ' || hash FROM event_head WHERE id = 1) FROM alembic_version",
    ),
    Begin.MIGRATE: (*_TURN, "SELECT NULL, NULL"),
}

_TELL = """
SELECT count || ' ' || hash, pg_notify('mutua', tableoid || ' ' || count || ' ' || hash) FROM event_head WHERE id = 1
"""

_FOUND_END = "mutua_found_end"


class PostgresqlDatabase:
    """The store's way to PostgreSQL.

    Args:
        url: of the database; its tables are where the connection's ``search_path`` leads.
    """

    def __init__(self, url: URL) -> None:
        self._url = url
        query = {name: value for name, value in url.query.items() if name in _SHOWN}
        shown = URL.create(
            "postgresql+psycopg", url.username, host=url.host, port=url.port, database=url.database, query=query
        )
        self.location = shown.render_as_string()
        self.engine = self._make_engine(shown)

    def create(self) -> None:
        """See to it that the database can hold a store."""
        with self.connect() as connection:
            row = connection.execute("SELECT current_setting('server_encoding')").fetchone()
        if row != ("UTF8",):
            raise UnreadableStore(
                f"the database at '{self.location}' cannot hold every name: its encoding is not UTF8",
                hint="make one that can: createdb --template=template0 --encoding=UTF8 mutua",
            )

    def remove(self) -> None:
        """Nothing is made but in a transaction."""

    def require(self) -> None:
        """The first transaction tells."""

    def is_empty(self, connection: Connection) -> bool:
        """Whether none of the tables is there, wherever on the ``search_path``."""
        names = ["alembic_version", *metadata.tables]
        query = "SELECT name FROM unnest(%(names)s::text[]) AS name WHERE to_regclass(name) IS NOT NULL"
        return connection.exec_driver_sql(query, {"names": names}).first() is None

    def before_migrating(self, connection: Connection) -> None:
        """Wait until nobody reads: every reader holds this lock, from its first statement to its last."""
        if connection.exec_driver_sql("SELECT to_regclass('alembic_version')").scalar_one() is not None:
            connection.exec_driver_sql("LOCK TABLE alembic_version IN ACCESS EXCLUSIVE MODE")

    def after_migrating(self, connection: Connection) -> None:
        """References are checked all the time."""

    def before_commit(self, connection: Connection) -> str | None:
        """Tell the watchers. It fails, as it must, if a statement has failed and the block went on regardless.

        Returns:
            Count and hash of the event chain's end; ``None`` if the transaction has added nothing to it.
        """
        row = _driver(connection).execute(_TELL).fetchone()
        return None if row is None or row[0] == connection.info[_FOUND_END] else row[0]

    def feed(self) -> PostgresqlFeed:
        """A look at the store from outside its transactions."""
        return PostgresqlFeed(self.connect, self.explain)

    def scrub(self) -> bool:
        """Only the server's own tools can: what was deleted stays until VACUUM, and in its journal after that."""
        return False

    def close(self) -> None:
        """Close every connection."""
        self.engine.dispose()

    def connect(self) -> "psycopg.Connection[Any]":
        """A connection that begins no transaction by itself.

        Raises:
            StoreUnreachable: the server does not answer, or does not let us in.
            InvalidAddress: the URL has an option that libpq does not know.
        """
        _, given = self.engine.dialect.create_connect_args(self._url)
        try:
            connection = psycopg.connect(**{**CONNECTION_DEFAULTS, **cast("dict[str, Any]", given)}, autocommit=True)
        except psycopg.OperationalError as error:
            raise postgresql_errors.refused(error, self.location) from None
        except psycopg.Error as error:
            told = f"'{self.location}' cannot be used: {postgresql_errors.in_words(error)}"
            raise InvalidAddress(
                told, hint="see the list of options at the end of `psql` URLs in libpq's manual"
            ) from None
        connection.server_cursor_factory = _ServerCursor
        try:
            for statement in _SESSION:
                connection.execute(statement)
        except BaseException:
            connection.close()
            raise
        return connection

    def is_lost(self, error: Exception) -> bool:
        """Whether the connection to the server broke."""
        return postgresql_errors.is_lost(error)

    def explain(self, error: Exception, *, writing: bool) -> MutuaError | None:
        """What an error of the driver means; ``None`` if it is our statement that was wrong."""
        if not isinstance(error, psycopg.Error):
            return None
        return postgresql_errors.explain(error, self.location, writing=writing)

    def _make_engine(self, shown: URL) -> Engine:
        engine = create_engine(
            shown,
            creator=self.connect,
            pool_timeout=POOL_TIMEOUT_SECONDS,
            use_native_hstore=False,
            hide_parameters=True,
        )

        @event.listens_for(engine, "begin")
        def begin(connection: Connection) -> None:
            how = connection.get_execution_options().get(BEGIN, Begin.READ)
            cursor = _driver(connection).execute("; ".join(_BEGIN[how]))
            while cursor.nextset():
                pass
            connection.info[REVISION], connection.info[_FOUND_END] = cursor.fetchone() or (None, None)

        return engine


class _ServerCursor(psycopg.ServerCursor[Any]):
    """A query whose rows are fetched as they are wanted. It ends with its transaction, if not before."""

    def __del__(self, *_: object) -> None:
        """No warning: who stops in the middle of a list has done nothing wrong."""


def _driver(connection: Connection) -> "psycopg.Connection[Any]":
    return cast("psycopg.Connection[Any]", connection.connection.driver_connection)
