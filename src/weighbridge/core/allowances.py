"""What may be spent, and how fast: budgets and rate limits as their operators mean them. Plain data, as in `terms.py`.

Both say whom they count by a `Scope`. Where its name is `*`, each subject of that kind has an account of its own: "each key", "each
end user". Money is nano-dollars, times are nanoseconds.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Final

import msgspec

UNLIMITED: Final = 2**62
"""More nano-dollars, tokens or requests than anybody has; half of what a cell of 64 bits holds."""

MAX_PER_NS: Final = 24 * 3600 * 1_000_000_000
"""The longest time of a rate limit. What is to hold for longer is a budget, which survives a restart."""

EACH: Final = "*"
"""As a scope's name: every subject of the kind by itself."""


class ScopeKind(StrEnum):
    """By what of a request is counted."""

    __hash__ = str.__hash__  # as in terms.py

    GATEWAY = "gateway"
    """Everything. Its name is empty."""
    ORGANISATION = "organisation"
    TEAM = "team"
    USER = "user"
    """A person of ours who holds keys."""
    KEY = "key"
    """A virtual key, by its id or its name."""
    END_USER = "end_user"
    """Whom the application names in its request."""
    TAG = "tag"
    ROUTE = "route"
    """The name that was asked for: a route's, or a model's."""
    MODEL = "model"
    """Who is asked, as `provider/model`."""
    PROVIDER = "provider"
    PROVIDER_KEY = "provider_key"
    """One of a provider's keys, as `openai#1`."""


OF_THE_TARGET: Final = frozenset((ScopeKind.MODEL, ScopeKind.PROVIDER, ScopeKind.PROVIDER_KEY))
"""Known only when a target has been chosen, so counted for each attempt."""


class Scope(msgspec.Struct, frozen=True):
    """Whom a budget or a limit counts."""

    kind: ScopeKind
    name: str = ""


class Period(StrEnum):
    """When a budget begins anew. Weeks begin on Monday."""

    __hash__ = str.__hash__

    HOUR = "hour"
    DAY = "day"
    WEEK = "week"
    MONTH = "month"
    TOTAL = "total"
    """Never."""


class Unit(StrEnum):
    """What a budget counts."""

    __hash__ = str.__hash__

    USD = "usd"
    """What providers charge, in nano-dollars."""
    TOKENS = "tokens"
    """Every token that goes in or comes out."""
    CREDITS = "credits"
    """What customers are charged, in nano-dollars: of prepaid accounts alone."""


class Shortage(StrEnum):
    """What happens to a request whose worst case does not fit into what is left."""

    __hash__ = str.__hash__

    LOWER = "lower"
    """Its output is capped at what fits; where hardly anything would fit, it is refused."""
    REFUSE = "refuse"


class Budget(msgspec.Struct, frozen=True):
    """An amount that a scope may spend in a period. `id` is stable: what was spent stays with it when the amount changes."""

    id: str
    scope: Scope
    amount: int
    """In nano-dollars or tokens."""
    unit: Unit = Unit.USD
    period: Period = Period.MONTH
    timezone: str = "UTC"
    """Where days begin."""
    is_hard: bool = True
    """Never overspent. A soft one only tells (see `alert_at_ppm`)."""
    on_shortage: Shortage = Shortage.LOWER
    alert_at_ppm: tuple[int, ...] = (800_000, 1_000_000)
    """Millionths of the amount at which operators are told."""
    counts_own_keys: bool = True
    """Whether it counts requests that are made with customers' own provider keys, too."""


class Measure(StrEnum):
    """What a rate limit counts."""

    __hash__ = str.__hash__

    REQUESTS = "requests"
    TOKENS = "tokens"
    """In and out."""
    INPUT_TOKENS = "input_tokens"
    OUTPUT_TOKENS = "output_tokens"
    USD = "usd"
    """Nano-dollars."""
    CONCURRENT = "concurrent"
    """Requests at a time; without a period."""


class RateLimit(msgspec.Struct, frozen=True):
    """How much a scope may have in a time: `amount` at once (the burst), coming back evenly over `per_ns`.

    A generic cell rate: `amount` may be used at any moment at most, and no window of `per_ns` sees more than twice that.
    """

    id: str
    scope: Scope
    measure: Measure
    amount: int
    per_ns: int = 60_000_000_000
    burst: int | None = None
    """What may come at once, where that is another amount."""


class Prepaid(msgspec.Struct, frozen=True):
    """A customer who may spend what was paid in advance, and no more."""

    payer: str
    """As `ledger.books.payer_of` says it: `organisation:acme`."""
    credits: int
    """Nano-dollars: all that were ever given. What was used and what has run out is the counter's."""

    def as_budget(self) -> Budget:
        """The same for whoever counts: one that never begins anew, of what is charged and not of what it costs."""
        kind, _, name = self.payer.partition(":")
        return Budget(_CREDITS, Scope(ScopeKind(kind), name), self.credits, Unit.CREDITS, Period.TOTAL, alert_at_ppm=())


_CREDITS: Final = "credits"


class Allowances(msgspec.Struct, frozen=True):
    """Every budget and every limit of a gateway, and who has paid in advance."""

    budgets: tuple[Budget, ...] = ()
    limits: tuple[RateLimit, ...] = ()
    prepaid: tuple[Prepaid, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.budgets or self.limits or self.prepaid)
