"""What people think of answers."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"


def upgrade() -> None:
    """Make the table, empty."""
    op.create_table(
        "feedback",
        sa.Column("id", sa.Text, primary_key=True),
        sa.Column("created_at", sa.BigInteger, nullable=False),
        sa.Column("request_id", sa.Text, nullable=False),
        sa.Column("rater", sa.Text, nullable=False),
        sa.Column("series", sa.Integer, nullable=False),
        sa.Column("score", sa.Float),
        sa.Column("label", sa.Text, nullable=False),
        sa.Column("comment", sa.Text, nullable=False),
    )
    op.create_index("feedback_rater", "feedback", ["request_id", "rater"], unique=True)
    op.create_index("feedback_newest", "feedback", ["created_at", "id"])


def downgrade() -> None:
    """Forget it."""
    op.drop_table("feedback")
