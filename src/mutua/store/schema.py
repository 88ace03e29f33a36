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
    literal_column,
    text,
)
from sqlalchemy.types import TypeDecorator

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


def microseconds(moment: datetime) -> int:
    """A time as a row holds it: since 1970, UTC."""
    return (moment - _EPOCH) // _MICROSECOND


def moment_of(microseconds: int) -> datetime:
    """A time out of a row, UTC.

    Raises:
        OverflowError: it is beyond the calendar.
    """
    return _EPOCH + timedelta(microseconds=microseconds)


class UtcDateTime(TypeDecorator[datetime]):
    """A UTC datetime, stored as whole microseconds since 1970: exact, ordered, the same in every database."""

    impl = BigInteger
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> Any:  # noqa: ARG002
        return None if value is None else microseconds(value)

    def process_result_value(self, value: Any, dialect: Dialect) -> datetime | None:  # noqa: ARG002
        return None if value is None else moment_of(value)


metadata = MetaData(
    naming_convention={
        "pk": "pk_%(table_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s",
        "uq": "uq_%(table_name)s_%(column_0_name)s",
        "ix": "ix_%(table_name)s_%(column_0_name)s",
    }
)

# Counts and ids: 64 bits everywhere, and in SQLite the row's own number.
_Id = BigInteger().with_variant(Integer, "sqlite")

# Compared byte by byte, so that the start of a thumbprint can be looked up in the index of any database.
_Ascii = String(43, collation="C").with_variant(String(43), "sqlite")

authorities = Table(
    "authorities",
    metadata,
    Column("id", String(63), primary_key=True, comment="root, issuing-1, ..."),
    Column("profile", String(32), nullable=False),
    Column(
        "purpose", String(16), nullable=False, server_default="any", comment="what it issues for: any, server, client"
    ),
    Column("state", String(16), nullable=False, server_default="active", comment="active, superseded, retired"),
    Column("parent", ForeignKey("authorities.id"), comment="the CA that signed it; none for a root"),
    Column("certificate", LargeBinary, nullable=False, comment="DER"),
    Column("key", Text, comment="sealed (JSON), in a token (pkcs11: URI), or none when it was exported"),
    Column("created_at", UtcDateTime, nullable=False),
)

