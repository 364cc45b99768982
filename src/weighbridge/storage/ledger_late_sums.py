"""Sums by day and week of what has many values, end users and sessions: made of the facts when an hour is over.

As requests come in they would be up to four more rows for each of them. Behind the present hour they are made a piece at a time
and of many requests at once, and the present hour itself is counted from its facts, which are few. A gateway from before these sums
has them made back to its oldest request in the same way, newest first. What comes late, into a time that is summed already, is
added as it comes.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from operator import add, neg
from typing import Final, NamedTuple

from sqlalchemy import Connection, delete, func, insert, select, update

from weighbridge.core.clock import NS_PER_S
from weighbridge.storage.bulk import add_sums
from weighbridge.storage.ledger_facets import sums_of_facts
from weighbridge.storage.ledger_sums import (
    DAY,
    FIRST_LATE_FACET,
    GRAINS_S,
    HOUR,
    LATE_FACETS,
    SUM_COLUMNS,
    Grained,
    Rows,
    by_grain,
)
from weighbridge.storage.ledger_tables import facets, late_span, requests

PIECE: Final = 20_000
"""Requests summed up in one transaction: others wait for the write lock no longer than for a batch or two."""
SETTLES_S: Final = 600
"""How long after an hour its sums are made. Whatever comes later than that is added by itself."""
_DAY_S: Final = GRAINS_S[DAY]


class LateSpan(NamedTuple):
    """From when until when everything is summed up, in Unix seconds."""

    first: int
    until: int

    def whole_days(self, from_s: int, to_s: int) -> tuple[int, int]:
        """What of a time is whole days in it: their start and end. The end may be the first of both."""
        begin, end = max(from_s, self.first), min(to_s, self.until)
        return -(-begin // _DAY_S) * _DAY_S, end - end % _DAY_S


def late_span_of(connection: Connection) -> LateSpan | None:
    """Which time has been summed up so far."""
    row = connection.execute(select(late_span.c.first, late_span.c.until)).one_or_none()
    return None if row is None else LateSpan(int(row.first), int(row.until))


def late_facet(name: str) -> int:
    """The number of one of `LATE_FACETS`."""
    return FIRST_LATE_FACET + LATE_FACETS.index(name)


class LateComers:
    """Requests of a batch that come into a time which is summed up already."""

    def __init__(self, span: LateSpan | None) -> None:
        self._span = span
        self._days: list[Grained] = [{} for _ in LATE_FACETS]

    def add(self, second: int, values: Sequence[int], sums: Sequence[int]) -> None:
        """One more request, with the numbers of its end user and its session."""
        if self._span is None or not self._span.first <= second < self._span.until:
            return
        for days, value in zip(self._days, values, strict=True):
            place = (second - second % _DAY_S, value)
            before = days.get(place)
            days[place] = sums if before is None else tuple(map(add, before, sums))

    def write(self, connection: Connection) -> None:
        """Add them to the sums."""
        add_sums(connection, facets, SUM_COLUMNS, [row for place, days in enumerate(self._days) for row in _rows(place, days)])


def sum_up_piece(connection: Connection, now_s: int) -> bool:
    """Sum up the next piece of what is over. False: all is."""
    over = now_s - SETTLES_S
    over -= over % GRAINS_S[HOUR]
    span = late_span_of(connection)
    if span is None:
        span = LateSpan(over, over)
        connection.execute(insert(late_span).values(first=over, until=over))
    wider = _wider(connection, span, over)
    if wider is None:
        return False
    begin, end = (span.until, wider.until) if wider.until > span.until else (wider.first, span.first)
    for place in range(len(LATE_FACETS)):
        add_sums(connection, facets, SUM_COLUMNS, _rows(place, _summed(connection, place, begin, end)))
    connection.execute(update(late_span).values(first=wider.first, until=wider.until))
    return True


def _wider(connection: Connection, span: LateSpan, over: int) -> LateSpan | None:
    """The span with the next piece: what came since, then what was before. None: there is no more."""
    at = requests.c.at
    if span.until < over:
        query = select(at).where(at >= span.until * NS_PER_S, at < over * NS_PER_S).order_by(at)
        beyond = connection.execute(query.offset(PIECE).limit(1)).scalar_one_or_none()
        return span._replace(until=over if beyond is None else max(int(beyond) // NS_PER_S, span.until + 1))
    older = select(at).where(at < span.first * NS_PER_S)
    beyond = connection.execute(older.order_by(at.desc()).offset(PIECE).limit(1)).scalar_one_or_none()
    if beyond is not None:
        return span._replace(first=min(int(beyond) // NS_PER_S + 1, span.first - 1))
    oldest = connection.execute(select(func.min(at)).where(at < span.first * NS_PER_S)).scalar_one_or_none()
    return None if oldest is None else span._replace(first=int(oldest) // NS_PER_S)


def _summed(connection: Connection, place: int, begin: int, end: int) -> Grained:
    within = (requests.c.at >= begin * NS_PER_S, requests.c.at < end * NS_PER_S)
    return _by_day(connection, place, within)


def _by_day(connection: Connection, place: int, conditions: Sequence[object]) -> Grained:
    day = (requests.c.at // (_DAY_S * NS_PER_S)) * _DAY_S
    keys = (day, requests.c[LATE_FACETS[place]])
    query = select(*keys, *sums_of_facts()).where(*conditions).group_by(*keys)  # type: ignore[arg-type]  # conditions, all of them
    return {(int(row[0]), int(row[1])): [int(value) for value in row[2:]] for row in connection.execute(query)}


def _rows(place: int, days: Grained) -> Rows:
    """By day and by week, as they stand in `facets`."""
    return [(FIRST_LATE_FACET + place, grain, start, 0, value, *sums) for grain, (start, value), sums in by_grain(days, DAY)]


def forget_values(connection: Connection, numbers: Collection[int], names: Collection[str]) -> None:
    """Have the sums say of these requests, by their numbers, that they had no end user or session (`names`). The facts still do."""
    span = late_span_of(connection)
    if span is None:
        return
    for name in names:
        place = LATE_FACETS.index(name)
        within = (requests.c.at >= span.first * NS_PER_S, requests.c.at < span.until * NS_PER_S)
        named = _by_day(connection, place, (requests.c.id.in_(numbers), requests.c[name] != 0, *within))
        nameless: Grained = {}
        for (start, _value), sums in named.items():
            before = nameless.get((start, 0))
            nameless[start, 0] = sums if before is None else tuple(map(add, before, sums))
        gone: Grained = {key: tuple(map(neg, sums)) for key, sums in named.items()}
        add_sums(connection, facets, SUM_COLUMNS, [*_rows(place, gone), *_rows(place, nameless)])
        empty = delete(facets).where(facets.c.facet == late_facet(name), facets.c.requests == 0)
        connection.execute(empty.where(facets.c.value.in_({value for _start, value in named})))
