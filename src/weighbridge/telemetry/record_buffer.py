"""The worker's end of the sinks: Records are gathered for a moment and handed on in batches.

Nothing is dropped. What was handed on counts as outstanding until the other side says that it has taken it; when too much
is outstanding, the buffer is full and the gateway admits no further request (503) until there is room.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Final

from weighbridge.core.terms import Record

FLUSH_S: Final = 0.05
"""How long a Record waits for company: a batch costs a system call and a wake-up of the control plane."""

MAX_BATCH: Final = 64
"""Records in one batch. They are encoded in one go, and no request shall wait longer than 0.1 ms for that."""

MAX_OUTSTANDING: Final = 50_000
"""Records that nobody has taken yet, some 15 MB: seconds of full load."""


class RecordBuffer:
    """`core.ports.Sink` that sends batches with `send`."""

    __slots__ = ("_loop", "_n_outstanding", "_records", "_send", "_timer")

    def __init__(self, send: Callable[[Sequence[Record]], None], loop: asyncio.AbstractEventLoop) -> None:
        self._send = send
        self._loop = loop
        self._records: list[Record] = []
        self._n_outstanding = 0
        self._timer: asyncio.TimerHandle | None = None

    def offer(self, record: Record) -> None:
        """Take one Record."""
        self._records.append(record)
        if len(self._records) >= MAX_BATCH:
            self.flush()
        elif self._timer is None:
            self._timer = self._loop.call_later(FLUSH_S, self.flush)

    @property
    def is_full(self) -> bool:
        """Whether the other side has fallen too far behind."""
        return self._n_outstanding + len(self._records) >= MAX_OUTSTANDING

    def flush(self) -> None:
        """Hand on what has been gathered."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._records:
            batch, self._records = self._records, []
            self._n_outstanding += len(batch)
            self._send(batch)

    def taken(self, n_records: int) -> None:
        """The other side has taken this many."""
        self._n_outstanding -= n_records
