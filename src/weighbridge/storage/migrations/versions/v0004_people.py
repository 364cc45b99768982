"""Organisations, teams and users; what a key may do besides; budgets and limits that are made while running; who changed what."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"

_ID = sa.BigInteger().with_variant(sa.Integer, "sqlite")
_REFUSED = "the audit log is only appended to"


def upgrade() -> None:
    """Make the tables, empty. Keys that are there belong to nobody and may be used from anywhere."""
    _widen_keys()
    _make_people()
    op.create_table(
        "allowances",
        *_common(),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("content", sa.JSON, nullable=False),
    )
    op.create_table(
        "audit_log",
        sa.Column("id", _ID, primary_key=True, autoincrement=True),
        sa.Column("at", sa.BigInteger, nullable=False),
        sa.Column("actor", sa.Text, nullable=False),
        sa.Column("address", sa.Text, nullable=False),
        sa.Column("action", sa.Text, nullable=False),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("subject_id", sa.Text, nullable=False),
        sa.Column("subject", sa.Text, nullable=False),
        sa.Column("before", sa.JSON, nullable=False),
        sa.Column("after", sa.JSON, nullable=False),
    )
    op.create_table(
        "idempotent_creates",
        sa.Column("digest", sa.LargeBinary(32), primary_key=True),
        sa.Column("request", sa.LargeBinary(32), nullable=False),
        sa.Column("subject_id", sa.Text, nullable=False),
        sa.Column("sealed", sa.LargeBinary),
        sa.Column("expires_at", sa.BigInteger, nullable=False),
    )
    op.create_index("idempotent_creates_expiry", "idempotent_creates", ["expires_at"])
    _refuse_changes_of_the_audit_log()


def _widen_keys() -> None:
    text, json, number = sa.Text, sa.JSON, sa.Integer
    for name, kind, default in (
        ("team", text, ""),
        ("owner", text, ""),
        ("organisation", text, ""),
        ("addresses", json, "[]"),
        ("tags", json, "[]"),
        ("demand", json, "{}"),
        ("priority", number, "0"),
        ("version", number, "1"),
        ("is_blocked", sa.Boolean, sa.false()),
    ):
        op.add_column("virtual_keys", sa.Column(name, kind, nullable=False, server_default=default))
    op.add_column("virtual_keys", sa.Column("max_output_tokens", sa.BigInteger))
    op.create_index("virtual_keys_team", "virtual_keys", ["team"])
    op.create_index("virtual_keys_owner", "virtual_keys", ["owner"])
    op.create_index("virtual_keys_organisation", "virtual_keys", ["organisation"])
    op.create_table(
        "retiring_secrets",
        sa.Column("digest", sa.LargeBinary(32), primary_key=True),
        sa.Column("key_id", sa.Text, nullable=False),
        sa.Column("hint", sa.Text, nullable=False),
        sa.Column("expires_at", sa.BigInteger, nullable=False),
    )
    op.create_index("retiring_secrets_key", "retiring_secrets", ["key_id"])


def _common() -> tuple[sa.Column[object], ...]:
    return (
        sa.Column("id", sa.Text, primary_key=True),
        sa.Column("created_at", sa.BigInteger, nullable=False),
        sa.Column("version", sa.Integer, nullable=False),
    )


def _make_people() -> None:
    op.create_table(
        "organisations",
        *_common(),
        sa.Column("name", sa.Text, nullable=False, unique=True),
        sa.Column("is_blocked", sa.Boolean, nullable=False),
    )
    op.create_table(
        "teams",
        *_common(),
        sa.Column("name", sa.Text, nullable=False, unique=True),
        sa.Column("organisation", sa.Text, nullable=False),
        sa.Column("is_blocked", sa.Boolean, nullable=False),
    )
    op.create_index("teams_organisation", "teams", ["organisation"])
    op.create_table(
        "users",
        *_common(),
        sa.Column("login", sa.Text, nullable=False, unique=True),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("email", sa.Text),
        sa.Column("role", sa.Text, nullable=False),
        sa.Column("organisation", sa.Text, nullable=False),
        sa.Column("team", sa.Text, nullable=False),
        sa.Column("is_blocked", sa.Boolean, nullable=False),
        sa.Column("password_hash", sa.Text),
    )


def _refuse_changes_of_the_audit_log() -> None:
    if op.get_bind().dialect.name == "sqlite":
        for act in ("UPDATE", "DELETE"):
            op.execute(
                f"CREATE TRIGGER audit_log_no_{act.lower()} BEFORE {act} ON audit_log BEGIN SELECT RAISE(ABORT, '{_REFUSED}'); END"
            )
        return
    op.execute(
        "CREATE FUNCTION refuse_change_of_audit_log() RETURNS trigger LANGUAGE plpgsql AS "
        f"$$ BEGIN RAISE EXCEPTION '{_REFUSED}'; END $$"
    )
    op.execute(
        "CREATE TRIGGER audit_log_no_change BEFORE UPDATE OR DELETE ON audit_log "
        "FOR EACH ROW EXECUTE FUNCTION refuse_change_of_audit_log()"
    )


def downgrade() -> None:
    """Forget them."""
    for name in ("idempotent_creates", "audit_log", "allowances", "users", "teams", "organisations", "retiring_secrets"):
        op.drop_table(name)
    if op.get_bind().dialect.name != "sqlite":
        op.execute("DROP FUNCTION refuse_change_of_audit_log()")
    for name in ("virtual_keys_team", "virtual_keys_owner", "virtual_keys_organisation"):
        op.drop_index(name, "virtual_keys")
    for name in ("team", "owner", "organisation", "addresses", "tags", "demand", "priority", "version", "is_blocked"):
        op.drop_column("virtual_keys", name)
    op.drop_column("virtual_keys", "max_output_tokens")
