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
from weighbridge.storage.ledger_facets import is_filling, sums_of_facts
from weighbridge.storage.ledger_labels import known_labels, texts_of
from weighbridge.storage.ledger_late_sums import late_facet, late_span_of
from weighbridge.storage.ledger_store import LedgerStore
from weighbridge.storage.ledger_sums import (
    DAY,
    FACETS,
    GRAINS_S,
    HOUR,
    LATE_FACETS,
    MINUTE,
    SUM_COLUMNS,
    WEEK,
)
from weighbridge.storage.ledger_tables import all_latencies, facets, labels, latencies, requests, rollups, series
from weighbridge.storage.usage_feedback import IN_FEEDBACK, has_opinion, opinions
from weighbridge.storage.usage_rows import (
    PROPERTY,
    GroupKey,
    UsageRow,
    by_month,
    dearest,
    quantiles_of,
    taken_apart,
    top_of,
    with_rest,
)

MAX_ROWS: Final = 10_000
"""Of an answer; more is nothing that a person or a chart can read."""
IN_SUMS: Final = ("key", "team", "user", "organisation", "route", "provider", "model")
IN_FACTS: Final = ("end_user", "tag", "session", "error", "dialect")
DIMENSIONS: Final = (*IN_SUMS, *IN_FACTS, *IN_FEEDBACK)
INTERVALS: Final = ("none", "minute", "hour", "day", "month")
_SECONDS: Final = {"minute": 60, "hour": 3_600, "day": 86_400, "month": 86_400}
_COLUMNS: Final = {"user": "owner", "tag": "tags"}
_TAGS: Final = "tags"
_COST: Final = SUM_COLUMNS.index("cost")
_REQUESTS: Final = SUM_COLUMNS.index("requests")
_BUCKETS: Final = 512
"""More than there are: a time of 64 bits is in one below 400."""
_PLACES: Final = _BUCKETS * 4
"""More than there are measures with buckets."""
_FINEST: Final = {"minute": MINUTE, "hour": HOUR, "day": DAY, "month": DAY, "none": WEEK}
"""The coarsest grain that an interval can be made of."""


class UsageQuery(NamedTuple):
    """A question. Times are Unix seconds; `filters` has the values that are wanted of each dimension (`model`:
    `provider/model`)."""

    from_s: int
    to_s: int
    interval: str = "none"
    group_by: tuple[str, ...] = ()
    filters: Mapping[str, tuple[str, ...]] = {}
    wants_quantiles: bool | None = None
    """None: where they are few enough to be read."""
    top: int | None = None
    """Only so many groups (some hundreds), those that cost most, and all others as one."""

    @property
    def has_quantiles(self) -> bool:
        """By two dimensions, or by one over time, few read them, and they are most of the work: 0.9 of 1.1 s over 90 days."""
        if self.wants_quantiles is not None:
            return self.wants_quantiles
        return not self.group_by or (len(self.group_by) == 1 and self.interval == "none")

    @property
    def is_told_as_summed(self) -> bool:
        """Whether each row of the answer is one that was summed up: months are put together, sets of tags taken apart."""
        return self.interval != "month" and all(_column_of(name) != _TAGS for name in self.group_by)


class UsageAnswer(NamedTuple):
    """Rows by start, then by group. `is_complete` False: there were more than `MAX_ROWS`, and these are the dearest groups."""

    rows: list[UsageRow]
    is_complete: bool
    n_groups: int = 0
    """How many groups there are, those of the rest among them."""


