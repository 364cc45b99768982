"""`fsync` off the event loop: one at a time, and everybody who waits shares the next one."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Final

from weighbridge.core.errors import ErrorKind, GatewayError
from weighbridge.core.tasks import Signal

INTERVAL_S: Final = 1.0
"""What a power cut may take under the policy `interval`."""


class GroupCommit:
    """Has the segments of one journal on the disk. Called on the event loop; the disk is waited for on a thread of its own.

    `on_broken` gets a sentence when an `fsync` fails.
    """

    __slots__ = (
        "_descriptor",
        "_directory",
        "_error",
        "_has_new_name",
        "_is_due",
        "_job",
        "_loop",
        "_on_broken",
        "_retired",
        "_served",
        "_thread",
        "_timer",
        "_waiting",
    )

    def __init__(self, directory: Path, loop: asyncio.AbstractEventLoop, on_broken: Callable[[str], None]) -> None:
        self._directory = directory
        self._loop = loop
        self._on_broken = on_broken
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="journal")
        self._descriptor = -1
        self._has_new_name = True
        self._retired: list[int] = []
        self._waiting: list[Signal] = []
        self._served: list[Signal] = []
        """For whom the present `fsync` is; those who came after it began wait for the next."""
        self._job: Future[None] | None = None
        self._is_due = False
        self._timer: asyncio.TimerHandle | None = None
        self._error: BaseException | None = None

    @property
    def is_broken(self) -> bool:
        """An `fsync` has failed: the kernel forgets what it could not write (https://lwn.net/Articles/752063/), so that another
        one would succeed without it. Only a new start, after somebody has looked, mends that."""
        return self._error is not None

    def now(self, descriptor: int, signals: Sequence[Signal]) -> None:
        """Set the signals when all that was written to this segment is on the disk; or with a `GatewayError` if that fails."""
        self._descriptor = descriptor
        self._waiting += signals
        if self._job is None:
            self._start()

    def soon(self, descriptor: int) -> None:
        """Have it on the disk within a second."""
        self._descriptor = descriptor
        if self._timer is None:
            self._timer = self._loop.call_later(INTERVAL_S, self._tick)

    def retire(self, descriptor: int) -> None:
        """A segment that gets no more: the next `fsync` takes it along, then it is closed."""
        self._retired.append(descriptor)
        self._has_new_name = True  # of the one that follows it
        if descriptor == self._descriptor:
            self._descriptor = -1

    def close(self, descriptor: int) -> None:
        """The same for the last one; returns when it is done."""
        if self._timer is not None:
            self._timer.cancel()
        if descriptor >= 0:
            self.retire(descriptor)
        jobs = [self._job, self._thread.submit(self._sync_job())]
        self._job = jobs[-1]  # so that nothing is begun any more
        self._thread.shutdown()
        for job in jobs:
            if job is not None:
                self._look_at(job)
        left, self._served, self._waiting = self._served + self._waiting, [], []
        self._release(left)

    def _tick(self) -> None:
        self._timer = None
        self._is_due = True  # what was written after the present one began is not in it
        if self._job is None:
            self._start()

    def _start(self) -> None:
        if self._error is not None:
            left, self._waiting = self._waiting, []
            self._release(left)
            return
        self._served, self._waiting = self._waiting, []
        self._is_due = False
        job = self._job = self._thread.submit(self._sync_job())
        job.add_done_callback(lambda done: self._loop.call_soon_threadsafe(self._done, done))

    def _sync_job(self) -> Callable[[], None]:
        # One thread: a segment that is retired while this runs is closed by a later job, never under this one's hands.
        retired, self._retired = self._retired, []
        directory = self._directory if self._has_new_name else None
        self._has_new_name = False
        descriptor = self._descriptor
        return lambda: _sync(retired, descriptor, directory)

    def _done(self, job: Future[None]) -> None:
        if job is not self._job:
            return  # closed meanwhile
        self._job = None
        self._look_at(job)
        served, self._served = self._served, []
        # The next first: who goes on now has to write, and waits for the one after it.
        if self._waiting or self._is_due:
            self._start()
        self._release(served)

    def _look_at(self, job: Future[None]) -> None:
        error = job.exception()
        if error is not None and self._error is None:
            self._error = error
            self._on_broken(f"The ledger's journal cannot be kept on the disk ({error}); no request is admitted until a new start.")

    def _release(self, signals: Iterable[Signal]) -> None:
        error = self._error
        for signal in signals:
            signal.set(refusal(f"fsync: {error}") if error is not None else None)


def refusal(detail: str) -> GatewayError:
    """What callers are told whose exchange is not in the journal."""
    kind = ErrorKind.GATEWAY_OVERLOADED
    return GatewayError(kind, "The gateway cannot keep its books at the moment. Try again later.", detail=detail)


def _sync(retired: Sequence[int], descriptor: int, directory: Path | None) -> None:
    try:
        for each in retired:
            os.fsync(each)
    finally:
        for each in retired:
            os.close(each)
    if descriptor >= 0:
        os.fsync(descriptor)
    if directory is not None:
        # The name of a new segment is in the directory, not in the segment; see fsync(2).
        place = os.open(directory, os.O_RDONLY)
        try:
            os.fsync(place)
        finally:
            os.close(place)
