"""What was used and spent, by whatever it can be grouped by: from sums by minute, hour and day, so that no page scans the facts.

Sums know who asked and who answered. Only what they do not know (end users, sessions, tags, kinds of errors, dialects) is counted
from the facts of the time that is asked for.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final, NamedTuple

from sqlalchemy import ColumnElement, Connection, Select, and_, case, func, or_, select

from weighbridge.core.clock import NS_PER_S
from weighbridge.core.rates import PriceState
from weighbridge.storage.ledger_labels import known_labels, texts_of
from weighbridge.storage.ledger_store import LedgerStore
from weighbridge.storage.ledger_sums import DURATION, FIRST_BYTE, GRAINS_S, OVERHEAD, SUM_COLUMNS, milliseconds_of, state_number
from weighbridge.storage.ledger_tables import labels, latencies, requests, rollups, series

MAX_ROWS: Final = 10_000
"""Of an answer; more is nothing that a person or a chart can read."""
IN_SUMS: Final = ("key", "team", "user", "organisation", "route", "provider", "model")
IN_FACTS: Final = ("end_user", "tag", "session", "error", "dialect")
DIMENSIONS: Final = (*IN_SUMS, *IN_FACTS)
INTERVALS: Final = ("none", "minute", "hour", "day", "month")
_SECONDS: Final = {"minute": 60, "hour": 3_600, "day": 86_400, "month": 86_400}
_COLUMNS: Final = {"user": "owner", "tag": "tags"}
_QUANTILES: Final = (0.5, 0.95, 0.99)
_ESTIMATED: Final = state_number(PriceState.ESTIMATED)
_UNKNOWN: Final = state_number(PriceState.UNKNOWN)


class UsageQuery(NamedTuple):
    """A question. Times are Unix seconds; `filters` has the values that are wanted of each dimension (`model`:
    `provider/model`)."""

    from_s: int
    to_s: int
    interval: str = "none"
    group_by: tuple[str, ...] = ()
    filters: Mapping[str, tuple[str, ...]] = {}

    @property
    def has_quantiles(self) -> bool:
        """By two dimensions, or by one over time, nobody reads them, and they are most of the work: 0.9 of 1.1 s over 90 days."""
        return not self.group_by or (len(self.group_by) == 1 and self.interval == "none")


class Quantiles(NamedTuple):
    """Milliseconds, each at most a tenth too long."""

    p50: float
    p95: float
    p99: float


class UsageRow(NamedTuple):
    """One line of the answer: the start of its interval (None: the whole time), its group, and sums in the order of
    `SUM_COLUMNS`."""

    start_s: int | None
    group: tuple[str, ...]
    sums: tuple[int, ...]
    quantiles: Mapping[int, Quantiles]
    """By measure (`ledger_sums.DURATION`, …); without those that nobody measured."""


class UsageAnswer(NamedTuple):
    """Rows by start, then by group. `is_complete` False: there were more than `MAX_ROWS`."""

    rows: list[UsageRow]
    is_complete: bool


Sums = dict[tuple[int | None, tuple[int, ...]], list[int]]
Buckets = dict[tuple[int | None, tuple[int, ...]], dict[int, dict[int, int]]]


def usage(store: LedgerStore, query: UsageQuery) -> UsageAnswer:
    """The answer to a question. Raises `StorageError`."""
    with store.reading() as connection:
        conditions = conditions_of(connection, query.filters)
        if conditions is None:  # a name that was never seen
            return UsageAnswer([], is_complete=True)
        asks_facts = any(name in IN_FACTS for name in (*query.group_by, *query.filters))
        sums, buckets = (_from_facts if asks_facts else _from_sums)(connection, query, conditions)
        texts = texts_of(connection, {number for _, group in sums for number in group})
    rows = [
        UsageRow(start, _group(query.group_by, group, texts), tuple(values), _quantiles(buckets.get((start, group), {})))
        for (start, group), values in sums.items()
    ]
    merged = _by_month(rows) if query.interval == "month" else rows
    if "tag" in query.group_by:
        merged = _by_tag(merged, query)
    merged.sort(key=lambda row: (row.start_s or 0, row.group))
    return UsageAnswer(merged[:MAX_ROWS], is_complete=len(merged) <= MAX_ROWS)


# --- what is asked ------------------------------------------------------------------------------------------------


def conditions_of(connection: Connection, filters: Mapping[str, tuple[str, ...]]) -> list[ColumnElement[bool]] | None:
    """Conditions on facts and series; None where nothing can fulfil them."""
    conditions: list[ColumnElement[bool]] = []
    for name, values in filters.items():
        condition = _of_models(connection, values) if name == "model" else _of_texts(connection, name, values)
        if condition is None:
            return None
        conditions.append(condition)
    return conditions


def _of_texts(connection: Connection, name: str, values: Sequence[str]) -> ColumnElement[bool] | None:
    numbers = _tag_sets(connection, values) if name == "tag" else list(known_labels(connection, values).values())
    return _column(name).in_(numbers) if numbers else None


def _tag_sets(connection: Connection, tags: Sequence[str]) -> list[int]:
    """The sets of tags (each one label: `beta,checkout`) that have one of these."""
    wanted = set(tags)
    used = select(requests.c.tags).where(requests.c.tags != 0).distinct()
    sets = connection.execute(select(labels.c.id, labels.c.text).where(labels.c.id.in_(used)))
    return [number for number, text in sets if wanted & set(text.split(","))]


def _of_models(connection: Connection, values: Sequence[str]) -> ColumnElement[bool] | None:
    pairs = [value.partition("/")[::2] for value in values]
    numbers = known_labels(connection, [text for pair in pairs for text in pair])
    known = [(numbers[provider], numbers[model]) for provider, model in pairs if provider in numbers and model in numbers]
    if not known:
        return None
    return or_(*(and_(series.c.provider == provider, series.c.model == model) for provider, model in known))


def _column(name: str) -> ColumnElement[Any]:
    column = _COLUMNS.get(name, name)
    return series.c[column] if name in IN_SUMS else requests.c[column]


def _grouped(names: Sequence[str]) -> list[ColumnElement[Any]]:
    columns: list[ColumnElement[Any]] = []
    for name in names:
        columns += [series.c.provider, series.c.model] if name == "model" else [_column(name)]
    return columns


def _group(names: Sequence[str], numbers: tuple[int, ...], texts: Mapping[int, str]) -> tuple[str, ...]:
    values = iter(texts.get(number, "") for number in numbers)
    return tuple(_model_name(next(values), next(values)) if name == "model" else next(values) for name in names)


def _model_name(provider: str, model: str) -> str:
    return f"{provider}/{model}" if provider else model


# --- from sums ----------------------------------------------------------------------------------------------------


def _from_sums(connection: Connection, query: UsageQuery, conditions: list[ColumnElement[bool]]) -> tuple[Sums, Buckets]:
    groups = _grouped(query.group_by)
    spans = _spans(query)
    sums: Sums = {}
    buckets: Buckets = {}
    start = _start(rollups.c.start, query.interval)
    wanted = [func.sum(rollups.c[name]) for name in SUM_COLUMNS]
    for row in connection.execute(_over(rollups, spans, conditions, [*start, *groups], wanted)):
        key, values = _split(row, query.interval, len(groups))
        sums[key] = [int(value) for value in values]
    if not query.has_quantiles:
        return sums, buckets
    start = _start(latencies.c.start, query.interval)
    measured = [latencies.c.measure, latencies.c.bucket]
    for row in connection.execute(_over(latencies, spans, conditions, [*start, *groups, *measured], [func.sum(latencies.c.n)])):
        key, values = _split(row, query.interval, len(groups))
        buckets.setdefault(key, {}).setdefault(values[0], {})[values[1]] = int(values[2])
    return sums, buckets


def _over(
    table: Any, spans: Iterable[tuple[int, int, int]], conditions: list[ColumnElement[bool]], groups: list[Any], wanted: list[Any]
) -> Select[Any]:
    within = or_(*(and_(table.c.grain == grain, table.c.start >= begin, table.c.start < end) for grain, begin, end in spans))
    query = select(*groups, *wanted).where(within, *conditions)
    if conditions or any(column.table is series for column in groups if hasattr(column, "table")):
        query = query.join(series, series.c.id == table.c.series)
    return query.group_by(*groups) if groups else query.group_by(table.c.grain * 0)


def _start(column: ColumnElement[Any], interval: str) -> list[ColumnElement[Any]]:
    if interval == "none":
        return []
    seconds = _SECONDS[interval]
    return [((column // seconds) * seconds).label("begins")]


def _split(row: Any, interval: str, n_groups: int) -> tuple[tuple[int | None, tuple[int, ...]], tuple[Any, ...]]:
    at = 0 if interval == "none" else 1
    start = None if interval == "none" else int(row[0])
    return (start, tuple(row[at : at + n_groups])), tuple(row[at + n_groups :])


def _spans(query: UsageQuery) -> list[tuple[int, int, int]]:
    """The time as pieces of whole days, hours and minutes: (grain, start, end). Its edges are those of the minutes around it."""
    begin, end = query.from_s - query.from_s % 60, -(-query.to_s // 60) * 60
    finest = {"minute": 0, "hour": 1}.get(query.interval, 2)
    pieces: list[tuple[int, int, int]] = []
    _cut(begin, end, finest, pieces)
    return pieces or [(0, begin, begin)]


def _cut(begin: int, end: int, grain: int, pieces: list[tuple[int, int, int]]) -> None:
    """What of a time is whole in a grain, and what is left on both sides in the next finer one."""
    if begin >= end:
        return
    size = GRAINS_S[grain]
    first, last = -(-begin // size) * size, end - end % size
    if grain == 0:
        pieces.append((0, begin, end))
    elif first >= last:
        _cut(begin, end, grain - 1, pieces)
    else:
        _cut(begin, first, grain - 1, pieces)
        pieces.append((grain, first, last))
        _cut(last, end, grain - 1, pieces)


# --- from facts ---------------------------------------------------------------------------------------------------


def _from_facts(connection: Connection, query: UsageQuery, conditions: list[ColumnElement[bool]]) -> tuple[Sums, Buckets]:
    groups = _grouped(query.group_by)
    begins = _start(requests.c.at // NS_PER_S, query.interval)
    cost = func.coalesce(requests.c.cost, 0)
    is_unknown = requests.c.price_state == _UNKNOWN
    wanted = [
        func.count(),
        func.sum(case((requests.c.error != 0, 1), else_=0)),
        *(func.sum(requests.c[name]) for name in ("input", "cache_read", "cache_write", "output", "reasoning")),
        func.sum(cost),
        func.sum(case((requests.c.price_state == _ESTIMATED, cost), else_=0)),
        func.sum(case((is_unknown, 1), else_=0)),
        func.sum(case((requests.c.attempts > 1, 1), else_=0)),
        func.sum(requests.c.charged),
    ]
    columns = [*begins, *groups]
    within = (requests.c.at >= query.from_s * NS_PER_S, requests.c.at < query.to_s * NS_PER_S)
    statement = select(*columns, *wanted).join(series, series.c.id == requests.c.series).where(*within, *conditions)
    statement = statement.group_by(*columns) if columns else statement.having(func.count() > 0)
    sums: Sums = {}
    for row in connection.execute(statement):
        key, values = _split(row, query.interval, len(groups))
        sums[key] = [int(value) for value in values]
    return sums, {}


# --- the answer ---------------------------------------------------------------------------------------------------


def _quantiles(measured: Mapping[int, Mapping[int, int]]) -> dict[int, Quantiles]:
    return {measure: Quantiles(*(_quantile(buckets, share) for share in _QUANTILES)) for measure, buckets in measured.items()}


def _quantile(buckets: Mapping[int, int], share: float) -> float:
    wanted = share * sum(buckets.values())
    passed = 0
    for bucket in sorted(buckets):
        passed += buckets[bucket]
        if passed >= wanted:
            return milliseconds_of(bucket)
    return 0.0


def _by_month(rows: Sequence[UsageRow]) -> list[UsageRow]:
    """Days put together; the quantiles of a month are those of its slowest day."""
    months: dict[tuple[int, tuple[str, ...]], UsageRow] = {}
    for row in rows:
        day = datetime.fromtimestamp(row.start_s or 0, UTC)
        start = int(day.replace(day=1, hour=0, minute=0, second=0).timestamp())
        before = months.get((start, row.group))
        months[start, row.group] = row._replace(start_s=start) if before is None else _sum(before, row)
    return list(months.values())


def _by_tag(rows: Sequence[UsageRow], query: UsageQuery) -> list[UsageRow]:
    """Sets of tags taken apart: a request with two counts for both."""
    place = query.group_by.index("tag")
    wanted = set(query.filters.get("tag", ()))
    apart: dict[tuple[int | None, tuple[str, ...]], UsageRow] = {}
    for row in rows:
        for tag in row.group[place].split(","):
            if wanted and tag not in wanted:
                continue
            group = (*row.group[:place], tag, *row.group[place + 1 :])
            before = apart.get((row.start_s, group))
            apart[row.start_s, group] = row._replace(group=group) if before is None else _sum(before, row)
    return list(apart.values())


def _sum(one: UsageRow, other: UsageRow) -> UsageRow:
    quantiles = {
        measure: max(each for each in (one.quantiles.get(measure), other.quantiles.get(measure)) if each is not None)
        for measure in (DURATION, FIRST_BYTE, OVERHEAD)
        if measure in one.quantiles or measure in other.quantiles
    }
    return one._replace(sums=tuple(map(sum, zip(one.sums, other.sums, strict=True))), quantiles=quantiles)
