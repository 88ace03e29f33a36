"""The tables. Migrations in ``mutua.store.migrations`` make them; a test holds the two together."""

from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import (
    BigInteger,
    Column,
    Dialect,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    UniqueConstraint,
)
from sqlalchemy.types import TypeDecorator

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


class UtcDateTime(TypeDecorator[datetime]):
    """A UTC datetime, stored as whole microseconds since 1970: exact, ordered, the same in every database."""

    impl = BigInteger
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> Any:  # noqa: ARG002
        return None if value is None else (value - _EPOCH) // _MICROSECOND

    def process_result_value(self, value: Any, dialect: Dialect) -> datetime | None:  # noqa: ARG002
        return None if value is None else _EPOCH + value * _MICROSECOND


metadata = MetaData(
    naming_convention={
        "pk": "pk_%(table_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s",
        "uq": "uq_%(table_name)s_%(column_0_name)s",
        "ix": "ix_%(table_name)s_%(column_0_name)s",
    }
)

authorities = Table(
    "authorities",
    metadata,
    Column("id", String(63), primary_key=True, comment="root, issuing-1, ..."),
    Column("profile", String(32), nullable=False),
    Column("certificate", LargeBinary, nullable=False, comment="DER"),
    Column("sealed_key", Text, comment="JSON; see mutua.home.sealing"),
    Column("created_at", UtcDateTime, nullable=False),
)

certificates = Table(
    "certificates",
    metadata,
    Column("thumbprint", String(43), primary_key=True, comment="x5t#S256"),
    Column("authority", ForeignKey(authorities.c.id), nullable=False),
    Column("serial", String(32), nullable=False, comment="32 hex digits"),
    Column("profile", String(32), nullable=False),
    Column("subject", Text, nullable=False, comment="RFC 4514"),
    Column("names", Text, nullable=False, comment="one to a line"),
    Column("not_before", UtcDateTime, nullable=False),
    Column("not_after", UtcDateTime, nullable=False),
    Column("issued_at", UtcDateTime, nullable=False),
    Column("der", LargeBinary, nullable=False),
    UniqueConstraint("authority", "serial"),
    Index("ix_certificates_not_after", "not_after"),
)

clients = Table(
    "clients",
    metadata,
    Column("name", String(63), primary_key=True),
    Column("state", String(16), nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
)

credentials = Table(
    "credentials",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("client", ForeignKey(clients.c.name), nullable=False, index=True),
    Column("kind", String(16), nullable=False),
    Column("value", Text, nullable=False),
    UniqueConstraint("kind", "value"),
)

grants = Table(
    "grants",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("client", ForeignKey(clients.c.name), nullable=False),
    Column("methods", Text, nullable=False, comment="comma-separated, sorted; * for any"),
    Column("pattern", Text, nullable=False),
    UniqueConstraint("client", "methods", "pattern"),
)

revocations = Table(
    "revocations",
    metadata,
    Column("thumbprint", ForeignKey(certificates.c.thumbprint), primary_key=True),
    Column("reason", String(32), nullable=False, comment="RFC 5280 section 5.3.1"),
    Column("revoked_at", UtcDateTime, nullable=False),
)

events = Table(
    "events",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=False, comment="1, 2, 3, ... without a gap"),
    Column("at", UtcDateTime, nullable=False),
    Column("actor", Text, nullable=False),
    Column("kind", String(64), nullable=False),
    Column("subject", Text, nullable=False),
    Column("body", Text, nullable=False, comment="canonical JSON"),
    Column("hash", String(64), nullable=False, comment="SHA-256 over this event and the hash before it, hex"),
)

event_head = Table(
    "event_head",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=False, comment="always 1"),
    Column("count", Integer, nullable=False),
    Column("hash", String(64), nullable=False),
)
