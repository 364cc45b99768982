"""What the ledger is told and what it writes: started and settled exchanges, accounts, entries. Money is integer nano-dollars.

Structs that lie in a journal are arrays there: a new field goes at the end and has a default, so that a journal which an older
version wrote can still be moved into the store.
"""

from __future__ import annotations

from enum import IntEnum, StrEnum
from typing import Final, NewType

import msgspec

from weighbridge.core.terms import Record


class Charge(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """An amount (nano-dollars or tokens) for a budget's counter, by the name of the counter: see `limits.counters`."""

    counter: str
    amount: int


class Started(msgspec.Struct, frozen=True, array_like=True, gc=False, tag="s"):
    """An attempt that is about to be sent, with the most it may cost.

    One that is never settled is closed at this bound. A later one of the same request and attempt replaces it: that is how
    a long session raises its hold.
    """

    request_id: str
    attempt: int
    """0 for the first."""
    wall_ns: int
    key_id: str
    provider: str
    model: str
    reserved_nanousd: int
    holds: tuple[Charge, ...] = ()
    """What it holds of budgets; charged to them if nobody settles it."""
    route: str = ""
    team: str = ""
    user: str = ""
    organisation: str = ""
    end_user: str = ""
    own_key: str = ""
    """The credential, where it is one that the customer has brought: then the provider bills it to the customer."""


class Settled(msgspec.Struct, frozen=True, array_like=True, gc=False, tag="e"):
    """The end of an exchange: its Record, and what budgets' counters are charged for all its attempts together."""

    record: Record
    charges: tuple[Charge, ...] = ()


class Pending(msgspec.Struct, frozen=True):
    """A response that goes on in the background: its attempt was counted at its bound, and whoever is told first what it took is
    charged that, in the name of whoever asked for it."""

    name: str
    """What it is kept under."""
    request_id: str
    attempt: int
    provider: str
    model: str
    wall_ns: int
    nanousd: int
    """The bound in the books; 0 where it is not in ours."""
    requested_model: str
    route: str
    key_id: str
    team: str
    user: str
    organisation: str
    end_user: str
    session: str
    tags: tuple[str, ...]
    charges: tuple[Charge, ...]
    """What budgets count for it."""


class EntryKind(IntEnum):
    """Why an entry was written. The numbers lie in the store: they are never used for anything else."""

    COST = 1
    """An attempt, owed to its provider."""
    OWN_KEY_COST = 2
    """An attempt that the provider bills to the customer. Kept apart; nobody owes us anything for it."""
    UNRESOLVED_COST = 3
    """The bound of an attempt whose cost nobody knows. Kept apart until the provider's invoice tells."""
    CHARGE = 4
    """An exchange, owed by its customer."""
    TOP_UP = 5
    GRANT = 6
    EXPIRY = 7
    COST_ADJUSTMENT = 8
    CHARGE_ADJUSTMENT = 9


class AccountKind(StrEnum):
    """What an account is for. Its full name is `kind:subject`; the subject is a provider or a payer."""

    __hash__ = str.__hash__  # as in core/terms.py

    PROVIDER_COST = "provider_cost"
    PROVIDER_PAYABLE = "provider_payable"
    OWN_KEY_COST = "own_key_cost"
    OWN_KEY_PAYABLE = "own_key_payable"
    UNRESOLVED_COST = "unresolved_cost"
    UNRESOLVED_PAYABLE = "unresolved_payable"
    CUSTOMER = "customer"
    """A customer's current account: credited by top-ups and grants, debited by charges. What is left is theirs, what is
    missing is owed to us."""
    REVENUE = "revenue"
    FUNDS = "funds"
    """Money that was paid in."""
    GRANTS = "grants"
    """Credits that were given away."""
    EXPIRED = "expired"
    """Credits that nobody used in time."""
    COST_ADJUSTMENTS = "cost_adjustments"
    CHARGE_ADJUSTMENTS = "charge_adjustments"


Account = NewType("Account", str)
"""The full name of an account: `provider_payable:openai`, `customer:team:team_1`."""

BILLED_TO_NOBODY: Final = "nobody"
"""The subject of accounts of exchanges that no key, user, team or organisation stands for."""


def account(kind: AccountKind, subject: str) -> Account:
    """The account of this kind for a provider or a payer."""
    return Account(kind + ":" + subject)  # a third of the time of a format


class Entry(msgspec.Struct, frozen=True, gc=False):
    """An amount (never negative) that went from one account to another: `debit` receives it, `credit` gives it.

    `id` is the same whenever the same event is booked, so that nothing is booked twice. `request_id` and `attempt` name the
    exchange, if there is one (`attempt` -1: the exchange as a whole). `expires_wall_ns`: when an unused credit ends; 0 never.
    """

    id: str
    debit: Account
    credit: Account
    amount_nanousd: int
    kind: EntryKind
    wall_ns: int
    request_id: str = ""
    attempt: int = -1
    expires_wall_ns: int = 0
    note: str = ""
