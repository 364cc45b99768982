from __future__ import annotations

from datetime import UTC, datetime

import pytest

from weighbridge.control.admin_services import ConfigProblem, ConfigStatus, FailedReload, GatewayStatus, WorkerStatus
from weighbridge.control.alert_rules import Sight, conditions_of
from weighbridge.control.budget_board import BudgetAccountView, BudgetView
from weighbridge.control.credit_board import CreditView
from weighbridge.core.alerts import AlertOn, AlertRule, Severity
from weighbridge.routing.health_events import KeyStatus, TargetState, TargetStatus
from weighbridge.routing.provider_key import KeyState
from weighbridge.storage.ledger_sums import DURATION, SUM_COLUMNS
from weighbridge.storage.usage_rows import Quantiles, UsageRow

S = 1_000_000_000
HARD = True
NOW_S = 1_800_000_000
MOMENT = datetime(2026, 1, 1, tzinfo=UTC)


def row(model, p95=1.0, **sums):
    return UsageRow(None, (model,), tuple(sums.get(name, 0) for name in SUM_COLUMNS), {DURATION: Quantiles(p95, p95, p95)})


def status(*states, failed=None):
    workers = tuple(WorkerStatus(pid=1, state=state, restarts=0, connections=0, in_flight=0) for state in states)
    config = ConfigStatus(version=3, source="x", loaded_at=MOMENT, last_failed_reload=failed)
    return GatewayStatus(version="1", uptime_seconds=1, config=config, workers=workers)


def sight(*rows, **facts):
    given = {"now_s": NOW_S, "status": status("ready"), "n_workers": 1, "targets": (), "budgets": (), "credits": ()}
    given["lag_bytes"] = 0
    return Sight(**given | {"usage": lambda _query: rows} | facts)


def titles(rule, seen):
    return [condition.title for condition in conditions_of(rule, seen)]


def target(state, key_state=KeyState.WELL):
    key = KeyStatus("openai#1", key_state, "401 from the provider", 5, 1)
    return TargetStatus("openai/gpt-5", state, "5 of 10 failed", 5, 1.0, 1, 10, 5, 0, 0, 0, 1.0, (key,))


def budget(spent, held=0, amount=100 * S):
    account = BudgetAccountView("search", "2026-11-01", "2026-12-01", spent, held, amount - spent - held)
    scope = {"kind": "team", "name": "search"}
    return BudgetView("b", scope, amount, "usd", "month", "UTC", HARD, "lower", (800_000, 1_000_000), "config", [account])


@pytest.mark.parametrize(
    ("spent", "severity", "words"),
    [
        (79 * S, None, ""),
        (80 * S, Severity.WARNING, "80%"),
        (95 * S, Severity.WARNING, "95%"),
        (100 * S, Severity.CRITICAL, "100%"),
    ],
)
def test_a_budget_is_told_of_at_its_shares_and_the_highest_only(spent, severity, words):
    found = conditions_of(AlertRule(AlertOn.BUDGET), sight(budgets=[budget(spent)]))
    assert [condition.severity for condition in found] == ([severity] if severity else [])
    assert all(words in condition.title and "team search" in condition.title for condition in found)


def credits_(balance, *, below=10 * S, is_prepaid=True, given=100 * S):
    payer = {"kind": "team", "name": "search"}
    return CreditView("cra_1", payer, is_prepaid, below, given, given - balance, 0, 0, balance, None, "2026-11-01")


@pytest.mark.parametrize(
    ("account", "severity"),
    [
        (credits_(10 * S), None),
        (credits_(9 * S), Severity.WARNING),
        (credits_(0), Severity.CRITICAL),
        (credits_(-S, is_prepaid=False), Severity.WARNING),
        (credits_(0, below=0), None),
    ],
)
def test_credits_that_run_low_are_told_of_where_somebody_wants_to_know(account, severity):
    found = conditions_of(AlertRule(AlertOn.BUDGET), sight(credits=[account]))
    assert [condition.severity for condition in found] == ([severity] if severity else [])
    assert all("team search has $" in condition.title for condition in found)


def test_credits_that_run_low_again_after_a_top_up_are_told_of_again():
    before, after = (conditions_of(AlertRule(AlertOn.BUDGET), sight(credits=[credits_(S, given=n * S)])) for n in (100, 200))
    assert before[0].key != after[0].key


