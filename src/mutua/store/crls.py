"""The newest CRL of each CA and shard."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, delete, insert, select

from mutua.pki.profiles import OCSP
from mutua.store.schema import certificates, crls

WHOLE = 0
"""The shard of a CRL that covers all of its CA's certificates."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CrlRecord:
    """A published CRL.

    Attributes:
        authority: the CA's id.
        shard: which part; 0 for the whole.
        number: of RFC 5280 section 5.2.3; only ever grows.
        this_update, next_update: UTC.
        event: the last event it covers.
        touched: the last event that changes what it must say.
    """

    authority: str
    shard: int
    number: int
    this_update: datetime
    next_update: datetime
    event: int
    touched: int


def everything(connection: Connection) -> dict[tuple[str, int], CrlRecord]:
    """What is published, without the CRLs themselves, by CA and shard."""
    columns = [column for column in crls.c if column is not crls.c.der]
    rows = connection.execute(select(*columns).order_by(crls.c.authority, crls.c.shard))
    return {(row.authority, row.shard): CrlRecord(**row._mapping) for row in rows}  # noqa: SLF001 -- its public way


def find(connection: Connection, authority: str, shard: int) -> CrlRecord | None:
    """One CRL's facts."""
    columns = [column for column in crls.c if column is not crls.c.der]
    query = select(*columns).where(crls.c.authority == authority, crls.c.shard == shard)
    row = connection.execute(query).one_or_none()
    return None if row is None else CrlRecord(**row._mapping)  # noqa: SLF001 -- its public way


def der(connection: Connection, authority: str, shard: int) -> bytes | None:
    """One CRL, in DER."""
    query = select(crls.c.der).where(crls.c.authority == authority, crls.c.shard == shard)
    return connection.execute(query).scalar_one_or_none()


def put(connection: Connection, record: CrlRecord, encoded: bytes) -> None:
    """Replace a CRL; the caller has seen to it that the number grows."""
    values = {name: getattr(record, name) for name in CrlRecord.__slots__}
    connection.execute(delete(crls).where(crls.c.authority == record.authority, crls.c.shard == record.shard))
    connection.execute(insert(crls).values(**values, der=encoded))


def remove(connection: Connection, authority: str, shard: int) -> None:
    """Forget a CRL that no certificate names."""
    connection.execute(delete(crls).where(crls.c.authority == authority, crls.c.shard == shard))


def has_any(connection: Connection, authority: str) -> bool:
    """Whether any CRL of a CA is published."""
    return connection.execute(select(crls.c.shard).where(crls.c.authority == authority).limit(1)).first() is not None


def is_whole_needed(connection: Connection, authority: str, now: datetime) -> bool:
    """Whether a CA has certificates that are good and name no shard, or has signed none at all.

    Those of OCSP responders do not count: they name no CRL, since nobody is to ask whether they were revoked.
    """
    # In the order of the table, for there is no index: those from before the CRL was cut into parts are the oldest.
    columns = certificates.c
    mine = select(columns.id).where(columns.authority == authority, columns.profile != OCSP.name)
    mine = mine.order_by(columns.id).limit(1)
    if connection.execute(mine.where(columns.shard.is_(None), columns.not_after >= now)).first() is not None:
        return True
    return connection.execute(mine).first() is None
