"""From Records to what is stored of them: a narrow row each, and sums by minute, hour, day and week. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from math import log
from operator import add, attrgetter
from typing import Final, NamedTuple

from weighbridge.core.clock import NS_PER_S, NS_PER_US
from weighbridge.core.rates import PriceState
from weighbridge.core.terms import Provenance, Record

GRAINS_S: Final = (60, 3_600, 86_400, 604_800)
"""Seconds of a minute, an hour, a day and a week (from Thursday, as Unix time began): `rollups.grain` is the place here."""
MINUTE, HOUR, DAY, WEEK = range(4)
FACETS: Final = ("tags", "dialect", "error")
"""What has few values and is in no series, by columns of `requests`: `facets.facet` is the place here.

For each there are besides the sums over all series together, whose `facet` is as many places further, and whose series is 0.
"""
LATE_FACETS: Final = ("end_user", "session")
"""What has many values, in the same way: over all series, by day and week, and not at once (`ledger_late_sums.py`)."""
FIRST_LATE_FACET: Final = 100
"""The `facets.facet` of the first of them."""
PRICE_STATES: Final = tuple(PriceState)
PROVENANCES: Final = tuple(Provenance)
"""Stored by their places; new ones go to the end."""
_PLACE_OF_STATE: Final = {state: place for place, state in enumerate(PRICE_STATES)}
_PLACE_OF_PROVENANCE: Final = {provenance: place for place, provenance in enumerate(PROVENANCES)}

DURATION, FIRST_BYTE, OVERHEAD = 0, 1, 2
"""`latencies.measure`."""
_GROWTH: Final = log(1.1)
"""A bucket ends a tenth above where it begins, so that no percentile is off by more than that."""

SeriesName = tuple[str, str, str, str, str, str, str]
"""Texts in the order of `SERIES_COLUMNS`."""


SERIES_COLUMNS: Final = ("key", "team", "owner", "organisation", "route", "provider", "model")
"""What makes a series, in this order. `owner` is the key's user, a reserved word in PostgreSQL."""
SUM_COLUMNS: Final = (
    "requests",
    "errors",
    "input",
    "cache_read",
    "cache_write",
    "output",
    "reasoning",
    "cost",
    "estimated",
    "unknown_costs",
    "fallbacks",
    "charged",
    "cache_saved",
    "own_cost",
)
"""What is summed up, in this order."""
_sums_of: Final[Callable[[RollupSums], tuple[int, ...]]] = attrgetter(*SUM_COLUMNS)

_MAX_TEXT: Final = 600
"""Characters of a name that are kept: PostgreSQL's indexes take 2,704 bytes, and a character has up to four."""


def storable(text: str) -> str:
    """A name as every database takes it: bounded, and without NUL, which PostgreSQL has not. Callers choose some of these."""
    if len(text) <= _MAX_TEXT and "\0" not in text:
        return text
    return text[:_MAX_TEXT].replace("\0", "\ufffd")


class RollupSums:
    """Sums of one series in one span of time."""

    __slots__ = SUM_COLUMNS

    def __init__(self) -> None:
        self.requests = self.errors = self.input = self.cache_read = self.cache_write = self.output = self.reasoning = 0
        self.cost = self.estimated = self.unknown_costs = self.fallbacks = self.charged = self.cache_saved = self.own_cost = 0

    def add(self, record: Record, tokens: Tokens, charged: int) -> None:
        """One more request, for which the customer was charged so much."""
        self.charged += charged
        self.requests += 1
        self.errors += record.error is not None
        self.input += tokens.input
        self.cache_read += tokens.cache_read
        self.cache_write += tokens.cache_write
        self.output += tokens.output
        self.reasoning += tokens.reasoning
        self.fallbacks += len(record.attempts) > 1
        for attempt in record.attempts:
            self.cache_saved += attempt.cache_saved_nanousd
            cost = attempt.cost_nanousd
            if cost is None:
                self.unknown_costs += 1
                continue
            self.cost += cost
            if attempt.price_state is PriceState.ESTIMATED:
                self.estimated += cost
            if attempt.is_own_key:
                self.own_cost += cost

    def values(self) -> tuple[int, ...]:
        """In the order of the table's columns."""
        return _sums_of(self)


class Tokens(NamedTuple):
    """What all attempts of a request used. `input` is all that went in."""

    input: int
    cache_read: int
    cache_write: int
    output: int
    reasoning: int


def tokens_of(record: Record) -> Tokens:
    """All attempts together: each was paid for."""
    if len(record.attempts) == 1:  # nearly always, and five sums take longer than all of this
        usage = record.attempts[0].usage
        written = usage.cache_write_5m + usage.cache_write_1h
        return Tokens(usage.total_input, usage.cache_read, written, usage.total_output, usage.reasoning)
    usages = [attempt.usage for attempt in record.attempts] or [record.usage]
    return Tokens(
        sum(usage.total_input for usage in usages),
        sum(usage.cache_read for usage in usages),
        sum(usage.cache_write_5m + usage.cache_write_1h for usage in usages),
        sum(usage.total_output for usage in usages),
        sum(usage.reasoning for usage in usages),
    )


def series_of(record: Record) -> SeriesName:
    """Who asked and who answered."""
    return (
        record.key_id,
        record.team,
        record.user,
        record.organisation,
        storable(record.route or record.requested_model),
        record.provider,
        storable(record.model),
    )


