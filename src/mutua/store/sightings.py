"""When a certificate was first and last seen in use: what the doors tell, outside the audit trail."""

from collections.abc import Mapping
from datetime import datetime

from sqlalchemy import Connection, insert, select, update

from mutua.store.inventory import with_thumbprint
from mutua.store.schema import certificates, sightings


def put(connection: Connection, seen: Mapping[str, datetime]) -> None:
    """Note that certificates were used.

    Args:
        connection: a writing transaction.
        seen: when each was used last, UTC, by x5t#S256; those that are none of ours are passed over.
    """
    query = (
        select(certificates.c.thumbprint, certificates.c.id, sightings.c.last_seen)
        .outerjoin(sightings, sightings.c.certificate == certificates.c.id)
        .where(with_thumbprint(connection, seen))
    )
    for thumbprint, identifier, last in connection.execute(query).all():
        at = seen[thumbprint]
        if last is None:
            connection.execute(insert(sightings).values(certificate=identifier, first_seen=at, last_seen=at))
        elif at > last:
            connection.execute(update(sightings).where(sightings.c.certificate == identifier).values(last_seen=at))


def first_seen(connection: Connection, identifier: int) -> datetime | None:
    """When a certificate was used for the first time, as far as a door has told."""
    query = select(sightings.c.first_seen).where(sightings.c.certificate == identifier)
    return connection.execute(query).scalar_one_or_none()
