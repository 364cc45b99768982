"""A ledger in memory: a table of counters that one process has for itself, and a journal that keeps what it is given."""

from __future__ import annotations

from weighbridge.core.tasks import Signal
from weighbridge.ledger.journal import JournalItem
from weighbridge.ledger.terms import Settled, Started
from weighbridge.limits.leases import NoLessor
from weighbridge.limits.table import Table, Unlocked, format_cells, n_cells
from weighbridge.pipeline.bookkeeper import Bookkeeper

_CELL_BYTES = 8


class MemoryJournal:
    """`ledger.journal.Journal` without a disk. With `waits`, whoever appends has to wait for the last of `signals`."""

    def __init__(self) -> None:
        self.items: list[JournalItem] = []
        self.is_full = False
        self.waits = False
        self.signals: list[Signal] = []

    def append_started(self, started: Started) -> Signal | None:
        """Keep it."""
        return self._append(started)

    def append_settled(self, settled: Settled) -> Signal | None:
        """Keep it."""
        return self._append(settled)

    def _append(self, item: JournalItem) -> Signal | None:
        self.items.append(item)
        if not self.waits:
            return None
        self.signals.append(Signal())
        return self.signals[-1]


def memory_table(*, n_slots: int = 512, n_lanes: int = 4, lane: int = 1) -> Table:
    """A table that nobody shares."""
    cells = memoryview(bytearray(n_cells(n_slots, n_lanes) * _CELL_BYTES)).cast("q")
    format_cells(cells, n_slots, n_lanes)
    return Table(cells, Unlocked(), lane)


def memory_books(journal: MemoryJournal | None = None) -> Bookkeeper:
    """A bookkeeper over both."""
    return Bookkeeper(memory_table(), journal or MemoryJournal(), NoLessor())
