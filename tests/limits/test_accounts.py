from __future__ import annotations

import pytest

from weighbridge.core.allowances import (
    OF_THE_TARGET,
    UNLIMITED,
    Allowances,
    Budget,
    Measure,
    Period,
    RateLimit,
    Scope,
    ScopeKind,
    Unit,
)
from weighbridge.limits import accounts
from weighbridge.limits.accounts import NO_ACCOUNTS, BudgetAccount, Ledgers, LimitAccount

GATEWAY, KEY, TEAM, TAG, MODEL = ScopeKind.GATEWAY, ScopeKind.KEY, ScopeKind.TEAM, ScopeKind.TAG, ScopeKind.MODEL
HOUR = 3_600_000_000_000


def budget(name, kind, subject="", **others):
    return Budget(name, Scope(kind, subject), 100, **others)


def limit(name, kind, subject="", **others):
    return RateLimit(name, Scope(kind, subject), Measure.REQUESTS, 10, **others)


def found(ledgers, *subjects):
    of = ledgers.of(subjects)
    return [(each.budget.id, each.subject) for each in of.budgets] + [(each.limit.id, each.subject) for each in of.limits]


def test_everything_counts_for_the_gateway():
    ledgers = Ledgers(Allowances((budget("all", GATEWAY),), (limit("rate", GATEWAY),)))
    assert found(ledgers, (GATEWAY, "", "")) == [("all", ""), ("rate", "")]


def test_a_subject_is_counted_by_its_own_and_by_what_is_for_each():
    ledgers = Ledgers(Allowances((budget("red's", TEAM, "red"), budget("each", TEAM, "*"), budget("blue's", TEAM, "blue"))))
    assert found(ledgers, (TEAM, "red", "")) == [("red's", "red"), ("each", "red")]
    assert found(ledgers, (TEAM, "green", "")) == [("each", "green")]


def test_a_key_is_known_by_its_id_and_by_its_name_and_counted_by_its_id():
    ledgers = Ledgers(Allowances((budget("by id", KEY, "key_1"), budget("by name", KEY, "ci"))))
    assert found(ledgers, (KEY, "key_1", "ci")) == [("by id", "key_1"), ("by name", "key_1")]


def test_nobody_is_no_subject_of_what_is_for_each():
    ledgers = Ledgers(Allowances((budget("each", TEAM, "*"),), (limit("rate", TEAM, "*"),)))
    assert ledgers.of(((TEAM, "", ""),)) is NO_ACCOUNTS
    assert not NO_ACCOUNTS


def test_a_subject_that_calls_itself_each_is_one_of_them():
    ledgers = Ledgers(Allowances((budget("each", TAG, "*"), budget("a's", TAG, "a"))))
    assert found(ledgers, (TAG, "*", "")) == [("each", "*")]


def test_several_tags_are_each_counted():
    ledgers = Ledgers(Allowances((budget("each", TAG, "*"),)))
    assert found(ledgers, (TAG, "a", ""), (TAG, "b", "")) == [("each", "a"), ("each", "b")]


def test_the_same_tag_twice_is_counted_once():
    ledgers = Ledgers(Allowances((budget("each", TAG, "*"),), (limit("rate", TAG, "a"),)))
    assert found(ledgers, (TAG, "a", ""), (TAG, "a", "")) == [("each", "a"), ("rate", "a")]


def test_what_is_known_only_of_a_target_is_told_apart():
    ledgers = Ledgers(Allowances((budget("m", MODEL, "p/m"), budget("t", TEAM, "*")), (limit("k", KEY, "*"),)))
    assert (set(ledgers.kinds_of_requests), ledgers.kinds_of_targets) == ({TEAM, KEY}, (MODEL,))
    assert OF_THE_TARGET.isdisjoint(ledgers.kinds_of_requests)


def test_accounts_are_made_once_for_each_subject():
    ledgers = Ledgers(Allowances((budget("each", TEAM, "*"),)))
    assert ledgers.of(((TEAM, "red", ""),)) is ledgers.of(((TEAM, "red", ""),))


