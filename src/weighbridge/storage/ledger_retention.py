"""What of the ledger is kept for how long. Entries, balances, charges and sums by day stay for ever: the books are never cut."""

from __future__ import annotations

from typing import Final

from sqlalchemy import Column, Connection, delete, func, select

from weighbridge.core.clock import NS_PER_S
from weighbridge.storage.ledger_tables import latencies, records, requests, rollups

_DAY_S: Final = 86_400
RECORDS_S: Final = 30 * _DAY_S
"""Whole Records: what a page of one request shows."""
REQUESTS_S: Final = 90 * _DAY_S
"""A row for each request."""
SUMS_S: Final = (7 * _DAY_S, 400 * _DAY_S)
"""Sums by minute and by hour; those by day stay."""
BATCH: Final = 5_000
"""Rows deleted in one transaction: others wait for the write lock no longer than for a batch of requests."""


def delete_expired(connection: Connection, wall_ns: int) -> int:
    """Delete a batch of what has been kept long enough. How many rows; 0: nothing is left to be deleted."""
    now_s = wall_ns // NS_PER_S
    n_deleted = _delete_older(connection, records.c.id, (now_s - RECORDS_S) * NS_PER_S)
    n_deleted += _delete_older(connection, requests.c.id, (now_s - REQUESTS_S) * NS_PER_S)
    for table in (rollups, latencies):
        for grain, kept_s in enumerate(SUMS_S):
            expired = delete(table).where(table.c.grain == grain, table.c.start < now_s - kept_s)
            n_deleted += connection.execute(expired).rowcount
    return n_deleted


def _delete_older(connection: Connection, number: Column[int], before_ns: int) -> int:
    """Delete rows of the oldest requests: they have their numbers in the order in which they came, so a number bounds them."""
    newest_expired = select(func.max(requests.c.id)).where(requests.c.at < before_ns).scalar_subquery()
    oldest = select(number).where(number <= newest_expired).order_by(number).limit(BATCH)
    return connection.execute(delete(number.table).where(number.in_(oldest))).rowcount
