"""Cells of 64 bits in a file that the processes of a host have in their memory, and the lock that lets in one of them at a time.

The file is made anew at each start of a gateway: what it holds follows from the ledger. The kernel lets go of the lock (`flock`)
when its holder dies, and a store of 64 aligned bits is never half done.
"""

from __future__ import annotations

import mmap
import os
from fcntl import LOCK_EX, LOCK_UN, flock
from functools import partial
from pathlib import Path
from threading import Lock
from typing import Final, Self

from weighbridge.limits.table import Table, format_cells, n_cells, stride_of

_CELL: Final = 8
_MODE: Final = 0o600
MAX_BYTES: Final = 64 * 1024 * 1024
"""Of a table. Its room on the disk is taken at once, its room in memory only as it is used."""
MAX_SLOTS: Final = 65_536
"""Names that are counted at a time: keys, teams, end users, each with its limits."""


class FileLock:
    """`flock` on an open file of its own, so that it also keeps out other tables in this process; for one thread. Taking it and
    letting go of it takes 1 µs."""

    __slots__ = ("acquire", "release")

    def __init__(self, descriptor: int) -> None:
        self.acquire = partial(flock, descriptor, LOCK_EX)
        self.release = partial(flock, descriptor, LOCK_UN)


class ThreadsLock:
    """The same for several threads, which have one open file between them."""

    __slots__ = ("_file", "_threads")

    def __init__(self, descriptor: int) -> None:
        self._file = FileLock(descriptor)
        self._threads = Lock()

    def acquire(self) -> None:
        """Wait for this process's other threads, then for other processes."""
        self._threads.acquire()
        try:
            self._file.acquire()
        except BaseException:
            self._threads.release()
            raise

    def release(self) -> None:
        """Let the next one in."""
        self._file.release()
        self._threads.release()


class SharedTable(Table):
    """A `Table` over a file.

    Raises `OSError` where the file cannot be had, `ValueError` where it is no table or has no such lane.
    """

    __slots__ = ("_descriptor", "_memory", "_view")

    def __init__(self, path: Path, lane: int) -> None:
        self._descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC)
        try:
            self._memory = mmap.mmap(self._descriptor, 0)
            self._view = memoryview(self._memory).cast("q")
            # Threads share the control plane's; a worker has one.
            lock = FileLock(self._descriptor) if lane else ThreadsLock(self._descriptor)
            super().__init__(self._view, lock, lane)
        except BaseException:
            os.close(self._descriptor)
            raise

    @classmethod
    def create(cls, path: Path, n_lanes: int) -> Self:
        """Make the file, in place of any before, and open it as the control plane (lane 0)."""
        n_slots = min(MAX_SLOTS, MAX_BYTES // (stride_of(n_lanes) * _CELL))
        fresh = path.with_suffix(".new")
        descriptor = os.open(fresh, os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, _MODE)
        try:
            # All of its blocks now: a page that finds no room on the disk when it is first used kills its process (SIGBUS).
            os.posix_fallocate(descriptor, 0, n_cells(n_slots, n_lanes) * _CELL)
            with mmap.mmap(descriptor, 0) as memory, memoryview(memory) as view, view.cast("q") as cells:
                format_cells(cells, n_slots, n_lanes)
        except OSError:
            fresh.unlink()
            raise
        finally:
            os.close(descriptor)
        fresh.replace(path)
        return cls(path, 0)

    def close(self) -> None:
        """Let go of the file; the object is of no use any more."""
        self._cells = self._view = memoryview(b"")
        self._memory.close()
        os.close(self._descriptor)