clients = Table(
    "clients",
    metadata,
    Column("name", String(63), primary_key=True),
    Column("state", String(16), nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
)

certificates = Table(
    "certificates",
    metadata,
    Column("id", _Id, primary_key=True, autoincrement=False, comment="of the event that tells of its issuance"),
    Column("thumbprint", _Ascii, nullable=False, comment="x5t#S256"),
    Column("authority", ForeignKey(authorities.c.id), nullable=False),
    Column("serial", _Ascii, nullable=False, comment="32 hex digits"),
    Column("profile", String(32), nullable=False),
    Column("client", ForeignKey(clients.c.name), comment="whom it proves"),
    Column("subject", Text, nullable=False, comment="RFC 4514"),
    Column("names", Text, nullable=False, comment="one to a line"),
    Column("not_before", UtcDateTime, nullable=False),
    Column("not_after", UtcDateTime, nullable=False),
    Column("issued_at", UtcDateTime, nullable=False),
    Column("shard", Integer, comment="the part of its CA's CRL that covers it; none: the whole"),
    Column("supersedes", ForeignKey("certificates.id"), comment="the certificate it renews"),
    Column("der", LargeBinary, nullable=False),
    UniqueConstraint("serial", "authority"),
    Index("ix_certificates_not_after", "not_after"),
    Index("ix_certificates_client", "client", "not_after", sqlite_where=text("client IS NOT NULL")),
    Index("ix_certificates_supersedes", "supersedes", sqlite_where=text("supersedes IS NOT NULL")),
)

BLOCK_IDS = 16_384

CERTIFICATE_BLOCK = certificates.c.id.op("/")(literal_column(str(BLOCK_IDS)))
"""Which block of ids a certificate is in. Thumbprints come in no order; an index of them that begins with the block is
written to in its newest part alone, however many there are. ``inventory.with_thumbprint`` asks it."""

Index("ix_certificates_thumbprint", CERTIFICATE_BLOCK, certificates.c.thumbprint)

credentials = Table(
    "credentials",
    metadata,
    Column("id", _Id, primary_key=True, autoincrement=False, comment="of the event that tells of it"),
    Column("client", ForeignKey(clients.c.name), nullable=False, index=True),
    Column("kind", String(16), nullable=False, comment="pin or subject; those that were issued are in certificates"),
    Column("form", String(16), nullable=False, comment="what the value is: x5t#S256, spki, subject_dn, san_dns, ..."),
    Column("value", Text, nullable=False, comment="as it is shown"),
    Column("match_key", Text, nullable=False, comment="as it is compared"),
    Column("authority", _Ascii, nullable=False, comment="the SPKI hash of the CA that a subject is pinned to"),
    Column("ends_at", UtcDateTime, comment="when it stops to count"),
    UniqueConstraint("form", "match_key", "authority"),
)

# What came with a credential: a partner's certificate, its CA, the CAs between them.
partner_certificates = Table(
    "partner_certificates",
    metadata,
    Column("credential", ForeignKey(credentials.c.id), primary_key=True),
    Column("thumbprint", _Ascii, primary_key=True, comment="x5t#S256"),
    Column("role", String(16), nullable=False, comment="leaf, anchor, intermediate, crl_issuer"),
    Column("der", LargeBinary, nullable=False),
    Column("place", Integer, nullable=False, server_default="0", comment="0, 1, 2, ... in the order they came"),
)

# Where the CRLs of a partner's CAs are, as it was said when the credential was registered.
partner_crls = Table(
    "partner_crls",
    metadata,
    Column("credential", ForeignKey(credentials.c.id), primary_key=True),
    Column("url", Text, primary_key=True),
    Column("authorities", Text, nullable=False, comment="SPKI hashes of the CAs that may have signed it, by spaces"),
    Column("stale", String(16), nullable=False, comment="refuse or admit clients while it is stale"),
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

# What lets a machine have its first certificate. The token itself is nowhere.
invitations = Table(
    "invitations",
    metadata,
    Column("id", _Id, primary_key=True, autoincrement=False, comment="of the event that tells of it"),
    Column("client", ForeignKey(clients.c.name), nullable=False, index=True),
    Column("token_hash", _Ascii, nullable=False, comment="SHA-256 of the token, base64url"),
    Column("profile", String(32), nullable=False),
    Column("names", Text, nullable=False, comment="one to a line"),
    Column("lifetime", BigInteger, comment="of the certificate, in seconds; none: as policy and profile say"),
    Column("expires_at", UtcDateTime, nullable=False),
    Column("used_at", UtcDateTime, comment="none while it is open"),
    Column("certificate", _Ascii, comment="x5t#S256 of what was issued for it"),
    UniqueConstraint("token_hash"),
)

revocations = Table(
    "revocations",
    metadata,
    Column("certificate", ForeignKey(certificates.c.id), primary_key=True),
    Column("authority", ForeignKey(authorities.c.id), nullable=False),
    Column("shard", Integer, nullable=False, comment="0: none"),
    Column("event", _Id, nullable=False, comment="the event that last said so"),
    Column("reason", String(32), nullable=False, comment="RFC 5280 section 5.3.1"),
    Column("revoked_at", UtcDateTime, nullable=False),
    Column("invalid_since", UtcDateTime, comment="when the key is thought to have been lost"),
    Index("ix_revocations_authority", "authority", "shard"),
)

crls = Table(
    "crls",
    metadata,
    Column("authority", ForeignKey(authorities.c.id), primary_key=True),
    Column("shard", Integer, primary_key=True, autoincrement=False, comment="0: the whole"),
    Column("number", _Id, nullable=False),
    Column("this_update", UtcDateTime, nullable=False),
    Column("next_update", UtcDateTime, nullable=False),
    Column("event", _Id, nullable=False, comment="the last event it covers"),
    Column("touched", _Id, nullable=False, comment="the last event that changes what it must say"),
    Column("der", LargeBinary, nullable=False),
)

# Outside the audit trail: it tells what was seen, not what was done.
sightings = Table(
    "sightings",
    metadata,
    Column("certificate", ForeignKey(certificates.c.id), primary_key=True),
    Column("first_seen", UtcDateTime, nullable=False),
    Column("last_seen", UtcDateTime, nullable=False),
)

# Outside the audit trail too, and by name: partners are seen with certificates that are in no table.
client_sightings = Table(
    "client_sightings",
    metadata,
    Column("client", ForeignKey(clients.c.name), primary_key=True),
    Column("last_seen", UtcDateTime, nullable=False),
)

# Outside the audit trail: it was fetched, not decided, and is verified with the CA's key whenever it is read.
foreign_crls = Table(
    "foreign_crls",
    metadata,
    Column("url", Text, primary_key=True),
    Column("tried_at", UtcDateTime, nullable=False, comment="when it was last fetched, or somebody began to"),
    Column("fetched_at", UtcDateTime, comment="when that last went well"),
    Column("error", Text, comment="why it did not since"),
    Column("authority", _Ascii, comment="the SPKI hash of the CA that signed it"),
    Column("number", Text, comment="of RFC 5280 section 5.2.3, decimal: it may have 20 octets"),
    Column("this_update", UtcDateTime),
    Column("next_update", UtcDateTime),
    Column("entries", Integer, comment="how many it lists"),
    Column("digest", _Ascii, comment="SHA-256 of the CRL, base64url"),
    Column("der", LargeBinary),
)

events = Table(
    "events",
    metadata,
    Column("id", _Id, primary_key=True, autoincrement=False, comment="1, 2, 3, ... without a gap"),
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
    Column("count", _Id, nullable=False),
    Column("hash", String(64), nullable=False),
    Column("signature", Text, comment="Ed25519 over count and hash, base64; see mutua.home.audit"),
)
