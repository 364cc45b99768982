"""Usage and requests by what people thought of answers, on every database."""

from __future__ import annotations

import pytest
from tests.storage.test_ledger_store import WALL_NS, attempt, settled

from weighbridge.storage.feedback_store import Opinion
from weighbridge.storage.ledger_sums import SUM_COLUMNS
from weighbridge.storage.request_queries import RequestsQuery, requests_page
from weighbridge.storage.usage_queries import usage
from weighbridge.storage.usage_terms import UsageQuery

SPAN = (WALL_NS // 10**9 - 10_000, WALL_NS // 10**9 + 10_000)
OPINIONS = {
    1: [Opinion("ann", 1.0, label="right"), Opinion("bob", 0.9)],
    2: [Opinion("ann", 0.5), Opinion("bob", 0.1, label="rude")],
    3: [Opinion("ann", label="rude"), Opinion("bob", label="wrong"), Opinion("cai", label="wrong")],
    4: [Opinion("ann", comment="words alone")],
}


@pytest.fixture(scope="module")
def ledger(kept_store):
    items = [settled(n, attempt(10**n), end_user="ann", tags=("env=prod",) if n < 3 else ()) for n in range(1, 6)]
    kept_store.ledger.move("j_1", 0, 100, items)
    for number, opinions in OPINIONS.items():
        asked = kept_store.feedback.asked(f"req_{number}")
        for each in opinions:
            kept_store.feedback.give(f"req_{number}", asked.series, each)
    return kept_store.ledger


def costs(ledger, *group_by, **filters):
    """What each group has cost: request n costs 10 to the n."""
    answer = usage(ledger, UsageQuery(*SPAN, group_by=group_by, filters=filters))
    return {"/".join(row.group): row.sums[SUM_COLUMNS.index("cost")] for row in answer.rows}


def test_cost_by_rating_and_by_label(ledger):
    assert costs(ledger, "rating") == {"good": 110, "bad": 100, "": 111_000}
    assert costs(ledger, "label") == {"right": 10, "rude": 1_100, "wrong": 1_000, "": 110_000}
    assert costs(ledger, "rating", "label") == {
        "good/right": 10,
        "good/rude": 100,
        "bad/rude": 100,
        "/rude": 1_000,
        "/wrong": 1_000,
        "/": 110_000,
    }


def test_it_goes_together_with_every_other_dimension(ledger):
    assert costs(ledger, "rating", "property.env") == {"good/prod": 110, "bad/prod": 100, "/": 111_000}
    assert costs(ledger, "end_user", "label", label=("wrong",)) == {"ann/wrong": 1_000}
    assert costs(ledger, "model", rating=("bad",)) == {"openai/gpt-5": 100}


@pytest.mark.parametrize(
    ("filters", "found"),
    [
        ({"rating": ("good",)}, {1, 2}),
        ({"rating": ("good", "bad")}, {1, 2}),
        ({"rating": ("",)}, {3, 4, 5}),
        ({"rating": ("", "bad")}, {2, 3, 4, 5}),
        ({"label": ("rude", "right")}, {1, 2, 3}),
        ({"label": ("rude",), "rating": ("",)}, {3}),
        ({"label": ("never said",)}, set()),
    ],
)
def test_requests_and_usage_are_filtered_alike(ledger, filters, found):
    page = requests_page(ledger, RequestsQuery(*SPAN, limit=10, filters=filters))
    assert {int(row.request_id.removeprefix("req_")) for row in page} == found
    assert sum(costs(ledger, **filters).values()) == sum(10**n for n in found)


def test_over_time_and_by_month_too(ledger):
    for interval in ("minute", "hour", "day", "month"):
        (bad,) = usage(ledger, UsageQuery(*SPAN, interval=interval, group_by=("rating",), filters={"rating": ("bad",)})).rows
        assert (bad.group, bad.sums[0]) == (("bad",), 1)


def by_rating(ledger, begin, end, interval):
    found = {}
    for row in usage(ledger, UsageQuery(begin, end, interval, ("rating",))).rows:
        found[row.group] = tuple(map(sum, zip(found.get(row.group, (0,) * len(row.sums)), row.sums, strict=True)))
    return found


FIRST = WALL_NS // 10**9 - 50_000


@pytest.fixture(scope="module")
def long_ledger(kept_store):
    """Long before the other requests."""
    items = [settled(n, attempt(n), start_wall_ns=(FIRST + (n - 100) * 397) * 10**9) for n in range(100, 200)]
    kept_store.ledger.move("j_2", 0, 100, items)
    for number in range(100, 200, 7):
        asked = kept_store.feedback.asked(f"req_{number}")
        kept_store.feedback.give(f"req_{number}", asked.series, Opinion("ann", number % 2))
    return kept_store.ledger


@pytest.mark.parametrize("interval", ["none", "hour", "day", "month"])
@pytest.mark.parametrize(("begin", "end"), [(0, 40_000), (1_234, 38_765), (3_600, 7_200), (5_000, 5_100)])
def test_any_time_is_the_sum_of_its_facts(long_ledger, interval, begin, end):
    # By the minute nothing but facts can tell.
    begin, end = FIRST + begin, FIRST + end
    assert by_rating(long_ledger, begin, end, interval) == by_rating(long_ledger, begin, end, "minute")


def test_what_has_no_facts_any_more_does_not_count_as_without_an_opinion(store, clock):
    ages = (200, 120, 10)
    store.ledger.move("j_1", 0, 100, [settled(n, start_wall_ns=clock.wall_ns() - n * 86_400 * 10**9) for n in ages])
    while store.ledger.expire():
        pass
    now_s = clock.wall_ns() // 10**9
    (row,) = usage(store.ledger, UsageQuery(now_s - 300 * 86_400, now_s, group_by=("rating",))).rows
    assert row.sums[0] == 1
