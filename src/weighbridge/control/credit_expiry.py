"""Credits run out at their time: what is left of them then is booked, and nobody can spend it any more."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable
from typing import Final

from weighbridge.core.clock import NS_PER_S
from weighbridge.core.ports import Clock
from weighbridge.limits.table import TableFullError
from weighbridge.storage.credit_store import Credit, counter_of
from weighbridge.storage.errors import StorageError
from weighbridge.storage.store import Store

INTERVAL_S: Final = 1.0
_PATIENCE_NS: Final = 5 * NS_PER_S
"""For hosts to give back what they have on lease and do not use; what they still have then, they may use."""

Take = Callable[[str, int, int, int], int]
"""Spend, under a counter of this limit, up to an amount of what is free, but leave the last amount: how much that came to."""


class CreditExpiry:
    """One for each supervisor. `take` is the host's counters'; None where hosts share them by leases."""

    def __init__(self, store: Store, take: Take | None, clock: Clock) -> None:
        self._store = store
        self._take = take
        self._clock = clock
        self._taken: dict[str, int] = {}
        """What the counters have given for a credit and the store does not know yet."""

    async def run(self) -> None:
        """Look after what runs out, until cancelled."""
        while True:
            await asyncio.sleep(INTERVAL_S)
            try:
                await self.look()
            except (StorageError, TableFullError) as error:
                sys.stderr.write(f"Credits cannot run out now, and will be looked at again: {error}\n")

    async def look(self) -> None:
        """Book what has run out by now. Raises `StorageError`, and `TableFullError` where there are too many counters."""
        now_ns = self._clock.wall_ns()
        for credit in await asyncio.to_thread(self._store.credits.due, now_ns):
            if self._take is None:
                await asyncio.to_thread(self._end_shared, credit, now_ns)
            else:
                await asyncio.to_thread(self._end, credit, self._take)

    def _end(self, credit: Credit, take: Take) -> None:
        if credit.id not in self._taken:
            given, later = self._store.credits.given_and_later(credit)
            self._taken[credit.id] = take(counter_of(credit.payer), given, credit.amount, later)
        self._store.credits.expire(credit, self._taken[credit.id])
        del self._taken[credit.id]

    def _end_shared(self, credit: Credit, now_ns: int) -> None:
        on_lease = self._store.leases.call_back(counter_of(credit.payer))
        if on_lease and now_ns < (credit.expires_wall_ns or 0) + _PATIENCE_NS:
            return
        self._store.credits.expire_what_is_free(credit)
