"""Which requests have been archived, and the next ones that are to be: batches of their numbers, in order, without a gap.

A batch is written down before its files are, so that whoever goes on after a crash, or another host of the same database, makes the
same files again. It is done when they are safe, and retention deletes nothing beyond the last one that is done.
"""

from __future__ import annotations

from itertools import takewhile
from typing import Final, NamedTuple

import msgspec
from sqlalchemy import Connection, func, select, update

from weighbridge.core.terms import Record
from weighbridge.storage.bulk import insert_new
from weighbridge.storage.ledger_retention import last_archived
from weighbridge.storage.ledger_tables import archives, records, requests
from weighbridge.storage.request_queries import RequestRow, rows_between
from weighbridge.storage.transactions import Transactions

BATCH: Final = 10_000
"""Requests: some 50 MB while they are written, and one or two megabytes in a file."""
_decode: Final = msgspec.msgpack.Decoder(Record).decode


class ArchiveBatch(NamedTuple):
    """Requests by their numbers, both inclusive. `n_rows` is 0 until it is done."""

    first: int
    last: int
    n_rows: int
    is_done: bool
    at_ns: int


class ArchivedRequest(NamedTuple):
    """A request, and its Record where that is still kept."""

    row: RequestRow
    record: Record | None


class ArchiveStore:
    """Raises `StorageError` if the database cannot be used."""

    __slots__ = ("_transactions",)

    def __init__(self, transactions: Transactions) -> None:
        self._transactions = transactions

    def next_batch(self, before_ns: int) -> ArchiveBatch | None:
        """The batch that was begun and is not done, or else a new one of requests from before a time. None: there are none."""
        with self._transactions.writing() as connection:
            begun = _begun(connection)
            now_ns = self._transactions.clock.wall_ns()
            if begun is None and (span := _next_span(connection, before_ns, now_ns)) is not None:
                first, last = span
                # Of two hosts that come at once one waits here for the other, and then goes on with what that one has begun.
                insert_new(connection, archives, [(first, last, 0, False, now_ns)])
                begun = _begun(connection)
        return begun

    def requests(self, batch: ArchiveBatch) -> list[ArchivedRequest]:
        """What there is of a batch, in the order of its numbers."""
        query = select(records.c.id, records.c.body).where(records.c.id >= batch.first, records.c.id <= batch.last)
        with self._transactions.reading() as connection:
            rows = rows_between(connection, batch.first, batch.last)
            bodies = {row.id: row.body for row in connection.execute(query)}
        return [ArchivedRequest(row, _decode(bodies[row.number]) if row.number in bodies else None) for row in rows]

    def done(self, batch: ArchiveBatch, n_rows: int) -> None:
        """Its files are safe, with so many rows. A second time changes nothing."""
        mine = (archives.c.first == batch.first) & ~archives.c.is_done
        values = {"rows": n_rows, "is_done": True, "at": self._transactions.clock.wall_ns()}
        with self._transactions.writing() as connection:
            connection.execute(update(archives).where(mine).values(values))

    def batches(self) -> list[ArchiveBatch]:
        """All of them, the oldest first."""
        with self._transactions.reading() as connection:
            return [ArchiveBatch(*row) for row in connection.execute(select(archives).order_by(archives.c.first))]


def _begun(connection: Connection) -> ArchiveBatch | None:
    row = connection.execute(select(archives).where(~archives.c.is_done).order_by(archives.c.first).limit(1)).one_or_none()
    return None if row is None else ArchiveBatch(*row)


def _next_span(connection: Connection, before_ns: int, now_ns: int) -> tuple[int, int] | None:
    """The requests after the last batch, up to the first that is too young. A date to come is a wrong one, and holds up nobody."""
    number = requests.c.id
    so_far = func.coalesce(last_archived().scalar_subquery(), 0)
    query = select(number, requests.c.at).where(number > so_far).order_by(number).limit(BATCH)
    with connection.execute(query) as following:  # mostly the first is too young already
        due = [int(row.id) for row in takewhile(lambda row: not before_ns <= row.at <= now_ns, following)]
    return (due[0], due[-1]) if due else None
