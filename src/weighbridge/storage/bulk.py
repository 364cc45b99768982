"""Many rows at once, by the driver itself: SQLAlchemy takes several times as long for each.

Rows are in the order of the table's columns. SQLite and PostgreSQL say what happens to rows that are there already in the same
words (https://sqlite.org/lang_upsert.html), so that neither dialect has to be loaded for it: PostgreSQL's takes 40 ms.
"""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import Connection, Table

Rows = Sequence[tuple[object, ...]]


def insert_rows(connection: Connection, table: Table, rows: Rows) -> None:
    """Insert rows."""
    _write(connection, table, rows, "")


def insert_new(connection: Connection, table: Table, rows: Rows) -> None:
    """Insert rows; those that are there stay as they are."""
    _write(connection, table, rows, " ON CONFLICT DO NOTHING")


def add_sums(connection: Connection, table: Table, sums: Sequence[str], rows: Rows) -> None:
    """Add to these columns of rows by their primary keys; rows that are not there are made."""
    quote = connection.dialect.identifier_preparer.quote
    own = quote(table.name)
    _write(connection, table, rows, _on_conflict(connection, table, [f"{own}.{quote(name)} + " for name in sums], sums))


def replace_rows(connection: Connection, table: Table, replaced: Sequence[str], rows: Rows) -> None:
    """Insert rows, or replace these columns of those that are there."""
    _write(connection, table, rows, _on_conflict(connection, table, [""] * len(replaced), replaced))


def _on_conflict(connection: Connection, table: Table, before: Sequence[str], names: Sequence[str]) -> str:
    quote = connection.dialect.identifier_preparer.quote
    keys = ", ".join(quote(column.name) for column in table.primary_key.columns)
    changes = ", ".join(f"{quote(name)} = {first}excluded.{quote(name)}" for first, name in zip(before, names, strict=True))
    return f" ON CONFLICT ({keys}) DO UPDATE SET {changes}"


def _write(connection: Connection, table: Table, rows: Rows, conflict: str) -> None:
    if not rows:
        return
    quote = connection.dialect.identifier_preparer.quote
    mark = "%s" if connection.dialect.name == "postgresql" else "?"
    names = [quote(column.name) for column in table.columns]
    # Nothing but our own names of tables and columns is in it.
    statement = f"INSERT INTO {quote(table.name)} ({', '.join(names)}) VALUES ({', '.join([mark] * len(names))}){conflict}"  # noqa: S608
    connection.exec_driver_sql(statement, list(rows))
