"""What prepaid customers have left: all that was given to them, less what was charged and what ran out."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import msgspec

from weighbridge.control.instants import rfc3339_ns
from weighbridge.storage.credit_store import CreditAccount

Level = Callable[[str], tuple[int, int]]
"""What was spent and is held under a counter's name, as of now on this host."""


class CreditView(msgspec.Struct, frozen=True):
    """An account of credits. Amounts are nano-dollars; `balance` is what is left, and `held` the part of it that requests under way
    may need."""

    id: str
    payer: dict[str, str]
    is_prepaid: bool
    alert_below_nanousd: int
    given_nanousd: int
    charged_nanousd: int
    expired_nanousd: int
    held_nanousd: int
    balance_nanousd: int
    next_expiry: str | None
    created_at: str


def credits_now(accounts: Sequence[CreditAccount], spent: Mapping[str, int], level: Level) -> list[CreditView]:
    """All accounts. `spent` is what the store knows of all counters; `level` knows better of those that workers use now."""
    return [_view(account, spent, level) for account in accounts]


def _view(account: CreditAccount, spent: Mapping[str, int], level: Level) -> CreditView:
    used, held = level(account.counter)
    used = max(used, spent.get(account.counter, 0))
    kind, _, name = account.payer.partition(":")
    return CreditView(
        id=account.id,
        payer={"kind": kind, "name": name},
        is_prepaid=account.is_prepaid,
        alert_below_nanousd=account.alert_below,
        given_nanousd=account.given,
        charged_nanousd=used - account.expired,
        expired_nanousd=account.expired,
        held_nanousd=held,
        balance_nanousd=account.given - used,
        next_expiry=None if account.next_expiry_wall_ns is None else rfc3339_ns(account.next_expiry_wall_ns),
        created_at=rfc3339_ns(account.created_wall_ns),
    )
