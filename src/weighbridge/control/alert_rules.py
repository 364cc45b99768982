"""Which conditions hold at a moment: each rule looks at the gateway and at the ledger's sums, and changes nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Final, NamedTuple

from weighbridge.control.admin_services import GatewayStatus
from weighbridge.control.budget_board import BudgetView
from weighbridge.control.credit_board import CreditView
from weighbridge.core.alerts import PPM, AlertOn, AlertRule, Condition, Severity
from weighbridge.core.clock import NS_PER_MS, NS_PER_S
from weighbridge.core.money import Nanousd, format_usd
from weighbridge.routing.health_events import TargetState, TargetStatus
from weighbridge.routing.provider_key import KeyState
from weighbridge.storage.ledger_sums import DURATION, SUM_COLUMNS
from weighbridge.storage.usage_rows import UsageRow
from weighbridge.storage.usage_terms import UsageQuery

_DAY_S: Final = 86_400
_PLACES: Final = {name: place for place, name in enumerate(SUM_COLUMNS)}
_BAD_KEYS: Final = {KeyState.PARKED: "was refused by its provider", KeyState.NO_QUOTA: "has no money left"}
_LEAST_ANOMALY: Final = 1_000_000_000
"""A dollar: less is never worth a notice, whatever it is a multiple of."""
_PERCENT: Final = PPM // 100


class Sight(NamedTuple):
    """What rules look at. `usage` answers a question from the store."""

    now_s: int
    status: GatewayStatus
    n_workers: int
    """How many there should be."""
    targets: Sequence[TargetStatus]
    budgets: Sequence[BudgetView]
    credits: Sequence[CreditView]
    lag_bytes: int
    usage: Callable[[UsageQuery], Sequence[UsageRow]]


def conditions_of(rule: AlertRule, sight: Sight) -> list[Condition]:
    """Everything that a rule finds. Raises `StorageError`."""
    return list(_LOOKS[rule.on](rule, sight))


def needs_budgets(rules: Sequence[AlertRule]) -> bool:
    """Whether any of them looks at budgets."""
    return any(rule.on is AlertOn.BUDGET for rule in rules)


def _found(rule: AlertRule, key: str, severity: Severity, title: str, text: str = "", *, is_local: bool = False) -> Condition:
    return Condition(f"{rule.on.value}/{key}", rule.on, severity, title, text, rule.for_ns, rule.to, is_local)


# --- money ------------------------------------------------------------------------------------------------------


def _budgets(rule: AlertRule, sight: Sight) -> Iterator[Condition]:
    for budget in sight.budgets:
        for account in budget.accounts:
            used = account.spent + account.held
            passed = [share for share in budget.alert_at_ppm if used * PPM >= share * budget.amount and budget.amount]
            if not passed:
                continue
            # Only the highest: who learns that all is used need not be told that most of it is.
            share = max(passed)
            whom = f"{budget.scope['kind']} {account.subject}".strip()
            yield _found(
                rule,
                f"{budget.id}/{account.subject}/{account.period_start}/{share}",
                Severity.CRITICAL if share >= PPM else Severity.WARNING,
                f"{whom} has used {used * 100 // budget.amount}% of its budget",
                f"{_amount(used, budget.unit)} of {_amount(budget.amount, budget.unit)} ({budget.period}).",
            )
    for customer in sight.credits:
        if customer.balance_nanousd < customer.alert_below_nanousd:
            whom = f"{customer.payer['kind']} {customer.payer['name']}"
            is_out = customer.balance_nanousd <= 0 and customer.is_prepaid
            yield _found(
                rule,
                f"{customer.id}/{customer.given_nanousd}",
                Severity.CRITICAL if is_out else Severity.WARNING,
                f"{whom} has {_usd(customer.balance_nanousd)} of credits left",
                f"Less than {_usd(customer.alert_below_nanousd)}.",
            )


def _spend(rule: AlertRule, sight: Sight) -> Iterator[Condition]:
    cost = _sum(sight, rule, "cost")
    if cost > rule.above:
        title = f"{_usd(cost)} was spent in {_time(rule.over_ns)}"
        yield _found(rule, str(rule.over_ns), Severity.WARNING, title, f"More than {_usd(rule.above)}.")


def _anomaly(rule: AlertRule, sight: Sight) -> Iterator[Condition]:
    now, before = _sum(sight, rule, "cost"), _sum(sight, rule, "cost", back_s=_DAY_S)
    if now >= _LEAST_ANOMALY and now * PPM > rule.above * before:
        title = f"{_usd(now)} was spent in {_time(rule.over_ns)}, {_usd(before)} at the same time a day ago"
        yield _found(rule, str(rule.over_ns), Severity.WARNING, title)


def _unknown(rule: AlertRule, sight: Sight) -> Iterator[Condition]:
    for row in _by_model(rule, sight):
        n = row.sums[_PLACES["unknown_costs"]]
        if n:
            text = "They are in no sum: give the model a price, or see what broke off."
            yield _found(rule, row.group[0], Severity.WARNING, f"Nobody knows what {n} attempts at {row.group[0]} cost", text)


# --- traffic ----------------------------------------------------------------------------------------------------


def _errors(rule: AlertRule, sight: Sight) -> Iterator[Condition]:
    for row in _by_model(rule, sight):
        n, failed = row.sums[_PLACES["requests"]], row.sums[_PLACES["errors"]]
        if n >= rule.at_least and failed * PPM > rule.above * n:
            title = f"{failed * 100 // n}% of the requests to {row.group[0] or 'nobody'} failed in {_time(rule.over_ns)}"
            yield _found(rule, row.group[0], Severity.CRITICAL, title, f"{failed} of {n}; more than {rule.above / _PERCENT:g}%.")


def _latency(rule: AlertRule, sight: Sight) -> Iterator[Condition]:
    for row in _by_model(rule, sight):
        took = row.quantiles.get(DURATION)
        if took is not None and row.sums[_PLACES["requests"]] >= rule.at_least and took.p95 * NS_PER_MS > rule.above:
            title = f"p95 of {row.group[0]} is {took.p95 / 1_000:.1f} s"
            yield _found(rule, row.group[0], Severity.WARNING, title, f"More than {rule.above / NS_PER_S:g} s.")


def _targets(rule: AlertRule, sight: Sight) -> Iterator[Condition]:
    for target in sight.targets:
        if target.state not in (TargetState.CLOSED, TargetState.HALF_OPEN):
            title = f"{target.id} is not asked: {target.state.value}"
            yield _found(rule, target.id, Severity.WARNING, title, target.reason, is_local=True)


def _keys(rule: AlertRule, sight: Sight) -> Iterator[Condition]:
    bad: Mapping[str, tuple[KeyState, str]] = {
        key.name: (key.state, key.reason) for target in sight.targets for key in target.keys if key.state in _BAD_KEYS
    }
    for name, (state, reason) in bad.items():
        yield _found(rule, name, Severity.CRITICAL, f"The provider key {name} {_BAD_KEYS[state]}", reason, is_local=True)


# --- the gateway ------------------------------------------------------------------------------------------------


def _workers(rule: AlertRule, sight: Sight) -> Iterator[Condition]:
    n_ready = sum(worker.state == "ready" for worker in sight.status.workers)
    if n_ready < sight.n_workers:
        severity = Severity.WARNING if n_ready else Severity.CRITICAL
        yield _found(rule, "ready", severity, f"{n_ready} of {sight.n_workers} workers are ready", is_local=True)


def _lag(rule: AlertRule, sight: Sight) -> Iterator[Condition]:
    if sight.lag_bytes > rule.above:
        title = f"{sight.lag_bytes // 1_000_000} MB lie in journals and are not in the store"
        yield _found(rule, "bytes", Severity.CRITICAL, title, "Is the database there?", is_local=True)


def _shared_limits(rule: AlertRule, sight: Sight) -> Iterator[Condition]:
    away = sum(worker.limits_away for worker in sight.status.workers)
    if away:
        title = f"{away} of {sight.n_workers} workers cannot ask the rate limits that hosts share"
        yield _found(rule, "away", Severity.WARNING, title, "Is the Valkey there?", is_local=True)


def _config(rule: AlertRule, sight: Sight) -> Iterator[Condition]:
    failure = sight.status.config.last_failed_reload
    if failure is not None:
        text = "; ".join(problem.message for problem in failure.problems[:3])
        title = f"The configuration was refused; version {sight.status.config.version} goes on serving"
        yield _found(rule, "refused", Severity.WARNING, title, text, is_local=True)


_LOOKS: Final[Mapping[AlertOn, Callable[[AlertRule, Sight], Iterator[Condition]]]] = {
    AlertOn.BUDGET: _budgets,
    AlertOn.ERROR_RATE: _errors,
    AlertOn.LATENCY: _latency,
    AlertOn.SPEND: _spend,
    AlertOn.SPEND_ANOMALY: _anomaly,
    AlertOn.UNKNOWN_COST: _unknown,
    AlertOn.TARGET: _targets,
    AlertOn.PROVIDER_KEY: _keys,
    AlertOn.WORKER: _workers,
    AlertOn.LEDGER_LAG: _lag,
    AlertOn.SHARED_LIMITS: _shared_limits,
    AlertOn.CONFIG: _config,
}


def _by_model(rule: AlertRule, sight: Sight) -> Sequence[UsageRow]:
    return sight.usage(UsageQuery(sight.now_s - rule.over_ns // NS_PER_S, sight.now_s, "none", ("model",)))


def _sum(sight: Sight, rule: AlertRule, column: str, *, back_s: int = 0) -> int:
    end = sight.now_s - back_s
    rows = sight.usage(UsageQuery(end - rule.over_ns // NS_PER_S, end, wants_quantiles=False))
    return sum(row.sums[_PLACES[column]] for row in rows)


def _usd(nanousd: int) -> str:
    return format_usd(Nanousd(nanousd))


def _amount(amount: int, unit: str) -> str:
    return _usd(amount) if unit == "usd" else f"{amount:,} tokens"


def _time(ns: int) -> str:
    seconds = ns // NS_PER_S
    for size, name in ((3_600, "h"), (60, "min")):
        if seconds % size == 0 and seconds >= size:
            return f"{seconds // size} {name}"
    return f"{seconds} s"
