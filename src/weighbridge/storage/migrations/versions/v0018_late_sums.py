"""Sums by day and week of end users and sessions."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0018"
down_revision = "0017"

_FIRST_LATE_FACET = 100


def upgrade() -> None:
    """Make the table that says which time is summed up, empty: the sums are made of the facts while the gateway runs."""
    op.create_table(
        "late_span",
        sa.Column("first", sa.BigInteger().with_variant(sa.Integer, "sqlite"), primary_key=True, autoincrement=False),
        sa.Column("until", sa.BigInteger, nullable=False),
    )


def downgrade() -> None:
    """Forget them: facts have all of it."""
    op.drop_table("late_span")
    op.execute(f"DELETE FROM facets WHERE facet >= {_FIRST_LATE_FACET}")  # noqa: S608 - a number of our own
