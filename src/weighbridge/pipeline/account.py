"""Whom a request counts for, and what its attempts hold of budgets and limits while they are under way."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from weighbridge.core.allowances import Measure, Unit
from weighbridge.core.rates import Tariff, charged
from weighbridge.core.terms import Deployment, Usage
from weighbridge.ledger.books import chargeable
from weighbridge.ledger.pricing import NO_PIECES
from weighbridge.ledger.terms import Charge
from weighbridge.limits.accounts import NO_ACCOUNTS, PLACES, Accounts, BudgetAccount, LimitAccount
from weighbridge.limits.shared import Asked
from weighbridge.limits.table import Draw, Hold
from weighbridge.pipeline.output_watch import OutputWatch
from weighbridge.pipeline.slices import Slices

_REQUESTS: Final = Measure.REQUESTS
_TOKENS: Final = Measure.TOKENS
_INPUT: Final = Measure.INPUT_TOKENS
_OUTPUT: Final = Measure.OUTPUT_TOKENS
_USD: Final = Measure.USD
_CREDITS: Final = PLACES[Unit.CREDITS]


class Account:
    """One exchange's: shared by all its attempts, those of a race too."""

    __slots__ = (
        "accounts",
        "asked",
        "chargeable",
        "chargeable_own",
        "charged",
        "charges",
        "draws",
        "end_user",
        "n_started",
        "over",
        "refused",
        "session",
        "tags",
        "trace",
    )

    def __init__(self, end_user: str, session: str, tags: tuple[str, ...], trace: str) -> None:
        self.accounts: Accounts = NO_ACCOUNTS
        """The budgets and limits of who asks; those of a target are counted for each attempt."""
        self.end_user = end_user
        self.session = session
        self.tags = tags
        self.trace = trace
        self.draws: Sequence[Draw] = ()
        """What was taken of `accounts.limits`, each in the same place."""
        self.asked: Asked | None = None
        """The same, where hosts share limits and it is not known yet."""
        self.refused: tuple[LimitAccount, Draw] | None = None
        """The limit that it was refused by."""
        self.over: list[Holding] = []
        """What attempts held that are over, and still hold until the journal has what they came to."""
        self.charges: list[Charge] = []
        """What counters were charged for attempts that others have followed."""
        self.n_started = 0
        self.chargeable = self.chargeable_own = self.charged = 0
        """Of a prepaid customer: what attempts that are over have cost, those with his own keys apart, and what is charged for all
        of them together."""

    @property
    def has_taken(self) -> bool:
        """Whether it has, or may yet be given, anything of a budget or a limit."""
        return bool(self.draws or self.over) or self.asked is not None

    def charge(self, cost: int | None, usage: Usage, tariff: Tariff, *, is_own: bool) -> int:
        """What one more attempt (`is_own`: with the customer's own key) adds to what its customer is charged. All of them together
        are rounded once: no attempt's part is negative, and the parts are what `ledger.books.charge_of` says of all."""
        amount = chargeable(cost, usage.provenance, tariff)
        if is_own:
            self.chargeable_own += amount
        else:
            self.chargeable += amount
        before, self.charged = self.charged, charged(self.chargeable, tariff, self.chargeable_own)
        return self.charged - before


NOBODY: Final = Account("", "", (), "")
"""Of an exchange that was not admitted. Nothing is ever charged to it."""


class Holding:
    """What one attempt may use at most, from before it is sent until it is over; then what it came to."""

    __slots__ = (
        "asked",
        "budgets",
        "counts",
        "deployment",
        "draws",
        "holds",
        "input_tokens",
        "limits",
        "nanousd",
        "number",
        "output_tokens",
        "own_key",
        "pieces",
        "slices",
        "spent_charge",
        "spent_input",
        "spent_nanousd",
        "spent_output",
        "watch",
    )

    def __init__(self, number: int, deployment: Deployment, input_tokens: int, output_tokens: int, nanousd: int) -> None:
        self.number = number
        self.deployment = deployment
        """Who is asked."""
        self.input_tokens = input_tokens
        self.output_tokens = output_tokens
        self.nanousd = nanousd
        """The most that it may cost."""
        self.pieces = NO_PIECES
        """What it may be charged for by the piece."""
        self.own_key = ""
        """The credential, where it is one that the customer has brought."""
        self.counts = False
        """Whether any budget or limit of its target has to be told what it came to."""
        self.budgets: Sequence[BudgetAccount] = ()
        self.holds: Sequence[Hold] = ()
        """What is held of `budgets`, each in the same place."""
        self.limits: Sequence[LimitAccount] = ()
        self.draws: Sequence[Draw] = ()
        """What was taken of its target's `limits`."""
        self.asked: Asked | None = None
        """The same, where hosts share limits and it is not known yet."""
        self.spent_nanousd = self.spent_input = self.spent_output = self.spent_charge = 0
        self.watch: OutputWatch | None = None
        """Who counts its stream, where a hard budget holds it."""
        self.slices: Slices | None = None
        """What a realtime session holds, where a hard budget does."""

    def came_to(self, nanousd: int, usage: Usage) -> None:
        """It is over, and counts for this."""
        self.spent_nanousd = nanousd
        self.spent_input = usage.total_input
        self.spent_output = usage.total_output

    def came_to_all(self) -> None:
        """It is over, and nobody knows what it used: it counts for all that it may have."""
        self.spent_nanousd = self.nanousd
        self.spent_input = self.input_tokens
        self.spent_output = self.output_tokens

    def held_of_credits(self) -> int:
        """What it holds of credits."""
        pairs = zip(self.budgets, self.holds, strict=True)
        return next((hold.amount for budget, hold in pairs if budget.unit == _CREDITS), 0)

    def held(self) -> tuple[Charge, ...]:
        """What it holds, for the journal."""
        return tuple([Charge(hold.slot.name, hold.amount) for hold in self.holds])

    def spent(self) -> list[int]:
        """What each of its budgets is charged."""
        amounts = (self.spent_nanousd, self.spent_input + self.spent_output, self.spent_charge)
        return [amounts[budget.unit] for budget in self.budgets]

    def used(self) -> list[int]:
        """What each of its target's limits counts."""
        return [
            used_of(limit, draw, self.spent_nanousd, self.spent_input, self.spent_output)
            for limit, draw in zip(self.limits, self.draws, strict=False)  # none where it was left before it was given any
        ]


def used_of(limit: LimitAccount, draw: Draw, nanousd: int, input_tokens: int, output_tokens: int) -> int:
    """How much of a limit was used up in the end. Of requests at a time nothing is, when they are over."""
    measure = limit.measure
    if measure is _REQUESTS:
        return draw.amount
    if measure is _TOKENS:
        return input_tokens + output_tokens
    if measure is _INPUT:
        return input_tokens
    if measure is _OUTPUT:
        return output_tokens
    return nanousd if measure is _USD else 0
