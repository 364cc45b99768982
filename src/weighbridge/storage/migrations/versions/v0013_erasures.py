"""Who has asked to be forgotten, without the names."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"


def upgrade() -> None:
    """Make the table, empty."""
    op.create_table(
        "erasures",
        sa.Column("id", sa.Text, primary_key=True),
        sa.Column("at", sa.BigInteger, nullable=False),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("salt", sa.LargeBinary, nullable=False),
        sa.Column("digest", sa.LargeBinary, nullable=False),
        sa.Column("actor", sa.Text, nullable=False),
        sa.Column("requests", sa.BigInteger, nullable=False),
        sa.Column("feedback", sa.BigInteger, nullable=False),
        sa.Column("responses", sa.BigInteger, nullable=False),
    )
    op.create_index("erasures_at", "erasures", ["at", "id"])


def downgrade() -> None:
    """Forget it."""
    op.drop_table("erasures")
