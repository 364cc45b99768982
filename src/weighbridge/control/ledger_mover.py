"""Moves workers' journals into the store: all the time, in batches, and once more at each start and stop.

A segment is deleted when all of it is in the store and another one has begun. When a worker is gone (the kernel has let go of its
lock) its journal is moved to its end, a torn tail is cut, and what it had begun is closed at its bound. Nothing of this is lost or
done twice wherever the process dies: how far a journal was moved is written in the same transaction as what was moved.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable, Mapping
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Final, NamedTuple

from weighbridge.core.ports import Clock
from weighbridge.core.tasks import to_its_end
from weighbridge.ledger.journal import HEADER_BYTES, JournalDamageError, decode_header
from weighbridge.storage.errors import ChangedMeanwhileError, StorageError
from weighbridge.storage.ledger_segments import (
    Segment,
    is_abandoned,
    keep_damaged,
    length_of,
    list_journals,
    read_segment,
    remove_unfinished,
)
from weighbridge.storage.ledger_store import LedgerStore

INTERVAL_S: Final = 0.2
RETRY_S: Final = 1.0
"""After the store could not be used."""
MAX_ITEMS: Final = 8_000
"""In one transaction: some 100 ms of SQLite's write lock."""

WORTH_BYTES: Final = 512 * 1024
"""So much in a journal is moved without a pause: some 600 exchanges."""

_Place = tuple[int, int]
"""A segment's sequence, and an offset in it."""

OnCharges = Callable[[str, Mapping[str, int]], None]
"""Gets a journal's id and what budgets' counters were charged by what was just committed of it. Called on the event loop."""


class _Step(NamedTuple):
    """What was done for a journal."""

    charges: Mapping[str, int]
    is_closed: bool
    has_more: bool


_NOTHING: Final = _Step({}, is_closed=False, has_more=False)


