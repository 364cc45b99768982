"""Corrections of prices: requests of a time with what their attempts have cost so far, and what a correction adds to that.

Originals stay as they were booked: facts, sums by time and entries. A correction writes entries of its own and a row for each
attempt, in one transaction for each batch. One that is interrupted and done again finds what is left.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final, NamedTuple

import msgspec
from sqlalchemy import Connection, func, insert, select

from weighbridge.core.allowances import Scope, ScopeKind
from weighbridge.core.clock import NS_PER_S, new_id
from weighbridge.core.terms import Record
from weighbridge.ledger.books import charge_adjustment, payer
from weighbridge.ledger.repricing import Outcome, entries_of_repriced
from weighbridge.ledger.terms import Entry
from weighbridge.storage.credit_store import counter_of
from weighbridge.storage.ledger_labels import known_labels
from weighbridge.storage.ledger_store import book_within
from weighbridge.storage.ledger_tables import records, requests, series
from weighbridge.storage.tables import corrected_attempts, credit_accounts, price_corrections
from weighbridge.storage.transactions import Act, Change, Transactions

BATCH: Final = 500
"""Requests in one transaction: some 50 ms of SQLite's write lock."""
_decode: Final = msgspec.msgpack.Decoder(Record).decode
_COLUMNS: Final = {ScopeKind.ORGANISATION: "organisation", ScopeKind.TEAM: "team", ScopeKind.USER: "owner", ScopeKind.KEY: "key"}


class Booked(NamedTuple):
    """A request with what its attempts cost by the books, corrections so far among it. `charged` is what its customer was charged
    at first, `added` what corrections have added to that. `record` is None where it was kept for a shorter time than its row."""

    number: int
    series: int
    record: Record | None
    costs: tuple[int | None, ...]
    charged: int
    added: int


class Correction(NamedTuple):
    """One that was made. `models` is a pattern; amounts are what was added, in nano-dollars."""

    id: str
    created_wall_ns: int
    actor: str
    reason: str
    models: str
    from_s: int
    to_s: int
    n_attempts: int
    cost: int
    charge: int


class CorrectionStore:
    """Raises `StorageError` if the database cannot be used."""

    __slots__ = ("_transactions",)

    def __init__(self, transactions: Transactions) -> None:
        self._transactions = transactions

    def requests(self, from_s: int, to_s: int) -> Iterator[list[Booked]]:
        """The requests that began in a time, in batches, oldest number first."""
        after = 0
        while True:
            with self._transactions.reading() as connection:
                found = _booked(connection, from_s, to_s, after)
            if found:
                yield found
            if len(found) < BATCH:
                return
            after = found[-1].number

    def begin(self, reason: str, models: str, from_s: int, to_s: int, act: Act) -> str:
        """Make a correction, which corrects nothing yet. Its id. Raises what `begin_create` raises."""
        made = new_id("cor")
        now = self._transactions.clock.wall_ns()
        asked = {"reason": reason, "models": models, "from_s": from_s, "to_s": to_s}
        row = {"id": made, "created_at": now, "actor": act.actor, **asked}
        with self._transactions.writing() as connection:
            self._transactions.begin_create(connection, act)
            connection.execute(insert(price_corrections).values(row))
            self._transactions.remember_create(connection, act, made)
            self._transactions.audit(connection, act, Change("create", "price correction", made, models, after=asked))
        return made

    def apply(self, correction: str, outcomes: Sequence[tuple[Booked, Outcome]], note: str) -> int:
        """Book a batch. How many attempts: those of a request that somebody else has corrected meanwhile are left alone."""
        now = self._transactions.clock.wall_ns()
        with self._transactions.writing() as connection:
            so_far = _so_far(connection, [each.record.request_id for each, _ in outcomes if each.record is not None])
            prepaid = set(connection.execute(select(credit_accounts.c.payer)).scalars())
            entries: list[Entry] = []
            rows: list[dict[str, object]] = []
            spent: dict[str, int] = {}
            for booked, outcome in outcomes:
                record = booked.record
                if record is None or _with(record, so_far) != (booked.costs, booked.added):
                    continue
                entries += entries_of_repriced(correction, record, outcome.repriced, now, note)
                rows += _rows(correction, booked, outcome)
                if outcome.charge:
                    owner, name = payer(record), f"{correction}/{record.request_id}/charge"
                    entries.append(charge_adjustment(name, owner, outcome.charge, now, request_id=record.request_id, note=note))
                    if owner in prepaid:
                        spent[counter_of(owner)] = spent.get(counter_of(owner), 0) + outcome.charge
            if rows:
                connection.execute(insert(corrected_attempts), rows)
                book_within(connection, entries, spent)
        return len(rows)

    def all(self) -> list[Correction]:
        """Every one, newest first."""
        with self._transactions.reading() as connection:
            return _corrections(connection)

    def of_request(self, request_id: str) -> list[tuple[Correction, int, int]]:
        """What corrections have added to the attempts of a request: (correction, attempt, amount)."""
        query = select(corrected_attempts).where(corrected_attempts.c.request_id == request_id)
        with self._transactions.reading() as connection:
            made = {each.id: each for each in _corrections(connection)}
            rows = connection.execute(query.order_by(corrected_attempts.c.attempt)).all()
        return [(made[row.correction], int(row.attempt), int(row.cost)) for row in rows]

    def made_in(self, from_s: int, to_s: int, payer_scope: Scope) -> list[Correction]:
        """Those that were made in a time, as far as they concern a payer."""
        with self._transactions.reading() as connection:
            numbers: Sequence[int] | None = None
            if payer_scope.kind is not ScopeKind.GATEWAY:
                column = series.c[_COLUMNS[payer_scope.kind]]
                label = known_labels(connection, [payer_scope.name]).get(payer_scope.name)
                numbers = list(connection.execute(select(series.c.id).where(column == label)).scalars()) if label else []
            found = _corrections(connection, numbers)
        span = range(from_s * NS_PER_S, to_s * NS_PER_S)
        return [each for each in found if each.created_wall_ns in span and each.n_attempts]


