"""What every budget has spent, holds and has left, for each subject that it counts."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

import msgspec

from weighbridge.control.instants import rfc3339_ns
from weighbridge.core.allowances import EACH, Allowances, Budget
from weighbridge.limits.counters import counter_name, parse_counter
from weighbridge.limits.periods import ALWAYS, span_of

MAX_ACCOUNTS: Final = 1_000
"""Of one budget (each end user): those that have spent most."""

Level = Callable[[str], tuple[int, int]]
"""What was spent and is held under a counter's name, as of now on this host."""


class BudgetAccountView(msgspec.Struct, frozen=True):
    """A budget as it counts one subject, in nano-dollars or tokens."""

    subject: str
    period_start: str | None
    resets_at: str | None
    spent: int
    held: int
    left: int


class BudgetView(msgspec.Struct, frozen=True):
    """A budget and its accounts."""

    id: str
    scope: dict[str, str]
    amount: int
    unit: str
    period: str
    timezone: str
    is_hard: bool
    on_shortage: str
    alert_at_ppm: tuple[int, ...]
    source: str
    accounts: list[BudgetAccountView]
    counts_own_keys: bool = True


def budgets_now(allowances: Allowances, spent: Mapping[str, int], level: Level, wall_ns: int) -> list[BudgetView]:
    """All budgets. `spent` is what the store knows of all counters; `level` knows better of those that workers use now."""
    subjects: dict[str, set[str]] = {}
    for name in spent:
        try:
            counter = parse_counter(name)
        except ValueError:  # of a version to come
            continue
        subjects.setdefault(counter.budget_id, set()).add(counter.subject)
    return [_view(budget, subjects.get(budget.id, set()), spent, level, wall_ns) for budget in allowances.budgets]


def _view(budget: Budget, subjects: set[str], spent: Mapping[str, int], level: Level, wall_ns: int) -> BudgetView:
    span = span_of(budget.period, budget.timezone, wall_ns)
    always = span == ALWAYS
    named = set() if budget.scope.name == EACH else {budget.scope.name}
    accounts = []
    for subject in subjects or named:
        name = counter_name(budget, subject, span.start_ns)
        used, held = level(name)
        used = max(used, spent.get(name, 0))
        start, resets = (None, None) if always else (rfc3339_ns(span.start_ns), rfc3339_ns(span.end_ns))
        accounts.append(BudgetAccountView(subject, start, resets, used, held, budget.amount - used - held))
    accounts.sort(key=lambda account: (-account.spent, account.subject))
    return BudgetView(
        id=budget.id,
        scope={"kind": budget.scope.kind.value, "name": budget.scope.name},
        amount=budget.amount,
        unit=budget.unit.value,
        period=budget.period.value,
        timezone=budget.timezone,
        is_hard=budget.is_hard,
        on_shortage=budget.on_shortage.value,
        alert_at_ppm=budget.alert_at_ppm,
        source="config",
        accounts=accounts[:MAX_ACCOUNTS],
        counts_own_keys=budget.counts_own_keys,
    )
