"""What a store holds, to be compared before and after."""

from sqlalchemy import select

from mutua import Home
from mutua.store.schema import event_head, events, metadata

Tables = dict[str, list[tuple[object, ...]]]


def tables(home: Home) -> Tables:
    """Every row of every table but the events."""
    with home.store.read() as connection:
        return {
            table.name: [tuple(row) for row in connection.execute(select(table).order_by(*table.primary_key))]
            for table in metadata.sorted_tables
            if table not in (events, event_head)
        }
