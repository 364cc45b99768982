"""Names of the counters in which budgets and limits count: one for each subject and, of a budget, for each period.

They lie in journals and in the store, so their form is for ever.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from weighbridge.core.allowances import Budget, RateLimit, Unit

_BETWEEN: Final = "\x1f"
"""The ASCII unit separator: in no id, and a subject that has one loses it."""


CREDITS_MARK: Final = f"{_BETWEEN}{Unit.CREDITS}"
"""How the names of counters end that count what prepaid customers were charged."""


class Counter(NamedTuple):
    """A budget's counter, taken apart. `start_ns` is 0 for a budget without a period."""

    budget_id: str
    subject: str
    start_ns: int
    unit: Unit = Unit.USD


def counter_name(budget: Budget, subject: str, start_ns: int) -> str:
    """Where a budget counts what a subject spends in the period that began at `start_ns`.

    A budget that comes to count something else begins anew: dollars that were spent are no tokens.
    """
    name = _BETWEEN.join((budget.id, subject.replace(_BETWEEN, ""), str(start_ns)))
    return name if budget.unit is Unit.USD else name + _BETWEEN + budget.unit


def counter_prefix(budget_id: str) -> str:
    """How the names of all counters of a budget begin."""
    return budget_id + _BETWEEN


def is_of_credits(name: str) -> bool:
    """Whether it counts what a prepaid customer was charged."""
    return name.endswith(CREDITS_MARK)


def parse_counter(name: str) -> Counter:
    """The parts of a name. Raises `ValueError` for what is none."""
    budget_id, subject, start, *unit = name.split(_BETWEEN)
    if len(unit) > 1:
        raise ValueError("a counter's name has four parts at most")
    return Counter(budget_id, subject, int(start), Unit(unit[0]) if unit else Unit.USD)


def limit_name(limit: RateLimit, subject: str) -> str:
    """Where a rate limit counts a subject. One that comes to count something else begins anew."""
    return _BETWEEN.join((limit.id, subject, limit.measure))
