"""A hierarchy of CAs, certificates numbered by their events, CRLs, sightings, and a signed head."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"

ID = sa.BigInteger().with_variant(sa.Integer, "sqlite")
ASCII = sa.String(43, collation="C").with_variant(sa.String(43), "sqlite")


def upgrade() -> None:
    _authorities()
    _certificates()
    op.create_table(
        "crls",
        sa.Column("authority", sa.String(63), sa.ForeignKey("authorities.id"), primary_key=True),
        sa.Column("shard", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("number", ID, nullable=False),
        sa.Column("this_update", sa.BigInteger, nullable=False),
        sa.Column("next_update", sa.BigInteger, nullable=False),
        sa.Column("event", ID, nullable=False),
        sa.Column("touched", ID, nullable=False),
        sa.Column("der", sa.LargeBinary, nullable=False),
    )
    op.create_table(
        "sightings",
        sa.Column("certificate", ID, sa.ForeignKey("certificates.id"), primary_key=True),
        sa.Column("first_seen", sa.BigInteger, nullable=False),
        sa.Column("last_seen", sa.BigInteger, nullable=False),
    )
    op.execute("DELETE FROM credentials WHERE kind = 'issued'")
    op.add_column("event_head", sa.Column("signature", sa.Text))
    if op.get_bind().dialect.name == "postgresql":
        op.alter_column("events", "id", type_=sa.BigInteger)
        op.alter_column("event_head", "count", type_=sa.BigInteger)


def _authorities() -> None:
    op.execute("ALTER TABLE authorities RENAME COLUMN sealed_key TO key")
    op.execute("ALTER TABLE authorities ADD COLUMN purpose VARCHAR(16) NOT NULL DEFAULT 'any'")
    op.execute("ALTER TABLE authorities ADD COLUMN state VARCHAR(16) NOT NULL DEFAULT 'active'")
    op.execute("ALTER TABLE authorities ADD COLUMN parent VARCHAR(63) REFERENCES authorities (id)")
    op.execute("UPDATE authorities SET parent = 'root' WHERE profile = 'issuing-ca'")


def _certificates() -> None:
    op.rename_table("certificates", "old_certificates")
    op.rename_table("revocations", "old_revocations")
    op.drop_index("ix_certificates_not_after", "old_certificates")
    if op.get_bind().dialect.name == "postgresql":
        # Names of constraints belong to the schema there, not to the table.
        op.execute("ALTER TABLE old_certificates RENAME CONSTRAINT certificates_pkey TO old_certificates_pkey")
        op.execute("ALTER TABLE old_certificates RENAME CONSTRAINT uq_certificates_authority TO old_certificates_uq")
        op.execute("ALTER TABLE old_revocations RENAME CONSTRAINT revocations_pkey TO old_revocations_pkey")
    op.create_table(
        "certificates",
        sa.Column("id", ID, primary_key=True, autoincrement=False),
        sa.Column("thumbprint", ASCII, nullable=False),
        sa.Column("authority", sa.String(63), sa.ForeignKey("authorities.id"), nullable=False),
        sa.Column("serial", ASCII, nullable=False),
        sa.Column("profile", sa.String(32), nullable=False),
        sa.Column("client", sa.String(63), sa.ForeignKey("clients.name")),
        sa.Column("subject", sa.Text, nullable=False),
        sa.Column("names", sa.Text, nullable=False),
        sa.Column("not_before", sa.BigInteger, nullable=False),
        sa.Column("not_after", sa.BigInteger, nullable=False),
        sa.Column("issued_at", sa.BigInteger, nullable=False),
        sa.Column("shard", sa.Integer),
        sa.Column("supersedes", ID, sa.ForeignKey("certificates.id")),
        sa.Column("der", sa.LargeBinary, nullable=False),
        sa.UniqueConstraint("serial", "authority", name="uq_certificates_serial"),
    )
    op.execute(
        "INSERT INTO certificates (id, thumbprint, authority, serial, profile, client, subject, names, not_before,"
        " not_after, issued_at, der) SELECT events.id, old.thumbprint, old.authority, old.serial, old.profile,"
        " credentials.client, old.subject, old.names, old.not_before, old.not_after, old.issued_at, old.der"
        " FROM old_certificates AS old"
        " JOIN events ON events.subject = old.thumbprint AND events.kind = 'certificate.issued'"
        " LEFT JOIN credentials ON credentials.kind = 'issued' AND credentials.value = old.thumbprint"
    )
    op.create_index("ix_certificates_thumbprint", "certificates", [sa.text("(id / 16384)"), "thumbprint"])
    op.create_index("ix_certificates_not_after", "certificates", ["not_after"])
    op.create_index(
        "ix_certificates_client", "certificates", ["client", "not_after"], sqlite_where=sa.text("client IS NOT NULL")
    )
    op.create_index(
        "ix_certificates_supersedes", "certificates", ["supersedes"], sqlite_where=sa.text("supersedes IS NOT NULL")
    )
    op.create_table(
        "revocations",
        sa.Column("certificate", ID, sa.ForeignKey("certificates.id"), primary_key=True),
        sa.Column("authority", sa.String(63), sa.ForeignKey("authorities.id"), nullable=False),
        sa.Column("shard", sa.Integer, nullable=False),
        sa.Column("event", ID, nullable=False),
        sa.Column("reason", sa.String(32), nullable=False),
        sa.Column("revoked_at", sa.BigInteger, nullable=False),
        sa.Column("invalid_since", sa.BigInteger),
    )
    op.create_index("ix_revocations_authority", "revocations", ["authority", "shard"])
    op.execute(
        "INSERT INTO revocations (certificate, authority, shard, event, reason, revoked_at)"
        " SELECT certificates.id, certificates.authority, 0, events.id, old.reason, old.revoked_at"
        " FROM old_revocations AS old"
        " JOIN certificates ON certificates.thumbprint = old.thumbprint"
        " JOIN events ON events.subject = old.thumbprint AND events.kind = 'certificate.revoked'"
    )
    op.drop_table("old_revocations")
    op.drop_table("old_certificates")
