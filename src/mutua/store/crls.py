"""The newest CRL of each CA and shard."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, delete, insert, select

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


def is_whole_needed(connection: Connection, authority: str) -> bool:
    """Whether a CA has certificates that name no shard, or none at all."""
    mine = select(certificates.c.id).where(certificates.c.authority == authority)
    sharded = connection.execute(mine.where(certificates.c.shard.is_not(None)).limit(1)).first() is not None
    return not sharded or connection.execute(mine.where(certificates.c.shard.is_(None)).limit(1)).first() is not None
