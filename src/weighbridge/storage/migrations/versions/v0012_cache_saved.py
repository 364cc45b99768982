"""What prompt caches have saved, with each request and in the sums. Nobody can tell it of requests from before."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"

_TABLES = ("requests", "rollups", "facets")


def upgrade() -> None:
    """Add the column, of nothing."""
    for table in _TABLES:
        op.add_column(table, sa.Column("cache_saved", sa.BigInteger, nullable=False, server_default="0"))


def downgrade() -> None:
    """Forget it."""
    for table in _TABLES:
        op.drop_column(table, "cache_saved")