def test_any_number_of_subjects_is_kept_within_bounds(monkeypatch):
    monkeypatch.setattr(accounts, "_MAX_KEPT", 10)
    ledgers = Ledgers(Allowances((budget("each", TEAM, "*"),)))
    for number in range(35):
        assert found(ledgers, (TEAM, f"t{number}", "")) == [("each", f"t{number}")]
    assert len(ledgers._kept) <= 10


# --- budgets


def test_a_budget_counts_each_period_by_itself():
    account = BudgetAccount(budget("b", TEAM, "*", period=Period.HOUR), "red")
    first = account.slot_at(5 * HOUR + 7)
    assert account.slot_at(6 * HOUR - 1) is first
    assert account.slot_at(6 * HOUR).name != first.name
    assert account.slot_at(5 * HOUR).name == first.name  # a clock that was put back


def test_a_budget_says_when_it_begins_anew():
    assert BudgetAccount(budget("b", TEAM, period=Period.HOUR), "red").resets_wall_ns(5 * HOUR + 7) == 6 * HOUR
    assert BudgetAccount(budget("b", TEAM, period=Period.TOTAL), "red").resets_wall_ns(5 * HOUR + 7) is None


def test_a_soft_budget_has_no_limit():
    hard, soft = (BudgetAccount(budget("b", TEAM, is_hard=is_hard), "red") for is_hard in (True, False))
    assert (hard.limit, soft.limit) == (100, UNLIMITED)


def test_a_budget_knows_what_it_counts():
    assert [BudgetAccount(budget("b", TEAM, unit=unit), "red").unit for unit in (Unit.USD, Unit.TOKENS, Unit.CREDITS)] == [0, 1, 2]


# --- rate limits


def test_more_than_the_burst_is_asked_for_as_the_burst(tables):
    _, table, _ = tables()
    account = LimitAccount(limit("l", TEAM), "red")
    assert table.draw([account.draw(1_000)], 5) is None
    assert table.draw([account.draw(1)], 5) is not None


def test_the_burst_may_be_another_amount_than_the_rate(tables):
    _, table, _ = tables()
    account = LimitAccount(limit("l", TEAM, burst=2, per_ns=10), "red")
    assert [table.draw([account.draw(1)], 5) is None for _ in range(3)] == [True, True, False]
    assert table.draw([account.draw(1)], 6) is None


@pytest.mark.parametrize("others", [{"burst": 0}, {"measure": Measure.CONCURRENT, "amount": 0}, {"amount": 0}])
def test_a_limit_of_nothing_lets_nothing_in(tables, others):
    _, table, _ = tables()
    facts = {"id": "l", "scope": Scope(TEAM, "*"), "measure": Measure.TOKENS, "amount": 10} | others
    account = LimitAccount(RateLimit(**facts), "red")
    assert table.draw([account.draw(1)], 5) is not None
    assert table.draw([account.draw(50)], 5) is not None


def test_requests_at_a_time_have_no_period(tables):
    _, table, _ = tables()
    account = LimitAccount(RateLimit("l", Scope(TEAM, "*"), Measure.CONCURRENT, 2), "red")
    first, second = account.draw(1), account.draw(1)
    assert table.draw([first], 5) is None
    assert table.draw([second], 5) is None
    assert table.draw([account.draw(1)], 10**15) is not None
    table.correct([first], [0])
    assert table.draw([account.draw(1)], 5) is None


def test_a_limit_that_comes_to_count_something_else_begins_anew(tables):
    _, table, _ = tables()
    before, after = (
        LimitAccount(RateLimit("l", Scope(TEAM, "*"), measure, 10), "red") for measure in (Measure.TOKENS, Measure.CONCURRENT)
    )
    assert table.draw([before.draw(10)], 5) is None
    assert table.draw([after.draw(1)], 5) is None
