"""Sums by end user and session say what the facts say: for any time, whatever was summed up so far, and whoever comes late."""

from __future__ import annotations

from collections import Counter
from contextlib import closing

import pytest
from alembic import command
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import delete, event, func, select, update
from tests.storage.conftest import SetClock
from tests.storage.test_ledger_store import assert_sound, attempt, settled

from weighbridge.core.clock import NS_PER_S
from weighbridge.core.erasure import SubjectKind
from weighbridge.storage import usage_queries
from weighbridge.storage.engine import writing
from weighbridge.storage.ledger_checks import verify
from weighbridge.storage.ledger_late_sums import SETTLES_S, late_facet, late_span_of
from weighbridge.storage.ledger_sums import DAY, SUM_COLUMNS, WEEK
from weighbridge.storage.ledger_tables import facets, requests
from weighbridge.storage.migrate import alembic_config
from weighbridge.storage.store import Store
from weighbridge.storage.transactions import Act
from weighbridge.storage.usage_queries import usage
from weighbridge.storage.usage_terms import UsageQuery

DAY_S = 86_400
NOW_S = SetClock(1_800_000_000_000_000_123).wall_ns() // NS_PER_S
SPAN_S = 30 * DAY_S
STEP_S = 9_973


def item(number):
    """One of 260 over 30 days; the newest is the first."""
    return settled(
        number,
        attempt(number + 1),
        start_wall_ns=(NOW_S - 1 - number * STEP_S) * NS_PER_S,
        end_user=("", "ann", "bob")[number % 3],
        session=f"s{number % 11}" if number % 2 else "",
        error="timeout" if number % 5 == 0 else None,
    )


