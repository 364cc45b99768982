"""From Records to what is stored of them: a narrow row each, and sums by minute, hour and day. Pure."""

from __future__ import annotations

from collections.abc import Callable
from math import log
from operator import attrgetter
from typing import Final, NamedTuple

from weighbridge.core.clock import NS_PER_S, NS_PER_US
from weighbridge.core.rates import PriceState
from weighbridge.core.terms import Provenance, Record

GRAINS_S: Final = (60, 3_600, 86_400)
"""Seconds of a minute, an hour and a day: `rollups.grain` is the place here."""
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
        self.cost = self.estimated = self.unknown_costs = self.fallbacks = self.charged = 0

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
            cost = attempt.cost_nanousd
            if cost is None:
                self.unknown_costs += 1
                continue
            self.cost += cost
            if attempt.price_state is PriceState.ESTIMATED:
                self.estimated += cost

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


class BatchSums:
    """The sums of many Records, by grain, start and series; latencies besides by measure and bucket."""

    def __init__(self) -> None:
        self.rollups: dict[tuple[int, int, int], RollupSums] = {}
        self.latencies: dict[tuple[int, int, int, int, int], int] = {}

    def add(self, record: Record, series: int, tokens: Tokens, charged: int) -> None:
        """One more request of a series, by its number."""
        second = record.start_wall_ns // NS_PER_S
        took = [(DURATION, bucket_of(record.duration_ns)), (OVERHEAD, bucket_of(record.overhead_ns))]
        if record.first_byte_ns >= 0:
            took.append((FIRST_BYTE, bucket_of(record.first_byte_ns)))
        latencies = self.latencies
        for grain, seconds in enumerate(GRAINS_S):
            start = second - second % seconds
            sums = self.rollups.get((grain, start, series))
            if sums is None:
                sums = self.rollups[grain, start, series] = RollupSums()
            sums.add(record, tokens, charged)
            for measure, bucket in took:
                place = (grain, start, series, measure, bucket)
                latencies[place] = latencies.get(place, 0) + 1
