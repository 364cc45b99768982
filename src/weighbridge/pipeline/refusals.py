"""What callers are told when a budget or a limit of the gateway's stops them: whose it is, how much it is, and when it begins
anew."""

from __future__ import annotations

from typing import Final

from weighbridge.core.allowances import Budget, Measure, Period, RateLimit, Scope, ScopeKind, Unit
from weighbridge.core.clock import NS_PER_S, utc_from_ns
from weighbridge.core.errors import ErrorKind, GatewayError
from weighbridge.core.money import Nanousd, format_usd
from weighbridge.limits.accounts import BudgetAccount, LimitAccount
from weighbridge.limits.table import Draw, Table

_SOON_NS: Final = NS_PER_S
"""Where nobody knows when there is room again: a request of the usual length is over by then."""

_KINDS: Final = {
    ScopeKind.GATEWAY: "the gateway",
    ScopeKind.ORGANISATION: "the organisation",
    ScopeKind.TEAM: "the team",
    ScopeKind.USER: "the user",
    ScopeKind.KEY: "the key",
    ScopeKind.END_USER: "the end user",
    ScopeKind.TAG: "the tag",
    ScopeKind.ROUTE: "the route",
    ScopeKind.MODEL: "the model",
    ScopeKind.PROVIDER: "the provider",
    ScopeKind.PROVIDER_KEY: "the provider key",
}
_PERIODS: Final = {
    Period.HOUR: "an hour",
    Period.DAY: "a day",
    Period.WEEK: "a week",
    Period.MONTH: "a month",
    Period.TOTAL: "in all",
}
_UNITS: Final = {
    Measure.REQUESTS: "requests",
    Measure.TOKENS: "tokens",
    Measure.INPUT_TOKENS: "input tokens",
    Measure.OUTPUT_TOKENS: "output tokens",
    Measure.CONCURRENT: "requests at a time",
}


def budget_exceeded(account: BudgetAccount, wanted: int, table: Table, wall_ns: int) -> GatewayError:
    """A hard budget, or what was paid in advance, has less left than the request may cost."""
    spent, held = account.elsewhere if account.is_leased else table.level(account.slot_at(wall_ns).name)
    budget = account.budget
    by = "set aside for the hosts that share it" if account.is_leased else "held by requests under way"
    if budget.unit is Unit.CREDITS:
        return _credits_short(budget, wanted, spent, f"{amount_of(budget, held)} {by}")
    resets = account.resets_wall_ns(wall_ns)
    anew = f" It begins anew at {_utc(resets)}." if resets is not None else ""
    return GatewayError(
        ErrorKind.BUDGET_EXCEEDED,
        f"The budget of {_who(budget.scope, account.subject)} ({amount_of(budget, budget.amount)} {_PERIODS[budget.period]}) does "
        f"not allow this request, which may cost up to {amount_of(budget, wanted)}: {amount_of(budget, spent)} is spent and "
        f"{amount_of(budget, held)} {by}.{anew}",
        detail=f"budget {budget.id}",
        code="budget_exceeded",
    )


def _credits_short(budget: Budget, wanted: int, spent: int, held: str) -> GatewayError:
    return GatewayError(
        ErrorKind.BUDGET_EXCEEDED,
        f"The credits of {_who(budget.scope, budget.scope.name)} do not allow this request, which may cost up to "
        f"{amount_of(budget, wanted)}: {amount_of(budget, budget.amount - spent)} of {amount_of(budget, budget.amount)} are left, "
        f"and {held}.",
        detail="credits",
        code="insufficient_credits",
    )


def answer_cut() -> GatewayError:
    """A provider went on beyond the bound that it was told, and no budget has room for more."""
    return GatewayError(
        ErrorKind.BUDGET_EXCEEDED,
        "The answer was cut: it went on beyond the bound on its output, and what its budgets had for it is used up.",
        detail="the provider ignores the bound on the output",
        code="budget_exceeded",
    )


def session_cut() -> GatewayError:
    """A realtime session may cost more with its next response than a budget has left."""
    return GatewayError(
        ErrorKind.BUDGET_EXCEEDED,
        "The session is closed: its budgets have not enough left for another response.",
        detail="no budget for another response of the session",
        code="budget_exceeded",
    )


def budgets_unknown() -> GatewayError:
    """Hosts share a budget, and the database that has it cannot be asked."""
    return GatewayError(
        ErrorKind.GATEWAY_OVERLOADED,
        "The gateway's budgets cannot be looked at for the moment.",
        code="budgets_unavailable",
        retry_after_ns=NS_PER_S,
    )


def limits_unknown() -> GatewayError:
    """Hosts share rate limits, and who keeps them cannot be asked."""
    return GatewayError(
        ErrorKind.GATEWAY_OVERLOADED,
        "The gateway's rate limits cannot be looked at for the moment.",
        code="limits_unavailable",
        retry_after_ns=NS_PER_S,
    )


def limit_exceeded(account: LimitAccount, draw: Draw) -> GatewayError:
    """A rate limit has nothing left for now."""
    limit = account.limit
    return GatewayError(
        ErrorKind.LIMIT_EXCEEDED,
        f"The rate limit of {_who(limit.scope, account.subject)} is reached: {rate_of(limit)}.",
        detail=f"limit {limit.id}",
        code="rate_limit_exceeded",
        retry_after_ns=draw.full_ns if draw.per_ns else _SOON_NS,
    )


def price_unknown(name: str) -> GatewayError:
    """Nobody knows what a model costs, and its route refuses such requests."""
    return GatewayError(
        ErrorKind.PRICE_UNKNOWN,
        f"The price of '{name}' is not known, and the gateway is configured not to use models without one.",
        param="model",
        code="price_unknown",
    )


def cannot_be_bounded(account: BudgetAccount) -> GatewayError:
    """A request whose cost nothing bounds, under a budget that must hold."""
    return GatewayError(
        ErrorKind.PERMISSION_DENIED,
        "The most that this request may cost cannot be told, and the hard budget of "
        f"{_who(account.budget.scope, account.subject)} allows no such request.",
        detail=f"budget {account.budget.id}",
        code="cannot_be_bounded",
    )


def too_many_names() -> GatewayError:
    """The table of counters is full."""
    return GatewayError(
        ErrorKind.GATEWAY_OVERLOADED,
        "The gateway counts as many keys, users and tags as it can at a time.",
        code="too_many_counters",
        retry_after_ns=_SOON_NS,
    )


def rate_of(limit: RateLimit) -> str:
    """A rate limit for people: `100 requests in 60 s`."""
    if limit.measure is Measure.CONCURRENT:
        return f"{limit.amount:,} {_UNITS[limit.measure]}"
    amount = format_usd(Nanousd(limit.amount)) if limit.measure is Measure.USD else f"{limit.amount:,} {_UNITS[limit.measure]}"
    return f"{amount} in {limit.per_ns / NS_PER_S:g} s"


def amount_of(budget: Budget, amount: int) -> str:
    """An amount of a budget for people: `$1.25`, `1,000 tokens`."""
    return f"{amount:,} tokens" if budget.unit is Unit.TOKENS else format_usd(Nanousd(amount))


def _who(scope: Scope, subject: str) -> str:
    return f"{_KINDS[scope.kind]} '{subject}'" if subject else _KINDS[scope.kind]


def _utc(wall_ns: int) -> str:
    return utc_from_ns(wall_ns).isoformat().replace("+00:00", "Z")
