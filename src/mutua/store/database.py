"""What the store asks of a database, whichever it is."""

from enum import Enum
from typing import Protocol

from sqlalchemy import Connection, Engine

from mutua.errors import MutuaError
from mutua.store.feed import ChangeFeed

BEGIN = "mutua_begin"
"""The execution option that says how a connection's transaction begins."""

REVISION = "mutua_revision"
"""Where ``Connection.info`` holds the Alembic revision that a transaction has found."""

POOL_TIMEOUT_SECONDS = 30
"""How long a caller waits for one of the process's connections."""


class Begin(Enum):
    """How a transaction begins."""

    READ = "read"
    WRITE = "write"
    MIGRATE = "migrate"


class Database(Protocol):
    """What differs between SQLite and PostgreSQL.

    Attributes:
        location: for messages; without a password.
        engine: its connections begin each transaction as their ``BEGIN`` option says, and note the revision.
    """

    location: str
    engine: Engine

    def create(self) -> None:
        """Make a place for a new store. Raises AlreadyExists: there is something."""

    def remove(self) -> None:
        """Take away what ``create`` made."""

    def require(self) -> None:
        """See to it that there may be a store. Raises UnreadableStore: there is none."""

    def is_empty(self, connection: Connection) -> bool:
        """Whether no store is there yet."""

    def before_migrating(self, connection: Connection) -> None:
        """Wait until nobody reads the tables any more."""

    def after_migrating(self, connection: Connection) -> None:
        """See to it that what a migration leaves is whole."""

    def before_commit(self, connection: Connection) -> str | None:
        """The last act of a writing transaction: tell the watchers.

        Returns:
            The end of the event chain as this transaction leaves it, if its commit may be cut off.
        """

    def feed(self) -> ChangeFeed:
        """A look at the store from outside its transactions."""

    def scrub(self) -> bool:
        """Leave nothing in the database's files of what was deleted; whether that could be seen to."""

    def close(self) -> None:
        """Close every connection."""

    def is_lost(self, error: Exception) -> bool:
        """Whether the connection to the database broke."""

    def explain(self, error: Exception, *, writing: bool) -> MutuaError | None:
        """What an error of the driver means; ``None`` if it is our statement that was wrong."""
