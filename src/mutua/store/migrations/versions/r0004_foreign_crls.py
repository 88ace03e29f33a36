"""Where the CRLs of partners' CAs are, and what was fetched there."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"

ID = sa.BigInteger().with_variant(sa.Integer, "sqlite")
ASCII = sa.String(43, collation="C").with_variant(sa.String(43), "sqlite")


def upgrade() -> None:
    op.create_table(
        "partner_crls",
        sa.Column("credential", ID, sa.ForeignKey("credentials.id"), primary_key=True),
        sa.Column("url", sa.Text, primary_key=True),
        sa.Column("authorities", sa.Text, nullable=False),
        sa.Column("stale", sa.String(16), nullable=False),
    )
    op.create_table(
        "foreign_crls",
        sa.Column("url", sa.Text, primary_key=True),
        sa.Column("tried_at", sa.BigInteger, nullable=False),
        sa.Column("fetched_at", sa.BigInteger),
        sa.Column("error", sa.Text),
        sa.Column("authority", ASCII),
        sa.Column("number", sa.Text),
        sa.Column("this_update", sa.BigInteger),
        sa.Column("next_update", sa.BigInteger),
        sa.Column("entries", sa.Integer),
        sa.Column("digest", ASCII),
        sa.Column("der", sa.LargeBinary),
    )
