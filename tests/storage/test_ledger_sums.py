from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from tests.storage.test_ledger_store import attempt, record

from weighbridge.core.terms import Usage
from weighbridge.storage.ledger_sums import SUM_COLUMNS, BatchSums, RollupSums, bucket_of, milliseconds_of, series_of, tokens_of


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
    assert {(grain, series, each.requests) for (grain, _, series), each in sums.rollups.items()} == {
        (0, 7, 3),
        (1, 7, 3),
        (2, 7, 3),
    }
    assert sum(sums.latencies.values()) == 3 * 3 * 3


def test_sums_stand_in_the_order_of_the_columns():
    sums = RollupSums()
    sums.add(record(1, attempt(None), attempt(40)), tokens_of(record()), 46)
    values = dict(zip(SUM_COLUMNS, sums.values(), strict=True))
    assert (values["requests"], values["cost"], values["unknown_costs"], values["fallbacks"]) == (1, 40, 1, 1)


def test_a_series_is_who_asked_and_who_answered():
    assert series_of(record(user="ada", organisation="acme")) == ("key_1", "search", "ada", "acme", "smart", "openai", "gpt-5")
