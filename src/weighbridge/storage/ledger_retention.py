"""What of the ledger is kept for how long. Entries, balances, charges and sums by day and week stay: the books are never cut."""

from __future__ import annotations

from typing import Final, NamedTuple

from sqlalchemy import Column, Connection, delete, exists, select

from weighbridge.core.clock import NS_PER_S
from weighbridge.storage.ledger_sums import DAY, FACETS, GRAINS_S, HOUR, WEEK
from weighbridge.storage.ledger_tables import facets, latencies, records, requests, rollups

_DAY_S: Final = 86_400


class Retention(NamedTuple):
    """For how many days things are kept. Sums by day stay for ever."""

    records: int = 30
    """Whole Records: what a page of one request shows."""
    requests: int = 90
    """A row for each request."""
    minutes: int = 7
    """Sums by minute."""
    hours: int = 400
    """Sums by hour; and sums by tag, dialect and kind of error, of which there may be many, altogether."""


BATCH: Final = 5_000
"""Rows deleted in one transaction: others wait for the write lock no longer than for a batch of requests."""


def delete_expired(connection: Connection, wall_ns: int, kept: Retention) -> int:
    """Delete a batch of what has been kept long enough. How many rows; 0: nothing is left to be deleted."""
    now_s = wall_ns // NS_PER_S
    n_deleted = _delete_older(connection, records.c.id, (now_s - kept.records * _DAY_S) * NS_PER_S)
    n_deleted += _delete_older(connection, requests.c.id, (now_s - kept.requests * _DAY_S) * NS_PER_S)
    for table in (rollups, latencies):
        for grain, days in enumerate((kept.minutes, kept.hours)):
            expired = delete(table).where(table.c.grain == grain, table.c.start < now_s - days * _DAY_S)
            n_deleted += connection.execute(expired).rowcount
    for grain in (HOUR, DAY, WEEK):
        last = now_s - kept.hours * _DAY_S - GRAINS_S[grain]  # what ends later is still needed
        for facet in range(2 * len(FACETS)):
            expired = delete(facets).where(facets.c.facet == facet, facets.c.grain == grain, facets.c.start < last)
            n_deleted += connection.execute(expired).rowcount
    return n_deleted


def _delete_older(connection: Connection, number: Column[int], before_ns: int) -> int:
    """Delete rows of the oldest requests that began before a time.

    Requests have their numbers in the order in which they came, so that of the youngest among those bounds where is looked. One of
    an old date that came late waits until its neighbours go.
    """
    newest = select(requests.c.id).where(requests.c.at < before_ns).order_by(requests.c.at.desc()).limit(1).scalar_subquery()
    asked = requests.alias()
    is_old = exists().where(asked.c.id == number, asked.c.at < before_ns)  # which is looked up in the order of the numbers
    oldest = select(number).where(number <= newest, is_old).order_by(number).limit(BATCH)
    return connection.execute(delete(number.table).where(number.in_(oldest))).rowcount
