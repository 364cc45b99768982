"""The store's budgets and limits in the control plane's memory, read again when the store's revision is another one."""

from __future__ import annotations

import asyncio

import msgspec

from weighbridge.core.allowances import Allowances
from weighbridge.storage.store import Store


class AllowanceRegistry:
    """Those of the store. Belongs to one event loop; the store is asked in a thread."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._revision: int | None = None
        self.allowances = Allowances()
        """As of the last look."""

    async def poll(self) -> bool:
        """Look again. Whether they are others than before. Raises `StorageError`."""
        revision = await asyncio.to_thread(self._store.revision)
        if revision == self._revision:
            return False
        # Revision first, budgets after: a write between the two makes the next look read again.
        found = await asyncio.to_thread(self._all)
        self._revision = revision
        if found == self.allowances:
            return False
        self.allowances = found
        return True

    def _all(self) -> Allowances:
        return msgspec.structs.replace(self._store.allowances.all(), prepaid=self._store.credits.prepaid())