def test_what_is_held_counts_and_each_share_is_another_condition():
    eighty = conditions_of(AlertRule(AlertOn.BUDGET), sight(budgets=[budget(50 * S, held=35 * S)]))
    full = conditions_of(AlertRule(AlertOn.BUDGET), sight(budgets=[budget(100 * S)]))
    assert len({condition.key for condition in (*eighty, *full)}) == 2


@pytest.mark.parametrize(("failed", "n", "is_told"), [(6, 100, True), (5, 100, False), (5, 10, False)])
def test_failures_are_told_where_they_are_many_and_a_matter(failed, n, is_told):
    rule = AlertRule(AlertOn.ERROR_RATE, 50_000)
    found = titles(rule, sight(row("openai/gpt-5", requests=n, errors=failed)))
    assert found == (["6% of the requests to openai/gpt-5 failed in 5 min"] if is_told else [])


def test_a_slow_model_is_told_of():
    rule = AlertRule(AlertOn.LATENCY, 2 * S)
    assert titles(rule, sight(row("m", p95=2_500, requests=20), row("n", p95=1_500, requests=20))) == ["p95 of m is 2.5 s"]
    assert titles(rule, sight(row("m", p95=2_500, requests=19))) == []


def test_spend_is_told_above_its_amount():
    rule = AlertRule(AlertOn.SPEND, 50 * S, 3_600 * S)
    assert titles(rule, sight(row("", cost=51 * S))) == ["$51.00 was spent in 1 h"]
    assert titles(rule, sight(row("", cost=50 * S))) == []


@pytest.mark.parametrize(
    ("now", "before", "is_told"), [(31 * S, 10 * S, True), (30 * S, 10 * S, False), (S - 1, 0, False), (S, 0, True)]
)
def test_an_anomaly_is_against_the_same_time_a_day_ago(now, before, is_told):
    def usage(query):
        return [row("", cost=now if query.to_s == NOW_S else before)]

    rule = AlertRule(AlertOn.SPEND_ANOMALY, 3_000_000, 3_600 * S)
    assert bool(titles(rule, sight(usage=usage))) is is_told


def test_costs_that_nobody_knows_are_told_by_model():
    assert titles(AlertRule(AlertOn.UNKNOWN_COST), sight(row("a/b", unknown_costs=3), row("c/d"))) == [
        "Nobody knows what 3 attempts at a/b cost"
    ]


def test_targets_and_keys_that_cannot_be_used_are_told_with_the_reason():
    [found] = conditions_of(AlertRule(AlertOn.TARGET), sight(targets=[target(TargetState.OPEN), target(TargetState.CLOSED)]))
    assert (found.title, found.text, found.is_local) == ("openai/gpt-5 is not asked: open", "5 of 10 failed", True)
    parked = [target(TargetState.RESTING, KeyState.PARKED), target(TargetState.RESTING, KeyState.PARKED)]
    [key] = conditions_of(AlertRule(AlertOn.PROVIDER_KEY), sight(targets=parked))
    assert key.title == "The provider key openai#1 was refused by its provider"


def test_the_gateway_itself_is_looked_after():
    failed = FailedReload(at=MOMENT, problems=(ConfigProblem(path="x", message="is wrong"),))
    assert titles(AlertRule(AlertOn.WORKER), sight(status=status("ready", "down"), n_workers=2)) == ["1 of 2 workers are ready"]
    assert titles(AlertRule(AlertOn.WORKER), sight()) == []
    assert titles(AlertRule(AlertOn.LEDGER_LAG, 10**6), sight(lag_bytes=5 * 10**6)) == [
        "5 MB lie in journals and are not in the store"
    ]
    cut_off, other = status("ready", "ready").workers
    partly = status().model_copy(update={"workers": (cut_off.model_copy(update={"limits_away": True}), other)})
    assert titles(AlertRule(AlertOn.SHARED_LIMITS), sight(status=partly, n_workers=2)) == [
        "1 of 2 workers cannot ask the rate limits that hosts share"
    ]
    [config] = conditions_of(AlertRule(AlertOn.CONFIG), sight(status=status("ready", failed=failed)))
    assert config.text == "is wrong"


@pytest.mark.parametrize("on", list(AlertOn))
def test_every_rule_is_silent_where_all_is_well(on):
    assert conditions_of(AlertRule(on, 1_000_000), sight()) == []
