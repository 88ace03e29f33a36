"""What the gate is to know, read in bulk: a million clients take seconds, and no more memory than they need."""

from collections import defaultdict
from collections.abc import Collection, Iterator
from datetime import datetime
from typing import NamedTuple

from sqlalchemy import Connection, Select, select

from mutua.registry.clients import ClientState
from mutua.registry.grants import Grant
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
    rows = select(clients.c.name, clients.c.state)
    granted_rows = select(grants.c.client, grants.c.methods, grants.c.pattern).order_by(grants.c.id)
    if names is not None:
        rows, granted_rows = rows.where(clients.c.name.in_(names)), granted_rows.where(grants.c.client.in_(names))
    made: dict[tuple[str, str], Grant] = {}
    granted: dict[str, list[Grant]] = defaultdict(list)
    for client, methods, pattern in connection.execution_options(yield_per=_AT_ONCE).execute(granted_rows):
        grant = made.get((methods, pattern))
        if grant is None:
            grant = made[methods, pattern] = Grant(tuple(methods.split(",")), pattern)
        granted[client].append(grant)
    shared: dict[tuple[Grant, ...], tuple[Grant, ...]] = {}
    for name, state in connection.execution_options(yield_per=_AT_ONCE).execute(rows):
        may = tuple(granted.pop(name, ()))
        yield ClientRow(name, state != ClientState.ACTIVE.value, shared.setdefault(may, may))


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


def _pairs(connection: Connection, query: Select[str, str | None]) -> Iterator[tuple[str, str]]:
    for thumbprint, client in connection.execute(query):
        if client is not None:
            yield thumbprint, client
