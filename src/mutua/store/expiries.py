"""What ends soon, or has ended lately: counted and picked by the database, however many certificates there are."""

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

from sqlalchemy import ColumnElement, Connection, and_, case, exists, func, literal_column, select, type_coerce

from mutua.ca.hierarchy import AuthorityState
from mutua.registry.clients import ClientState
from mutua.registry.credentials import Role
from mutua.store.schema import (
    UtcDateTime,
    authorities,
    certificates,
    clients,
    credentials,
    crls,
    partner_certificates,
    revocations,
)

_successors = certificates.alias("successors")
_others = certificates.alias("others")


class Ending(NamedTuple):
    """A client's certificate and its end, UTC."""

    client: str
    thumbprint: str
    not_after: datetime


class Pinned(NamedTuple):
    """A certificate of others that an active client is known by: its own, or its CA's.

    Attributes:
        credential: the number of the credential that it came with.
        client: whose.
        der: the certificate.
        ends_at: when the credential stops to count, UTC; ``None`` for never.
    """

    credential: int
    client: str
    der: bytes
    ends_at: datetime | None


class CrlAge(NamedTuple):
    """The oldest part of a CA's CRL: since when and until when it is good, UTC."""

    authority: str
    this_update: datetime
    next_update: datetime


def count_issued(connection: Connection, now: datetime, before: Sequence[datetime]) -> list[int]:
    """How many certificates of active clients end before each of these moments, and have not ended ``now``.

    Those that were renewed or revoked do not count, nor those below a CA that is trusted no more.
    """
    # Without the index of ends, which would have each row read: that of clients holds all that is asked for.
    end = type_coerce(certificates.c.not_after.op("+")(literal_column("0")), UtcDateTime)
    counted = [func.coalesce(func.sum(case((end < each, 1), else_=0)), 0) for each in before]
    wanted = end >= now, end < max(before), _in_use(connection)
    return [int(each) for each in connection.execute(select(*counted).where(*wanted)).one()]


def soonest(connection: Connection, now: datetime, before: datetime, limit: int) -> list[Ending]:
    """The certificates that ``count_issued`` counts, those that end first."""
    return _endings(connection, and_(_in_use(connection), _between(now, before)), limit)


def ended(connection: Connection, since: datetime, now: datetime, limit: int) -> list[Ending]:
    """Certificates of active clients that ended since then and left their client without another one of ours."""
    another = exists().where(_others.c.client == certificates.c.client, _others.c.not_after >= now)
    known_otherwise = exists().where(credentials.c.client == certificates.c.client)
    return _endings(connection, and_(_in_use(connection), _between(since, now), ~another, ~known_otherwise), limit)


def pinned(connection: Connection, now: datetime, limit: int) -> list[Pinned]:
    """What active clients are known by that others have issued, as far as it has not been ended by us."""
    columns = credentials.c.id, credentials.c.client, partner_certificates.c.der, credentials.c.ends_at
    query = (
        select(*columns)
        .join(credentials, credentials.c.id == partner_certificates.c.credential)
        .where(
            partner_certificates.c.role.in_([Role.LEAF.value, Role.ANCHOR.value]),
            (credentials.c.ends_at.is_(None)) | (credentials.c.ends_at >= now),
            _is_active(credentials.c.client),
        )
        .order_by(credentials.c.id, partner_certificates.c.thumbprint)
        .limit(limit)
    )
    return [Pinned(*row) for row in connection.execute(query)]


def crl_ages(connection: Connection) -> list[CrlAge]:
    """The oldest part of the CRL of each CA, by the CA's id."""
    columns = crls.c.authority, func.min(crls.c.this_update), func.min(crls.c.next_update)
    rows = connection.execute(select(*columns).group_by(crls.c.authority).order_by(crls.c.authority))
    return [CrlAge(*row) for row in rows]


def _endings(connection: Connection, wanted: ColumnElement[bool], limit: int) -> list[Ending]:
    columns = certificates.c.client, certificates.c.thumbprint, certificates.c.not_after
    query = select(*columns).where(wanted).order_by(certificates.c.not_after, certificates.c.id).limit(limit)
    return [Ending(*row) for row in connection.execute(query)]


def _between(first: datetime, last: datetime) -> ColumnElement[bool]:
    return and_(certificates.c.not_after >= first, certificates.c.not_after < last)


def _in_use(connection: Connection) -> ColumnElement[bool]:
    """Of an active client, neither renewed nor revoked, below a CA that is trusted."""
    wanted = [
        certificates.c.client.is_not(None),
        _is_active(certificates.c.client),
        ~exists().where(revocations.c.certificate == certificates.c.id),
        ~exists().where(_successors.c.supersedes == certificates.c.id),
    ]
    retired = select(authorities.c.id).where(authorities.c.state == AuthorityState.RETIRED.value)
    if names := connection.execute(retired).scalars().all():
        wanted.append(certificates.c.authority.not_in(names))
    return and_(*wanted)


def _is_active(client: ColumnElement[str | None] | ColumnElement[str]) -> ColumnElement[bool]:
    # Those that are suspended are few.
    return client.not_in(select(clients.c.name).where(clients.c.state != ClientState.ACTIVE.value))
