"""Usage on both databases: every interval, every dimension and every filter means the same on each (the API's tests say what)."""

from __future__ import annotations

import pytest
from sqlalchemy.event import listen
from tests.storage.test_ledger_store import WALL_NS, attempt, settled

from weighbridge.core.clock import NS_PER_S
from weighbridge.storage import usage_queries
from weighbridge.storage.ledger_sums import DURATION, SUM_COLUMNS
from weighbridge.storage.request_queries import RequestsQuery, request_detail, requests_page
from weighbridge.storage.usage_queries import usage
from weighbridge.storage.usage_rows import with_rest
from weighbridge.storage.usage_terms import DIMENSIONS, INTERVALS, UsageQuery

NOW_S = WALL_NS // NS_PER_S
HOUR_NS = 3_600 * NS_PER_S


@pytest.fixture(scope="module")
def ledger(kept_store):
    items = [
        settled(
            number,
            attempt(number, cache_saved_nanousd=number - 20),
            start_wall_ns=WALL_NS - number * HOUR_NS,
            team=f"t{number % 3}",
            end_user="eve" if number % 2 else "",
            tags=("beta", "checkout") if number % 4 == 0 else (),
        )
        for number in range(60)
    ]
    kept_store.ledger.move("j_1", 0, 100, items)
    return kept_store.ledger


def requests_in(answer):
    return sum(row.sums[0] for row in answer.rows)


@pytest.mark.parametrize("interval", INTERVALS)
def test_every_interval_has_every_request(ledger, interval):
    answer = usage(ledger, UsageQuery(NOW_S - 100 * 3_600, NOW_S + 60, interval))
    assert requests_in(answer) == 60
    assert answer.is_complete
    if interval in ("minute", "hour"):
        assert len(answer.rows) == 60


@pytest.mark.parametrize("top", [1, 2, 100])
@pytest.mark.parametrize("interval", ["none", "hour", "month"])
@pytest.mark.parametrize(
    "groups",
    [("team",), ("model",), ("team", "route"), ("end_user",), ("tag",), ("error", "team"), ("rating",), ("end_user", "model")],
)
def test_the_dearest_groups_and_the_rest_are_told_alike_wherever_they_come_from(ledger, groups, interval, top):
    query = UsageQuery(NOW_S - 100 * 3_600, NOW_S + 60, interval, groups)
    every = usage(ledger, query)
    found = usage(ledger, query._replace(top=top))
    wanted = with_rest(every.rows, top)
    assert sorted(found.rows, key=str) == sorted(wanted, key=str)
    assert found.n_groups == every.n_groups == len({row.group for row in every.rows})
    assert any(row.is_rest for row in found.rows) == (found.n_groups > top)


@pytest.mark.parametrize("groups", [("team",), ("end_user", "team"), ("tag",)])
def test_those_groups_come_first_that_have_most_of_what_is_asked_for(ledger, groups):
    query = UsageQuery(NOW_S - 100 * 3_600, NOW_S + 60, "none", groups, order_by="cache_saved")
    every = usage(ledger, query)
    found = usage(ledger, query._replace(top=1))
    assert sorted(found.rows, key=str) == sorted(with_rest(every.rows, 1, "cache_saved"), key=str)
    assert max(every.rows, key=lambda row: row.sums[SUM_COLUMNS.index("cache_saved")]).group in {row.group for row in found.rows}


def test_the_first_of_those_that_are_filtered_are_told_with_the_rest_of_those(ledger):
    query = UsageQuery(NOW_S - 100 * 3_600, NOW_S + 60, "day", ("end_user",), {"team": ("t1",), "tag": ("beta",)})
    every = usage(ledger, query)
    assert every.n_groups == 1
    found = usage(ledger, query._replace(filters={"team": ("t1",)}, top=1))
    assert (found.n_groups, requests_in(found)) == (2, 20)
    assert usage(ledger, query._replace(top=1)) == every


def test_of_nothing_nothing_is_the_dearest(ledger):
    assert usage(ledger, UsageQuery(NOW_S + 60, NOW_S + 120, "hour", ("team",), top=3)) == ([], True, 0)


