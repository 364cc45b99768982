"""Sums of facets for requests from before there were such sums: made of the facts, a piece at a time, while the gateway runs.

What comes in meanwhile is summed up as it comes. Until the last piece is done, questions about facets are answered from the facts.
"""

from __future__ import annotations

from typing import Any, Final

from sqlalchemy import ColumnElement, Connection, case, delete, func, select, update

from weighbridge.core.clock import NS_PER_S
from weighbridge.core.rates import PriceState
from weighbridge.storage.ledger_sums import FACETS, GRAINS_S, HOUR, SUM_COLUMNS, BatchSums, Rows, state_number
from weighbridge.storage.ledger_tables import facet_filling, requests

PIECE: Final = 20_000
"""Requests summed up in one transaction: others wait for the write lock no longer than for a batch or two."""
_ESTIMATED: Final = state_number(PriceState.ESTIMATED)
_UNKNOWN: Final = state_number(PriceState.UNKNOWN)


def sums_of_facts() -> list[ColumnElement[Any]]:
    """What rows of `requests` add up to, in the order of `SUM_COLUMNS`; as `ledger_sums.fact_sums` says of one."""
    cost = func.coalesce(requests.c.cost, 0)
    return [
        func.count(),
        func.sum(case((requests.c.error != 0, 1), else_=0)),
        *(func.sum(requests.c[name]) for name in ("input", "cache_read", "cache_write", "output", "reasoning")),
        func.sum(cost),
        func.sum(case((requests.c.price_state == _ESTIMATED, cost), else_=0)),
        func.sum(case((requests.c.price_state == _UNKNOWN, 1), else_=0)),
        func.sum(case((requests.c.attempts > 1, 1), else_=0)),
        func.sum(requests.c.charged),
        func.sum(requests.c.cache_saved),
        func.sum(requests.c.own_cost),
    ]


def is_filling(connection: Connection) -> bool:
    """Whether sums of facets lack requests that facts still tell of."""
    return connection.execute(select(facet_filling.c.next)).first() is not None


def next_piece(connection: Connection) -> tuple[int, Rows]:
    """How many requests were passed, and what their sums add to `facets`; and notes that it is done. 0: nothing is left."""
    row = connection.execute(select(facet_filling)).one_or_none()
    if row is None:
        return 0, []
    number = requests.c.id
    first = connection.execute(select(func.min(number)).where(number >= row.next, number <= row.last)).scalar_one()
    if first is None:
        connection.execute(delete(facet_filling))
        return 0, []
    end = min(int(first) + PIECE, int(row.last) + 1)
    rows = _summed(connection, int(first), end)
    connection.execute(update(facet_filling).values(next=end))
    return end - int(first), rows


def _summed(connection: Connection, first: int, end: int) -> Rows:
    hour = requests.c.at // (GRAINS_S[HOUR] * NS_PER_S)
    columns = [hour, requests.c.series, *(requests.c[name] for name in FACETS)]
    query = select(*columns, *sums_of_facts()).where(requests.c.id >= first, requests.c.id < end).group_by(*columns)
    sums = BatchSums()
    for start, series, *rest in connection.execute(query):
        values = [int(value) for value in rest]
        sums.add_facets(start * GRAINS_S[HOUR], series, values[: -len(SUM_COLUMNS)], values[-len(SUM_COLUMNS) :])
    return sums.facets()
