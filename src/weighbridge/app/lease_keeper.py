"""A host's leases of hard budgets: asked for when a worker lacks something, given back when idle or when another host is short.

What is lent to this host's workers lies in the counters' table, what it was lent from in the store. Both sides change in the order
that is safe: a grant is in the store before it is in the table, and what goes back leaves the table before it is free in the store.
"""

from __future__ import annotations

import asyncio
import contextlib
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from weighbridge.core.clock import NS_PER_MS, NS_PER_S, new_id
from weighbridge.core.ports import Clock
from weighbridge.limits.leases import Granted, LeaseWant, is_short
from weighbridge.limits.table import Slot, Table, TableFullError
from weighbridge.storage.errors import StorageError
from weighbridge.storage.lease_store import LeaseStore
from weighbridge.storage.private_files import create_private_file

_POLL_S: Final = 0.25
"""How soon a host hears that another one is short."""
_SHORT_NS: Final = 50 * NS_PER_MS
"""After a budget had less than was wanted, nobody asks for it again for so long: refusals must not load the database."""
_IDLE_NS: Final = 5 * NS_PER_S
"""A lease under which nothing was spent or held for so long goes back."""


_HOST_FILE: Final = "host.id"


def lasting_host_id(data_dir: Path) -> str:
    """This host's name among those that share a database: made at its first start and kept in its data directory, as its journals
    are. Raises `StorageError`."""
    with contextlib.suppress(FileExistsError):
        create_private_file(data_dir / _HOST_FILE, f"{new_id('host')}\n".encode())
    return (data_dir / _HOST_FILE).read_text(encoding="ascii").strip()


class _Lease:
    """What is known of one counter."""

    __slots__ = ("changed_ns", "level", "lock", "short_until_ns", "told")

    def __init__(self, counter: str, now_ns: int) -> None:
        self.lock = asyncio.Lock()
        self.told = Granted(counter, 0, 0, 0)
        """What the store has said last."""
        self.short_until_ns = 0
        self.level = (0, 0)
        self.changed_ns = now_ns
        """When more was last spent or held, as far as was looked."""


class LeaseKeeper:
    """One for each supervisor of a shared database. `host` is this host's lasting name."""

    def __init__(self, host: str, store: LeaseStore, clock: Clock) -> None:
        self._host = host
        self._store = store
        self._clock = clock
        self._table: Table | None = None
        self._leases: dict[str, _Lease] = {}
        self._owed: dict[str, int] = {}
        """What has left the table and is not free in the store yet."""
        self._heard_ns = clock.wall_ns()

    async def start(self, table: Table) -> None:
        """Begin anew: all that this host had spent is in the store, and the table is fresh. Raises `StorageError`."""
        await asyncio.to_thread(self._store.release, self._host)
        self._table = table

    async def ask(self, wants: Sequence[LeaseWant]) -> list[Granted] | None:
        """Have the table hold what is wanted, as far as it can be had. None: the store is away."""
        try:
            return [await self._ask(want) for want in wants]
        except (StorageError, TableFullError) as error:
            sys.stderr.write(f"A budget that hosts share cannot be asked: {error}\n")
            return None

    async def _ask(self, want: LeaseWant) -> Granted:
        lease = self._leases.setdefault(want.counter, _Lease(want.counter, self._clock.now_ns()))
        async with lease.lock:  # whoever comes second finds what the first was given
            table = self._table
            now_ns = self._clock.now_ns()
            if table is None or table.left(Slot(want.counter), 0) >= want.amount or now_ns < lease.short_until_ns:
                return lease.told
            lease.told = await asyncio.to_thread(self._store.grant, self._host, want)
            if lease.told.amount:
                table.lend(want.counter, lease.told.amount)
            if is_short(lease.told.amount, want):
                lease.short_until_ns = self._clock.now_ns() + _SHORT_NS
            lease.changed_ns = self._clock.now_ns()
            return lease.told

    # --- giving back --------------------------------------------------------------------------------------------

    async def run(self) -> None:
        """Give back what is idle or wanted elsewhere, until cancelled."""
        while True:
            await asyncio.sleep(_POLL_S)
            try:
                await self._tidy()
            except StorageError as error:
                sys.stderr.write(f"Leases of budgets cannot be given back now, and will be tried again: {error}\n")

    async def _tidy(self) -> None:
        short = await asyncio.to_thread(self._store.short_since, self._heard_ns, self._host)
        self._heard_ns = max(self._heard_ns, *short.values()) if short else self._heard_ns
        for counter, lease in list(self._leases.items()):
            if counter in short:
                await self._give_back(counter, lease)
            elif self._is_idle(counter, lease):
                await self._give_back(counter, lease, unless_changed=True)
        await self._pay()

    async def end(self, counters: Sequence[str]) -> None:
        """Periods are over: what is left of them on lease goes back. Raises `StorageError`."""
        for counter in counters:
            if (lease := self._leases.get(counter)) is not None:
                await self._give_back(counter, lease)
                self._leases.pop(counter, None)
        await self._pay()

    async def stop(self) -> None:
        """Nothing is used any more, and everything was moved. Raises `StorageError`."""
        self._table = None
        for lease in list(self._leases.values()):
            async with lease.lock:  # what is being granted would stay this host's, which may never come again
                pass
        await asyncio.to_thread(self._store.release, self._host)

    def counters(self) -> list[str]:
        """Those of which this host has had something."""
        return list(self._leases)

    def _is_idle(self, counter: str, lease: _Lease) -> bool:
        level = self._table.level(counter) if self._table is not None else (0, 0)
        now_ns = self._clock.now_ns()
        if level != lease.level:
            lease.level, lease.changed_ns = level, now_ns
        return now_ns - lease.changed_ns > _IDLE_NS

    async def _give_back(self, counter: str, lease: _Lease, *, unless_changed: bool = False) -> None:
        async with lease.lock:  # not while it is asked for, after which it may be idle no more
            if unless_changed and not self._is_idle(counter, lease):
                return
            if self._table is not None and (unused := self._table.take_back(counter)):
                self._owed[counter] = self._owed.get(counter, 0) + unused

    async def _pay(self) -> None:
        if not self._owed:
            return
        owed, self._owed = self._owed, {}
        try:
            await asyncio.to_thread(self._store.give_back, self._host, owed)
        except StorageError:
            for counter, amount in owed.items():
                self._owed[counter] = self._owed.get(counter, 0) + amount
            raise
