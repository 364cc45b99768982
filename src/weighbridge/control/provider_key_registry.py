"""Customers' own provider keys in the control plane's memory, opened with the master keys: what workers are told.

Read again when the store's revision is another one, or the master keys are. One that no master key opens is told as that, so that
its owner's requests are refused and never sent with another key.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Final

from weighbridge.auth.master_keys import MasterKeys, Sealed
from weighbridge.auth.sealing import SealBrokenError
from weighbridge.core.own_keys import NO_OWN_KEYS, OwnKey
from weighbridge.core.ports import Clock
from weighbridge.core.secret import Secret
from weighbridge.core.terms import OWN_KEY_PREFIX, Record
from weighbridge.storage.provider_key_store import ProviderKey
from weighbridge.storage.store import Store

_MAX_NAMED: Final = 5
"""Of those that cannot be opened, in a sentence; the list of keys has all."""


class ProviderKeyRegistry:
    """Those of the store that are not disabled. Belongs to one event loop; the store is asked in a thread."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self._store = store
        self._clock = clock
        self._revision: int | None = None
        self._master_keys = MasterKeys()
        self._opened: dict[str, tuple[Sealed, Secret | None]] = {}
        self._used: dict[str, int] = {}
        self.keys: tuple[OwnKey, ...] = NO_OWN_KEYS
        """As of the last look."""

    @property
    def master_keys(self) -> MasterKeys:
        """Those that are configured."""
        return self._master_keys

    def set_master_keys(self, keys: MasterKeys) -> None:
        """Those of a newly loaded configuration: everything is opened anew with the next look."""
        self._master_keys = keys
        self._revision = None
        self._opened.clear()

    async def poll(self) -> bool:
        """Look again. Whether they are others than before. Raises `StorageError`."""
        revision = await asyncio.to_thread(self._store.revision)
        if revision == self._revision:
            return False
        # Revision first, keys after: a write between the two makes the next look read again.
        found = await asyncio.to_thread(self._all)
        self._revision = revision
        if found == self.keys:
            return False
        self.keys = found
        return True

    def problem(self) -> str:
        """What is wrong, as a sentence for the operator; empty: nothing is."""
        closed = [key.id for key in self.keys if key.secret is None]
        if not closed:
            return ""
        named = ", ".join(closed[:_MAX_NAMED]) + (", …" if len(closed) > _MAX_NAMED else "")
        why = "none of the master keys opens them" if self._master_keys else "no master key is configured"
        return (
            f"{len(closed)} provider keys that customers have brought cannot be opened ({named}): {why}. Their owners' requests "
            "are refused, and not sent with other keys. Put the master key under which they were sealed into "
            "`provider_keys.master_keys`."
        )

    # --- when they were used ------------------------------------------------------------------------------------

    def saw(self, records: Sequence[Record]) -> None:
        """Exchanges that are settled: whose keys they were made with. Called on the mover's thread."""
        for record in records:
            for attempt in record.attempts:
                if attempt.is_own_key:
                    self._used[attempt.credential.removeprefix(OWN_KEY_PREFIX)] = record.start_wall_ns

    async def note_used(self) -> None:
        """Write down when they were last used, if they were since the last time. Raises `StorageError`."""
        if self._used:
            used, self._used = self._used, {}
            await asyncio.to_thread(self._store.provider_keys.note_used, dict(used))

    # --- within -------------------------------------------------------------------------------------------------

    def _all(self) -> tuple[OwnKey, ...]:
        found = self._store.provider_keys.enabled()
        opened = {each.id: (each.sealed, self._opened_once(each)) for each in found}
        self._opened = opened
        return tuple(OwnKey(each.id, each.owner, each.provider, opened[each.id][1], each.hint, each.falls_back) for each in found)

    def _opened_once(self, key: ProviderKey) -> Secret | None:
        """The store's revision changes with every write of anything: only what is new is opened."""
        before = self._opened.get(key.id)
        if before is not None and before[0] == key.sealed:
            return before[1]
        try:
            return key.open(self._master_keys)
        except SealBrokenError:
            return None
