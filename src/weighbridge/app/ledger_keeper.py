"""The host's side of the ledger: counters that all workers share, a lane for each life of a worker, and what the mover tells.

At a start everything that is left in journals goes into the store first; only then are the counters made, from what the store says.
So what budgets have spent is right before the first request, whatever happened before. A lane is used again only when the journal
of the worker that had it has been moved whole and closed.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Final

from weighbridge.app.lease_keeper import LeaseKeeper
from weighbridge.control.channel import LedgerPlace
from weighbridge.control.ledger_mover import LedgerMover
from weighbridge.core.clock import NS_PER_S, new_id
from weighbridge.core.ports import Clock
from weighbridge.limits.counters import is_of_credits, parse_counter
from weighbridge.limits.leases import Granted, LeaseWant
from weighbridge.limits.table import Slot
from weighbridge.storage.errors import StorageError
from weighbridge.storage.ledger_segments import list_journals
from weighbridge.storage.ledger_store import LedgerStore
from weighbridge.storage.shared_cells import SharedTable

_LONGEST_PERIOD_NS: Final = 32 * 86_400 * NS_PER_S
"""A month, and a day for its time zone."""
_BETWEEN_BATCHES_S: Final = 0.1
_SWEEP_S: Final = 60.0
"""How often counters that nobody needs any more are given up."""


_FORMER_LIVES_NS: Final = 10 * NS_PER_S
_BETWEEN_LOOKS_S: Final = 0.05


class LanesTakenError(Exception):
    """Every lane still belongs to a worker whose journal is not closed."""


class LedgerKeeper:
    """One for each supervisor. `n_workers` is how many run at a time; each may die while the journal of the one before is moved."""

    def __init__(
        self,
        directory: Path,
        table: Path,
        store: LedgerStore,
        fsync: str,
        n_workers: int,
        clock: Clock,
        leases: LeaseKeeper | None = None,
    ) -> None:
        """`leases` where other hosts spend from the same budgets."""
        self._directory = directory
        self._table_path = table
        self._store = store
        self._leases = leases
        self._fsync = fsync
        self._n_lanes = 1 + 4 * n_workers
        self._clock = clock
        self._free = list(range(self._n_lanes - 1, 0, -1))
        self._lanes: dict[str, int] = {}
        """By the journals of those that have them."""
        self._table: SharedTable | None = None
        self.mover = LedgerMover(directory, store, clock, on_moved=self._moved, on_closed=self._closed)

    @property
    def has_leases(self) -> bool:
        """Whether other hosts spend from the same budgets."""
        return self._leases is not None

    async def start(self) -> None:
        """Make the counters from all that was ever spent. Raises `StorageError` or `OSError`."""
        self._directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        await self._end_former_lives()
        spent = await asyncio.to_thread(self._store.counters)
        self._table = SharedTable.create(self._table_path, self._n_lanes)
        now_ns = self._clock.wall_ns()
        if self._leases is None:
            self._table.set_base({name: amount for name, amount in spent.items() if may_go_on(name, now_ns)})
        else:
            # What was spent before is the store's business: of what is left, this host has what it will have on lease.
            await self._leases.start(self._table)

    async def _end_former_lives(self) -> None:
        """Move every journal to its end. A worker that has lost its control plane leaves at once; one that stays is another
        gateway's, whose spending the counters would not see."""
        deadline_ns = self._clock.now_ns() + _FORMER_LIVES_NS
        await self.mover.drain()
        while list_journals(self._directory):
            if self._clock.now_ns() > deadline_ns:
                raise StorageError(f"another gateway serves from the journals in {self._directory}")
            await asyncio.sleep(_BETWEEN_LOOKS_S)
            await self.mover.drain()

    async def run(self) -> None:
        """Move what workers write, for as long as the gateway runs."""
        leases = [self._leases.run()] if self._leases is not None else []
        await asyncio.gather(self.mover.run(), self._sweep(), *leases)

    async def lease(self, wants: Sequence[LeaseWant]) -> list[Granted] | None:
        """Ask for what budgets that hosts share lack here. None: nobody can say."""
        return await self._leases.ask(wants) if self._leases is not None else []

    async def stop(self) -> None:
        """Move what the last worker has written. Raises `StorageError`."""
        await self.mover.drain()
        if self._leases is not None and not list_journals(self._directory):
            await self._leases.stop()
        if self._table is not None:
            self._table.close()
            self._table = None

    def place(self) -> LedgerPlace:
        """A new worker's. Raises `LanesTakenError`."""
        if not self._free:
            raise LanesTakenError
        journal_id, lane = new_id("j"), self._free.pop()
        self._lanes[journal_id] = lane
        return LedgerPlace(str(self._table_path), lane, str(self._directory), journal_id, self._fsync)

    def gone(self, journal_id: str) -> None:
        """A worker has ended. One that never began its journal has nothing to be moved."""
        if journal_id in self._lanes and journal_id not in list_journals(self._directory):
            self._closed(journal_id, {})

    def level(self, counter: str) -> tuple[int, int]:
        """What was spent and what is held under a counter's name."""
        return self._table.level(counter) if self._table is not None else (0, 0)

    def take(self, counter: str, limit: int, amount: int, kept: int) -> int:
        """Spend up to an amount of what is free of a counter of this limit, but leave `kept` of it. How much that came to.

        Raises `TableFullError`.
        """
        return self._table.take(counter, limit, amount, kept) if self._table is not None else 0

    def _moved(self, journal_id: str, charges: Mapping[str, int]) -> None:
        lane = self._lanes.get(journal_id)
        if self._table is not None and lane is not None:
            self._table.moved(lane, charges)

    def _closed(self, journal_id: str, charges: Mapping[str, int]) -> None:
        lane = self._lanes.pop(journal_id, None)
        if self._table is not None and lane is not None:
            self._table.retire(lane, charges)
            self._free.append(lane)

    async def _sweep(self) -> None:
        while True:
            await asyncio.sleep(_SWEEP_S)
            try:
                await self._in_pieces(self._store.fill_facets)
                await self._in_pieces(self._store.sum_up_late)
                await self._in_pieces(self._store.expire)
                if self._leases is not None:
                    now_ns = self._clock.wall_ns()
                    await self._leases.end([name for name in self._leases.counters() if not may_go_on(name, now_ns)])
                async with self.mover.paused():
                    spent = await asyncio.to_thread(self._store.counters)
                    self._free_counters(spent)
            except StorageError as error:
                sys.stderr.write(f"The ledger cannot be tidied now, and will be tried again: {error}\n")

    async def _in_pieces(self, do: Callable[[], int]) -> None:
        """Do some of it until nothing is left, a piece at a time so that what comes in is moved in between."""
        has_more = True
        while has_more:
            has_more = bool(await asyncio.to_thread(do))
            await asyncio.sleep(_BETWEEN_BATCHES_S)

    def _free_counters(self, spent: Mapping[str, int]) -> None:
        """Give up the counters of periods that are over. Nothing may be moved meanwhile."""
        now_ns = self._clock.wall_ns()
        keep = frozenset(Slot(name).hash for name in spent if may_go_on(name, now_ns))
        if self._table is not None:
            if self._leases is None:
                # Corrections of prices charge credits in the store alone.
                self._table.set_base({name: amount for name, amount in spent.items() if is_of_credits(name)})
            self._table.sweep(self._clock.now_ns(), keep)


def may_go_on(counter: str, wall_ns: int) -> bool:
    """Whether a budget's counter may still count: its period has not surely ended."""
    try:
        start_ns = parse_counter(counter).start_ns
    except ValueError:  # of a version to come
        return True
    return not start_ns or wall_ns - start_ns < _LONGEST_PERIOD_NS
