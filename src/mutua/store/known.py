"""What the gate is to know, read in bulk: a million clients take seconds, and no more memory than they need."""

from collections.abc import Collection, Iterator
from datetime import datetime
from typing import NamedTuple

from sqlalchemy import Connection, Select, select

from mutua.registry.clients import ClientState
from mutua.registry.grants import Grant
from mutua.store.inventory import with_thumbprint
from mutua.store.schema import certificates, clients, grants

_AT_ONCE = 10_000

MOST_NAMED = 500
"""Names in one question; SQLite takes 32,766 values at the most."""


class ClientRow(NamedTuple):
    """A client without its credentials."""

    name: str
    suspended: bool
    grants: tuple[Grant, ...]


def everyone(connection: Connection, names: Collection[str] | None = None) -> Iterator[ClientRow]:
    """Every client, or those of these names, at most ``MOST_NAMED``."""
    rows = select(clients.c.name, clients.c.state).order_by(clients.c.name)
    granted_rows = select(grants.c.client, grants.c.methods, grants.c.pattern).order_by(grants.c.client, grants.c.id)
    if names is not None:
        rows, granted_rows = rows.where(clients.c.name.in_(names)), granted_rows.where(grants.c.client.in_(names))
    # A few are read at once: a cursor on PostgreSQL's side takes four more ways there and back.
    streaming = connection.execution_options(yield_per=_AT_ONCE) if names is None else connection
    left = iter(streaming.execute(granted_rows))
    granted = next(left, None)
    made: dict[tuple[tuple[str, str], ...], tuple[Grant, ...]] = {(): ()}
    for name, state in streaming.execute(rows):
        may: tuple[tuple[str, str], ...] = ()
        while granted is not None and granted[0] == name:  # both come in the database's order of names
            may = (*may, (granted[1], granted[2]))
            granted = next(left, None)
        if may not in made:
            made[may] = tuple(Grant(tuple(methods.split(",")), pattern) for methods, pattern in may)
        yield ClientRow(name, state != ClientState.ACTIVE.value, made[may])


def issued(connection: Connection, *, since: datetime) -> Iterator[tuple[str, str]]:
    """The x5t#S256 of every certificate of a client that ends after ``since``, with the client's name."""
    query = select(certificates.c.thumbprint, certificates.c.client).where(
        certificates.c.client.is_not(None), certificates.c.not_after >= since
    )
    return _pairs(connection.execution_options(yield_per=_AT_ONCE), query)


def issued_by_events(connection: Connection, events: Collection[int]) -> Iterator[tuple[str, str]]:
    """The same of the certificates that these events tell of, at most ``MOST_NAMED``."""
    query = select(certificates.c.thumbprint, certificates.c.client).where(
        certificates.c.id.in_(events), certificates.c.client.is_not(None)
    )
    return _pairs(connection, query)


def issued_among(connection: Connection, chosen: Collection[str], *, since: datetime) -> Iterator[tuple[str, str]]:
    """The same as ``issued`` of these certificates, by x5t#S256, at most ``MOST_NAMED``."""
    query = select(certificates.c.thumbprint, certificates.c.client).where(
        with_thumbprint(connection, chosen), certificates.c.client.is_not(None), certificates.c.not_after >= since
    )
    return _pairs(connection, query)


def _pairs(connection: Connection, query: Select[str, str | None]) -> Iterator[tuple[str, str]]:
    for thumbprint, client in connection.execute(query):
        if client is not None:
            yield thumbprint, client
