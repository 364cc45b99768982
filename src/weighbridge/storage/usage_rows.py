"""Rows of an answer about usage, put together, taken apart and left out. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Final, NamedTuple

from weighbridge.storage.ledger_sums import DURATION, FIRST_BYTE, OVERHEAD, SUM_COLUMNS, milliseconds_of

PROPERTY: Final = "property."
"""What the name of a dimension begins with that is a property: `property.env` groups by the values of tags `env=…`."""
GroupKey = tuple[int | str, ...]
"""Numbers of labels; of feedback the texts themselves."""
MAX_TOP: Final = 200
"""Groups that can be asked for apart from the rest; a chart has room for ten."""
_ALL_OTHERS: Final = "(all others)"
_QUANTILES: Final = (0.5, 0.95, 0.99)
_REQUESTS: Final = SUM_COLUMNS.index("requests")


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
    is_rest: bool = False
    """Whether this is all groups but those that were asked for; `group` is empty texts then."""

    @property
    def shown_group(self) -> tuple[str, ...]:
        """The group as a table for people shows it, where an empty text is none."""
        return (_ALL_OTHERS,) * len(self.group) if self.is_rest else self.group


def dearest(cells: Iterable[tuple[GroupKey, Sequence[int]]], room: int, by: str = "cost") -> set[GroupKey]:
    """Of too many rows, each its group and its sums: the groups that have most of one of `SUM_COLUMNS`, as many as have room with
    all of their rows."""
    place = SUM_COLUMNS.index(by)
    of_groups: dict[GroupKey, list[int]] = {}
    for group, values in cells:
        seen = of_groups.setdefault(group, [0, 0, 0])
        seen[0] -= values[place]
        seen[1] -= values[_REQUESTS]
        seen[2] += 1
    kept: set[GroupKey] = set()
    for group in sorted(of_groups, key=of_groups.__getitem__):
        room -= of_groups[group][2]
        if room < 0:
            break
        kept.add(group)
    return kept


def top_of(sums: Mapping[tuple[int | None, GroupKey], Sequence[int]], top: int, by: str = "cost") -> list[GroupKey]:
    """The groups that have most of one of `SUM_COLUMNS` over the whole time, the first of them first."""
    place = SUM_COLUMNS.index(by)
    totals: dict[GroupKey, tuple[int, int]] = {}
    for (_start, group), values in sums.items():
        most, requests = totals.get(group, (0, 0))
        totals[group] = (most - values[place], requests - values[_REQUESTS])
    return sorted(totals, key=lambda group: (*totals[group], group))[:top]


def with_rest(rows: Sequence[UsageRow], top: int, by: str = "cost") -> list[UsageRow]:
    """The same with all groups put together but those that have most of one of `SUM_COLUMNS`."""
    kept = set(top_of({(row.start_s, row.group): row.sums for row in rows}, top, by))
    found = [row for row in rows if row.group in kept]
    rest: dict[int | None, UsageRow] = {}
    for row in rows:
        if row.group not in kept:
            before = rest.get(row.start_s)
            nameless = row._replace(group=("",) * len(row.group), quantiles={}, is_rest=True)
            rest[row.start_s] = nameless if before is None else _sum(before, nameless)
    return [*found, *rest.values()]


def quantiles_of(measured: Mapping[int, Mapping[int, int]]) -> dict[int, Quantiles]:
    """Of each measure, from how many are in each of its buckets."""
    return {measure: Quantiles(*(_quantile(buckets, share) for share in _QUANTILES)) for measure, buckets in measured.items()}


def _quantile(buckets: Mapping[int, int], share: float) -> float:
    wanted = share * sum(buckets.values())
    passed = 0
    for bucket in sorted(buckets):
        passed += buckets[bucket]
        if passed >= wanted:
            return milliseconds_of(bucket)
    return 0.0


def by_month(rows: Sequence[UsageRow]) -> list[UsageRow]:
    """Days put together; the quantiles of a month are those of its slowest day."""
    months: dict[tuple[int, bool, tuple[str, ...]], UsageRow] = {}
    for row in rows:
        day = datetime.fromtimestamp(row.start_s or 0, UTC)
        start = int(day.replace(day=1, hour=0, minute=0, second=0).timestamp())
        before = months.get((start, row.is_rest, row.group))
        months[start, row.is_rest, row.group] = row._replace(start_s=start) if before is None else _sum(before, row)
    return list(months.values())


def taken_apart(rows: Sequence[UsageRow], place: int, name: str, filters: Mapping[str, tuple[str, ...]]) -> list[UsageRow]:
    """Sets of tags taken apart at this place of the group: by tag, of which a request with two counts for both; or by the value of
    a property, which is empty where it has none."""
    wanted = set(filters.get("tag", ())) if name == "tag" else set()
    apart: dict[tuple[int | None, tuple[str, ...]], UsageRow] = {}
    for row in rows:
        tags = row.group[place].split(",")
        for value in tags if name == "tag" else [_property_of(tags, name)]:
            if wanted and value not in wanted:
                continue
            group = (*row.group[:place], value, *row.group[place + 1 :])
            before = apart.get((row.start_s, group))
            apart[row.start_s, group] = row._replace(group=group) if before is None else _sum(before, row)
    return list(apart.values())


def _property_of(tags: Sequence[str], name: str) -> str:
    mark = f"{name.removeprefix(PROPERTY)}="
    return next((tag.removeprefix(mark) for tag in tags if tag.startswith(mark)), "")


def _sum(one: UsageRow, other: UsageRow) -> UsageRow:
    quantiles = {
        measure: max(each for each in (one.quantiles.get(measure), other.quantiles.get(measure)) if each is not None)
        for measure in (DURATION, FIRST_BYTE, OVERHEAD)
        if measure in one.quantiles or measure in other.quantiles
    }
    return one._replace(sums=tuple(map(sum, zip(one.sums, other.sums, strict=True))), quantiles=quantiles)
