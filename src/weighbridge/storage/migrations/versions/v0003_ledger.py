"""The ledger: facts, entries, balances, counters, and sums by time."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"

_ID = sa.BigInteger().with_variant(sa.Integer, "sqlite")
_SERIES = ("key", "team", "owner", "organisation", "route", "provider", "model")
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
)
_REFUSED = "entries of the ledger are never changed: book an adjustment"


def upgrade() -> None:
    """Make the tables, empty, and have the database refuse every change of an entry."""
    _make_names()
    _make_facts()
    _make_books()
    _make_journals()
    _make_sums()
    _protect_entries()


def _number(name: str, kind: type[sa.types.TypeEngine[int]] = sa.Integer) -> sa.Column[int]:
    return sa.Column(name, kind, nullable=False)


def _make_names() -> None:
    op.create_table(
        "labels",
        sa.Column("id", _ID, primary_key=True, autoincrement=False),
        sa.Column("text", sa.Text, nullable=False, unique=True),
    )
    op.create_table("series", sa.Column("id", _ID, primary_key=True, autoincrement=False), *(_number(name) for name in _SERIES))
    op.create_index("series_all", "series", list(_SERIES), unique=True)


def _make_facts() -> None:
    texts = ("end_user", "session", "tags", "requested_model", "dialect", "operation", "error", "finish_reason")
    op.create_table(
        "requests",
        sa.Column("id", _ID, primary_key=True, autoincrement=False),
        sa.Column("request_id", sa.Text, nullable=False),
        _number("at", sa.BigInteger),
        _number("series"),
        *(_number(name) for name in texts),
        _number("status", sa.SmallInteger),
        sa.Column("is_stream", sa.Boolean, nullable=False),
        _number("provenance", sa.SmallInteger),
        _number("price_state", sa.SmallInteger),
        *(_number(name, sa.BigInteger) for name in ("input", "cache_read", "cache_write", "output", "reasoning")),
        sa.Column("cost", sa.BigInteger),
        _number("duration_us", sa.BigInteger),
        sa.Column("first_byte_us", sa.BigInteger),
        _number("overhead_us", sa.BigInteger),
        _number("attempts", sa.SmallInteger),
        _number("first_entry", sa.BigInteger),
        _number("entries", sa.SmallInteger),
    )
    op.create_index("requests_request_id", "requests", ["request_id"])
    op.create_index("requests_at", "requests", ["at"])
    for name in ("end_user", "session", "error", "tags"):
        some = sa.text(f"{name} != 0")
        op.create_index(f"requests_{name}", "requests", [name, "at"], sqlite_where=some, postgresql_where=some)
    op.create_table(
        "records",
        sa.Column("id", _ID, primary_key=True, autoincrement=False),
        sa.Column("body", sa.LargeBinary, nullable=False),
    )


def _make_books() -> None:
    op.create_table(
        "entries",
        sa.Column("seq", _ID, primary_key=True, autoincrement=False),
        sa.Column("ref", sa.Text, nullable=False),
        _number("debit"),
        _number("credit"),
        _number("amount", sa.BigInteger),
        _number("kind", sa.SmallInteger),
        _number("at", sa.BigInteger),
        sa.Column("request_id", sa.Text, nullable=False),
        _number("attempt", sa.SmallInteger),
        _number("expires_at", sa.BigInteger),
        sa.Column("note", sa.Text, nullable=False),
    )
    named = sa.text("ref != ''")
    op.create_index("entries_ref", "entries", ["ref"], unique=True, sqlite_where=named, postgresql_where=named)
    op.create_table(
        "balances",
        sa.Column("account", sa.Integer, primary_key=True, autoincrement=False),
        *(_number(name, sa.BigInteger) for name in ("debits", "credits", "entries")),
    )
    op.create_table(
        "charges",
        sa.Column("seq", _ID, primary_key=True, autoincrement=False),
        _number("counter"),
        _number("request", sa.BigInteger),
        _number("amount", sa.BigInteger),
    )
    op.create_table(
        "counters",
        sa.Column("counter", sa.Integer, primary_key=True, autoincrement=False),
        _number("amount", sa.BigInteger),
    )


def _make_journals() -> None:
    op.create_table(
        "journal_positions",
        sa.Column("journal_id", sa.Text, primary_key=True),
        _number("sequence", sa.BigInteger),
        _number("offset", sa.BigInteger),
        sa.Column("is_closed", sa.Boolean, nullable=False),
    )
    op.create_table(
        "open_attempts",
        sa.Column("journal_id", sa.Text, primary_key=True),
        sa.Column("request_id", sa.Text, primary_key=True),
        sa.Column("attempt", sa.SmallInteger, primary_key=True, autoincrement=False),
        sa.Column("body", sa.LargeBinary, nullable=False),
    )


def _make_sums() -> None:
    def key(name: str, kind: type[sa.types.TypeEngine[int]]) -> sa.Column[int]:
        return sa.Column(name, kind, primary_key=True, autoincrement=False)

    span = (("grain", sa.SmallInteger), ("start", sa.BigInteger), ("series", sa.Integer))
    op.create_table(
        "rollups", *(key(*each) for each in span), *(_number(name, sa.BigInteger) for name in _SUMS), sqlite_with_rowid=False
    )
    op.create_table(
        "latencies",
        *(key(*each) for each in (*span, ("measure", sa.SmallInteger), ("bucket", sa.SmallInteger))),
        _number("n", sa.BigInteger),
        sqlite_with_rowid=False,
    )


def _protect_entries() -> None:
    if op.get_bind().dialect.name == "sqlite":
        for act in ("UPDATE", "DELETE"):
            op.execute(
                f"CREATE TRIGGER entries_no_{act.lower()} BEFORE {act} ON entries BEGIN SELECT RAISE(ABORT, '{_REFUSED}'); END"
            )
        return
    op.execute(
        "CREATE FUNCTION refuse_change_of_entries() RETURNS trigger LANGUAGE plpgsql AS "
        f"$$ BEGIN RAISE EXCEPTION '{_REFUSED}'; END $$"
    )
    op.execute(
        "CREATE TRIGGER entries_no_change BEFORE UPDATE OR DELETE ON entries "
        "FOR EACH ROW EXECUTE FUNCTION refuse_change_of_entries()"
    )


def downgrade() -> None:
    """Forget them."""
    for name in (
        "latencies",
        "rollups",
        "open_attempts",
        "journal_positions",
        "counters",
        "charges",
        "balances",
        "entries",
        "records",
        "requests",
        "series",
        "labels",
    ):
        op.drop_table(name)
    if op.get_bind().dialect.name == "postgresql":
        op.execute("DROP FUNCTION refuse_change_of_entries()")
