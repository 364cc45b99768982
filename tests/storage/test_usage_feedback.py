"""Usage and requests by what people thought of answers, on every database."""

from __future__ import annotations

import pytest
from tests.storage.test_ledger_store import WALL_NS, attempt, settled

from weighbridge.storage.feedback_store import Opinion
from weighbridge.storage.ledger_sums import SUM_COLUMNS
from weighbridge.storage.request_queries import RequestsQuery, requests_page
from weighbridge.storage.usage_queries import UsageQuery, usage

SPAN = (WALL_NS // 10**9 - 10_000, WALL_NS // 10**9 + 10_000)
OPINIONS = {
    1: [Opinion("ann", 1.0, label="right"), Opinion("bob", 0.9)],
    2: [Opinion("ann", 0.5), Opinion("bob", 0.1, label="rude")],
    3: [Opinion("ann", label="rude"), Opinion("bob", label="wrong"), Opinion("cai", label="wrong")],
    4: [Opinion("ann", comment="words alone")],
}


@pytest.fixture
def ledger(store):
    items = [settled(n, attempt(10**n), end_user="ann", tags=("env=prod",) if n < 3 else ()) for n in range(1, 6)]
    store.ledger.move("j_1", 0, 100, items)
    for number, opinions in OPINIONS.items():
        asked = store.feedback.asked(f"req_{number}")
        for each in opinions:
            store.feedback.give(f"req_{number}", asked.series, each)
    return store.ledger


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
