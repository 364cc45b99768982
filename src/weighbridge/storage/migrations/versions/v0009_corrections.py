"""Prices that turned out to be others: which attempts were repriced, by how much."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"


def upgrade() -> None:
    """Make the tables, empty."""
    op.create_table(
        "price_corrections",
        sa.Column("id", sa.Text, primary_key=True),
        sa.Column("created_at", sa.BigInteger, nullable=False),
        sa.Column("actor", sa.Text, nullable=False),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("models", sa.Text, nullable=False),
        sa.Column("from_s", sa.BigInteger, nullable=False),
        sa.Column("to_s", sa.BigInteger, nullable=False),
    )
    op.create_index("price_corrections_at", "price_corrections", ["created_at"])
    op.create_table(
        "corrected_attempts",
        sa.Column("correction", sa.Text, primary_key=True),
        sa.Column("request_id", sa.Text, primary_key=True),
        sa.Column("attempt", sa.SmallInteger, primary_key=True),
        sa.Column("series", sa.Integer, nullable=False),
        sa.Column("cost", sa.BigInteger, nullable=False),
        sa.Column("charge", sa.BigInteger, nullable=False),
    )
    op.create_index("corrected_attempts_request", "corrected_attempts", ["request_id"])


def downgrade() -> None:
    """Forget them; the entries have the amounts."""
    op.drop_table("corrected_attempts")
    op.drop_table("price_corrections")
