"""Where a row is not what the events say."""

from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum
from typing import Any

from sqlalchemy import ColumnElement, Connection, RowMapping, Select, Table, select, type_coerce
from sqlalchemy.types import NullType

from mutua.store.schema import UtcDateTime, microseconds, moment_of

MAX_LISTED = 100
"""Differences that are listed; the rest is counted. What was changed is plain from fewer."""

MAX_SHOWN = 120
"""Characters of a value that are shown."""


class Fact(Enum):
    """What stands in place of a value that the events do not tell."""

    UNTOLD = "untold"


UNTOLD = Fact.UNTOLD

Values = Mapping[Any, object]
"""A row, by the names of its columns; times in microseconds since 1970."""


@dataclass(frozen=True, slots=True)
class Difference:
    """A row, or a cell of one, that is not what the events say.

    Attributes:
        table: its table.
        key: which row, as text.
        column: which cell; empty for a row that is missing or that no event tells of.
        row: what stands there, for a person; ``None`` for a row that is missing.
        events: what must stand there, for a person; ``None`` for a row that no event tells of.
    """

    table: str
    key: str
    column: str
    row: str | None
    events: str | None

    def __str__(self) -> str:
        if self.row is None:
            return f"{self.table} {self.key} is missing: {self.events}"
        if self.events is None:
            return f"{self.table} {self.key} is there, and no event tells of it"
        return f"{self.table} {self.key}: {self.column} is {self.row}, and the events say {self.events}"


@dataclass(slots=True)
class Differences:
    """What was found.

    Attributes:
        listed: the first ``MAX_LISTED``.
        count: how many there are.
    """

    listed: list[Difference] = field(default_factory=list)
    count: int = 0

    def cell(self, table: Table, key: object, column: str, row: object, told: object) -> None:
        """A cell has another value."""
        timed = isinstance(table.c[column].type, UtcDateTime)
        self.add(Difference(table.name, _key(key), column, shown(row, timed=timed), shown(told, timed=timed)))

    def missing(self, table: Table, key: object, told: str) -> None:
        """A row is not there; ``told`` is what the events say of it."""
        self.add(Difference(table.name, _key(key), "", None, told))

    def unknown(self, table: Table, key: object) -> None:
        """A row is there that no event tells of."""
        self.add(Difference(table.name, _key(key), "", "there", None))

    def add(self, difference: Difference) -> None:
        self.count += 1
        if len(self.listed) < MAX_LISTED:
            self.listed.append(difference)

    def compare_all(
        self, connection: Connection, table: Table, told: Mapping[Any, Values], describe: Callable[[Values], str]
    ) -> None:
        """Compare every row of a table.

        Args:
            connection: a transaction.
            table: whose rows have an id.
            told: what the events say of each, by its id.
            describe: the same of one for a person, where its row is missing.
        """
        left = dict(told)
        for row in everything(connection, table):
            wanted = left.pop(row["id"], None)
            if wanted is None:
                self.unknown(table, row["id"])
            else:
                self.compare(table, row["id"], row, wanted)
        for identifier, wanted in left.items():
            self.missing(table, identifier, describe(wanted))

    def compare(self, table: Table, key: object, row: Values, told: Values) -> None:
        """Compare every column of a row; what is ``UNTOLD`` is passed over."""
        for name, value in row.items():
            wanted = told[name]
            if wanted is not UNTOLD and (value != wanted or type(value) is not type(wanted)):
                self.cell(table, key, name, value, wanted)


def stored(table: Table) -> list[ColumnElement[Any]]:
    """A table's columns as the database gives them, times as numbers: what is no time or no text is to be named."""
    return [type_coerce(column, NullType()).label(column.name) for column in table.c]


def rows(connection: Connection, query: Select[Any], *, at_once: int = 1000) -> Generator[RowMapping, None, None]:
    """Rows as they are iterated, never all of them in memory; to be closed unless they are iterated to the end."""
    with connection.execute(query, execution_options={"yield_per": at_once}) as result:
        yield from result.mappings()


def everything(connection: Connection, table: Table) -> Generator[RowMapping, None, None]:
    """The rows of a table by primary key."""
    return rows(connection, select(*stored(table)).order_by(*table.primary_key.columns))


def told_time(text: object) -> int:
    """A time out of an event's body, as a row holds it.

    Raises:
        ValueError, TypeError: it is none.
    """
    if not isinstance(text, str):
        raise TypeError("a time is text")
    return microseconds(datetime.fromisoformat(text))


def shown(value: object, *, timed: bool = False) -> str:
    """A value for a person, of bounded length."""
    if value is None:
        return "nothing"
    if timed and type(value) is int:
        try:
            return moment_of(value).isoformat()
        except OverflowError:
            return str(value)
    text = f"{len(value)} bytes" if isinstance(value, bytes) else repr(value)
    return text if len(text) <= MAX_SHOWN else f"{text[:MAX_SHOWN]}..."


def _key(key: object) -> str:
    return ascii(key)[:MAX_SHOWN] if isinstance(key, str) else str(key)[:MAX_SHOWN]
