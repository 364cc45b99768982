"""What customers were charged, with each request and in the sums."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"

_CHARGE = 4
"""`ledger.terms.EntryKind.CHARGE`."""
_NS_PER_S = 1_000_000_000
_OF_REQUEST = f"""
UPDATE requests SET charged = (
    SELECT coalesce(sum(e.amount), 0) FROM entries e
    WHERE e.kind = {_CHARGE} AND e.seq >= requests.first_entry AND e.seq < requests.first_entry + requests.entries
)
"""  # noqa: S608 - numbers of our own
_OF_SUMS = f"""
UPDATE rollups SET charged = (
    SELECT coalesce(sum(r.charged), 0) FROM requests r
    WHERE r.series = rollups.series AND r.at / {_NS_PER_S} >= rollups.start
    AND r.at / {_NS_PER_S} < rollups.start + CASE rollups.grain WHEN 0 THEN 60 WHEN 1 THEN 3600 ELSE 86400 END
)
"""  # noqa: S608 - numbers of our own


def upgrade() -> None:
    """Add the column, and fill it from the entries."""
    for table in ("requests", "rollups"):
        op.add_column(table, sa.Column("charged", sa.BigInteger, nullable=False, server_default="0"))
    op.execute(_OF_REQUEST)
    op.execute(_OF_SUMS)


def downgrade() -> None:
    """Forget it; the entries have it."""
    for table in ("requests", "rollups"):
        op.drop_column(table, "charged")