Sums = dict[tuple[int | None, GroupKey], list[int]]
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
            kept = dearest(((group, values) for (_start_s, group), values in sums.items()), MAX_ROWS)
            sums = {key: values for key, values in sums.items() if key[1] in kept}
        texts = texts_of(connection, {number for _, group in sums for number in group if isinstance(number, int)})
    rows = [
        UsageRow(start, _group(query.group_by, group, texts), tuple(values), quantiles_of(buckets.get((start, group), {})))
        for (start, group), values in sums.items()
    ]
    rows += [UsageRow(start, ("",) * len(query.group_by), tuple(values), {}, is_rest=True) for start, values in rest.items()]
    rows = by_month(rows) if query.interval == "month" else rows
    for place, name in enumerate(query.group_by):
        if _column_of(name) == _TAGS:
            rows = taken_apart(rows, place, name, query.filters)
    if n_groups is None:
        n_groups = len({row.group for row in rows})
        rows = rows if query.top is None else with_rest(rows, query.top)
    n_found = max(n_found, len(rows))
    if len(rows) > MAX_ROWS:
        kept_groups = dearest(((row.group, row.sums) for row in rows), MAX_ROWS)
        rows = [row for row in rows if row.group in kept_groups]
    rows.sort(key=lambda row: (row.start_s or 0, row.is_rest, row.group))
    return UsageAnswer(rows, n_found <= MAX_ROWS, n_groups)


def _found(connection: Connection, query: UsageQuery, facet: str | None, conditions: list[ColumnElement[bool]]) -> _Found:
    """From where it is told soonest."""
    if facet is not None:
        return _Found(_from_facets(connection, query, facet))
    if not any(_is_of_facts(name) for name in (*query.group_by, *query.filters)):
        if query.top is not None and query.group_by:
            return _top_from_sums(connection, query, conditions, query.top)
        return _Found(*_from_sums(connection, query, conditions))
    if _is_by_opinion(query):
        return _Found(_from_opinions(connection, query, conditions))
    n_dearest = MAX_ROWS + 1 if query.is_told_as_summed else None
    days = _late_days_of(connection, query)
    if days is not None:
        return _Found(_from_late_sums(connection, query, days, n_dearest=n_dearest))
    return _Found(_from_facts(connection, query, conditions, query.from_s, query.to_s, n_dearest=n_dearest))


# --- what is asked ------------------------------------------------------------------------------------------------


def _facet_of(connection: Connection, query: UsageQuery) -> str | None:
    """The one of `FACETS` that is asked about, if sums of it can tell."""
    asked = {_column_of(name) for name in (*query.group_by, *query.filters) if _is_of_facts(name)}
    if len(asked) != 1 or query.interval == "minute" or not asked <= set(FACETS) or is_filling(connection):
        return None
    return asked.pop()


def _late_days_of(connection: Connection, query: UsageQuery) -> tuple[int, int] | None:
    """The whole days of a question that sums by end user or session can answer. One of them alone is found among facts sooner."""
    if len(query.group_by) != 1 or query.group_by[0] not in LATE_FACETS or query.filters or query.interval in ("minute", "hour"):
        return None
    span = late_span_of(connection)
    if span is None:
        return None
    first, last = span.whole_days(query.from_s, query.to_s)
    return (first, last) if first < last else None


def _is_by_opinion(query: UsageQuery) -> bool:
    """Whether a question is what people thought of requests that sums know, but for that."""
    is_of_sums = all(name in IN_SUMS for name in query.filters)
    return len(query.group_by) == 1 and query.group_by[0] in IN_FEEDBACK and is_of_sums and query.interval != "minute"


def is_dimension(name: str) -> bool:
    """Whether usage can be grouped by it."""
    return name in DIMENSIONS or (name.startswith(PROPERTY) and len(name) > len(PROPERTY))


def _column_of(name: str) -> str:
    return _TAGS if name.startswith(PROPERTY) else _COLUMNS.get(name, name)


def _is_of_facts(name: str) -> bool:
    return name in IN_FACTS or name in IN_FEEDBACK or name.startswith(PROPERTY)


