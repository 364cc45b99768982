"""All tables with all their indexes, as migrations have to make them.

Indexes of a part of a table's rows are declared here and not beside the tables, since SQLAlchemy loads all of PostgreSQL's drivers
to check an option of its name: 85 ms of every start and of every command, which need no index's declaration.
"""

from __future__ import annotations

from typing import Final

from sqlalchemy import ColumnElement, Index, MetaData

from weighbridge.storage import tables
from weighbridge.storage.ledger_tables import entries, requests


def _declare(name: str, *columns: ColumnElement[object], where: ColumnElement[bool], is_unique: bool = False) -> None:
    Index(name, *columns, unique=is_unique, sqlite_where=where, postgresql_where=where)


# Only among keys that are not revoked: so `keys revoke NAME` is unambiguous, and a rotated key keeps its name.
_declare("virtual_keys_live_name", tables.virtual_keys.c.name, where=tables.virtual_keys.c.revoked_at.is_(None), is_unique=True)
for _name in ("end_user", "session", "error", "tags"):  # most requests have none of them
    _declare(f"requests_{_name}", requests.c[_name], requests.c.at, where=requests.c[_name] != 0)
_declare("entries_ref", entries.c.ref, where=entries.c.ref != "", is_unique=True)

schema: Final[MetaData] = tables.metadata
