"""A month's statement of one customer: what was used of which model, what providers charge for it, and what the customer pays.

It is made of the sums by day, which stay for ever and whose charges `verify` compares with the entries. So a month that is over has
the same statement whenever it is asked for; a price that is corrected later stands in the month of its correction. Months are those
of UTC.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Final, NamedTuple

from weighbridge.core.allowances import Scope, ScopeKind
from weighbridge.storage.correction_store import Correction
from weighbridge.storage.ledger_store import LedgerStore
from weighbridge.storage.ledger_sums import SUM_COLUMNS
from weighbridge.storage.usage_queries import usage
from weighbridge.storage.usage_rows import UsageRow
from weighbridge.storage.usage_terms import UsageQuery

PAYERS: Final = frozenset((ScopeKind.GATEWAY, ScopeKind.ORGANISATION, ScopeKind.TEAM, ScopeKind.USER, ScopeKind.KEY))
"""Whose statements there are; that of the gateway is everybody's."""
_PLACES: Final = {name: place for place, name in enumerate(SUM_COLUMNS)}
_DECEMBER: Final = 12


class Month(NamedTuple):
    """A month of UTC."""

    year: int
    month: int

    @property
    def start_s(self) -> int:
        """Its first second, as Unix time."""
        return int(datetime(self.year, self.month, 1, tzinfo=UTC).timestamp())

    @property
    def end_s(self) -> int:
        """The first second after it."""
        following = Month(self.year + 1, 1) if self.month == _DECEMBER else Month(self.year, self.month + 1)
        return following.start_s

    def __str__(self) -> str:
        return f"{self.year:04}-{self.month:02}"


class Line(NamedTuple):
    """One model, or all of them. Amounts are nano-dollars; `estimated` is the part of `cost` that nobody told exactly, and
    `unknown_costs` the attempts whose cost nobody knows: those are not in the sums, and not charged."""

    model: str
    requests: int
    input: int
    cache_read: int
    cache_write: int
    output: int
    cost: int
    estimated: int
    unknown_costs: int
    charged: int
    own_cost: int = 0
    """What of the cost providers bill to the customer, whose own key they were asked with."""


class Statement(NamedTuple):
    """A customer's month, dearest model first; and how it divides among what the customer consists of (teams, or keys)."""

    payer: Scope
    month: Month
    is_over: bool
    lines: list[Line]
    total: Line
    divided_by: str
    parts: list[Line]
    corrections: Sequence[Correction] = ()
    """Of prices of whatever month, that were made in this one."""

    @property
    def due(self) -> int:
        """What the customer pays: for the month's requests, and what corrections add to that."""
        return self.total.charged + sum(each.charge for each in self.corrections)


def parse_month(text: str) -> Month:
    """`2026-11`. Raises `ValueError` with a sentence."""
    try:
        moment = datetime.strptime(text, "%Y-%m").replace(tzinfo=UTC)
    except ValueError:
        raise ValueError(f"{text!r} is no month: write 2026-11") from None
    return Month(moment.year, moment.month)


def statement(store: LedgerStore, payer: Scope, month: Month, now_wall_s: int, corrections: Sequence[Correction] = ()) -> Statement:
    """`corrections` are those of the payer's that were made in the month. Raises `StorageError`, and `ValueError` for a payer of
    another kind."""
    if payer.kind not in PAYERS:
        raise ValueError(f"there is no statement of a {payer.kind.value}")
    filters = {} if payer.kind is ScopeKind.GATEWAY else {payer.kind.value: (payer.name,)}
    divided_by = {ScopeKind.GATEWAY: "organisation", ScopeKind.ORGANISATION: "team"}.get(payer.kind, "key")
    lines, parts = (_lines(store, month, group, filters) for group in ("model", divided_by))
    return Statement(payer, month, month.end_s <= now_wall_s, lines, _total(lines), divided_by, parts, corrections)


def _lines(store: LedgerStore, month: Month, group: str, filters: Mapping[str, tuple[str, ...]]) -> list[Line]:
    answer = usage(store, UsageQuery(month.start_s, month.end_s, "none", (group,), filters, wants_quantiles=False))
    lines = [_line(row) for row in answer.rows]
    return sorted(lines, key=lambda line: (-line.charged, -line.cost, line.model))


def _line(row: UsageRow) -> Line:
    values = {name: row.sums[_PLACES[name]] for name in Line._fields[1:]}
    return Line(row.group[0], **values)


def _total(lines: list[Line]) -> Line:
    return Line("", *(sum(column) for column in zip(*(line[1:] for line in lines), strict=True))) if lines else Line("", *[0] * 10)