def conditions_of(
    connection: Connection, filters: Mapping[str, tuple[str, ...]], facet: str | None = None
) -> list[ColumnElement[bool]] | None:
    """Conditions on facts (or on sums of this facet) and series; None where nothing can fulfil them."""
    conditions: list[ColumnElement[bool]] = []
    for name, values in filters.items():
        if name in IN_FEEDBACK:
            condition: ColumnElement[bool] | None = has_opinion(name, values)
        elif name == "model":
            condition = _of_models(connection, values)
        else:
            condition = _of_texts(connection, name, values, facet)
        if condition is None:
            return None
        conditions.append(condition)
    return conditions


def _of_texts(connection: Connection, name: str, values: Sequence[str], facet: str | None) -> ColumnElement[bool] | None:
    numbers = _tag_sets(connection, values, facet) if name == "tag" else list(known_labels(connection, values).values())
    if not numbers:
        return None
    column = _column(name, facet)
    if name in IN_SUMS or 0 in numbers:
        return column.in_(numbers)
    # The indexes of facts have no row without a name, and SQLite has to be told (https://sqlite.org/partialindex.html, 3).
    return and_(column.in_(numbers), column != 0)


def _tag_sets(connection: Connection, tags: Sequence[str], facet: str | None) -> list[int]:
    """The sets of tags (each one label: `beta,checkout`) that have one of these."""
    wanted = set(tags)
    if facet is None:
        used = select(requests.c.tags).where(requests.c.tags != 0).distinct()
    else:
        used = select(facets.c.value).where(facets.c.facet == len(FACETS) + FACETS.index(facet), facets.c.grain == WEEK).distinct()
    sets = connection.execute(select(labels.c.id, labels.c.text).where(labels.c.id.in_(used)))
    return [number for number, text in sets if wanted & set(text.split(","))]


def _of_models(connection: Connection, values: Sequence[str]) -> ColumnElement[bool] | None:
    pairs = [value.partition("/")[::2] for value in values]
    numbers = known_labels(connection, [text for pair in pairs for text in pair])
    known = [(numbers[provider], numbers[model]) for provider, model in pairs if provider in numbers and model in numbers]
    if not known:
        return None
    return or_(*(and_(series.c.provider == provider, series.c.model == model) for provider, model in known))


def _column(name: str, facet: str | None = None) -> ColumnElement[Any]:
    column = _column_of(name)
    if name in IN_SUMS:
        return series.c[column]
    return requests.c[column] if facet is None else facets.c.value


def _grouped(names: Sequence[str], facet: str | None = None) -> list[ColumnElement[Any]]:
    columns: list[ColumnElement[Any]] = []
    for name in names:
        columns += [series.c.provider, series.c.model] if name == "model" else [_column(name, facet)]
    return columns


def _group(names: Sequence[str], numbers: GroupKey, texts: Mapping[int, str]) -> tuple[str, ...]:
    values = iter(number if isinstance(number, str) else texts.get(number, "") for number in numbers)
    return tuple(_model_name(next(values), next(values)) if name == "model" else next(values) for name in names)


def _model_name(provider: str, model: str) -> str:
    return f"{provider}/{model}" if provider else model


# --- from sums ----------------------------------------------------------------------------------------------------


def _from_sums(connection: Connection, query: UsageQuery, conditions: list[ColumnElement[bool]]) -> tuple[Sums, Buckets]:
    groups = _grouped(query.group_by)
    spans = _spans(query)
    start = _start(rollups.c.start, query.interval)
    wanted = [func.sum(rollups.c[name]) for name in SUM_COLUMNS]
    sums = _sums_of(
        connection,
        _over(rollups, spans, conditions, [*start, *groups], wanted, joins=bool(groups or conditions)),
        query,
        len(groups),
    )
    if not query.has_quantiles:
        return sums, {}
    return sums, _buckets(connection, query, spans, conditions)


