"""Rows by the hundred: handed to the driver as they are. SQLAlchemy's look at each value takes as long as the write."""

from collections.abc import Sequence
from functools import cache

from sqlalchemy import Connection, Table


def put(connection: Connection, table: Table, rows: Sequence[tuple[object, ...]]) -> None:
    """Insert rows.

    Args:
        connection: a writing transaction.
        table: whose columns the values are for, all of them and in their order.
        rows: values as the database holds them, a time in microseconds; see ``schema.microseconds``.
    """
    connection.exec_driver_sql(_statement(table, connection.dialect.paramstyle), list(rows))


@cache
def _statement(table: Table, paramstyle: str) -> str:
    names = [column.name for column in table.c]
    place = "?" if paramstyle == "qmark" else "%s"
    return f"INSERT INTO {table.name} ({', '.join(names)}) VALUES ({', '.join([place] * len(names))})"  # noqa: S608 -- of names in schema.py alone
