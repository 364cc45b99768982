"""Sums by week, and sums by tag, dialect and kind of error."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"

_SUMS = (
    "requests",
    "errors",
    "input",
    "cache_read",
    "cache_write",
    "output",
    "reasoning",
    "cost",
    "estimated",
    "unknown_costs",
    "fallbacks",
    "charged",
)
_WEEK_S = 604_800
_SUMMED = ", ".join(f"sum({name})" for name in _SUMS)
_ROLLUPS = f"""
INSERT INTO rollups (grain, start, series, {", ".join(_SUMS)})
SELECT 3, start / {_WEEK_S} * {_WEEK_S}, series, {_SUMMED} FROM rollups WHERE grain = 2 GROUP BY 2, 3
"""  # noqa: S608 - names and numbers of our own
_LATENCIES = f"""
INSERT INTO latencies (grain, start, series, measure, bucket, n)
SELECT 3, start / {_WEEK_S} * {_WEEK_S}, series, measure, bucket, sum(n) FROM latencies WHERE grain = 2 GROUP BY 2, 3, 4, 5
"""  # noqa: S608 - numbers of our own
_FILLING = """
INSERT INTO facet_filling (next, last) SELECT min(id), max(id) FROM requests HAVING count(*) > 0
"""


def upgrade() -> None:
    """Weeks are made of days now: there are few. Facets are made of the facts, which may take minutes: while the gateway runs."""
    keys = (("facet", sa.SmallInteger), ("grain", sa.SmallInteger), ("start", sa.BigInteger))
    op.create_table(
        "facets",
        *(sa.Column(name, kind, primary_key=True, autoincrement=False) for name, kind in keys),
        *(sa.Column(name, sa.Integer, primary_key=True, autoincrement=False) for name in ("series", "value")),
        *(sa.Column(name, sa.BigInteger, nullable=False) for name in _SUMS),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "facet_filling",
        sa.Column("next", sa.BigInteger().with_variant(sa.Integer, "sqlite"), primary_key=True, autoincrement=False),
        sa.Column("last", sa.BigInteger, nullable=False),
    )
    for statement in (_ROLLUPS, _LATENCIES, _FILLING):
        op.execute(statement)


def downgrade() -> None:
    """Forget them: days and facts have all of it."""
    op.drop_table("facet_filling")
    op.drop_table("facets")
    for table in ("rollups", "latencies"):
        op.execute(f"DELETE FROM {table} WHERE grain = 3")  # noqa: S608 - names of our own
