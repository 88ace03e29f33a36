"""What somebody does who writes into the SQLite file past mutua, and how it is undone."""

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy import Column, LargeBinary, Table

from mutua.store.schema import metadata

OUTSIDE = {"sightings", "client_sightings", "foreign_crls", "events"}
"""Not compared with the trail: what was seen, what was fetched (the key of its CA verifies it whenever it is read), and
the trail itself."""

COMPARED = [table for name, table in sorted(metadata.tables.items()) if name not in OUTSIDE]

Value = str | bytes | int | float | None
Row = tuple[Value, ...]


class Intruder:
    """Somebody with the file and SQLite.

    Args:
        path: the store's file.
    """

    def __init__(self, path: Path) -> None:
        self._connection = sqlite3.connect(path, isolation_level=None)
        self._connection.text_factory = lambda data: data.decode("utf-8", "surrogateescape")

    def close(self) -> None:
        self._connection.close()

    def run(self, statement: str, *values: Value) -> int:
        """Execute a statement; how many rows it changed."""
        return self._connection.execute(statement, values).rowcount

    def rows(self, table: Table) -> list[Row]:
        columns = ", ".join(column.name for column in table.c)
        order = ", ".join(column.name for column in table.primary_key.columns)
        return list(self._connection.execute(f"SELECT {columns} FROM {table.name} ORDER BY {order}"))

    @contextmanager
    def changed(self, table: Table, row: Row, column: Column[object], value: Value) -> Iterator[None]:
        """One cell holds another value for a while. Raises sqlite3.IntegrityError: the tables forbid it."""
        place = list(table.c).index(column)
        self._put(table, row, (*row[:place], value, *row[place + 1 :]))
        try:
            yield
        finally:
            self._put(table, (*row[:place], value, *row[place + 1 :]), row)

    @contextmanager
    def without(self, table: Table, row: Row) -> Iterator[None]:
        """A row is gone for a while."""
        self._delete(table, row)
        try:
            yield
        finally:
            self._insert(table, row)

    @contextmanager
    def with_another(self, table: Table, row: Row) -> Iterator[None]:
        """A row is there for a while. Raises sqlite3.IntegrityError: the tables forbid it."""
        self._insert(table, row)
        try:
            yield
        finally:
            self._delete(table, row)

    def _put(self, table: Table, old: Row, new: Row) -> None:
        self._connection.execute("BEGIN")
        try:
            self._delete(table, old)
            self._insert(table, new)
        except sqlite3.IntegrityError:
            self._connection.execute("ROLLBACK")
            raise
        self._connection.execute("COMMIT")

    def _delete(self, table: Table, row: Row) -> None:
        keys = [column.name for column in table.primary_key.columns]
        values = [_bound(row[place]) for place, column in enumerate(table.c) if column.primary_key]
        where = " AND ".join(f"{name} IS {_slot(value)}" for name, value in zip(keys, values, strict=True))
        assert self.run(f"DELETE FROM {table.name} WHERE {where}", *values) == 1

    def _insert(self, table: Table, row: Row) -> None:
        slots = ", ".join(_slot(value) for value in map(_bound, row))
        columns = ", ".join(column.name for column in table.c)
        self.run(f"INSERT INTO {table.name} ({columns}) VALUES ({slots})", *map(_bound, row))


class Text(bytes):
    """Bytes that are stored as text, whether they are UTF-8 or not."""

    __slots__ = ()


def other_values(table: Table, column: Column[object], rows: Sequence[Row], place: int) -> list[Value]:
    """What a cell may be changed to: near values, nothing, other types, and bytes that are no text."""
    value = rows[place][list(table.c).index(column)]
    if (table.name, column.name) == ("grants", "id"):
        # The number itself is no fact; the order is.
        return [len(rows) + 1] if place < len(rows) - 1 else [0]
    others: list[Value] = [None, "x", 7, 10**17, -(2**63), 2.5, b"\x00\xff", Text(b"\xff")]
    match value:
        case str():
            others += [value + " ", value.upper(), value[:-1], value.encode("utf-8", "surrogateescape")]
        case int():
            others += [value + 1, value - 1, str(value) + "x"]
        case bytes():
            others += [value + b"\x00", value[:-1], bytes([value[0] ^ 1]) + value[1:]]
    if column.primary_key and isinstance(value, int):
        others.remove(None)  # SQLite would give it a number
    return [other for other in others if not _is_same(column, value, other)]


def _is_same(column: Column[object], value: Value, other: Value) -> bool:
    """Whether SQLite stores the same: it turns numbers into text where a column is for text."""
    if not isinstance(column.type, LargeBinary) and isinstance(value, str) and type(other) in {int, float}:
        return value == str(other)
    return type(value) is type(other) and value == other


def _bound(value: Value) -> Value:
    """What the driver can bind: text that is none goes as bytes."""
    if isinstance(value, str):
        try:
            value.encode()
        except UnicodeEncodeError:
            return Text(value.encode("utf-8", "surrogateescape"))
    return value


def _slot(value: Value) -> str:
    return "CAST(? AS TEXT)" if isinstance(value, Text) else "?"