def _top_from_sums(connection: Connection, query: UsageQuery, conditions: list[ColumnElement[bool]], top: int) -> _Found:
    """The dearest groups, and of the rest what all have beyond them: a row for every hour of every model is not even read."""
    whole_time = query._replace(interval="none", wants_quantiles=False)
    totals, _ = _from_sums(connection, whole_time, conditions)
    kept = top_of(totals, top)
    if not kept:
        return _Found({}, n_groups=0)
    columns = _grouped(query.group_by)
    is_kept = or_(*(and_(*(column == number for column, number in zip(columns, group, strict=True))) for group in kept))
    sums, buckets = _from_sums(connection, query, [*conditions, is_kept])
    rest: dict[int | None, list[int]] = {}
    if len(totals) > len(kept):
        every, _ = _from_sums(connection, query._replace(group_by=(), wants_quantiles=False), conditions)
        rest = {start: values for (start, _), values in every.items()}
        for (start, _), values in sums.items():
            rest[start] = [one - other for one, other in zip(rest[start], values, strict=True)]
    return _Found(sums, buckets, {start: values for start, values in rest.items() if any(values)}, len(totals))


def _buckets(
    connection: Connection, query: UsageQuery, spans: list[tuple[int, int, int]], conditions: list[ColumnElement[bool]]
) -> Buckets:
    """How many took how long. One number stands for the last group, measure and bucket: SQLite sorts by it a third faster."""
    groups = _grouped(query.group_by)
    table = latencies if groups or conditions else all_latencies
    statement = _packed(table, query, spans, conditions, by_series=bool(groups))
    if groups:
        statement = _by_group_of_series(statement, groups)
    buckets: Buckets = {}
    for number, *rest, n in connection.execute(statement):
        group, packed = divmod(number, _PLACES)
        measure, bucket = divmod(packed, _BUCKETS)
        row = (*rest, group, n) if groups else (*rest, n)
        key, _ = _split(row, query.interval, len(groups))
        buckets.setdefault(key, {}).setdefault(measure, {})[bucket] = int(n)
    return buckets


def _packed(
    table: Table, query: UsageQuery, spans: list[tuple[int, int, int]], conditions: list[ColumnElement[bool]], *, by_series: bool
) -> Select[Any]:
    """By series, measure and bucket in one number, and by start.

    The pieces of time one after the other, since SQLite remembers each row that it finds by an OR; and without parameters, since
    it takes two of the same value for two expressions: 80 ms of a day and not 200.
    """
    place = cast(table.c.measure, BigInteger) * literal_column(str(_BUCKETS)) + table.c.bucket
    if by_series:
        place += cast(table.c.series, BigInteger) * literal_column(str(_PLACES))
    wanted = [place.label("packed"), *_start(table.c.start, query.interval), table.c.n]
    asked = [table.c.series.in_(select(series.c.id).where(*conditions))] if conditions else []
    pieces = union_all(*(select(*wanted).where(_within(table, [span]), *asked) for span in spans)).subquery()
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
    conditions: list[ColumnElement[bool]],
    groups: list[Any],
    wanted: list[Any],
    *,
    joins: bool,
) -> Select[Any]:
    """Sums over pieces of time; with the names of series if it `joins` them."""
    query = select(*groups, *wanted).where(_within(table, spans), *conditions)
    if joins:
        query = query.join(series, series.c.id == table.c.series)
    return query.group_by(*groups) if groups else query.group_by(table.c.grain * 0)


def _within(table: Any, spans: Iterable[tuple[int, int, int]]) -> ColumnElement[bool]:
    return or_(*(and_(table.c.grain == grain, table.c.start >= begin, table.c.start < end) for grain, begin, end in spans))


