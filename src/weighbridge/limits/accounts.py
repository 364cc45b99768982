"""Which budgets and limits count a request, and under which names: looked up once for each subject, then kept."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final, NamedTuple

from weighbridge.core.allowances import (
    EACH,
    OF_THE_TARGET,
    UNLIMITED,
    Allowances,
    Budget,
    Measure,
    Prepaid,
    RateLimit,
    ScopeKind,
    Unit,
)
from weighbridge.core.rates import Tariff
from weighbridge.limits.counters import counter_name, limit_name
from weighbridge.limits.periods import ALWAYS, Span, span_of
from weighbridge.limits.shared import SharedDraw
from weighbridge.limits.table import Draw, Slot

_MAX_KEPT: Final = 16_384
"""Subjects come from callers (end users, tags), so there must be a bound; all are then looked up anew."""


Amounts = tuple[int, int, int]
"""What an attempt comes to: nano-dollars that it costs, tokens, and nano-dollars that its customer is charged."""
PLACES: Final = {Unit.USD: 0, Unit.TOKENS: 1, Unit.CREDITS: 2}


class BudgetAccount:
    """A budget as it counts one subject."""

    __slots__ = ("_slot", "_span", "budget", "elsewhere", "is_leased", "limit", "subject", "unit")

    def __init__(self, budget: Budget, subject: str, *, is_leased: bool = False) -> None:
        self.budget = budget
        self.subject = subject
        self.unit = PLACES[budget.unit]
        """Where its amount is among those of an attempt: see `Amounts`."""
        self.is_leased = is_leased and budget.is_hard
        """Whether hosts share it: then what this one may use is what its table was lent, and its `limit` is 0."""
        self.limit = (0 if self.is_leased else budget.amount) if budget.is_hard else UNLIMITED
        self.elsewhere = (0, 0)
        """Of one that is leased, as of the last time it was asked for: what was spent and leased by all hosts."""
        self._span = Span(0, 0)
        self._slot = Slot("")

    def slot_at(self, wall_ns: int) -> Slot:
        """Where it counts at this time."""
        if wall_ns >= self._span.end_ns or wall_ns < self._span.start_ns:
            budget = self.budget
            self._span = span_of(budget.period, budget.timezone, wall_ns)
            self._slot = Slot(counter_name(budget, self.subject, self._span.start_ns))
        return self._slot

    def resets_wall_ns(self, wall_ns: int) -> int | None:
        """When it begins anew; None: never."""
        self.slot_at(wall_ns)
        return None if self._span == ALWAYS else self._span.end_ns


class LimitAccount:
    """A rate limit as it counts one subject."""

    __slots__ = ("_slot", "burst", "limit", "measure", "per_ns", "rate", "subject")

    def __init__(self, limit: RateLimit, subject: str) -> None:
        self.limit = limit
        self.subject = subject
        self.measure = limit.measure
        self.rate = limit.amount
        self.burst = limit.amount if limit.burst is None else limit.burst
        self.per_ns = 0 if limit.measure is Measure.CONCURRENT else limit.per_ns
        self._slot = Slot(limit_name(limit, subject))

    def draw(self, amount: int) -> Draw:
        """Ask it for an amount. What would never fit is let in when all is there; a limit of nothing lets nothing in."""
        return Draw(self._slot, self.burst, self.rate, self.per_ns, min(amount, self.burst or 1))

    def shared_draw(self, amount: int) -> SharedDraw:
        """The same of what hosts share."""
        return SharedDraw(self._slot, self.burst, self.rate, self.per_ns, min(amount, self.burst or 1))

    def share_draw(self, amount: int, n_hosts: int) -> Draw:
        """The same of this host's part of it. All parts together come back as the limit does; one at a time may always come."""
        burst = max(1, self.burst // n_hosts) if self.burst else 0
        return Draw(self._slot, burst, self.rate, self.per_ns * n_hosts, min(amount, burst or 1))

    def own_draw(self, amount: int) -> Draw:
        """What was let in by the limit of all hosts, counted as this host's own: never refused. It comes back as fast as for all,
        so that it is never more than what all have used."""
        return Draw(self._slot, UNLIMITED, self.rate, self.per_ns, amount)


class Accounts(NamedTuple):
    """What counts a request, or an attempt."""

    limits: tuple[LimitAccount, ...]
    budgets: tuple[BudgetAccount, ...]
    tariff: Tariff | None = None
    """What is charged to the prepaid account that is among `budgets`; None where none is."""

    def __bool__(self) -> bool:
        return bool(self.limits or self.budgets)


NO_ACCOUNTS: Final = Accounts((), ())
Names = dict[tuple[object, ...], Accounts]
Subject = tuple[ScopeKind, str, str]
"""By what is counted, under which id, and which other name a scope may call it by (empty: none)."""


class Ledgers:
    """All budgets and limits of one version of the configuration, by whom they count."""

    __slots__ = (
        "_budgets",
        "_kept",
        "_limits",
        "_prepaid",
        "by_request",
        "by_target",
        "counts_end_users",
        "counts_requests",
        "has_leases",
        "has_prepaid",
        "kinds_of_requests",
        "kinds_of_targets",
    )

    def __init__(self, allowances: Allowances, *, has_leases: bool = False) -> None:
        """`has_leases`: other hosts spend from the same budgets."""
        self.has_leases = has_leases
        self._budgets: dict[tuple[ScopeKind, str], list[Budget]] = {}
        self._limits: dict[tuple[ScopeKind, str], list[RateLimit]] = {}
        self._prepaid = {each.payer: each for each in allowances.prepaid}
        self.has_prepaid = bool(self._prepaid)
        for budget in allowances.budgets:
            self._budgets.setdefault((budget.scope.kind, budget.scope.name), []).append(budget)
        for limit in allowances.limits:
            self._limits.setdefault((limit.scope.kind, limit.scope.name), []).append(limit)
        kinds = dict.fromkeys(kind for kind, _ in (*self._budgets, *self._limits))
        self.kinds_of_requests = tuple(kind for kind in kinds if kind not in OF_THE_TARGET)
        """By what anything of a request is counted at all."""
        self.kinds_of_targets = tuple(kind for kind in kinds if kind in OF_THE_TARGET)
        """The same of an attempt at a target."""
        self.counts_requests = bool(self.kinds_of_requests) or self.has_prepaid
        self.counts_end_users = ScopeKind.END_USER in kinds
        self.by_request: Names = {}
        """What counts a request, under a name that whoever asks gives it: one look-up in place of one for each kind."""
        self.by_target: Names = {}
        self._kept: dict[tuple[tuple[Subject, ...], str, Tariff | None], Accounts] = {}

    def of(self, subjects: tuple[Subject, ...], payer: str = "", tariff: Tariff | None = None) -> Accounts:
        """What counts these subjects together, and the account of who pays for them where that is a prepaid one; the same object
        each time, so that its slots are looked for once."""
        name = (subjects, payer, tariff)
        found = self._kept.get(name)
        if found is None:
            if len(self._kept) >= _MAX_KEPT:
                self._kept.clear()
            found = self._kept[name] = self._made(subjects, self._prepaid.get(payer), tariff)
        return found

    def remember(self, names: Names, name: tuple[object, ...], accounts: Accounts) -> Accounts:
        """Find these from now on under this name in `by_request` or `by_target`."""
        if len(names) >= _MAX_KEPT:
            names.clear()
        names[name] = accounts
        return accounts

    def is_prepaid(self, payer: str) -> bool:
        """Whether who pays has paid in advance."""
        return payer in self._prepaid

    def _made(self, subjects: Iterable[Subject], prepaid: Prepaid | None, tariff: Tariff | None) -> Accounts:
        limits: list[LimitAccount] = []
        budgets: list[BudgetAccount] = []
        for kind, subject, alias in dict.fromkeys(subjects):
            for name in dict.fromkeys((subject, alias or subject, EACH)):
                if not subject and name == EACH:
                    continue  # nobody is no subject of its own
                limits += (LimitAccount(limit, subject) for limit in self._limits.get((kind, name), ()))
                budgets += (
                    BudgetAccount(budget, subject, is_leased=self.has_leases) for budget in self._budgets.get((kind, name), ())
                )
        if prepaid is not None:
            budgets.append(BudgetAccount(prepaid.as_budget(), prepaid.payer, is_leased=self.has_leases))
        return Accounts(tuple(limits), tuple(budgets), tariff) if limits or budgets else NO_ACCOUNTS