class LedgerMover:
    """One for each directory of journals. `on_moved` is called after each batch, `on_closed` when a gone worker's journal is
    closed."""

    def __init__(self, directory: Path, store: LedgerStore, clock: Clock, *, on_moved: OnCharges, on_closed: OnCharges) -> None:
        self._directory = directory
        self._store = store
        self._clock = clock
        self._on_moved = on_moved
        self._on_closed = on_closed
        self._places: dict[str, _Place] = {}
        """How far each journal was moved: sequence and offset."""
        self._busy = asyncio.Lock()
        self.n_moved = 0
        self.lag_bytes = 0
        """What lay in journals and not in the store when it was last looked at."""
        self.last_moved_wall_ns = 0

    async def run(self) -> None:
        """Move what comes, until cancelled. A store that cannot be used is tried again: journals keep what it misses."""
        has_failed = False
        while True:
            try:
                await self.move()
            except (StorageError, OSError) as error:
                if not has_failed:
                    sys.stderr.write(f"The ledger cannot be moved into the store, journals keep it until it can: {error}\n")
                has_failed = True
                await asyncio.sleep(RETRY_S)
            else:
                if has_failed:
                    sys.stderr.write("The ledger is moved into the store again.\n")
                has_failed = False
                await asyncio.sleep(INTERVAL_S)

    def paused(self) -> AbstractAsyncContextManager[None]:
        """Nothing is moved within this."""
        return self._busy

    async def drain(self) -> None:
        """Move everything that is there. Raises `StorageError` or `OSError`."""
        before = -1
        while self.n_moved != before:  # what lies there without being moved is a torn end
            before = self.n_moved
            await self.move()

    async def move(self) -> None:
        """Move what there is of each journal, and close those whose workers are gone. Raises `StorageError` or `OSError`.

        Cancelled, it ends the step that it is at: else a thread would commit what whoever comes next reads once more.
        """
        async with self._busy:
            for journal_id in await asyncio.to_thread(self._list):
                while await to_its_end(self._advance(journal_id)):
                    pass
            await asyncio.to_thread(self._look_back)

    async def _advance(self, journal_id: str) -> bool:
        """Do a step and tell of it. Whether there is more to do."""
        step = await asyncio.to_thread(self._step, journal_id)
        if step.charges and not step.is_closed:
            self._on_moved(journal_id, step.charges)
        if step.is_closed:
            self._on_closed(journal_id, step.charges)
            await asyncio.to_thread(self._delete, journal_id)
        return step.has_more

    # --- one step, on a thread ------------------------------------------------------------------------------------

    def _list(self) -> dict[str, list[Segment]]:
        return list_journals(self._directory)

    def _step(self, journal_id: str) -> _Step:
        """Move the next batch of a journal, or close it."""
        try:
            return self._next_step(journal_id)
        except ChangedMeanwhileError:
            self._places.pop(journal_id, None)
            return _Step({}, is_closed=False, has_more=True)
        except StorageError:
            # Whether it was done, the store knows. What has been written since would be moved together with what was moved.
            self._places.pop(journal_id, None)
            raise

    def _next_step(self, journal_id: str) -> _Step:
        # Listed first, then asked whether the last of these will stay the last, then read: nothing can come in between unseen.
        segments = self._list().get(journal_id)
        if not segments:
            return _NOTHING
        is_gone = is_abandoned(segments[-1])
        known = self._places.get(journal_id)
        if known is None:
            position, charges = self._store.look_back(journal_id)
            if position.is_closed:
                return _Step(charges, is_closed=True, has_more=False)
            known = self._places[journal_id] = (position.sequence, position.offset)
            if charges:
                return _Step(charges, is_closed=False, has_more=True)
        place = known
        for segment in segments:
            if segment.sequence < place[0]:
                segment.path.unlink(missing_ok=True)
                continue
            offset = place[1] if segment.sequence == place[0] else 0
            is_last = segment is segments[-1]
            found = self._moved(segment, offset, known, is_gone=is_gone, is_last=is_last)
            if found is not None:
                return found
            place = (segment.sequence + 1, 0)
            if not is_last:
                segment.path.unlink(missing_ok=True)
        if not is_gone:
            return _NOTHING
        return _Step(self._store.close(journal_id), is_closed=True, has_more=False)

    def _moved(self, segment: Segment, offset: int, known: _Place, *, is_gone: bool, is_last: bool) -> _Step | None:
        """Move the next batch of a segment, the store being at a known place. None: there is nothing left in it, and nothing to
        come."""
        if not offset:
            if not self._is_headed(segment, is_gone=is_gone):
                return None if is_gone or not is_last else _NOTHING
            offset = HEADER_BYTES
        frames = read_segment(segment, offset, MAX_ITEMS)
        if frames.items:
            end = offset + frames.n_bytes
            charges = self._store.move(segment.journal_id, segment.sequence, end, frames.items, after=known)
            self._places[segment.journal_id] = (segment.sequence, end)
            self.n_moved += len(frames.items)
            self.last_moved_wall_ns = self._clock.wall_ns()
            # What came meanwhile is for the next look: moved at once, under load, it would be a transaction for each few requests.
            has_more = is_gone or not is_last or length_of(segment) - end >= WORTH_BYTES
            return _Step(charges, is_closed=False, has_more=has_more)
        rest = length_of(segment) - offset
        if is_last and not is_gone:
            return _NOTHING  # more may come
        if rest and (frames.is_torn or not is_last):
            # A frame that is cut off at the very end is what a killed worker leaves; anything else is damage.
            kept = keep_damaged(segment)
            sys.stderr.write(f"{rest} bytes at the end of a journal's segment cannot be read; it is kept as {kept.name}.\n")
        return None

    def _is_headed(self, segment: Segment, *, is_gone: bool) -> bool:
        with segment.path.open("rb") as file:
            start = file.read(HEADER_BYTES)
        try:
            decode_header(start)
        except JournalDamageError as damage:
            if is_gone and start:
                kept = keep_damaged(segment)
                sys.stderr.write(f"A journal's segment cannot be read and is kept as {kept.name}: {damage}.\n")
            return False
        return True

    def _delete(self, journal_id: str) -> None:
        """A closed journal's files: what they held is in the store."""
        for segment in self._list().get(journal_id, ()):
            segment.path.unlink(missing_ok=True)
        self._store.forget(journal_id)
        self._places.pop(journal_id, None)

    def _look_back(self) -> None:
        remove_unfinished(self._directory)
        self.lag_bytes = 0
        for journal_id, segments in self._list().items():
            sequence, offset = self._places.get(journal_id, (-1, 0))
            for segment in segments:
                if segment.sequence >= sequence:
                    moved = max(HEADER_BYTES, offset if segment.sequence == sequence else 0)
                    self.lag_bytes += max(0, length_of(segment) - moved)
