"""Budgets and limits of a configuration, as the data plane takes them."""

from __future__ import annotations

from weighbridge.config import schema
from weighbridge.config.allowance_fields import Budget as WrittenBudget
from weighbridge.config.allowance_fields import Limit as WrittenLimit
from weighbridge.core.allowances import Allowances, Budget, Measure, Period, RateLimit, Shortage, Unit
from weighbridge.core.money import from_usd


def compile_allowances(config: schema.Config) -> Allowances:
    """All of them, each under an id of its own."""
    return Allowances(tuple(map(compile_budget, config.budgets)), tuple(map(compile_limit, config.limits)))


def compile_budget(written: WrittenBudget) -> Budget:
    """A budget as it counts."""
    dollars, tokens = written.amount
    return Budget(
        written.lasting_id(),
        written.scope,
        from_usd(dollars) if dollars is not None else tokens or 0,
        Unit.USD if dollars is not None else Unit.TOKENS,
        Period(written.period),
        written.timezone,
        is_hard=written.hard,
        on_shortage=Shortage(written.on_shortage),
        alert_at_ppm=tuple(written.alert_at),
        counts_own_keys=written.counts_own_keys,
    )


def compile_limit(written: WrittenLimit) -> RateLimit:
    """A limit as it counts."""
    (name,) = written.measures()
    measure = Measure.USD if name == "dollars" else Measure(name)
    amount = from_usd(written.dollars) if written.dollars is not None else int(getattr(written, name))
    return RateLimit(written.lasting_id(), written.scope, measure, max(1, amount), written.per, written.burst)
