"""Takes payloads from the workers, and brings what is to be kept of them into the store: in batches, off the event loop.

Nothing waits for it. Where the store cannot keep up what comes is dropped, and counted: a request is in the books in any case.
"""

from __future__ import annotations

import asyncio
import sys
from collections import deque
from typing import Final

from weighbridge.control.payload_text import kept_payload
from weighbridge.control.redactor import Redactor
from weighbridge.core.payloads import Payload
from weighbridge.storage.errors import StorageError
from weighbridge.storage.payload_store import SWEPT, NewPayload, PayloadStore

MAX_WAITING_BYTES: Final = 32_000_000
_PAUSE_S: Final = 0.5
_SWEEP_EVERY: Final = 120
"""Pauses: a minute."""
_BATCH_BYTES: Final = 4_000_000
"""In one transaction: some 100 ms of work, most of it without the database's lock."""


class PayloadKeeper:
    """One for each supervisor."""

    def __init__(self, store: PayloadStore) -> None:
        self._store = store
        self._redactor = Redactor(())
        self._keep_ns = 0
        self._waiting: deque[Payload] = deque()
        self._n_bytes = 0
        self._fails = False
        self.n_kept = 0
        self.n_dropped = 0

    def configure(self, redactor: Redactor, keep_ns: int) -> None:
        """What is taken out of those that come from now on, and for how long they are kept."""
        self._redactor, self._keep_ns = redactor, keep_ns

    def take(self, payload: Payload) -> None:
        """One from a worker."""
        size = len(payload.request) + len(payload.reply)
        if self._n_bytes + size > MAX_WAITING_BYTES or not self._keep_ns:
            self.n_dropped += 1
            return
        self._waiting.append(payload)
        self._n_bytes += size

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            await self._sweep()
            for _ in range(_SWEEP_EVERY):
                await self.flush()
                await asyncio.sleep(_PAUSE_S)

    async def flush(self) -> None:
        """Bring what waits into the store. What the store does not take is dropped."""
        while self._waiting:
            batch, keep_ns = self._next_batch(), self._keep_ns
            try:
                self.n_kept += await asyncio.to_thread(self._keep, batch, self._redactor, keep_ns)
                self._fails = False
            except StorageError as error:
                self.n_dropped += len(batch)
                if not self._fails:
                    sys.stderr.write(f"Payloads cannot be kept, and are dropped: {error}\n")
                self._fails = True

    def _next_batch(self) -> list[Payload]:
        batch: list[Payload] = []
        n_bytes = 0
        while self._waiting and n_bytes < _BATCH_BYTES:
            payload = self._waiting.popleft()
            n_bytes += len(payload.request) + len(payload.reply)
            batch.append(payload)
        self._n_bytes -= n_bytes
        return batch

    def _keep(self, batch: list[Payload], redactor: Redactor, keep_ns: int) -> int:
        found = [
            NewPayload(each.request_id, each.start_wall_ns, each.end_user, each.user, kept_payload(each, redactor))
            for each in batch
        ]
        return self._store.keep(found, keep_ns)

    async def _sweep(self) -> None:
        try:
            n_swept = SWEPT
            while n_swept == SWEPT:
                n_swept = await asyncio.to_thread(self._store.sweep)
        except StorageError as error:
            sys.stderr.write(f"Payloads that have been kept long enough cannot be deleted now: {error}\n")
