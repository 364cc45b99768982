"""Prepaid credits: who has an account, and what was given to it."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"


def upgrade() -> None:
    """Make the tables, empty."""
    op.create_table(
        "credit_accounts",
        sa.Column("id", sa.Text, primary_key=True),
        sa.Column("created_at", sa.BigInteger, nullable=False),
        sa.Column("version", sa.Integer, nullable=False),
        sa.Column("payer", sa.Text, nullable=False, unique=True),
        sa.Column("is_prepaid", sa.Boolean, nullable=False),
        sa.Column("alert_below", sa.BigInteger, nullable=False),
    )
    op.create_table(
        "credits",
        sa.Column("id", sa.Text, primary_key=True),
        sa.Column("created_at", sa.BigInteger, nullable=False),
        sa.Column("account", sa.Text, nullable=False),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("amount", sa.BigInteger, nullable=False),
        sa.Column("expires_at", sa.BigInteger),
        sa.Column("expired_at", sa.BigInteger),
        sa.Column("expired", sa.BigInteger, nullable=False),
        sa.Column("note", sa.Text, nullable=False),
        sa.Column("actor", sa.Text, nullable=False),
    )
    op.create_index("credits_account", "credits", ["account", "created_at", "id"])
    op.create_index("credits_expiry", "credits", ["expires_at"])


def downgrade() -> None:
    """Forget them; the entries have what was given."""
    op.drop_table("credits")
    op.drop_table("credit_accounts")
