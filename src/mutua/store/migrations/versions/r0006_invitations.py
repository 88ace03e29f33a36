"""Invitations to enrol."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"

ID = sa.BigInteger().with_variant(sa.Integer, "sqlite")
ASCII = sa.String(43, collation="C").with_variant(sa.String(43), "sqlite")


def upgrade() -> None:
    op.create_table(
        "invitations",
        sa.Column("id", ID, primary_key=True, autoincrement=False),
        sa.Column("client", sa.String(63), sa.ForeignKey("clients.name"), nullable=False),
        sa.Column("token_hash", ASCII, nullable=False),
        sa.Column("profile", sa.String(32), nullable=False),
        sa.Column("names", sa.Text, nullable=False),
        sa.Column("lifetime", sa.BigInteger),
        sa.Column("expires_at", sa.BigInteger, nullable=False),
        sa.Column("used_at", sa.BigInteger),
        sa.Column("certificate", ASCII),
        sa.UniqueConstraint("token_hash", name="uq_invitations_token_hash"),
    )
    op.create_index("ix_invitations_client", "invitations", ["client"])
