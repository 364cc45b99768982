"""What can be asked about usage, and the parts of statements that answers are made of."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final, NamedTuple

from sqlalchemy import ColumnElement, Connection, Select, and_, or_, select

from weighbridge.storage.ledger_labels import known_labels
from weighbridge.storage.ledger_sums import DAY, FACETS, GRAINS_S, HOUR, MINUTE, WEEK
from weighbridge.storage.ledger_tables import facets, labels, requests, series
from weighbridge.storage.usage_feedback import IN_FEEDBACK, has_opinion
from weighbridge.storage.usage_rows import PROPERTY, GroupKey

IN_SUMS: Final = ("key", "team", "user", "organisation", "route", "provider", "model")
IN_FACTS: Final = ("end_user", "tag", "session", "error", "dialect")
DIMENSIONS: Final = (*IN_SUMS, *IN_FACTS, *IN_FEEDBACK)
INTERVALS: Final = ("none", "minute", "hour", "day", "month")
_SECONDS: Final = {"minute": 60, "hour": 3_600, "day": 86_400, "month": 86_400}
_COLUMNS: Final = {"user": "owner", "tag": "tags"}
TAGS: Final = "tags"
FINEST: Final = {"minute": MINUTE, "hour": HOUR, "day": DAY, "month": DAY, "none": WEEK}
"""The coarsest grain that an interval can be made of."""

Conditions = list[ColumnElement[bool]]
Sums = dict[tuple[int | None, GroupKey], list[int]]


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
    """Only so many groups (some hundreds), those that come first, and all others as one."""
    order_by: str = "cost"
    """Of which of `SUM_COLUMNS` those groups have most that come first."""

    @property
    def has_quantiles(self) -> bool:
        """By two dimensions, or by one over time, few read them, and they are most of the work: 0.9 of 1.1 s over 90 days."""
        if self.wants_quantiles is not None:
            return self.wants_quantiles
        return not self.group_by or (len(self.group_by) == 1 and self.interval == "none")

    @property
    def is_told_as_summed(self) -> bool:
        """Whether each row of the answer is one that was summed up: months are put together, sets of tags taken apart."""
        return self.interval != "month" and all(column_of(name) != TAGS for name in self.group_by)


def is_dimension(name: str) -> bool:
    """Whether usage can be grouped by it."""
    return name in DIMENSIONS or (name.startswith(PROPERTY) and len(name) > len(PROPERTY))


def column_of(name: str) -> str:
    """The column of facts or series that a dimension is in."""
    return TAGS if name.startswith(PROPERTY) else _COLUMNS.get(name, name)


def is_of_facts(name: str) -> bool:
    """Whether series do not know of a dimension."""
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
    column = column_of(name)
    if name in IN_SUMS:
        return series.c[column]
    return requests.c[column] if facet is None else facets.c.value


def grouped(names: Sequence[str], facet: str | None = None) -> list[ColumnElement[Any]]:
    """What rows are grouped by: a model is two columns."""
    columns: list[ColumnElement[Any]] = []
    for name in names:
        columns += [series.c.provider, series.c.model] if name == "model" else [_column(name, facet)]
    return columns


def within(table: Any, spans: Iterable[tuple[int, int, int]]) -> ColumnElement[bool]:
    """Whether a row of sums is of one of these pieces of time: (grain, start, end)."""
    return or_(*(and_(table.c.grain == grain, table.c.start >= begin, table.c.start < end) for grain, begin, end in spans))


def start_of(column: ColumnElement[Any], interval: str) -> list[ColumnElement[Any]]:
    """The start of the interval that a second is in; nothing if there are none."""
    if interval == "none":
        return []
    seconds = _SECONDS[interval]
    return [((column // seconds) * seconds).label("begins")]


def cut(begin: int, end: int, grain: int, pieces: list[tuple[int, int, int]]) -> None:
    """What of a time is whole in a grain, and what is left on both sides in the next finer one."""
    if begin >= end:
        return
    size = GRAINS_S[grain]
    first, last = -(-begin // size) * size, end - end % size
    if grain == 0:
        pieces.append((0, begin, end))
    elif first >= last:
        cut(begin, end, grain - 1, pieces)
    else:
        cut(begin, first, grain - 1, pieces)
        pieces.append((grain, first, last))
        cut(last, end, grain - 1, pieces)


def split(row: Any, interval: str, n_groups: int) -> tuple[tuple[int | None, GroupKey], tuple[Any, ...]]:
    """A row as its start and group, and the rest."""
    at = 0 if interval == "none" else 1
    start = None if interval == "none" else int(row[0])
    return (start, tuple(row[at : at + n_groups])), tuple(row[at + n_groups :])


def sums_of(connection: Connection, statement: Select[Any], query: UsageQuery, n_groups: int) -> Sums:
    """What a statement answers: starts, groups, sums."""
    sums: Sums = {}
    for row in connection.execute(statement):
        key, values = split(row, query.interval, n_groups)
        sums[key] = [int(value) for value in values]
    return sums


def add_sums(sums: Sums, more: Sums) -> None:
    """Add these to those."""
    for key, values in more.items():
        sums[key] = [one + other for one, other in zip(sums[key], values, strict=True)] if key in sums else values
