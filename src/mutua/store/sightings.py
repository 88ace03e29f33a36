"""When certificates and clients were last seen: what the doors tell, outside the audit trail."""

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta

from sqlalchemy import Connection, bindparam, insert, select, update

from mutua.store.inventory import with_thumbprint
from mutua.store.schema import certificates, client_sightings, clients, sightings

LAG = timedelta(seconds=30)
"""How far behind a row may stay: several processes tell of the same client, and each write waits for the disk."""


def put(connection: Connection, seen: Mapping[str, datetime]) -> None:
    """Note that certificates were used, and clients with them.

    Args:
        connection: a writing transaction.
        seen: when each was used last, UTC, by its x5t#S256, a space, and the client that it was known as; the client
            may be left out. Certificates that are none of ours are passed over, and clients that are not there, or
            were not there then.
    """
    _put_certificates(connection, _newest((text.partition(" ")[0], at) for text, at in seen.items()))
    called = ((text.partition(" ")[2], at) for text, at in seen.items())
    _put_clients(connection, _newest((client, at) for client, at in called if client))


def first_seen(connection: Connection, identifier: int) -> datetime | None:
    """When a certificate was used for the first time, as far as a door has told."""
    query = select(sightings.c.first_seen).where(sightings.c.certificate == identifier)
    return connection.execute(query).scalar_one_or_none()


def _put_certificates(connection: Connection, seen: Mapping[str, datetime]) -> None:
    query = (
        select(certificates.c.thumbprint, certificates.c.id, sightings.c.last_seen)
        .outerjoin(sightings, sightings.c.certificate == certificates.c.id)
        .where(with_thumbprint(connection, seen))
    )
    new, later = [], []
    for thumbprint, identifier, last in connection.execute(query).all():
        at = seen[thumbprint]
        if last is None:
            new.append({"certificate": identifier, "first_seen": at, "last_seen": at})
        elif at > last + LAG:
            later.append({"which": identifier, "at": at})
    if new:
        connection.execute(insert(sightings), new)
    if later:
        statement = update(sightings).where(sightings.c.certificate == bindparam("which"))
        connection.execute(statement.values(last_seen=bindparam("at")), later)


def _put_clients(connection: Connection, seen: Mapping[str, datetime]) -> None:
    query = (
        select(clients.c.name, clients.c.created_at, client_sightings.c.last_seen)
        .outerjoin(client_sightings, client_sightings.c.client == clients.c.name)
        .where(clients.c.name.in_(seen))
    )
    new, later = [], []
    for name, created_at, last in connection.execute(query).all():
        at = seen[name]
        if at < created_at:
            continue  # it was somebody else of that name, who was removed meanwhile
        if last is None:
            new.append({"client": name, "last_seen": at})
        elif at > last + LAG:
            later.append({"which": name, "at": at})
    if new:
        connection.execute(insert(client_sightings), new)
    if later:
        statement = update(client_sightings).where(client_sightings.c.client == bindparam("which"))
        connection.execute(statement.values(last_seen=bindparam("at")), later)


def _newest(seen: Iterable[tuple[str, datetime]]) -> dict[str, datetime]:
    newest: dict[str, datetime] = {}
    for text, at in seen:
        newest[text] = max(at, newest.get(text, at))
    return newest
