"""The CRLs of partners' CAs as they were fetched; whoever reads one verifies it."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, Row, delete, insert, select, update

from mutua.store.schema import foreign_crls


@dataclass(frozen=True, slots=True, kw_only=True)
class Fetched:
    """What is known of an address, without the CRL itself.

    Attributes:
        url: the address.
        tried_at: when it was last fetched, or somebody began to, UTC.
        fetched_at: when that last went well, UTC.
        error: why it did not since.
        authority: the SPKI hash of the CA that signed what is there.
        number: of the CRL.
        this_update, next_update: of the CRL, UTC.
        entries: how many it lists.
        digest: the SHA-256 of the CRL, base64url.
    """

    url: str
    tried_at: datetime
    fetched_at: datetime | None = None
    error: str | None = None
    authority: str | None = None
    number: str | None = None
    this_update: datetime | None = None
    next_update: datetime | None = None
    entries: int | None = None
    digest: str | None = None


_FACTS = [column for column in foreign_crls.c if column is not foreign_crls.c.der]


def everything(connection: Connection) -> dict[str, Fetched]:
    """What is known of each address."""
    return {row.url: _fetched(row) for row in connection.execute(select(*_FACTS).order_by(foreign_crls.c.url))}


def digests(connection: Connection) -> dict[str, str]:
    """The digest of each CRL that is there, by address."""
    query = select(foreign_crls.c.url, foreign_crls.c.digest).where(foreign_crls.c.digest.is_not(None))
    return {url: digest for url, digest in connection.execute(query) if digest is not None}


def der(connection: Connection, url: str) -> bytes | None:
    """The CRL that was fetched from an address, in DER."""
    return connection.execute(select(foreign_crls.c.der).where(foreign_crls.c.url == url)).scalar_one_or_none()


def begin(connection: Connection, url: str, at: datetime) -> None:
    """Say that an address is being fetched, so that nobody else does."""
    changed = connection.execute(update(foreign_crls).where(foreign_crls.c.url == url).values(tried_at=at))
    if not changed.rowcount:
        connection.execute(insert(foreign_crls).values(url=url, tried_at=at))


def put(connection: Connection, fetched: Fetched, encoded: bytes) -> None:
    """Keep a CRL that is new; ``begin`` has made the row."""
    values = {name: getattr(fetched, name) for name in Fetched.__slots__}
    connection.execute(update(foreign_crls).where(foreign_crls.c.url == fetched.url).values(**values, der=encoded))


def confirm(connection: Connection, url: str, at: datetime) -> None:
    """Say that what is there is still the newest."""
    place = foreign_crls.c.url == url
    connection.execute(update(foreign_crls).where(place).values(tried_at=at, fetched_at=at, error=None))


def fail(connection: Connection, url: str, at: datetime, error: str) -> None:
    """Say why an address could not be fetched; what is there stays."""
    connection.execute(update(foreign_crls).where(foreign_crls.c.url == url).values(tried_at=at, error=error))


def keep_only(connection: Connection, urls: Collection[str]) -> None:
    """Forget what no credential asks for any more."""
    for url in connection.execute(select(foreign_crls.c.url)).scalars().all():
        if url not in urls:
            connection.execute(delete(foreign_crls).where(foreign_crls.c.url == url))


def _fetched(row: Row[tuple[object, ...]]) -> Fetched:
    return Fetched(**row._mapping)  # noqa: SLF001 -- its public way