@pytest.mark.parametrize("interval", INTERVALS)
def test_latencies_of_all_are_those_of_each_series_together(store, interval):
    items = [
        settled(number, start_wall_ns=WALL_NS - number * HOUR_NS, team=f"t{number % 3}", duration_ns=number * 10**8 % 7**11)
        for number in range(1, 60)
    ]
    store.ledger.move("j_1", 0, 100, items)
    span = (NOW_S - 50 * 3_600, NOW_S + 60, interval)
    whole = usage(store.ledger, UsageQuery(*span)).rows
    every_team = usage(store.ledger, UsageQuery(*span, filters={"team": ("t0", "t1", "t2")})).rows
    assert [(row.start_s, row.quantiles) for row in whole] == [(row.start_s, row.quantiles) for row in every_team]
    if interval in ("minute", "hour"):
        assert len({row.quantiles[DURATION].p50 for row in whole}) > 20


@pytest.mark.parametrize(
    ("groups", "interval", "wanted", "are_told"),
    [
        ((), "hour", None, True),
        (("team",), "none", None, True),
        (("team",), "hour", None, False),
        (("team", "model"), "none", None, False),
        (("team", "model"), "none", True, True),
        (("team",), "month", True, True),
        (("team",), "none", False, False),
        ((), "none", False, False),
    ],
)
def test_latencies_are_told_where_they_are_few_or_wanted(ledger, groups, interval, wanted, are_told):
    answer = usage(ledger, UsageQuery(NOW_S - 100 * 3_600, NOW_S + 60, interval, groups, {}, wanted))
    assert requests_in(answer) == 60
    assert {bool(row.quantiles) for row in answer.rows} == {are_told}


@pytest.mark.parametrize("interval", ["none", "hour", "month"])
@pytest.mark.parametrize("dimension", DIMENSIONS)
def test_every_dimension_by_every_interval(ledger, dimension, interval):
    answer = usage(ledger, UsageQuery(NOW_S - 100 * 3_600, NOW_S + 60, interval, (dimension, "team")))
    assert requests_in(answer) == 60 + (15 if dimension == "tag" else 0)  # two tags count for both
    assert {row.group[1] for row in answer.rows} == {"t0", "t1", "t2"}


@pytest.mark.parametrize(("hours", "n"), [(1, 2), (5, 6), (26, 27), (59, 60)])
def test_time_is_put_together_from_days_hours_and_minutes(ledger, hours, n):
    assert requests_in(usage(ledger, UsageQuery(NOW_S - hours * 3_600, NOW_S + 60))) == n


@pytest.mark.parametrize(
    ("filters", "n"),
    [
        ({"team": ("t0", "t1")}, 40),
        ({"model": ("openai/gpt-5",)}, 60),
        ({"model": ("openai/other",)}, 0),
        ({"end_user": ("eve",), "team": ("t0",)}, 10),
        ({"tag": ("beta",)}, 15),
        ({"end_user": ("",)}, 30),
    ],
)
def test_filters(ledger, filters, n):
    span = (NOW_S - 100 * 3_600, NOW_S + 60)
    assert requests_in(usage(ledger, UsageQuery(*span, filters=filters))) == n
    assert len(requests_page(ledger, RequestsQuery(*span, filters, limit=100))) == n


@pytest.mark.parametrize("group", [(), ("team",), ("dialect",), ("end_user",)], ids=str)
def test_what_caches_saved_adds_up_losses_too_wherever_the_sums_come_from(ledger, group):
    answer = usage(ledger, UsageQuery(NOW_S - 100 * 3_600, NOW_S + 60, group_by=group))
    assert sum(row.sums[SUM_COLUMNS.index("cache_saved")] for row in answer.rows) == sum(range(-20, 40))


@pytest.mark.parametrize("interval", ["none", "hour", "minute"])
def test_a_property_is_grouped_by_its_values_and_who_has_none_is_together(store, interval):
    tags = [("env=prod", "checkout"), ("env=test",), ("checkout",), (), ("env=prod",)]
    items = [settled(n, attempt(), start_wall_ns=WALL_NS - n * NS_PER_S, tags=tags[n % 5]) for n in range(20)]
    store.ledger.move("j_2", 0, 100, items)
    answer = usage(store.ledger, UsageQuery(NOW_S - 3_600, NOW_S + 60, interval, ("property.env", "tag")))
    found: dict[tuple[str, ...], int] = {}
    for row in answer.rows:
        found[row.group] = found.get(row.group, 0) + row.sums[0]
    assert found == {
        ("prod", "env=prod"): 8,
        ("prod", "checkout"): 4,
        ("test", "env=test"): 4,
        ("", "checkout"): 4,
        ("", ""): 4,
    }


