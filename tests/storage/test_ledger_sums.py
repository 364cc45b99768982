from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from tests.storage.test_ledger_store import attempt, record

from weighbridge.core.terms import Usage
from weighbridge.storage.ledger_sums import (
    SUM_COLUMNS,
    BatchSums,
    RollupSums,
    bucket_of,
    fact_sums,
    milliseconds_of,
    series_of,
    tokens_of,
)


@given(st.integers(1_000, 10**16))
def test_no_latency_is_told_more_than_a_tenth_too_long_or_too_short_at_all(duration_ns):
    told_us = milliseconds_of(bucket_of(duration_ns)) * 1_000
    assert (duration_ns // 1_000) <= told_us * 1.000001
    assert told_us <= (duration_ns // 1_000) * 1.1000001


@given(st.integers(0, 10**15), st.integers(0, 10**15))
def test_longer_is_never_in_a_lower_bucket(one, other):
    low, high = sorted((one, other))
    assert bucket_of(low) <= bucket_of(high)


def test_tokens_are_those_of_every_attempt():
    both = record(1, attempt(usage=Usage(1, 2, 3, 4, 5, 1)), attempt(usage=Usage(input=10, output=20)))
    assert tokens_of(both) == (1 + 2 + 3 + 4 + 10, 2, 7, 25, 1)


def test_a_request_counts_once_in_each_grain():
    sums = BatchSums()
    for number in range(3):
        sums.add(record(number), 7, tokens_of(record(number)), 5)
    assert {(grain, series, n) for grain, _, series, n, *_ in sums.rollups()} == {(grain, 7, 3) for grain in range(4)}
    assert sum(n for *_, n in sums.latencies()) == sum(n for *_, n in sums.all_latencies()) == 4 * 3 * 3


def test_a_request_counts_once_for_each_facet_in_each_grain_from_the_hour_on():
    sums = BatchSums()
    for number in range(3):
        one = record(number, attempt(40))
        sums.add_facets(number * 3_600, 7, (11, 12, 0), fact_sums(one, tokens_of(one), 46))
    found = {(facet, grain): 0 for facet in range(6) for grain in (1, 2, 3)}
    for facet, grain, _start, _series, _value, n, *_ in sums.facets():
        found[facet, grain] += n
    assert set(found.values()) == {3}
    weeks = [row for row in sums.facets() if row[1] == 3]
    by_series = [(0, 3, 0, 7, 11), (1, 3, 0, 7, 12), (2, 3, 0, 7, 0)]
    of_all = [(3, 3, 0, 0, 11), (4, 3, 0, 0, 12), (5, 3, 0, 0, 0)]
    assert [row[:5] for row in weeks] == [*by_series, *of_all]
    assert dict(zip(SUM_COLUMNS, weeks[0][5:], strict=True))["charged"] == 3 * 46


def test_sums_stand_in_the_order_of_the_columns():
    sums = RollupSums()
    sums.add(record(1, attempt(None), attempt(40)), tokens_of(record()), 46)
    values = dict(zip(SUM_COLUMNS, sums.values(), strict=True))
    assert (values["requests"], values["cost"], values["unknown_costs"], values["fallbacks"]) == (1, 40, 1, 1)


def test_a_series_is_who_asked_and_who_answered():
    assert series_of(record(user="ada", organisation="acme")) == ("key_1", "search", "ada", "acme", "smart", "openai", "gpt-5")