def _corrections(connection: Connection, of_series: Sequence[int] | None = None) -> list[Correction]:
    mine = corrected_attempts
    columns = (
        mine.c.correction,
        func.count().label("n"),
        func.sum(mine.c.cost).label("cost"),
        func.sum(mine.c.charge).label("charge"),
    )
    sums = select(*columns).group_by(mine.c.correction)
    if of_series is not None:
        sums = sums.where(mine.c.series.in_(of_series))
    found = {row.correction: (int(row.n), int(row.cost), int(row.charge)) for row in connection.execute(sums)}
    newest = select(price_corrections).order_by(price_corrections.c.created_at.desc(), price_corrections.c.id)
    made = []
    for row in connection.execute(newest):
        asked = (row.id, int(row.created_at), row.actor, row.reason, row.models, int(row.from_s), int(row.to_s))
        made.append(Correction(*asked, *found.get(row.id, (0, 0, 0))))
    return made


def _booked(connection: Connection, from_s: int, to_s: int, after: int) -> list[Booked]:
    columns = (requests.c.id, requests.c.series, requests.c.charged, records.c.body)
    query = select(*columns).join(records, records.c.id == requests.c.id, isouter=True)
    mine = (requests.c.at >= from_s * NS_PER_S) & (requests.c.at < to_s * NS_PER_S) & (requests.c.id > after)
    rows = connection.execute(query.where(mine).order_by(requests.c.id).limit(BATCH)).all()
    decoded = [None if row.body is None else _decode(row.body) for row in rows]
    so_far = _so_far(connection, [record.request_id for record in decoded if record is not None])
    found = []
    for row, record in zip(rows, decoded, strict=True):
        costs, added = _with(record, so_far) if record is not None else ((), 0)
        found.append(Booked(int(row.id), int(row.series), record, costs, int(row.charged), added))
    return found


def _so_far(connection: Connection, request_ids: Sequence[str]) -> Mapping[str, Mapping[int, tuple[int, int]]]:
    """By request and attempt: what corrections have added to its cost, and to its customer's charge."""
    mine = corrected_attempts
    query = select(mine.c.request_id, mine.c.attempt, func.sum(mine.c.cost), func.sum(mine.c.charge))
    query = query.where(mine.c.request_id.in_(request_ids)).group_by(mine.c.request_id, mine.c.attempt)
    found: dict[str, dict[int, tuple[int, int]]] = defaultdict(dict)
    for request_id, attempt, cost, charge in connection.execute(query):
        found[request_id][int(attempt)] = (int(cost), int(charge))
    return found


def _with(record: Record, so_far: Mapping[str, Mapping[int, tuple[int, int]]]) -> tuple[tuple[int | None, ...], int]:
    """What a request's attempts cost with its corrections so far, and what these have added to its charge."""
    added = so_far.get(record.request_id, {})
    costs = tuple(
        attempt.cost_nanousd if place not in added else (attempt.cost_nanousd or 0) + added[place][0]
        for place, attempt in enumerate(record.attempts)
    )
    return costs, sum(charge for _cost, charge in added.values())


def _rows(correction: str, booked: Booked, outcome: Outcome) -> list[dict[str, Any]]:
    assert booked.record is not None
    return [
        {
            "correction": correction,
            "request_id": booked.record.request_id,
            "attempt": each.place,
            "series": booked.series,
            "cost": each.difference,
            "charge": outcome.charge if n == 0 else 0,
        }
        for n, each in enumerate(outcome.repriced)
    ]