@pytest.mark.parametrize(
    ("name", "value"), [("end_user", "eve"), ("tag", "beta"), ("session", "run-1"), ("error", "provider_timeout")]
)
def test_whoever_is_named_is_found_by_an_index(store, name, value):
    store.ledger.move("j_1", 0, 100, [settled(1, end_user="eve", tags=("beta",), session="run-1", error="provider_timeout")])
    asked = []
    with store.ledger.reading() as connection:
        if connection.dialect.name != "sqlite":
            pytest.skip("PostgreSQL proves it by itself, and plans by what there is")
        listen(connection.engine, "before_cursor_execute", lambda _c, _cursor, *statement: asked.append(statement[:2]))
        answer = usage(store.ledger, UsageQuery(NOW_S - 3_600, NOW_S + 60, "minute", (), {name: (value,)}))
        assert requests_in(answer) == 1
        plans = [
            connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", parameters).all()
            for statement, parameters in list(asked)
            if "sum(" in statement and "FROM requests" in statement
        ]
    index = "requests_tags" if name == "tag" else f"requests_{name}"
    assert plans
    assert all(any(index in step[3] for step in plan) for plan in plans)


def test_percentiles_of_everything(ledger):
    (row,) = usage(ledger, UsageQuery(NOW_S - 100 * 3_600, NOW_S + 60)).rows
    assert all(1.0 <= quantiles.p99 / quantiles.p50 <= 1.1 for quantiles in row.quantiles.values())
    assert len(row.quantiles) == 3


def test_a_page_and_one_request_of_it(ledger):
    page = requests_page(ledger, RequestsQuery(NOW_S - 100 * 3_600, NOW_S + 60, limit=2, is_stream=False, status=200))
    assert [row.request_id for row in page] == ["req_0", "req_1"]
    found = request_detail(ledger, "req_58")
    assert found.record.request_id == "req_58"
    assert [entry.amount for entry in found.entries] == [58, 58]
    assert request_detail(ledger, "nobody") is None


def test_a_time_without_requests_has_no_rows(ledger):
    assert usage(ledger, UsageQuery(10, 20)).rows == []
    assert usage(ledger, UsageQuery(NOW_S, NOW_S)).rows == []
    assert usage(ledger, UsageQuery(10, 20, group_by=("end_user",))).rows == []


def test_where_groups_are_too_many_the_dearest_are_told_and_that_there_are_more(ledger, monkeypatch):
    monkeypatch.setattr(usage_queries, "MAX_ROWS", 2)
    answer = usage(ledger, UsageQuery(NOW_S - 100 * 3_600, NOW_S + 60, group_by=("team",)))
    assert [row.group for row in answer.rows] == [("t1",), ("t2",)]  # 590 and 610, of which t0 has 570
    assert not answer.is_complete


def test_of_a_group_that_is_told_over_time_no_part_is_missing(ledger, monkeypatch):
    whole = usage(ledger, UsageQuery(NOW_S - 100 * 3_600, NOW_S + 60, "day", ("team",)))
    dearest = [row for row in whole.rows if row.group == ("t2",)]
    monkeypatch.setattr(usage_queries, "MAX_ROWS", len(dearest))
    answer = usage(ledger, UsageQuery(NOW_S - 100 * 3_600, NOW_S + 60, "day", ("team",)))
    assert answer.rows == dearest
    assert not answer.is_complete


def test_months_of_many_days_are_all_told(ledger, monkeypatch):
    whole = usage(ledger, UsageQuery(NOW_S - 100 * 3_600, NOW_S + 60, "month", ("team",)))
    monkeypatch.setattr(usage_queries, "MAX_ROWS", len(whole.rows))
    assert usage(ledger, UsageQuery(NOW_S - 100 * 3_600, NOW_S + 60, "month", ("team",))) == whole


def test_tags_of_many_sets_are_all_told(ledger, monkeypatch):
    whole = usage(ledger, UsageQuery(NOW_S - 100 * 3_600, NOW_S + 60, "none", ("tag", "end_user")))
    monkeypatch.setattr(usage_queries, "MAX_ROWS", len(whole.rows))
    assert usage(ledger, UsageQuery(NOW_S - 100 * 3_600, NOW_S + 60, "none", ("tag", "end_user"))) == whole
    monkeypatch.setattr(usage_queries, "MAX_ROWS", len(whole.rows) - 1)
    assert not usage(ledger, UsageQuery(NOW_S - 100 * 3_600, NOW_S + 60, "none", ("tag", "end_user"))).is_complete
