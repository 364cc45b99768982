"""What each host of a database has on lease of each hard budget."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    """Make the tables, empty: nothing is leased."""
    op.create_table(
        "leases",
        sa.Column("counter", sa.Text, primary_key=True),
        sa.Column("host", sa.Text, primary_key=True),
        sa.Column("amount", sa.BigInteger, nullable=False),
        sa.Column("changed_at", sa.BigInteger, nullable=False),
    )
    op.create_index("leases_host", "leases", ["host"])
    op.create_table(
        "lease_pools",
        sa.Column("counter", sa.Text, primary_key=True),
        sa.Column("short_at", sa.BigInteger, nullable=False),
        sa.Column("short_host", sa.Text, nullable=False),
    )
    op.create_index("lease_pools_short", "lease_pools", ["short_at"])


def downgrade() -> None:
    """Forget them. No gateway may run."""
    op.drop_table("lease_pools")
    op.drop_table("leases")