ITEMS = [item(number) for number in range(SPAN_S // STEP_S)]


def sum_up(ledger):
    n_pieces = 0
    while ledger.sum_up_late():
        n_pieces += 1
    return n_pieces


@pytest.fixture
def pieces_of(monkeypatch):
    return lambda n: monkeypatch.setattr("weighbridge.storage.ledger_late_sums.PIECE", n)


@pytest.fixture
def ledger(store, pieces_of):
    """Half of it came in time, some of it late, and one piece was not summed up at all."""
    pieces_of(20)
    store.ledger.move("j_1", 0, 100, ITEMS[::2])
    for _ in range(4):
        assert store.ledger.sum_up_late()
    store.ledger.move("j_1", 0, 200, ITEMS[1::2])
    return store.ledger


def naive(begin, end, dimension, seconds):
    n, cost = Counter(), Counter()
    for each in (each.record for each in ITEMS):
        at = each.start_wall_ns // NS_PER_S
        if begin <= at < end:
            key = (at - at % seconds if seconds else None, (getattr(each, dimension),))
            n[key] += 1
            cost[key] += each.cost_nanousd
    return {key: (n[key], cost[key]) for key in n}


def told(ledger, query):
    return {(row.start_s, row.group): (row.sums[0], row.sums[7]) for row in usage(ledger, query).rows}


def kept(ledger, *conditions):
    with ledger.reading() as connection:
        query = select(func.coalesce(func.sum(facets.c.requests), 0)).where(facets.c.facet >= late_facet("end_user"), *conditions)
        return int(connection.execute(query).scalar_one())


TIMES = {
    "begin": st.integers(NOW_S - SPAN_S - 2 * DAY_S, NOW_S + DAY_S),
    "length": st.one_of(st.integers(0, SPAN_S), st.sampled_from([DAY_S, 7 * DAY_S, 14 * DAY_S, SPAN_S])),
    "is_midnight": st.booleans(),
    "dimension": st.sampled_from(["end_user", "session"]),
    "interval": st.sampled_from([("none", 0), ("hour", 3_600), ("day", DAY_S)]),
}


@settings(max_examples=80, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(**TIMES)
def test_any_time_is_the_sum_of_its_facts(ledger, begin, length, is_midnight, dimension, interval):
    if is_midnight:
        begin -= begin % DAY_S
    query = UsageQuery(begin, begin + length, interval[0], (dimension,))
    assert told(ledger, query) == naive(begin, begin + length, dimension, interval[1])


@settings(max_examples=80, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(**TIMES, top=st.integers(1, 12), order_by=st.sampled_from(["cost", "requests", "errors", "input"]))
def test_of_any_time_the_first_and_the_rest_are_told_as_if_all_were_read(
    ledger, begin, length, is_midnight, dimension, interval, top, order_by
):
    if is_midnight:
        begin -= begin % DAY_S
    query = UsageQuery(begin, begin + length, interval[0], (dimension,), order_by=order_by)
    every = usage(ledger, query)
    found = usage(ledger, query._replace(top=top))
    totals = Counter()
    for row in every.rows:
        totals[row.group] += row.sums[SUM_COLUMNS.index(order_by)]
    # Of as many, which ones come first is the database's affair: they have numbers there, not names.
    first = {row.group for row in found.rows if not row.is_rest}
    assert sorted((totals[group] for group in first), reverse=True) == sorted(totals.values(), reverse=True)[:top]
    by_place = {(row.start_s, row.group): row for row in every.rows}
    assert all(by_place[row.start_s, row.group] == row for row in found.rows if not row.is_rest)
    assert [sum(row.sums[n] for row in found.rows) for n in range(len(SUM_COLUMNS))] == [
        sum(row.sums[n] for row in every.rows) for n in range(len(SUM_COLUMNS))
    ]
    assert found.n_groups == every.n_groups


@pytest.mark.parametrize("interval", ["none", "day"])
def test_the_rest_is_right_where_requests_are_gone_whose_sums_are_not(ledger, interval):
    """Sums of a week are kept until all of it has been kept long enough."""
    sum_up(ledger)
    with ledger._writing() as connection:
        connection.execute(delete(requests).where(requests.c.at < (NOW_S - 15 * DAY_S) * NS_PER_S))
    query = UsageQuery(NOW_S - SPAN_S, NOW_S, interval, ("session",))
    every = usage(ledger, query).rows
    found = usage(ledger, query._replace(top=2)).rows
    assert sum(row.sums[0] for row in found) == sum(row.sums[0] for row in every) > 0
    assert all(figure >= 0 for row in found for figure in row.sums)


@pytest.mark.parametrize("top", [None, 3])
def test_no_day_or_week_is_read_that_was_not_asked_for(ledger, top):
    sum_up(ledger)
    asked = []
    with ledger.reading() as connection:
        if connection.dialect.name != "sqlite":
            pytest.skip("PostgreSQL plans by what there is")
        event.listen(connection.engine, "before_cursor_execute", lambda _c, _cursor, *statement: asked.append(statement[:2]))
        usage(ledger, UsageQuery(NOW_S - 20 * DAY_S, NOW_S, "none", ("session",), top=top))
        plans = [
            step[3]
            for statement, parameters in list(asked)
            if "FROM facets" in statement
            for step in connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", parameters)
        ]
    reading = [step for step in plans if " facets" in step]
    assert len(reading) == (3 if top is None else 6)  # days, weeks, days; for the first groups, and for their sums
    assert all("(facet=? AND grain=? AND start" in step for step in reading)


def test_the_books_agree_at_every_step_and_months_are_answered_from_the_sums(store, pieces_of):
    pieces_of(20)
    store.ledger.move("j_1", 0, 100, ITEMS[::2])
    assert_sound(store.ledger)
    while store.ledger.sum_up_late():
        assert_sound(store.ledger)
    store.ledger.move("j_1", 0, 200, ITEMS[1::2])
    assert_sound(store.ledger)
    whole = UsageQuery(NOW_S - SPAN_S, NOW_S, "none", ("session",))
    before = told(store.ledger, whole)
    with store.ledger.reading() as connection:
        first, last = late_span_of(connection).whole_days(whole.from_s, whole.to_s)
    assert last - first > 25 * DAY_S
    with writing(store._engine).begin() as connection:
        # Facts of days that are summed up are not read.
        connection.execute(update(usage_queries.requests).values(output=7_777_777))
    assert told(store.ledger, whole) == before
    assert sum(row.sums[5] for row in usage(store.ledger, whole).rows) < 7_777_777 * 30


def test_nothing_of_the_present_hour_is_summed_up(store, clock):
    clock.wall -= clock.wall % (3_600 * NS_PER_S)
    hour_s = clock.wall // NS_PER_S
    store.ledger.move("j_1", 0, 100, [settled(1, start_wall_ns=(hour_s - 5) * NS_PER_S, end_user="ann")])
    sum_up(store.ledger)
    assert kept(store.ledger) == 0
    clock.wall += SETTLES_S * NS_PER_S
    assert sum_up(store.ledger) == 1
    assert kept(store.ledger, facets.c.grain == DAY) == 2  # by end user, and by session


def test_of_too_many_the_dearest_are_told_from_sums_as_well(ledger, monkeypatch):
    sum_up(ledger)
    monkeypatch.setattr(usage_queries, "MAX_ROWS", 3)
    query = UsageQuery(NOW_S - SPAN_S, NOW_S, "none", ("session",))
    answer = usage(ledger, query)
    every = naive(NOW_S - SPAN_S, NOW_S, "session", 0)
    dearest = sorted(every, key=lambda key: -every[key][1])[:3]
    assert not answer.is_complete
    assert {row.group for row in answer.rows} == {group for _, group in dearest}


def test_a_ledger_from_before_is_summed_up_back_to_its_oldest_request(migrated, store_url, clock, pieces_of):
    pieces_of(50)
    with closing(Store.open(store_url, clock)) as store:
        store.ledger.move("j_1", 0, 100, ITEMS)
        sum_up(store.ledger)
        everything = kept(store.ledger)
        assert everything == (len(ITEMS) - 1) * 4  # by two dimensions, in two grains; the newest is not settled yet
    with writing(migrated).begin() as connection:
        command.downgrade(alembic_config(connection), "0017")
    with closing(Store.open(store_url, clock)) as store:
        store.migrate()
        assert kept(store.ledger) == 0
        assert sum_up(store.ledger) > len(ITEMS) // 50
        assert kept(store.ledger) == everything
        assert_sound(store.ledger)


def test_many_requests_in_one_second_do_not_hold_the_work_up(store, pieces_of):
    pieces_of(3)
    second = (NOW_S - 5 * DAY_S) * NS_PER_S
    store.ledger.move("j_1", 0, 100, [settled(number, start_wall_ns=second, session="s") for number in range(20)])
    sum_up(store.ledger)
    store.ledger.move("j_1", 0, 200, [settled(number, start_wall_ns=second, session="s") for number in range(20, 30)])
    assert kept(store.ledger, facets.c.facet == late_facet("session"), facets.c.grain == WEEK) == 30
    assert_sound(store.ledger)


@pytest.mark.parametrize("kind", [SubjectKind.END_USER, SubjectKind.USER])
def test_who_is_forgotten_is_forgotten_in_sums(store, kind):
    items = [
        settled(1, start_wall_ns=(NOW_S - 3 * DAY_S) * NS_PER_S, end_user="ann", session="s1", user="u_1"),
        settled(2, start_wall_ns=(NOW_S - 3 * DAY_S) * NS_PER_S, end_user="bob", session="s1", user="u_2"),
        settled(3, start_wall_ns=(NOW_S - 2 * DAY_S) * NS_PER_S, end_user="ann", session="s2", user="u_1"),
    ]
    store.ledger.move("j_1", 0, 100, items)
    sum_up(store.ledger)
    store.erasures.erase(kind, "ann" if kind is SubjectKind.END_USER else "u_1", Act("cli:tests"))
    assert_sound(store.ledger)

    def by(dimension):
        query = UsageQuery(NOW_S - 10 * DAY_S, NOW_S, "none", (dimension,))
        return {row.group[0]: row.sums[0] for row in usage(store.ledger, query).rows}

    assert by("session") == {"": 2, "s1": 1}
    assert by("end_user") == ({"": 2, "bob": 1} if kind is SubjectKind.END_USER else {"ann": 2, "bob": 1})


def test_they_are_kept_as_long_as_requests(store, clock):
    old, new = (settled(age, start_wall_ns=clock.wall_ns() - age * DAY_S * NS_PER_S, end_user="ann") for age in (110, 80))
    store.ledger.move("j_1", 0, 100, [old, new])
    sum_up(store.ledger)
    while store.ledger.expire():
        pass
    assert kept(store.ledger, facets.c.facet == late_facet("end_user")) == 2  # the newer one, by day and week
    assert_sound(store.ledger)


def test_a_sum_that_was_tampered_with_is_found(ledger, migrated):
    sum_up(ledger)
    assert_sound(ledger)
    mine = (facets.c.facet == late_facet("session"), facets.c.grain == DAY)
    with writing(migrated).begin() as connection:
        connection.execute(update(facets).where(*mine).values(output=facets.c.output + 1))
    assert not verify(ledger).is_sound
