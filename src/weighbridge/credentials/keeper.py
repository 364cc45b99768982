"""Holds the authorizers of all providers that need one, across reloads, and keeps what expires fresh."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Final

from weighbridge.core.ports import Authorizer, Clock
from weighbridge.credentials.authorizers import AnyAuthorizer, authorizer_for
from weighbridge.providers.cloud_accounts import CloudAccount

SWEEP_S: Final = 10.0
"""How often it is looked whether something expires soon: well within the minutes that every token leaves."""


class Keeper:
    """Authorizers by the name of their provider. Belongs to one event loop."""

    def __init__(self, *, clock: Clock, sweep_s: float = SWEEP_S) -> None:
        self._clock = clock
        self._sweep_s = sweep_s
        self._held: dict[str, tuple[CloudAccount, AnyAuthorizer]] = {}
        self._timer: asyncio.TimerHandle | None = None

    def apply(self, accounts: Mapping[str, CloudAccount]) -> None:
        """The accounts of a new configuration. What did not change keeps its tokens; what is new begins to fetch them at once."""
        self._held = {
            name: held
            if (held := self._held.get(name)) is not None and held[0] == account
            else (account, authorizer_for(account, self._clock))
            for name, account in accounts.items()
        }
        if self._timer is not None:
            self._timer.cancel()
        self._sweep()

    def find(self, provider: str) -> Authorizer | None:
        """The authorizer of a provider; None for one whose key is a fixed header."""
        held = self._held.get(provider)
        return None if held is None else held[1]

    def problems(self) -> dict[str, str]:
        """Providers whose last fetch failed, and why: for operators, without secrets."""
        return {
            name: renewal.problem
            for name, (_, one) in self._held.items()
            if (renewal := one.renewal) is not None and renewal.problem
        }

    def close(self) -> None:
        """Fetch nothing any more."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _sweep(self) -> None:
        renewals = [one.renewal for _, one in self._held.values() if one.renewal is not None]
        for renewal in renewals:
            if renewal.is_due():
                renewal.start()
        self._timer = asyncio.get_running_loop().call_later(self._sweep_s, self._sweep) if renewals else None
