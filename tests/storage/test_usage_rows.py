from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from weighbridge.storage.ledger_sums import DURATION, SUM_COLUMNS
from weighbridge.storage.usage_rows import (
    Quantiles,
    UsageRow,
    by_month,
    dearest,
    quantiles_of,
    taken_apart,
    top_of,
    with_rest,
)

COST, REQUESTS = SUM_COLUMNS.index("cost"), SUM_COLUMNS.index("requests")
DAY_S = 86_400


def sums(cost: int, requests: int = 1) -> tuple[int, ...]:
    values = [0] * len(SUM_COLUMNS)
    values[COST], values[REQUESTS] = cost, requests
    return tuple(values)


def row(start: int | None, group: str, cost: int, requests: int = 1) -> UsageRow:
    return UsageRow(start, (group,), sums(cost, requests), {DURATION: Quantiles(cost, cost, cost)})


rows = st.dictionaries(
    st.tuples(st.integers(0, 3), st.sampled_from("abcdef")), st.tuples(st.integers(0, 9), st.integers(1, 3)), max_size=20
).map(lambda found: [row(start, group, *values) for (start, group), values in found.items()])


@given(rows, st.integers(1, 7))
def test_the_dearest_and_the_rest_are_all_of_it(made, top):
    found = with_rest(made, top)
    for start in {each.start_s for each in made}:
        for column in (COST, REQUESTS):
            assert sum(each.sums[column] for each in found if each.start_s == start) == sum(
                each.sums[column] for each in made if each.start_s == start
            )
    kept = {each.group for each in found if not each.is_rest}
    assert len(kept) == min(top, len({each.group for each in made}))
    cost = {group: sum(each.sums[COST] for each in made if each.group == group) for group in {each.group for each in made}}
    assert all(cost[group] >= cost[other] for group in kept for other in cost.keys() - kept)
    assert [each for each in made if each.group in kept] == [each for each in found if not each.is_rest]


def test_the_rest_has_no_name_no_latency_and_one_row_for_each_start():
    found = with_rest([row(0, "a", 9), row(0, "b", 2), row(0, "", 3), row(1, "b", 1)], 1)
    assert [each for each in found if each.is_rest] == [
        UsageRow(0, ("",), sums(5, 2), {}, is_rest=True),
        UsageRow(1, ("",), sums(1, 1), {}, is_rest=True),
    ]


def test_groups_that_cost_the_same_are_told_apart_by_requests_and_then_by_name():
    groups = {(None, (group,)): sums(5, requests) for group, requests in (("c", 1), ("b", 1), ("a", 1), ("d", 7))}
    assert top_of(groups, 3) == [("d",), ("a",), ("b",)]


def test_a_month_keeps_those_without_a_name_and_the_rest_apart():
    days = [row(0, "", 1), row(DAY_S, "", 2), row(0, "", 10)._replace(is_rest=True), row(40 * DAY_S, "", 4)]
    assert [(each.start_s, each.is_rest, each.sums[COST]) for each in by_month(days)] == [
        (0, False, 3),
        (0, True, 10),
        (31 * DAY_S, False, 4),
    ]


def test_the_slowest_day_speaks_for_its_month():
    (month,) = by_month([row(0, "a", 1), row(DAY_S, "a", 7)])
    assert month.quantiles == {DURATION: Quantiles(7, 7, 7)}


def test_a_request_with_two_tags_counts_for_both():
    found = taken_apart([row(0, "beta,checkout", 5), row(0, "beta", 1)], 0, "tag", {})
    assert {each.group: each.sums[COST] for each in found} == {("beta",): 6, ("checkout",): 5}


def test_a_property_is_what_stands_behind_its_name():
    found = taken_apart([row(0, "env=prod,x", 5), row(0, "x", 1)], 0, "property.env", {})
    assert {each.group: each.sums[COST] for each in found} == {("prod",): 5, ("",): 1}


def test_too_many_rows_are_those_of_the_dearest_groups_with_all_of_theirs():
    cells = [((group,), sums(cost)) for group, cost in (("cheap", 1), ("dear", 9), ("fair", 5)) for _ in range(49)]
    assert dearest(cells, 100) == {("dear",), ("fair",)}


def test_half_of_the_requests_took_no_longer_than_the_median():
    found = quantiles_of({DURATION: {10: 50, 20: 45, 30: 5}})[DURATION]
    assert found.p50 < found.p95 < found.p99
