"""The audit log, read: who did what to what, newest first."""

from __future__ import annotations

from typing import Any, NamedTuple

from sqlalchemy import Row, select

from weighbridge.storage.tables import audit_log
from weighbridge.storage.transactions import Transactions


class AuditEntry(NamedTuple):
    """One act. `before` and `after` have what has changed of its subject."""

    id: int
    at_wall_ns: int
    actor: str
    address: str
    action: str
    kind: str
    subject_id: str
    subject: str
    before: dict[str, Any]
    after: dict[str, Any]


class AuditQuery(NamedTuple):
    """Which acts: those before the one whose id is `cursor`, and of what is given."""

    limit: int = 50
    cursor: int | None = None
    actor: str | None = None
    kind: str | None = None
    subject_id: str | None = None


class AuditStore:
    """Reads what `Transactions.audit` has written. Raises `StorageError` if the database cannot be used."""

    __slots__ = ("_transactions",)

    def __init__(self, transactions: Transactions) -> None:
        self._transactions = transactions

    def entries(self, query: AuditQuery) -> list[AuditEntry]:
        """At most `limit` of them, newest first."""
        wanted = select(audit_log).order_by(audit_log.c.id.desc()).limit(query.limit)
        if query.cursor is not None:
            wanted = wanted.where(audit_log.c.id < query.cursor)
        for column, value in (
            (audit_log.c.actor, query.actor),
            (audit_log.c.kind, query.kind),
            (audit_log.c.subject_id, query.subject_id),
        ):
            if value is not None:
                wanted = wanted.where(column == value)
        with self._transactions.reading() as connection:
            return [_entry(row) for row in connection.execute(wanted)]


def _entry(row: Row[Any]) -> AuditEntry:
    return AuditEntry(
        row.id, row.at, row.actor, row.address, row.action, row.kind, row.subject_id, row.subject, dict(row.before), dict(row.after)
    )
