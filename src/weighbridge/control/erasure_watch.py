"""Erasures, wherever they were asked for, reach what a running gateway has besides its store: rows that wait for log sinks, and the
last Records in memory."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable, Sequence
from typing import Final

from weighbridge.core.erasure import Erasure
from weighbridge.core.ports import Clock
from weighbridge.storage.erasure_store import KNOWN_FOR_NS, ErasureStore
from weighbridge.storage.errors import StorageError

INTERVAL_S: Final = 1.0

Forget = Callable[[Sequence[Erasure]], None]


class ErasureWatch:
    """One for each supervisor. At its start it tells of those of the last weeks: what waited may be from before."""

    def __init__(self, store: ErasureStore, forget: Forget, clock: Clock) -> None:
        self._store = store
        self._forget = forget
        self._clock = clock
        self._known: set[str] = set()

    async def run(self) -> None:
        """Look for new ones, until cancelled."""
        while True:
            try:
                await self.look()
            except StorageError as error:
                sys.stderr.write(f"Erasures cannot be read now: {error}\n")
            await asyncio.sleep(INTERVAL_S)

    async def look(self) -> None:
        """Tell of those that are new. Raises `StorageError`."""
        found = await asyncio.to_thread(self._store.since, self._clock.wall_ns() - KNOWN_FOR_NS)
        new = [each for each in found if each.id not in self._known]
        self._known = {each.id for each in found}
        if new:
            self._forget(new)
