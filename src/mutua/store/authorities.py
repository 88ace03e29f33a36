"""The CAs at work: their certificates and sealed keys."""

from dataclasses import dataclass
from datetime import datetime

from cryptography import x509
from sqlalchemy import Connection, Row, insert, select

from mutua.pki.certificates import read_certificate, write_der
from mutua.store.schema import authorities


@dataclass(frozen=True, slots=True, kw_only=True)
class AuthorityRecord:
    """A CA.

    Attributes:
        id: ``root``, ``issuing-1``.
        profile: ``root`` or ``issuing-ca``.
        certificate: its certificate.
        sealed_key: its private key as ``mutua.home.sealing`` wrote it; ``None`` if the key is elsewhere.
        created_at: UTC.
    """

    id: str
    profile: str
    certificate: x509.Certificate
    sealed_key: str | None
    created_at: datetime


def add(connection: Connection, record: AuthorityRecord) -> None:
    """Store a CA."""
    connection.execute(
        insert(authorities).values(
            id=record.id,
            profile=record.profile,
            certificate=write_der(record.certificate),
            sealed_key=record.sealed_key,
            created_at=record.created_at,
        )
    )


def everyone(connection: Connection) -> tuple[AuthorityRecord, ...]:
    """Every CA, the oldest first."""
    rows = connection.execute(select(authorities).order_by(authorities.c.created_at, authorities.c.id.desc()))
    return tuple(_record(row) for row in rows)


def _record(row: Row[tuple[str, str, bytes, str | None, datetime]]) -> AuthorityRecord:
    return AuthorityRecord(
        id=row.id,
        profile=row.profile,
        certificate=read_certificate(row.certificate),
        sealed_key=row.sealed_key,
        created_at=row.created_at,
    )
