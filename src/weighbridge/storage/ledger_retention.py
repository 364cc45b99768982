"""What of the ledger is kept for how long. Entries, balances, charges and sums by day and week stay: the books are never cut."""

from __future__ import annotations

from typing import Final, NamedTuple

from sqlalchemy import Column, Connection, Select, delete, exists, func, select

from weighbridge.core.clock import NS_PER_S
from weighbridge.storage.ledger_sums import DAY, FACETS, FIRST_LATE_FACET, GRAINS_S, HOUR, LATE_FACETS, WEEK
from weighbridge.storage.ledger_tables import all_latencies, archives, facets, latencies, records, requests, rollups

_DAY_S: Final = 86_400
_LONGEST_NS: Final = 3_600 * NS_PER_S
"""How long before another request one may have begun that ended after it."""


class Retention(NamedTuple):
    """For how many days things are kept. Sums by day stay for ever."""

    records: int = 30
    """Whole Records: what a page of one request shows."""
    requests: int = 90
    """A row for each request, and sums by end user and session."""
    minutes: int = 7
    """Sums by minute."""
    hours: int = 400
    """Sums by hour; and sums by tag, dialect and kind of error, of which there may be many, altogether."""


BATCH: Final = 5_000
"""Rows deleted in one transaction: others wait for the write lock no longer than for a batch of requests."""


def delete_expired(connection: Connection, wall_ns: int, kept: Retention, *, is_archived: bool = False) -> int:
    """Delete a batch of what has been kept long enough, and has been archived where it `is_archived`. How many rows; 0: nothing is
    left to be deleted."""
    now_s = wall_ns // NS_PER_S
    n_deleted = 0
    for number, days in ((records.c.id, kept.records), (requests.c.id, kept.requests)):
        n_deleted += _delete_older(connection, number, (now_s - days * _DAY_S) * NS_PER_S, is_archived=is_archived)
    for table in (rollups, latencies, all_latencies):
        for grain, days in enumerate((kept.minutes, kept.hours)):
            expired = delete(table).where(table.c.grain == grain, table.c.start < now_s - days * _DAY_S)
            n_deleted += connection.execute(expired).rowcount
    for grain in (HOUR, DAY, WEEK):
        last = now_s - kept.hours * _DAY_S - GRAINS_S[grain]  # what ends later is still needed
        for facet in range(2 * len(FACETS)):
            expired = delete(facets).where(facets.c.facet == facet, facets.c.grain == grain, facets.c.start < last)
            n_deleted += connection.execute(expired).rowcount
    for grain in (DAY, WEEK):  # as many of them as there are people: kept as long as their requests
        last = now_s - kept.requests * _DAY_S - GRAINS_S[grain]
        for place in range(len(LATE_FACETS)):
            of_late = (facets.c.facet == FIRST_LATE_FACET + place, facets.c.grain == grain, facets.c.start < last)
            n_deleted += connection.execute(delete(facets).where(*of_late)).rowcount
    return n_deleted


def last_archived() -> Select[tuple[int]]:
    """The number of the last request of the last batch that was begun."""
    return select(archives.c.last).order_by(archives.c.first.desc()).limit(1)


def _delete_older(connection: Connection, number: Column[int], before_ns: int, *, is_archived: bool) -> int:
    """Delete rows of the oldest requests that began before a time.

    Requests have their numbers in the order in which they ended, so those of the youngest among them bound where is looked. One of
    an old date that came late waits until its neighbours go.
    """
    began, asked = requests.alias(), requests.alias()
    youngest = select(func.max(began.c.at)).where(began.c.at < before_ns).scalar_subquery()
    last = select(func.max(requests.c.id)).where(requests.c.at < before_ns, requests.c.at >= youngest - _LONGEST_NS)
    is_old = exists().where(asked.c.id == number, asked.c.at < before_ns)  # which is looked up in the order of the numbers
    oldest = select(number).where(number <= last.scalar_subquery(), is_old)
    if is_archived:
        oldest = oldest.where(number <= last_archived().where(archives.c.is_done).scalar_subquery())
    return connection.execute(delete(number.table).where(number.in_(oldest.order_by(number).limit(BATCH)))).rowcount
