"""Revocations, as rows: one for each certificate that is revoked or on hold now."""

from collections.abc import Collection, Iterator
from datetime import datetime
from typing import NamedTuple

from sqlalchemy import Connection, delete, insert, or_, select, update

from mutua.ca.hierarchy import AuthorityState
from mutua.pki.crl import Revocation
from mutua.store.authorities import thumbprints as thumbprints_of_authorities
from mutua.store.inventory import CertificateRecord, with_thumbprint
from mutua.store.schema import authorities, certificates, crls, revocations


class RevokedCertificate(NamedTuple):
    """A certificate that is revoked or on hold.

    Attributes:
        serial: 32 hex digits.
        not_after: when the certificate ends, UTC.
        reason: of RFC 5280 section 5.3.1.
        revoked_at, invalid_since: UTC; the second is ``None`` unless a key was lost earlier.
    """

    serial: str
    not_after: datetime
    reason: str
    revoked_at: datetime
    invalid_since: datetime | None


def put(connection: Connection, record: CertificateRecord, revocation: Revocation, *, event: int) -> None:
    """Record a revocation, or give one on hold its final reason."""
    _touch(connection, record, event)
    values = {
        "event": event,
        "reason": revocation.reason.value,
        "revoked_at": revocation.revoked_at,
        "invalid_since": revocation.invalid_since,
    }
    if record.revoked_at is not None:
        connection.execute(update(revocations).where(revocations.c.certificate == record.id).values(values))
        return
    place = {"certificate": record.id, "authority": record.authority, "shard": record.shard or 0}
    connection.execute(insert(revocations).values({**place, **values}))


def remove(connection: Connection, record: CertificateRecord, *, event: int) -> None:
    """Take a certificate off hold."""
    _touch(connection, record, event)
    connection.execute(delete(revocations).where(revocations.c.certificate == record.id))


def thumbprints(connection: Connection) -> list[str]:
    """The x5t#S256 of every certificate that is refused: revoked, on hold, or a client's below a CA that is so itself.

    The last are not left to the handshake: with the CA's certificate sent along they lead to the root as before, and
    connections that are open have it behind them.
    """
    query = select(certificates.c.thumbprint).join(revocations, revocations.c.certificate == certificates.c.id)
    refused = list(connection.execute(query).scalars())
    if retired := _retired(connection):
        below = certificates.c.authority.in_(retired), certificates.c.client.is_not(None)
        refused += connection.execute(select(certificates.c.thumbprint).where(*below)).scalars()
    return refused


def among(connection: Connection, chosen: Collection[str]) -> set[str]:
    """Which of these certificates, by x5t#S256, are refused by now; see ``thumbprints``."""
    query = (
        select(certificates.c.thumbprint, certificates.c.authority, certificates.c.client, revocations.c.certificate)
        .outerjoin(revocations, revocations.c.certificate == certificates.c.id)
        .where(with_thumbprint(connection, chosen))
    )
    found = connection.execute(query).all()
    refused = {thumbprint for thumbprint, _, _, revoked in found if revoked is not None}
    if len(refused) < len(found):  # a CA that is trusted no more is rare, to take a certificate off hold as well
        retired = set(_retired(connection))
        refused |= {thumbprint for thumbprint, authority, client, _ in found if client and authority in retired}
    return refused


def _retired(connection: Connection) -> list[str]:
    """The CAs that are trusted no more, for they are retired or revoked, and every CA below one."""
    known = thumbprints_of_authorities(connection)
    taken_back = (
        select(certificates.c.thumbprint)
        .join(revocations, revocations.c.certificate == certificates.c.id)
        .where(with_thumbprint(connection, known))
    )
    revoked = [known[thumbprint] for thumbprint in connection.execute(taken_back).scalars()]
    lost = or_(authorities.c.state == AuthorityState.RETIRED.value, authorities.c.id.in_(revoked))
    above = select(authorities.c.id).where(lost).cte(recursive=True)
    below = above.union(select(authorities.c.id).join(above, authorities.c.parent == above.c.id))
    return list(connection.execute(select(below.c.id)).scalars())


def of_shard(connection: Connection, authority: str, shard: int) -> Iterator[RevokedCertificate]:
    """What a CRL lists, in no order, read as it is iterated.

    Args:
        connection: a reading transaction.
        authority: the CA.
        shard: the part of its CRL; 0 for the whole, which lists the parts' certificates too.
    """
    query = (
        select(
            certificates.c.serial,
            certificates.c.not_after,
            revocations.c.reason,
            revocations.c.revoked_at,
            revocations.c.invalid_since,
        )
        .join(revocations, revocations.c.certificate == certificates.c.id)
        .where(revocations.c.authority == authority)
    )
    if shard:
        query = query.where(revocations.c.shard == shard)
    for row in connection.execution_options(yield_per=10_000).execute(query):
        yield RevokedCertificate._make(row)


def _touch(connection: Connection, record: CertificateRecord, event: int) -> None:
    """The CRLs that cover a certificate are out of date from this event on."""
    covering = crls.c.shard.in_({0, record.shard or 0})
    connection.execute(update(crls).where(crls.c.authority == record.authority, covering).values(touched=event))