def bucket_of(duration_ns: int) -> int:
    """The bucket of a duration: 0 up to a microsecond, then each a tenth longer than the one before."""
    microseconds = duration_ns // NS_PER_US
    return int(log(microseconds) / _GROWTH) + 1 if microseconds > 0 else 0


def milliseconds_of(bucket: int) -> float:
    """The upper end of a bucket."""
    return float(1.1**bucket) / 1_000


def state_number(state: PriceState) -> int:
    """As it is stored."""
    return _PLACE_OF_STATE[state]


def provenance_number(provenance: Provenance) -> int:
    """As it is stored."""
    return _PLACE_OF_PROVENANCE[provenance]


Rows = list[tuple[int, ...]]
"""As they are written: the keys in the order of the table's columns, then the sums."""


Grained = dict[tuple[int, ...], Sequence[int]]
"""Sums by keys that begin with the start of a minute, an hour and so on."""


class BatchSums:
    """The sums of many Records: collected by the finest grain there is, and put together to coarser ones at the end."""

    __slots__ = ("_facets", "_latencies", "_rollups")

    def __init__(self) -> None:
        self._rollups: dict[tuple[int, int], RollupSums] = {}
        self._latencies: dict[tuple[int, int, int, int], int] = {}
        self._facets: Grained = {}

    def add(self, record: Record, series: int, tokens: Tokens, charged: int) -> None:
        """One more request of a series, by its number."""
        second = record.start_wall_ns // NS_PER_S
        start = second - second % GRAINS_S[MINUTE]
        sums = self._rollups.get((start, series))
        if sums is None:
            sums = self._rollups[start, series] = RollupSums()
        sums.add(record, tokens, charged)
        took = [(DURATION, bucket_of(record.duration_ns)), (OVERHEAD, bucket_of(record.overhead_ns))]
        if record.first_byte_ns >= 0:
            took.append((FIRST_BYTE, bucket_of(record.first_byte_ns)))
        latencies = self._latencies
        for measure, bucket in took:
            place = (start, series, measure, bucket)
            latencies[place] = latencies.get(place, 0) + 1

    def add_facets(self, second: int, series: int, values: Sequence[int], sums: Sequence[int]) -> None:
        """Sums of facts of one hour with these numbers of `FACETS`, in the order of `SUM_COLUMNS`."""
        place = (second - second % GRAINS_S[HOUR], series, *values)
        before = self._facets.get(place)
        self._facets[place] = sums if before is None else tuple(map(add, before, sums))

    def rollups(self) -> Rows:
        """Of every grain."""
        minutes: Grained = {place: sums.values() for place, sums in self._rollups.items()}
        return [(grain, *place, *sums) for grain, place, sums in by_grain(minutes, MINUTE)]

    def latencies(self) -> Rows:
        """Of every grain."""
        minutes: Grained = {place: (n,) for place, n in self._latencies.items()}
        return [(grain, *place, *n) for grain, place, n in by_grain(minutes, MINUTE)]

    def all_latencies(self) -> Rows:
        """Of every grain, all series together."""
        minutes: Grained = {}
        for (start, _series, *place), n in self._latencies.items():
            before = minutes.get((start, *place))
            minutes[start, *place] = (n if before is None else n + before[0],)
        return [(grain, *place, *n) for grain, place, n in by_grain(minutes, MINUTE)]

    def facets(self) -> Rows:
        """Of every grain from the hour on."""
        rows: Rows = []
        for facet in range(2 * len(FACETS)):
            hours: Grained = {}
            for (start, series, *values), sums in self._facets.items():
                place = (start, series, values[facet]) if facet < len(FACETS) else (start, 0, values[facet - len(FACETS)])
                before = hours.get(place)
                hours[place] = sums if before is None else tuple(map(add, before, sums))
            rows += [(facet, grain, *place, *sums) for grain, place, sums in by_grain(hours, HOUR)]
        return rows


def own_cost_of(record: Record) -> int:
    """What of a request's cost providers bill to its customer."""
    return sum(attempt.cost_nanousd or 0 for attempt in record.attempts if attempt.is_own_key)


def fact_sums(record: Record, tokens: Tokens, charged: int) -> tuple[int, ...]:
    """What a row of `requests` adds to sums, in the order of `SUM_COLUMNS`."""
    cost = record.cost_nanousd or 0
    estimated = cost if record.price_state is PriceState.ESTIMATED else 0
    is_unknown = record.price_state is PriceState.UNKNOWN
    told = (1, int(bool(record.error)), *tokens, cost, estimated, int(is_unknown), int(len(record.attempts) > 1), charged)
    return (*told, cache_saved(record), own_cost_of(record))


def cache_saved(record: Record) -> int:
    """What prompt caches have saved, all attempts together, in nano-dollars."""
    return sum([attempt.cache_saved_nanousd for attempt in record.attempts])


def by_grain(sums: Grained, finest: int) -> Iterator[tuple[int, tuple[int, ...], Sequence[int]]]:
    """These sums, whose keys begin with a start, and those of every coarser grain: (grain, key, sums)."""
    for grain in range(finest, len(GRAINS_S)):
        if grain > finest:
            sums = _coarser(sums, GRAINS_S[grain])
        for place, values in sums.items():
            yield grain, place, values


def _coarser(sums: Grained, seconds: int) -> Grained:
    found: Grained = {}
    for (start, *rest), values in sums.items():
        place = (start - start % seconds, *rest)
        before = found.get(place)
        found[place] = values if before is None else tuple(map(add, before, values))
    return found
