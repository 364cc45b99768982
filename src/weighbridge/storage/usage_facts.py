"""Usage from facts, and from what is summed up of them when an hour is over: what has too many values for other sums.

Of many groups only those that come first are wanted as a rule. They are found by the one figure that they are ordered by, and
only they are summed up whole.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import ColumnElement, Connection, Select, and_, desc, func, or_, select, union_all

from weighbridge.core.clock import NS_PER_S
from weighbridge.storage.ledger_facets import sums_of_facts
from weighbridge.storage.ledger_late_sums import late_facet, late_span_of
from weighbridge.storage.ledger_sums import GRAINS_S, LATE_FACETS, SUM_COLUMNS
from weighbridge.storage.ledger_tables import facets, requests, series
from weighbridge.storage.usage_feedback import IN_FEEDBACK, opinions
from weighbridge.storage.usage_rows import GroupKey
from weighbridge.storage.usage_terms import (
    FINEST,
    IN_SUMS,
    Conditions,
    Sums,
    UsageQuery,
    cut,
    grouped,
    start_of,
    sums_of,
)

Days = tuple[int, int]
"""The start of the first whole day, and the end of the last."""


def late_days_of(connection: Connection, query: UsageQuery) -> Days | None:
    """The whole days of a question that sums by end user or session can answer. One of them alone is found among facts sooner."""
    if len(query.group_by) != 1 or query.group_by[0] not in LATE_FACETS or query.filters or query.interval in ("minute", "hour"):
        return None
    span = late_span_of(connection)
    if span is None:
        return None
    first, last = span.whole_days(query.from_s, query.to_s)
    return (first, last) if first < last else None


def from_facts(
    connection: Connection, query: UsageQuery, conditions: Conditions, begin_s: int, end_s: int, n_first: int | None = None
) -> Sums:
    """Sums of the facts of a time. Of groups that are not over time the database may leave out all but the `n_first`."""
    if begin_s >= end_s:
        return {}
    statement = _of_facts(query, conditions, begin_s, end_s, SUM_COLUMNS)
    n_groups = len(statement.selected_columns) - len(SUM_COLUMNS) - (query.interval != "none")
    return sums_of(connection, _first(statement, query, n_first), query, n_groups)


def from_late_sums(connection: Connection, query: UsageQuery, days: Days, n_first: int | None = None) -> Sums:
    """Whole days from their sums, with the facts of both edges. The database may leave out all groups but the `n_first`."""
    return sums_of(connection, _first(_of_late_sums(query, days, SUM_COLUMNS), query, n_first), query, 1)


def first_groups(
    connection: Connection, query: UsageQuery, conditions: Conditions, days: Days | None, top: int
) -> tuple[list[GroupKey], int]:
    """The groups that come first over the whole time, and how many there are."""
    if query.from_s >= query.to_s:
        return [], 0
    whole = query._replace(interval="none")
    columns = tuple(dict.fromkeys((query.order_by, "requests")))
    if days is not None:
        found = _of_late_sums(whole, days, columns).subquery()
    else:
        found = _of_facts(whole, conditions, query.from_s, query.to_s, columns).subquery()
    keys = list(found.c)[: -len(columns)]
    ranked = select(*keys, func.count().over()).order_by(found.c[query.order_by].desc(), found.c.requests.desc(), *keys)
    rows = connection.execute(ranked.limit(top)).all()
    return [tuple(row[:-1]) for row in rows], int(rows[0][-1]) if rows else 0


def of_groups(
    connection: Connection, query: UsageQuery, conditions: Conditions, days: Days | None, groups: Sequence[GroupKey]
) -> Sums:
    """The sums of these groups."""
    if days is not None:
        statement = _of_late_sums(query, days, SUM_COLUMNS, [int(value) for (value,) in groups])
        return sums_of(connection, statement, query, 1)
    columns = grouped(query.group_by)
    if len(columns) == 1:
        is_one = _is_one_of(columns[0], [int(value) for (value,) in groups])
    else:
        is_one = or_(*(and_(*(column == value for column, value in zip(columns, group, strict=True))) for group in groups))
    return from_facts(connection, query, [*conditions, is_one], query.from_s, query.to_s)


def of_every_group(connection: Connection, query: UsageQuery, days: Days) -> Sums:
    """What all groups come to together, in no groups: of the very rows that `first_groups` ranks."""
    found = _of_late_sums(query, days, SUM_COLUMNS).subquery()
    starts = [found.c.begins] if query.interval != "none" else []
    statement = select(*starts, *(func.sum(found.c[each]) for each in SUM_COLUMNS))
    return sums_of(connection, statement.group_by(*starts) if starts else statement, query, 0)


def has_all_facts(connection: Connection, query: UsageQuery) -> bool:
    """Whether no request of a time is older than the oldest that there is. Others have gone, perhaps before their sums."""
    oldest = connection.execute(select(func.min(requests.c.at))).scalar_one_or_none()
    return oldest is not None and int(oldest) <= query.from_s * NS_PER_S


def _first(statement: Select[Any], query: UsageQuery, n_first: int | None) -> Select[Any]:
    if n_first is None or query.interval != "none" or not query.group_by:
        return statement
    keys = list(statement.selected_columns)[: -len(SUM_COLUMNS)]
    return statement.order_by(desc(query.order_by), desc("requests"), *keys).limit(n_first)


def _of_facts(query: UsageQuery, conditions: Conditions, begin_s: int, end_s: int, columns: Sequence[str]) -> Select[Any]:
    told = {name: opinions(name, _wanted_of(query, name)) for name in query.group_by if name in IN_FEEDBACK}
    keys = start_of(requests.c.at // NS_PER_S, query.interval)
    for name in query.group_by:
        keys += [func.coalesce(told[name].c.value, "")] if name in told else grouped([name])
    within = (requests.c.at >= begin_s * NS_PER_S, requests.c.at < end_s * NS_PER_S)
    statement = select(*keys, *_sums(columns)).where(*within, *conditions)
    if any(name in IN_SUMS for name in (*query.group_by, *query.filters)):
        statement = statement.join(series, series.c.id == requests.c.series)
    for each in told.values():
        statement = statement.outerjoin(each, each.c.request_id == requests.c.request_id)
    return statement.group_by(*keys) if keys else statement.having(func.count() > 0)


def _of_late_sums(query: UsageQuery, days: Days, columns: Sequence[str], values: Sequence[int] | None = None) -> Select[Any]:
    """Only of these values, if there are any: each is looked up in each piece of time.

    The pieces one after the other, since SQLite uses no more of an index than what is before an OR: it read all days and weeks that
    there are.
    """
    name, (first, last) = query.group_by[0], days
    pieces: list[tuple[int, int, int]] = []
    cut(first, last, FINEST[query.interval], pieces)
    keys = [*start_of(facets.c.start, query.interval), facets.c.value.label("value")]
    found = [
        select(*keys, *(facets.c[each] for each in columns)).where(*_of_piece(late_facet(name), piece, values)) for piece in pieces
    ]
    keys = [*start_of(requests.c.at // NS_PER_S, query.interval), requests.c[name].label("value")]
    for begin, end in ((query.from_s, first), (last, query.to_s)):
        within = [requests.c.at >= begin * NS_PER_S, requests.c.at < end * NS_PER_S]
        if values is not None:
            within.append(_is_one_of(requests.c[name], values))
        found.append(select(*keys, *_sums(columns)).where(*within).group_by(*keys))
    every = union_all(*found).subquery()
    groups = [every.c[key.name] for key in keys]
    return select(*groups, *(func.sum(every.c[each]).label(each) for each in columns)).group_by(*groups)


def _of_piece(facet: int, piece: tuple[int, int, int], values: Sequence[int] | None) -> Conditions:
    grain, begin, end = piece
    of_grain = [facets.c.facet == facet, facets.c.grain == grain]
    if values is None:
        return [*of_grain, facets.c.start >= begin, facets.c.start < end]
    starts = range(begin, end, GRAINS_S[grain])
    return [*of_grain, facets.c.start.in_(starts), facets.c.series == 0, facets.c.value.in_(values)]


def _is_one_of(column: ColumnElement[Any], values: Sequence[int]) -> ColumnElement[bool]:
    # The indexes of facts have no row without a name, and SQLite has to be told (https://sqlite.org/partialindex.html, 3).
    return column.in_(values) if 0 in values else and_(column.in_(values), column != 0)


def _sums(columns: Sequence[str]) -> list[ColumnElement[Any]]:
    told = dict(zip(SUM_COLUMNS, sums_of_facts(), strict=True))
    return [told[each].label(each) for each in columns]


def _wanted_of(query: UsageQuery, name: str) -> tuple[str, ...]:
    """Of what is both filtered and grouped by: a request with another label besides does not count for that."""
    return tuple(value for value in query.filters.get(name, ()) if value)
