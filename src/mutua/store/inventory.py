"""The inventory: every certificate the authority ever signed."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from ssl import DER_cert_to_PEM_cert

from cryptography import x509
from sqlalchemy import Connection, Row, Select, and_, func, insert, select

from mutua.pki.certificates import names_of, write_der
from mutua.pki.thumbprints import x5t_s256
from mutua.registry.clients import CredentialKind
from mutua.store.schema import certificates, credentials, revocations

MIN_PREFIX = 6
"""Characters of a thumbprint or serial that may stand for the whole."""


class CertificateState(StrEnum):
    """What a certificate is worth now."""

    VALID = "valid"
    EXPIRED = "expired"
    REVOKED = "revoked"


@dataclass(frozen=True, slots=True, kw_only=True)
class CertificateRecord:
    """A certificate in the inventory.

    Attributes:
        thumbprint: x5t#S256.
        authority: the id of the CA that signed it.
        serial: 32 hex digits.
        profile: ``server`` or ``client``.
        client: the client it was issued to, or ``None``.
        subject: RFC 4514.
        names: the SubjectAltName.
        not_before, not_after, issued_at: UTC.
        revoked_at: UTC, or ``None``.
        der: the certificate.
    """

    thumbprint: str
    authority: str
    serial: str
    profile: str
    client: str | None
    subject: str
    names: tuple[str, ...]
    not_before: datetime
    not_after: datetime
    issued_at: datetime
    revoked_at: datetime | None
    der: bytes

    def state(self, now: datetime) -> CertificateState:
        """Valid, expired or revoked at ``now``."""
        if self.revoked_at is not None:
            return CertificateState.REVOKED
        return CertificateState.EXPIRED if now > self.not_after else CertificateState.VALID

    def pem(self) -> str:
        """The certificate in PEM."""
        return DER_cert_to_PEM_cert(self.der)


def add(
    connection: Connection, certificate: x509.Certificate, *, authority: str, profile: str, issued_at: datetime
) -> str:
    """Store a certificate.

    Returns:
        Its x5t#S256.
    """
    thumbprint = x5t_s256(certificate)
    connection.execute(
        insert(certificates).values(
            thumbprint=thumbprint,
            authority=authority,
            serial=f"{certificate.serial_number:032x}",
            profile=profile,
            subject=certificate.subject.rfc4514_string(),
            names="\n".join(str(name) for name in names_of(certificate)),
            not_before=certificate.not_valid_before_utc,
            not_after=certificate.not_valid_after_utc,
            issued_at=issued_at,
            der=write_der(certificate),
        )
    )
    return thumbprint


def revoke(connection: Connection, thumbprint: str, *, reason: str, at: datetime) -> None:
    """Record a revocation."""
    connection.execute(insert(revocations).values(thumbprint=thumbprint, reason=reason, revoked_at=at))


def revoked(connection: Connection) -> list[str]:
    """The x5t#S256 of every revoked certificate."""
    return list(connection.execute(select(revocations.c.thumbprint)).scalars())


def everything(
    connection: Connection, *, client: str | None = None, profile: str | None = None
) -> Iterator[CertificateRecord]:
    """The inventory, the newest certificate first, read as it is iterated."""
    query = _records().order_by(certificates.c.issued_at.desc(), certificates.c.thumbprint)
    if client is not None:
        query = query.where(credentials.c.client == client)
    if profile is not None:
        query = query.where(certificates.c.profile == profile)
    for row in connection.execution_options(yield_per=1000).execute(query):
        yield _record(row)


def find(connection: Connection, text: str) -> list[CertificateRecord]:
    """Certificates whose thumbprint or serial starts with ``text``, at least 6 characters; at most two of them."""
    if len(text) < MIN_PREFIX or not text.isascii():
        return []
    # Not LIKE, which takes b for B in SQLite; in a thumbprint they are different letters.
    matches = (func.substr(certificates.c.thumbprint, 1, len(text)) == text) | (
        func.substr(certificates.c.serial, 1, len(text)) == text.lower()
    )
    return [_record(row) for row in connection.execute(_records().where(matches).limit(2))]


def _records() -> Select[tuple[object, ...]]:
    issued_to = and_(
        credentials.c.value == certificates.c.thumbprint, credentials.c.kind == CredentialKind.ISSUED.value
    )
    return (
        select(*certificates.c, credentials.c.client, revocations.c.revoked_at)
        .outerjoin(credentials, issued_to)
        .outerjoin(revocations, revocations.c.thumbprint == certificates.c.thumbprint)
    )


def _record(row: Row[tuple[object, ...]]) -> CertificateRecord:
    values = dict(row._mapping)  # noqa: SLF001 -- the public way to a row's names, in spite of its underscore
    values["names"] = tuple(values["names"].splitlines())
    return CertificateRecord(**values)
