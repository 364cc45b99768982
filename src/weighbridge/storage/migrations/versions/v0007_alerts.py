"""Conditions that operators were told of and that are not over."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    """Make the table, empty."""
    op.create_table(
        "firing_alerts",
        sa.Column("key", sa.Text, primary_key=True),
        sa.Column("host", sa.Text, nullable=False),
        sa.Column("since", sa.BigInteger, nullable=False),
        sa.Column("content", sa.JSON, nullable=False),
    )


def downgrade() -> None:
    """Forget them."""
    op.drop_table("firing_alerts")
