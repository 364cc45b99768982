"""What was used and spent, by whatever it can be grouped by: from sums by minute, hour, day and week: no page scans facts.

Sums know who asked and who answered, and one of tags, kinds of errors and dialects; of whole days that are over also one of end
users and sessions. Only what they do not know (feedback, two of those at once, a team's end users) is counted from the facts of the
time that is asked for.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final, NamedTuple

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Connection,
    Select,
    Table,
    and_,
    cast,
    func,
    literal_column,
    or_,
    select,
    union_all,
)

from weighbridge.core.clock import NS_PER_S
from weighbridge.storage.ledger_facets import is_filling
from weighbridge.storage.ledger_labels import texts_of
from weighbridge.storage.ledger_store import LedgerStore
from weighbridge.storage.ledger_sums import FACETS, GRAINS_S, HOUR, SUM_COLUMNS
from weighbridge.storage.ledger_tables import all_latencies, facets, latencies, requests, rollups, series
from weighbridge.storage.usage_facts import (
    Days,
    first_groups,
    from_facts,
    from_late_sums,
    has_all_facts,
    late_days_of,
    of_every_group,
    of_groups,
)
from weighbridge.storage.usage_feedback import IN_FEEDBACK, opinions
from weighbridge.storage.usage_rows import GroupKey, UsageRow, by_month, dearest, quantiles_of, taken_apart, top_of, with_rest
from weighbridge.storage.usage_terms import (
    FINEST,
    IN_SUMS,
    TAGS,
    Conditions,
    Sums,
    UsageQuery,
    add_sums,
    column_of,
    conditions_of,
    cut,
    grouped,
    is_of_facts,
    split,
    start_of,
    sums_of,
    within,
)

MAX_ROWS: Final = 10_000
"""Of an answer; more is nothing that a person or a chart can read."""
_BUCKETS: Final = 512
"""More than there are: a time of 64 bits is in one below 400."""
_PLACES: Final = _BUCKETS * 4
"""More than there are measures with buckets."""


class UsageAnswer(NamedTuple):
    """Rows by start, then by group. `is_complete` False: there were more than `MAX_ROWS`, and these are the dearest groups."""

    rows: list[UsageRow]
    is_complete: bool
    n_groups: int = 0
    """How many groups there are, those of the rest among them."""


Buckets = dict[tuple[int | None, GroupKey], dict[int, dict[int, int]]]


class _Found(NamedTuple):
    """What the database has told. `rest`: of groups that are not in `sums`, by start."""

    sums: Sums
    buckets: Mapping[tuple[int | None, GroupKey], Mapping[int, Mapping[int, int]]] = {}
    rest: Mapping[int | None, Sequence[int]] = {}
    n_groups: int | None = None


def usage(store: LedgerStore, query: UsageQuery) -> UsageAnswer:
    """The answer to a question. Raises `StorageError`."""
    with store.reading() as connection:
        facet = _facet_of(connection, query)
        conditions = conditions_of(connection, query.filters, facet)
        if conditions is None:  # a name that was never seen
            return UsageAnswer([], is_complete=True)
        sums, buckets, rest, n_groups = _found(connection, query, facet, conditions)
        n_found = len(sums) if query.is_told_as_summed else 0
        if n_found > MAX_ROWS:
            kept = dearest(((group, values) for (_start_s, group), values in sums.items()), MAX_ROWS, query.order_by)
            sums = {key: values for key, values in sums.items() if key[1] in kept}
        texts = texts_of(connection, {number for _, group in sums for number in group if isinstance(number, int)})
    rows = [
        UsageRow(start, _group(query.group_by, group, texts), tuple(values), quantiles_of(buckets.get((start, group), {})))
        for (start, group), values in sums.items()
    ]
    rows += [UsageRow(start, ("",) * len(query.group_by), tuple(values), {}, is_rest=True) for start, values in rest.items()]
    rows = by_month(rows) if query.interval == "month" else rows
    for place, name in enumerate(query.group_by):
        if column_of(name) == TAGS:
            rows = taken_apart(rows, place, name, query.filters)
    if n_groups is None:
        n_groups = len({row.group for row in rows})
        rows = rows if query.top is None else with_rest(rows, query.top, query.order_by)
    n_found = max(n_found, len(rows))
    if len(rows) > MAX_ROWS:
        kept_groups = dearest(((row.group, row.sums) for row in rows), MAX_ROWS, query.order_by)
        rows = [row for row in rows if row.group in kept_groups]
    rows.sort(key=lambda row: (row.start_s or 0, row.is_rest, row.group))
    return UsageAnswer(rows, n_found <= MAX_ROWS, n_groups)


def _found(connection: Connection, query: UsageQuery, facet: str | None, conditions: Conditions) -> _Found:
    """From where it is told soonest."""
    if facet is not None:
        return _Found(_from_facets(connection, query, facet))
    if not any(is_of_facts(name) for name in (*query.group_by, *query.filters)):
        if query.top is not None and query.group_by:
            return _top_from_sums(connection, query, conditions, query.top)
        return _Found(*_from_sums(connection, query, conditions))
    if _is_by_opinion(query):
        return _Found(_from_opinions(connection, query, conditions))
    days = late_days_of(connection, query)
    if query.top is not None and query.group_by and query.is_told_as_summed and not any(n in IN_FEEDBACK for n in query.group_by):
        return _top_from_facts(connection, query, conditions, days, query.top)
    n_first = MAX_ROWS + 1 if query.is_told_as_summed else None
    if days is not None:
        return _Found(from_late_sums(connection, query, days, n_first))
    return _Found(from_facts(connection, query, conditions, query.from_s, query.to_s, n_first))


# --- what is asked ------------------------------------------------------------------------------------------------


def _facet_of(connection: Connection, query: UsageQuery) -> str | None:
    """The one of `FACETS` that is asked about, if sums of it can tell."""
    asked = {column_of(name) for name in (*query.group_by, *query.filters) if is_of_facts(name)}
    if len(asked) != 1 or query.interval == "minute" or not asked <= set(FACETS) or is_filling(connection):
        return None
    return asked.pop()


def _is_by_opinion(query: UsageQuery) -> bool:
    """Whether a question is what people thought of requests that sums know, but for that."""
    is_of_sums = all(name in IN_SUMS for name in query.filters)
    return len(query.group_by) == 1 and query.group_by[0] in IN_FEEDBACK and is_of_sums and query.interval != "minute"


def _group(names: Sequence[str], numbers: GroupKey, texts: Mapping[int, str]) -> tuple[str, ...]:
    values = iter(number if isinstance(number, str) else texts.get(number, "") for number in numbers)
    return tuple(_model_name(next(values), next(values)) if name == "model" else next(values) for name in names)


def _model_name(provider: str, model: str) -> str:
    return f"{provider}/{model}" if provider else model


# --- from sums ----------------------------------------------------------------------------------------------------


def _from_sums(connection: Connection, query: UsageQuery, conditions: Conditions) -> tuple[Sums, Buckets]:
    groups = grouped(query.group_by)
    spans = _spans(query)
    start = start_of(rollups.c.start, query.interval)
    wanted = [func.sum(rollups.c[name]) for name in SUM_COLUMNS]
    sums = sums_of(
        connection,
        _over(rollups, spans, conditions, [*start, *groups], wanted, joins=bool(groups or conditions)),
        query,
        len(groups),
    )
    if not query.has_quantiles:
        return sums, {}
    return sums, _buckets(connection, query, spans, conditions)


def _top_from_sums(connection: Connection, query: UsageQuery, conditions: Conditions, top: int) -> _Found:
    """The dearest groups, and of the rest what all have beyond them: a row for every hour of every model is not even read."""
    whole_time = query._replace(interval="none", wants_quantiles=False)
    totals, _ = _from_sums(connection, whole_time, conditions)
    kept = top_of(totals, top, query.order_by)
    if not kept:
        return _Found({}, n_groups=0)
    columns = grouped(query.group_by)
    is_kept = or_(*(and_(*(column == number for column, number in zip(columns, group, strict=True))) for group in kept))
    sums, buckets = _from_sums(connection, query, [*conditions, is_kept])
    rest: dict[int | None, list[int]] = {}
    if len(totals) > len(kept):
        every, _ = _from_sums(connection, query._replace(group_by=(), wants_quantiles=False), conditions)
        rest = _without(every, sums)
    return _Found(sums, buckets, rest, len(totals))


def _top_from_facts(connection: Connection, query: UsageQuery, conditions: Conditions, days: Days | None, top: int) -> _Found:
    kept, n_groups = first_groups(connection, query, conditions, days, top)
    if not kept:
        return _Found({}, n_groups=0)
    sums = of_groups(connection, query, conditions, days, kept)
    rest: dict[int | None, list[int]] = {}
    if n_groups > len(kept):
        rest = _without(_every_group(connection, query, conditions, days), sums)
    return _Found(sums, rest=rest, n_groups=n_groups)


def _every_group(connection: Connection, query: UsageQuery, conditions: Conditions, days: Days | None) -> Sums:
    """All groups together: from the sums of series where these tell the same."""
    if days is not None and not has_all_facts(connection, query):
        return of_every_group(connection, query, days)
    ungrouped = query._replace(group_by=())
    if query.interval != "minute" and all(name in IN_SUMS for name in query.filters):
        return _of_all(connection, ungrouped, conditions)
    return from_facts(connection, ungrouped, conditions, query.from_s, query.to_s)


def _without(every: Sums, sums: Sums) -> dict[int | None, list[int]]:
    """What is left of everything in no groups beyond the sums of some groups."""
    rest = {start: values for (start, _), values in every.items()}
    for (start, _), values in sums.items():
        rest[start] = [one - other for one, other in zip(rest[start], values, strict=True)]
    return {start: values for start, values in rest.items() if any(values)}


def _buckets(connection: Connection, query: UsageQuery, spans: list[tuple[int, int, int]], conditions: Conditions) -> Buckets:
    """How many took how long. One number stands for the last group, measure and bucket: SQLite sorts by it a third faster."""
    groups = grouped(query.group_by)
    table = latencies if groups or conditions else all_latencies
    statement = _packed(table, query, spans, conditions, by_series=bool(groups))
    if groups:
        statement = _by_group_of_series(statement, groups)
    buckets: Buckets = {}
    for number, *rest, n in connection.execute(statement):
        group, packed = divmod(number, _PLACES)
        measure, bucket = divmod(packed, _BUCKETS)
        row = (*rest, group, n) if groups else (*rest, n)
        key, _ = split(row, query.interval, len(groups))
        buckets.setdefault(key, {}).setdefault(measure, {})[bucket] = int(n)
    return buckets


def _packed(
    table: Table, query: UsageQuery, spans: list[tuple[int, int, int]], conditions: Conditions, *, by_series: bool
) -> Select[Any]:
    """By series, measure and bucket in one number, and by start.

    The pieces of time one after the other, since SQLite remembers each row that it finds by an OR; and without parameters, since
    it takes two of the same value for two expressions: 80 ms of a day and not 200.
    """
    place = cast(table.c.measure, BigInteger) * literal_column(str(_BUCKETS)) + table.c.bucket
    if by_series:
        place += cast(table.c.series, BigInteger) * literal_column(str(_PLACES))
    wanted = [place.label("packed"), *start_of(table.c.start, query.interval), table.c.n]
    asked = [table.c.series.in_(select(series.c.id).where(*conditions))] if conditions else []
    pieces = union_all(*(select(*wanted).where(within(table, [span]), *asked) for span in spans)).subquery()
    *keys, n = pieces.c
    return select(*keys, func.sum(n).label("n")).group_by(*keys)


def _by_group_of_series(statement: Select[Any], groups: list[ColumnElement[Any]]) -> Select[Any]:
    """Names are looked up for each series and bucket, and not for each row of theirs."""
    of_series = statement.subquery()
    packed, *start, n = of_series.c
    *others, last = groups
    places: ColumnElement[int] = literal_column(str(_PLACES))
    place = cast(last, BigInteger) * places + packed % places
    named = select(place.label("place"), *start, *others, n)
    found = named.select_from(of_series.join(series, series.c.id == packed // places)).subquery()
    *keys, n = found.c
    return select(*keys, func.sum(n)).group_by(*keys)


def _over(
    table: Any,
    spans: Iterable[tuple[int, int, int]],
    conditions: Conditions,
    groups: list[Any],
    wanted: list[Any],
    *,
    joins: bool,
) -> Select[Any]:
    """Sums over pieces of time; with the names of series if it `joins` them."""
    query = select(*groups, *wanted).where(within(table, spans), *conditions)
    if joins:
        query = query.join(series, series.c.id == table.c.series)
    return query.group_by(*groups) if groups else query.group_by(table.c.grain * 0)


def _spans(query: UsageQuery) -> list[tuple[int, int, int]]:
    """The time as pieces of whole weeks, days, hours and minutes: (grain, start, end). Its edges are those of minutes."""
    begin, end = query.from_s - query.from_s % 60, -(-query.to_s // 60) * 60
    pieces: list[tuple[int, int, int]] = []
    cut(begin, end, FINEST[query.interval], pieces)
    return pieces or [(0, begin, begin)]


# --- from facts ---------------------------------------------------------------------------------------------------


def _from_facets(connection: Connection, query: UsageQuery, facet: str) -> Sums:
    """Whole hours from their sums, to which the facts of both edges are added."""
    whole = conditions_of(connection, query.filters, facet) or []
    single = conditions_of(connection, query.filters) or []
    size = GRAINS_S[HOUR]
    first, last = -(-query.from_s // size) * size, query.to_s - query.to_s % size
    if first >= last:
        return from_facts(connection, query, single, query.from_s, query.to_s)
    sums = from_facts(connection, query, single, query.from_s, first)
    add_sums(sums, from_facts(connection, query, single, last, query.to_s))
    pieces: list[tuple[int, int, int]] = []
    cut(first, last, FINEST[query.interval], pieces)
    groups = grouped(query.group_by, facet)
    start = start_of(facets.c.start, query.interval)
    asks_series = any(name in IN_SUMS for name in (*query.group_by, *query.filters))
    whole.append(facets.c.facet == FACETS.index(facet) + (0 if asks_series else len(FACETS)))
    wanted = [func.sum(facets.c[name]) for name in SUM_COLUMNS]
    statement = _over(facets, pieces, whole, [*start, *groups], wanted, joins=asks_series)
    add_sums(sums, sums_of(connection, statement, query, len(groups)))
    return sums


def _from_opinions(connection: Connection, query: UsageQuery, conditions: Conditions) -> Sums:
    """Requests with an opinion are few, and found by it. Those without are all others, of which sums tell."""
    (name,) = query.group_by
    is_told = [*conditions, requests.c.request_id.in_(select(opinions(name).c.request_id))]
    sums = from_facts(connection, query, is_told, query.from_s, query.to_s)
    ungrouped = query._replace(group_by=())
    told = from_facts(connection, ungrouped, is_told, query.from_s, query.to_s)
    for (start, _), values in _of_all(connection, ungrouped, conditions).items():
        left = [one - other for one, other in zip(values, told.get((start, ()), [0] * len(values)), strict=True)]
        if any(left):
            sums[start, ("",)] = left
    return sums


def _of_all(connection: Connection, query: UsageQuery, conditions: Conditions) -> Sums:
    """Whole hours that have all their facts, from the sums of series, and the facts of both edges. In no groups."""
    size = GRAINS_S[HOUR]
    oldest = connection.execute(select(func.min(requests.c.at))).scalar_one_or_none() or 0
    first = -(-max(query.from_s, int(oldest) // NS_PER_S + 1) // size) * size
    last = query.to_s - query.to_s % size
    if first >= last:
        return from_facts(connection, query, conditions, query.from_s, query.to_s)
    sums = from_facts(connection, query, conditions, query.from_s, first)
    add_sums(sums, from_facts(connection, query, conditions, last, query.to_s))
    pieces: list[tuple[int, int, int]] = []
    cut(first, last, FINEST[query.interval], pieces)
    start = start_of(rollups.c.start, query.interval)
    wanted = [func.sum(rollups.c[each]) for each in SUM_COLUMNS]
    statement = _over(rollups, pieces, conditions, start, wanted, joins=bool(conditions))
    add_sums(sums, sums_of(connection, statement, query, 0))
    return sums
