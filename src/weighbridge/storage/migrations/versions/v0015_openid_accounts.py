"""Users' accounts at an OpenID provider, and whose role follows their groups there."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0015"
down_revision = "0014"


def upgrade() -> None:
    """Nobody has an account yet, and all roles were given by hand."""
    op.add_column("users", sa.Column("issuer", sa.Text))
    op.add_column("users", sa.Column("subject", sa.Text))
    op.add_column("users", sa.Column("role_by_groups", sa.Boolean, nullable=False, server_default=sa.false()))
    op.create_index("users_account", "users", ["issuer", "subject"], unique=True)


def downgrade() -> None:
    """Forget them; roles stay as they are."""
    op.drop_index("users_account", "users")
    for name in ("issuer", "subject", "role_by_groups"):
        op.drop_column("users", name)
