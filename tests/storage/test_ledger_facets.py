"""Sums of facets say what the facts say: for any time and grouping, and for requests from before there were such sums."""

from __future__ import annotations

from collections import Counter
from contextlib import closing

import pytest
from alembic import command
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import select, update
from tests.storage.test_ledger_store import WALL_NS, assert_sound, attempt, settled

from weighbridge.core.clock import NS_PER_S
from weighbridge.storage.engine import writing
from weighbridge.storage.ledger_checks import verify
from weighbridge.storage.ledger_tables import facets, rollups
from weighbridge.storage.migrate import alembic_config
from weighbridge.storage.store import Store
from weighbridge.storage.usage_queries import usage
from weighbridge.storage.usage_terms import UsageQuery

NOW_S = WALL_NS // NS_PER_S
SPAN_S = 40 * 86_400
ERRORS = (None, "rate_limit", "timeout")


def items():
    """Over 40 days, none on a whole hour."""
    return [
        settled(
            number,
            attempt(number),
            start_wall_ns=(NOW_S - number * 9_973) * NS_PER_S,
            team=f"t{number % 3}",
            tags=((), ("beta",), ("beta", "checkout"))[number % 3],
            error=ERRORS[number % 7 % 3],
        )
        for number in range(SPAN_S // 9_973)
    ]


@pytest.fixture
def ledger(store):
    store.ledger.move("j_1", 0, 100, items())
    return store.ledger


def naive(begin, end, dimension, seconds, team):
    """Requests and cost by start and group, from the exchanges themselves."""
    n, cost = Counter(), Counter()
    for each in (item.record for item in items()):
        at = each.start_wall_ns // NS_PER_S
        if not begin <= at < end or (team and each.team != team):
            continue
        values = {
            "tag": each.tags or ("",),
            "error": (each.error or "",),
            "dialect": (each.dialect.value,),
            "team": (each.team,),
        }[dimension]
        for value in values:
            key = (at - at % seconds if seconds else None, (value,))
            n[key] += 1
            cost[key] += each.cost_nanousd
    return {key: (n[key], cost[key]) for key in n}


@settings(max_examples=80, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(
    begin=st.integers(NOW_S - SPAN_S - 90_000, NOW_S + 90_000),
    length=st.one_of(st.integers(0, SPAN_S), st.sampled_from([1_800, 3_600, 86_400, 7 * 86_400, 30 * 86_400])),
    is_half_hour=st.booleans(),
    dimension=st.sampled_from(["tag", "error", "dialect", "team"]),
    interval=st.sampled_from([("none", 0), ("minute", 60), ("hour", 3_600), ("day", 86_400)]),
    team=st.sampled_from(["", "t1"]),
)
def test_any_time_by_any_grouping_is_the_sum_of_the_facts(ledger, begin, length, is_half_hour, dimension, interval, team):
    if is_half_hour:  # where the days of a place with such an offset begin
        begin -= begin % 1_800
    if dimension == "team":  # sums of series have minutes for edges
        begin, length = begin - begin % 60, length - length % 60
    query = UsageQuery(begin, begin + length, interval[0], (dimension,), {"team": (team,)} if team else {})
    found = {(row.start_s, row.group): (row.sums[0], row.sums[7]) for row in usage(ledger, query).rows}
    assert found == naive(begin, begin + length, dimension, interval[1], team)


@pytest.mark.parametrize(("dimension", "value"), [("tag", "beta"), ("error", "timeout"), ("error", ""), ("dialect", "openai")])
def test_filters_on_facets_are_answered_from_their_sums(ledger, dimension, value):
    query = UsageQuery(NOW_S - SPAN_S, NOW_S + 1, filters={dimension: (value,)})
    (row,) = usage(ledger, query).rows
    expected = naive(NOW_S - SPAN_S, NOW_S + 1, dimension, 0, "")[None, (value,)]
    assert (row.sums[0], row.sums[7]) == expected


def test_a_ledger_from_before_facets_is_filled_in_pieces_and_right_all_the_while(migrated, store_url, clock, monkeypatch):
    monkeypatch.setattr("weighbridge.storage.ledger_facets.PIECE", 100)
    query = UsageQuery(NOW_S - SPAN_S, NOW_S + 1, group_by=("error", "team"))
    everything = items()

    def told(store, table):
        with store.ledger.reading() as connection:
            return sorted(map(tuple, connection.execute(select(table))))

    with closing(Store.open(store_url, clock)) as store:
        store.ledger.move("j_1", 0, 100, everything[:-50])
        kept = told(store, rollups)
    with writing(migrated).begin() as connection:
        command.downgrade(alembic_config(connection), "0009")
    with closing(Store.open(store_url, clock)) as store:
        store.migrate()
        assert told(store, rollups) == kept
        assert told(store, facets) == []
        store.ledger.fill_facets()
        store.ledger.move("j_1", 0, 200, everything[-50:])  # comes in meanwhile
        before = usage(store.ledger, query)
        passed = []
        while n := store.ledger.fill_facets():
            passed.append(n)
        assert max(passed) == 100
        assert usage(store.ledger, query) == before
        assert sum(row.sums[0] for row in before.rows) == len(everything)
        assert_sound(store.ledger)


@pytest.mark.parametrize("table", [facets, rollups])
def test_a_sum_that_was_tampered_with_is_found(ledger, migrated, table):
    assert_sound(ledger)
    with writing(migrated).begin() as connection:
        connection.execute(update(table).where(table.c.grain == (2 if table is facets else 3)).values(output=table.c.output + 1))
    assert not verify(ledger).is_sound


def test_facets_are_kept_as_long_as_sums_by_hour(store, clock):
    old, new = (settled(age, start_wall_ns=clock.wall_ns() - age * 86_400 * NS_PER_S) for age in (420, 390))
    store.ledger.move("j_1", 0, 100, [old, new])
    while store.ledger.expire():
        pass
    with store.ledger.reading() as connection:
        rows = connection.execute(select(facets.c.grain, facets.c.requests).order_by(facets.c.grain)).all()
    assert [tuple(row) for row in rows] == [(grain, 1) for grain in (1, 2, 3) for _facet in range(6)]
