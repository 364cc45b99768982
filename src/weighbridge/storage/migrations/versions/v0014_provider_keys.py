"""Customers' own keys at providers, and what requests made with them have cost."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0013"

_WITH_OWN_COST = ("requests", "rollups", "facets")


def upgrade() -> None:
    """Make the table, empty; nothing has cost anything yet."""
    op.create_table(
        "provider_keys",
        sa.Column("id", sa.Text, primary_key=True),
        sa.Column("created_at", sa.BigInteger, nullable=False),
        sa.Column("version", sa.Integer, nullable=False),
        sa.Column("owner_kind", sa.Text, nullable=False),
        sa.Column("owner", sa.Text, nullable=False),
        sa.Column("provider", sa.Text, nullable=False),
        sa.Column("label", sa.Text, nullable=False),
        sa.Column("hint", sa.Text, nullable=False),
        sa.Column("master_key", sa.Text, nullable=False),
        sa.Column("sealed", sa.LargeBinary, nullable=False),
        sa.Column("falls_back", sa.Boolean, nullable=False),
        sa.Column("is_disabled", sa.Boolean, nullable=False),
        sa.Column("last_used_at", sa.BigInteger),
    )
    op.create_index("provider_keys_newest", "provider_keys", ["created_at", "id"])
    op.create_index("provider_keys_owner", "provider_keys", ["owner_kind", "owner"])
    for table in _WITH_OWN_COST:
        op.add_column(table, sa.Column("own_cost", sa.BigInteger, nullable=False, server_default="0"))


def downgrade() -> None:
    """Forget them."""
    for table in _WITH_OWN_COST:
        op.drop_column(table, "own_cost")
    op.drop_table("provider_keys")
