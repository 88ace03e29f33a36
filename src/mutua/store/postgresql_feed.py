"""The change feed on PostgreSQL: it listens, and asks now and then in case it was not told."""

import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Protocol

import psycopg
from psycopg.pq import ExecStatus

from mutua.errors import MutuaError, StoreUnreachable

if TYPE_CHECKING:
    from psycopg.pq.abc import PGconn

HEAD = "SELECT tableoid || ' ' || count || ' ' || hash AS head FROM event_head WHERE id = 1"
"""The end of the event chain, and whose it is: several stores may share a database."""

POLL_SECONDS = 0.5
"""Between two questions: a change that nobody told of is noticed within a second all the same."""

ANSWER_SECONDS = 5.0
"""How long an answer may take until the server counts as lost."""

RETRY_SECONDS = 0.5
"""Between two attempts to reach a server that is away."""


class Explain(Protocol):
    """What an error of the driver means."""

    def __call__(self, error: Exception, /, *, writing: bool) -> MutuaError | None: ...


class PostgresqlFeed:
    """The change feed on PostgreSQL.

    A look never waits for the server: it reads what has arrived, and sends a question whose answer is for a later
    look. Only where there is no connection does it wait for one, as long as ``connect`` lets it.

    Args:
        connect: opens a connection.
        explain: turns the driver's errors into ours.
    """

    def __init__(self, connect: "Callable[[], psycopg.Connection[Any]]", explain: Explain) -> None:
        self._connect = connect
        self._explain = explain
        self._connection: psycopg.Connection[Any] | None = None
        self._heard: list[str] = []
        self._known = self._answer = ""
        self._asked: float | None = None
        self._ask_at = 0.0
        self._refused: MutuaError | None = None
        self._retry_at = 0.0

    def changed(self) -> bool:
        """See ``ChangeFeed``."""
        if self._refused is not None and time.monotonic() < self._retry_at:
            raise self._refused.with_traceback(None)
        try:
            if self._connection is not None:
                try:
                    return self._look(self._connection.pgconn)
                except psycopg.Error:
                    self.close()  # and anew: the server may be back, or only have had enough of this connection
            self._open()
            return True
        except psycopg.Error as error:
            lost = self._explain(error, writing=False) or StoreUnreachable(f"the store is lost: {error}")
        except MutuaError as error:
            lost = error
        self.close()
        self._refused, self._retry_at = lost, time.monotonic() + RETRY_SECONDS
        raise lost from None

    def close(self) -> None:
        """Let go of the database."""
        connection, self._connection = self._connection, None
        self._asked = self._refused = None
        if connection is not None:
            connection.close()

    def _open(self) -> None:
        self._refused = None
        self._heard.clear()
        self._connection = self._connect()
        # The driver takes out what arrives together with an answer.
        self._connection.add_notify_handler(lambda told: self._heard.append(told.payload))
        self._connection.execute("LISTEN mutua")
        row = self._connection.execute(HEAD).fetchone()
        self._known = "" if row is None else row[0]
        self._ask_at = time.monotonic() + POLL_SECONDS

    def _look(self, pgconn: "PGconn") -> bool:
        pgconn.consume_input()
        while (told := pgconn.notifies()) is not None:
            self._heard.append(told.extra.decode())
        news = any([self._is_ours(head) for head in self._heard])  # noqa: C419 -- every one is taken note of
        self._heard.clear()
        if self._asked is not None:
            return self._take_answer(pgconn, self._asked) or news
        if time.monotonic() >= self._ask_at:
            self._asked, self._answer = time.monotonic(), ""
            pgconn.send_query(HEAD.encode())
            pgconn.flush()
        return news

    def _is_ours(self, head: str) -> bool:
        if head.partition(" ")[0] != self._known.partition(" ")[0]:
            return False
        self._known = head
        return True

    def _take_answer(self, pgconn: "PGconn", asked: float) -> bool:
        """Read as much of the answer as is there: whether it is complete, and tells of something new."""
        while not pgconn.is_busy():
            result = pgconn.get_result()
            if result is None:
                self._asked, self._ask_at = None, time.monotonic() + POLL_SECONDS
                known, self._known = self._known, self._answer
                return self._known != known
            if result.status != ExecStatus.TUPLES_OK:
                raise psycopg.OperationalError("the end of the event chain cannot be read")
            self._answer = (result.get_value(0, 0) or b"").decode() if result.ntuples else ""
        if time.monotonic() > asked + ANSWER_SECONDS:
            raise psycopg.OperationalError(f"no answer within {ANSWER_SECONDS:.0f} s")
        pgconn.flush()
        return False
