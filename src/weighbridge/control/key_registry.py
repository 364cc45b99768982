"""The stored keys in the control plane's memory, kept up to date by asking the store for its revision.

A key that the CLI revokes in another process is refused within a second: the supervisor polls every 250 ms and sends the
difference to the workers. A key that was made a moment ago works at once: a worker that does not know it asks `find`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Protocol

from weighbridge.auth.virtual_keys import KeysDelta
from weighbridge.core.terms import VirtualKey


class KeyStore(Protocol):
    """The part of `storage.store.Store` that is needed here. Both block."""

    def revision(self) -> int:
        """A number that changes with every write."""
        ...

    def live_keys(self) -> Sequence[VirtualKey]:
        """Every key that is not revoked."""
        ...


class KeyRegistry:
    """The keys that are not revoked, by SHA-256. Belongs to one event loop; the store is asked in a thread.

    Looking at the store is shared: however many callers miss at once (a flood of wrong keys, say), at most one query
    runs and at most one more waits, and each caller gets the answer of a look that began after it had asked.
    """

    __slots__ = ("_begun", "_done", "_keys", "_lock", "_removed", "_revision", "_store", "_upserted")

    def __init__(self, store: KeyStore) -> None:
        self._store = store
        self._keys: dict[bytes, VirtualKey] = {}
        self._revision: int | None = None
        self._lock = asyncio.Lock()
        self._begun = 0
        self._done = 0
        # Changes that a `find` came across and that the next `poll` must report.
        self._upserted: dict[bytes, VirtualKey] = {}
        self._removed: set[bytes] = set()

    @property
    def keys(self) -> tuple[VirtualKey, ...]:
        """The keys as of the last look; empty before the first :meth:`poll`."""
        return tuple(self._keys.values())

    async def poll(self) -> KeysDelta | None:
        """What changed since the last poll, or None. The first one reports every key. Raises `StorageError`."""
        await self._look()
        if self._revision is None or not (self._upserted or self._removed):
            return None
        delta = KeysDelta(self._revision, tuple(self._upserted.values()), tuple(self._removed))
        self._upserted.clear()
        self._removed.clear()
        return delta

    async def find(self, digest: bytes) -> VirtualKey | None:
        """The key with this SHA-256, looking again at the store if it is not known yet. Raises `StorageError`."""
        if digest not in self._keys:
            await self._look()
        return self._keys.get(digest)

    async def _look(self) -> None:
        asked_at = self._begun
        async with self._lock:
            if self._done > asked_at:
                return  # a look that began after we had asked has ended while we waited for the lock
            self._begun += 1
            this = self._begun
            revision = await asyncio.to_thread(self._store.revision)
            if revision != self._revision:
                # Revision first, keys after: a write between the two makes the next look read again, and none is missed.
                self._take(await asyncio.to_thread(self._store.live_keys))
                self._revision = revision
            self._done = this

    def _take(self, live: Sequence[VirtualKey]) -> None:
        new = {key.digest: key for key in live}
        for digest in self._keys.keys() - new.keys():
            self._upserted.pop(digest, None)
            self._removed.add(digest)
        for digest, key in new.items():
            if self._keys.get(digest) != key:
                self._removed.discard(digest)
                self._upserted[digest] = key
        self._keys = new
