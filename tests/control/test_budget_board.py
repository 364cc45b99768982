from __future__ import annotations

from weighbridge.control.budget_board import budgets_now
from weighbridge.core.allowances import Allowances, Budget, Period, Scope, ScopeKind, Unit
from weighbridge.limits.counters import counter_name
from weighbridge.limits.periods import span_of

NOW_NS = 1_800_000_000_000_000_000
EACH_KEY = Budget("each", Scope(ScopeKind.KEY, "*"), 100, Unit.TOKENS, Period.DAY)


def counted(budget, subject, amount, wall_ns=NOW_NS):
    return {counter_name(budget, subject, span_of(budget.period, budget.timezone, wall_ns).start_ns): amount}


def now(*budgets, spent=None, level=lambda _name: (0, 0)):
    return budgets_now(Allowances(budgets), spent or {}, level, NOW_NS)


def test_each_subject_that_has_spent_has_an_account_the_largest_first():
    (board,) = now(EACH_KEY, spent=counted(EACH_KEY, "key_1", 10) | counted(EACH_KEY, "key_2", 30))
    assert [(account.subject, account.spent, account.left) for account in board.accounts] == [("key_2", 30, 70), ("key_1", 10, 90)]


def test_a_budget_that_nobody_has_used_shows_that_all_is_left():
    budget = Budget("all", Scope(ScopeKind.GATEWAY), 500, period=Period.TOTAL)
    (board,) = now(budget)
    assert [(each.subject, each.left, each.period_start, each.resets_at) for each in board.accounts] == [("", 500, None, None)]


def test_what_an_earlier_period_spent_does_not_count():
    yesterday = counted(EACH_KEY, "key_1", 99, NOW_NS - 86_400 * 10**9)
    (board,) = now(EACH_KEY, spent=yesterday)
    assert [(account.subject, account.spent) for account in board.accounts] == [("key_1", 0)]


def test_counters_of_budgets_that_are_gone_or_strange_are_left_out():
    (board,) = now(EACH_KEY, spent={"nonsense": 5, **counted(Budget("old", Scope(ScopeKind.GATEWAY), 1), "", 9)})
    assert board.accounts == []
