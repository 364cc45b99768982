"""Leases: how the hosts of one database share a hard budget without asking it for each request.

A host may use of a budget what it has on lease. Of each counter the store knows what was *spent* (all that any host has moved
there) and what is *leased* (what each host may use beyond that), and

    spent + everything leased <= the budget's amount

holds at any moment: a grant takes from what is free, and what a host moves into the store leaves its lease in the same transaction.
A host that dies keeps its lease, since it may have used it: when it comes back, what it did is settled and the rest is free; until
then nobody spends it twice.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, Protocol

import msgspec

_SLICE: Final = 8
"""A host that asks gets an eighth of what is free, so that it need not ask again soon, and others find something."""
_MODEST: Final = 4
"""A request that names no bound of its own gets a quarter of it at most."""


class LeaseWant(msgspec.Struct, frozen=True):
    """What a host lacks for a request: `amount` under a counter of a budget of `limit`. `is_modest`: less will do."""

    counter: str
    limit: int
    amount: int
    is_modest: bool = False


class Granted(msgspec.Struct, frozen=True):
    """What it got; and what was spent and leased by all hosts, as of then."""

    counter: str
    amount: int
    spent: int
    leased: int


class Lessor(Protocol):
    """Whoever gives leases."""

    async def ask(self, wants: Sequence[LeaseWant]) -> Sequence[Granted] | None:
        """What came of each want: it is in the host's table by now. None: nobody can say, since the store is away."""
        ...


class NoLessor:
    """Where one host has everything, nothing is ever lacking."""

    async def ask(self, wants: Sequence[LeaseWant]) -> Sequence[Granted] | None:  # noqa: ARG002 - as the protocol has it
        """Nothing to be had."""
        return ()


def grant_of(free: int, want: LeaseWant) -> int:
    """How much of what is free a host gets."""
    wanted = min(want.amount, free // _MODEST) if want.is_modest else want.amount
    return max(0, min(free, max(wanted, free // _SLICE)))


def is_short(amount: int, want: LeaseWant) -> bool:
    """Whether a host got so little that others should give back what they do not use."""
    return amount < (want.amount // _MODEST if want.is_modest else want.amount)
