"""What was asked and answered, where it is kept."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0017"
down_revision = "0016"


def upgrade() -> None:
    """Make the table, empty."""
    op.create_table(
        "payloads",
        sa.Column("request_id", sa.Text, primary_key=True),
        sa.Column("expires_at", sa.BigInteger, nullable=False),
        sa.Column("request", sa.LargeBinary, nullable=False),
        sa.Column("request_bytes", sa.BigInteger, nullable=False),
        sa.Column("request_is_whole", sa.Boolean, nullable=False),
        sa.Column("reply", sa.LargeBinary, nullable=False),
        sa.Column("reply_bytes", sa.BigInteger, nullable=False),
        sa.Column("reply_is_whole", sa.Boolean, nullable=False),
        sa.Column("reply_type", sa.Text, nullable=False),
    )
    op.create_index("payloads_expiry", "payloads", ["expires_at"])


def downgrade() -> None:
    """Forget it."""
    op.drop_table("payloads")