def _start(column: ColumnElement[Any], interval: str) -> list[ColumnElement[Any]]:
    if interval == "none":
        return []
    seconds = _SECONDS[interval]
    return [((column // seconds) * seconds).label("begins")]


def _split(row: Any, interval: str, n_groups: int) -> tuple[tuple[int | None, GroupKey], tuple[Any, ...]]:
    at = 0 if interval == "none" else 1
    start = None if interval == "none" else int(row[0])
    return (start, tuple(row[at : at + n_groups])), tuple(row[at + n_groups :])


def _spans(query: UsageQuery) -> list[tuple[int, int, int]]:
    """The time as pieces of whole weeks, days, hours and minutes: (grain, start, end). Its edges are those of minutes."""
    begin, end = query.from_s - query.from_s % 60, -(-query.to_s // 60) * 60
    pieces: list[tuple[int, int, int]] = []
    _cut(begin, end, _FINEST[query.interval], pieces)
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


def _from_facets(connection: Connection, query: UsageQuery, facet: str) -> Sums:
    """Whole hours from their sums, to which the facts of both edges are added."""
    whole = conditions_of(connection, query.filters, facet) or []
    single = conditions_of(connection, query.filters) or []
    size = GRAINS_S[HOUR]
    first, last = -(-query.from_s // size) * size, query.to_s - query.to_s % size
    if first >= last:
        return _from_facts(connection, query, single, query.from_s, query.to_s)
    sums = _from_facts(connection, query, single, query.from_s, first)
    _add_sums(sums, _from_facts(connection, query, single, last, query.to_s))
    pieces: list[tuple[int, int, int]] = []
    _cut(first, last, _FINEST[query.interval], pieces)
    groups = _grouped(query.group_by, facet)
    start = _start(facets.c.start, query.interval)
    asks_series = any(name in IN_SUMS for name in (*query.group_by, *query.filters))
    whole.append(facets.c.facet == FACETS.index(facet) + (0 if asks_series else len(FACETS)))
    wanted = [func.sum(facets.c[name]) for name in SUM_COLUMNS]
    statement = _over(facets, pieces, whole, [*start, *groups], wanted, joins=asks_series)
    _add_sums(sums, _sums_of(connection, statement, query, len(groups)))
    return sums


def _from_opinions(connection: Connection, query: UsageQuery, conditions: list[ColumnElement[bool]]) -> Sums:
    """Requests with an opinion are few, and found by it. Those without are all others, of which sums tell."""
    (name,) = query.group_by
    is_told = [*conditions, requests.c.request_id.in_(select(opinions(name).c.request_id))]
    sums = _from_facts(connection, query, is_told, query.from_s, query.to_s)
    ungrouped = query._replace(group_by=())
    told = _from_facts(connection, ungrouped, is_told, query.from_s, query.to_s)
    for (start, _), values in _of_all(connection, ungrouped, conditions).items():
        left = [one - other for one, other in zip(values, told.get((start, ()), [0] * len(values)), strict=True)]
        if any(left):
            sums[start, ("",)] = left
    return sums


def _of_all(connection: Connection, query: UsageQuery, conditions: list[ColumnElement[bool]]) -> Sums:
    """Whole hours that have all their facts, from the sums of series, and the facts of both edges. In no groups."""
    size = GRAINS_S[HOUR]
    oldest = connection.execute(select(func.min(requests.c.at))).scalar_one_or_none() or 0
    first = -(-max(query.from_s, int(oldest) // NS_PER_S + 1) // size) * size
    last = query.to_s - query.to_s % size
    if first >= last:
        return _from_facts(connection, query, conditions, query.from_s, query.to_s)
    sums = _from_facts(connection, query, conditions, query.from_s, first)
    _add_sums(sums, _from_facts(connection, query, conditions, last, query.to_s))
    pieces: list[tuple[int, int, int]] = []
    _cut(first, last, _FINEST[query.interval], pieces)
    start = _start(rollups.c.start, query.interval)
    wanted = [func.sum(rollups.c[each]) for each in SUM_COLUMNS]
    statement = _over(rollups, pieces, conditions, start, wanted, joins=bool(conditions))
    _add_sums(sums, _sums_of(connection, statement, query, 0))
    return sums


def _from_late_sums(connection: Connection, query: UsageQuery, days: tuple[int, int], *, n_dearest: int | None) -> Sums:
    """Whole days from their sums, with the facts of both edges. The database may leave out all groups but the `n_dearest`."""
    name, (first, last) = query.group_by[0], days
    pieces: list[tuple[int, int, int]] = []
    _cut(first, last, _FINEST[query.interval], pieces)
    within = or_(*(and_(facets.c.grain == grain, facets.c.start >= begin, facets.c.start < end) for grain, begin, end in pieces))
    of_days = [*_start(facets.c.start, query.interval), facets.c.value.label("value"), *(facets.c[each] for each in SUM_COLUMNS)]
    summed = select(*of_days).where(facets.c.facet == late_facet(name), within)
    edges = ((query.from_s, first), (last, query.to_s))
    keys = [*_start(requests.c.at // NS_PER_S, query.interval), requests.c[name].label("value")]
    at_edges = or_(*(and_(requests.c.at >= begin * NS_PER_S, requests.c.at < end * NS_PER_S) for begin, end in edges))
    told = [column.label(each) for column, each in zip(sums_of_facts(), SUM_COLUMNS, strict=True)]
    both = union_all(summed, select(*keys, *told).where(at_edges).group_by(*keys)).subquery()
    groups = [both.c[key.name] for key in keys]
    wanted = [func.sum(both.c[each]) for each in SUM_COLUMNS]
    statement = select(*groups, *wanted).group_by(*groups)
    if n_dearest is not None and query.interval == "none":
        statement = statement.order_by(wanted[_COST].desc(), wanted[_REQUESTS].desc(), *groups).limit(n_dearest)
    return _sums_of(connection, statement, query, 1)


def _from_facts(
    connection: Connection,
    query: UsageQuery,
    conditions: list[ColumnElement[bool]],
    begin_s: int,
    end_s: int,
    *,
    n_dearest: int | None = None,
) -> Sums:
    """Sums of the facts of a time. Of groups that are not over time the database may leave out all but the `n_dearest`."""
    if begin_s >= end_s:
        return {}
    told = {name: opinions(name, _wanted_of(query, name)) for name in query.group_by if name in IN_FEEDBACK}
    groups: list[ColumnElement[Any]] = []
    for name in query.group_by:
        groups += [func.coalesce(told[name].c.value, "")] if name in told else _grouped([name])
    columns = [*_start(requests.c.at // NS_PER_S, query.interval), *groups]
    within = (requests.c.at >= begin_s * NS_PER_S, requests.c.at < end_s * NS_PER_S)
    wanted = sums_of_facts()
    statement = select(*columns, *wanted).where(*within, *conditions)
    if n_dearest is not None and groups and query.interval == "none":
        statement = statement.order_by(wanted[_COST].desc(), wanted[_REQUESTS].desc(), *groups).limit(n_dearest)
    if any(name in IN_SUMS for name in (*query.group_by, *query.filters)):
        statement = statement.join(series, series.c.id == requests.c.series)
    for each in told.values():
        statement = statement.outerjoin(each, each.c.request_id == requests.c.request_id)
    statement = statement.group_by(*columns) if columns else statement.having(func.count() > 0)
    return _sums_of(connection, statement, query, len(groups))


def _wanted_of(query: UsageQuery, name: str) -> tuple[str, ...]:
    """Of what is both filtered and grouped by: a request with another label besides does not count for that."""
    return tuple(value for value in query.filters.get(name, ()) if value)


def _sums_of(connection: Connection, statement: Select[Any], query: UsageQuery, n_groups: int) -> Sums:
    sums: Sums = {}
    for row in connection.execute(statement):
        key, values = _split(row, query.interval, n_groups)
        sums[key] = [int(value) for value in values]
    return sums


def _add_sums(sums: Sums, more: Sums) -> None:
    for key, values in more.items():
        sums[key] = [one + other for one, other in zip(sums[key], values, strict=True)] if key in sums else values
