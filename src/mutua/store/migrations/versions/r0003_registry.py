"""Credentials of every kind, and the certificates that partners brought."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"

ID = sa.BigInteger().with_variant(sa.Integer, "sqlite")
ASCII = sa.String(43, collation="C").with_variant(sa.String(43), "sqlite")


def upgrade() -> None:
    # Nothing is in it: what was issued moved to the inventory with the revision before, and there were no other kinds.
    op.drop_table("credentials")
    op.create_table(
        "credentials",
        sa.Column("id", ID, primary_key=True, autoincrement=False),
        sa.Column("client", sa.String(63), sa.ForeignKey("clients.name"), nullable=False),
        sa.Column("kind", sa.String(16), nullable=False),
        sa.Column("form", sa.String(16), nullable=False),
        sa.Column("value", sa.Text, nullable=False),
        sa.Column("match_key", sa.Text, nullable=False),
        sa.Column("authority", ASCII, nullable=False),
        sa.Column("ends_at", sa.BigInteger),
        sa.UniqueConstraint("form", "match_key", "authority", name="uq_credentials_form"),
    )
    op.create_index("ix_credentials_client", "credentials", ["client"])
    op.create_table(
        "partner_certificates",
        sa.Column("credential", ID, sa.ForeignKey("credentials.id"), primary_key=True),
        sa.Column("thumbprint", ASCII, primary_key=True),
        sa.Column("role", sa.String(16), nullable=False),
        sa.Column("der", sa.LargeBinary, nullable=False),
    )
