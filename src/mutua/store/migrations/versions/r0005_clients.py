"""When clients were last seen, and the order in which partners' certificates came."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    op.create_table(
        "client_sightings",
        sa.Column("client", sa.String(63), sa.ForeignKey("clients.name"), primary_key=True),
        sa.Column("last_seen", sa.BigInteger, nullable=False),
    )
    # Of what is there already nobody has noted it: it stays in the order of thumbprints.
    op.add_column("partner_certificates", sa.Column("place", sa.Integer, nullable=False, server_default="0"))
