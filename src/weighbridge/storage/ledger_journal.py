"""A worker's journal on disk: appended before a reply's last byte leaves, and never waiting for a database.

One `write` for each item: what the kernel has taken survives a `kill -9` of any process. What a power cut takes is a matter of
the `fsync` policy. While the disk is full, items wait in memory and their exchanges with them; nothing new is admitted.

A segment is locked (`flock`) for as long as its writer lives. The kernel lets go of the lock however the process ends, so that
whoever finds the last segment of a journal unlocked knows that nothing will be added. Imports no database: workers load this.
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import os
from collections import deque
from collections.abc import Callable
from enum import Enum
from pathlib import Path
from typing import Final

from weighbridge.core.clock import new_id
from weighbridge.core.ports import Clock
from weighbridge.core.tasks import Signal
from weighbridge.ledger.journal import HEADER_BYTES, FrameEncoder, Header, JournalItem, encode_header
from weighbridge.ledger.terms import Settled, Started
from weighbridge.storage.ledger_group_commit import GroupCommit, refusal

SEGMENT_BYTES: Final = 16 * 1024 * 1024
"""Some 18,000 exchanges. A segment is deleted when it has been moved whole, so this bounds what lies twice."""
RETRY_S: Final = 0.5
"""How soon a full disk is tried again."""
_MODE: Final = 0o600
SUFFIX: Final = ".wbj"
UNFINISHED_SUFFIX: Final = ".new"
"""A segment that has no header yet: it gets its name when it is locked and headed, so that no other process sees it before."""


class FsyncPolicy(Enum):
    """When the disk is told to keep what was written."""

    NEVER = "never"
    """When the kernel likes. A power cut may take the last half minute; a crash of ours takes nothing."""
    INTERVAL = "interval"
    """Each second, off the event loop."""
    ALWAYS = "always"
    """Before the exchange goes on; all that wait share one `fsync`."""


class JournalFile:
    """`ledger.journal.Journal` in a directory. Belongs to one process and its event loop.

    `on_problem` gets a sentence when the journal cannot be written, and one when it can again.
    """

    __slots__ = (
        "_always",
        "_backlog",
        "_clock",
        "_commit",
        "_descriptor",
        "_directory",
        "_encode",
        "_is_closed",
        "_is_split",
        "_is_stuck",
        "_left",
        "_loop",
        "_on_problem",
        "_path",
        "_segment_bytes",
        "_sequence",
        "_timer",
        "_waiting",
        "journal_id",
    )

    def __init__(
        self,
        directory: Path,
        clock: Clock,
        loop: asyncio.AbstractEventLoop,
        policy: FsyncPolicy,
        on_problem: Callable[[str], None],
        *,
        segment_bytes: int = SEGMENT_BYTES,
        journal_id: str = "",
    ) -> None:
        self.journal_id = journal_id or new_id("j")  # 26 characters; a new one for each life of a process
        self._directory = directory
        self._clock = clock
        self._loop = loop
        self._on_problem = on_problem
        self._segment_bytes = segment_bytes
        self._encode = FrameEncoder().encode
        self._always = policy is FsyncPolicy.ALWAYS
        self._commit = GroupCommit(directory, loop, on_problem) if policy is not FsyncPolicy.NEVER else None
        self._descriptor = -1
        self._sequence = -1
        self._left = 0
        """Bytes that the segment still takes."""
        self._backlog: deque[bytes] = deque()
        self._is_split = False
        """The backlog's first piece is the rest of a frame whose beginning is in the segment already."""
        self._is_stuck = False
        """Nothing can be written now: what comes waits in the backlog."""
        self._is_closed = False
        self._waiting: list[Signal] = []
        self._timer: asyncio.TimerHandle | None = None
        try:
            self._open_next()
        except OSError as error:
            self._wait_for_room(error)

    def append_started(self, started: Started) -> Signal | None:
        """Write it. 3 µs."""
        return self._append(started)

    def append_settled(self, settled: Settled) -> Signal | None:
        """Write it. 4 µs for a usual Record."""
        return self._append(settled)

    def turn_page(self) -> None:
        """Begin the next segment if there is anything in this one, which is then deleted as soon as it was moved."""
        if self._is_stuck or self._left == self._segment_bytes - HEADER_BYTES:
            return  # a full disk has other worries; `_retry` goes on in this segment
        try:
            self._open_next()
        except OSError as error:
            self._on_problem(f"The ledger's journal cannot begin a new segment: {error.strerror or error}")

    @property
    def is_full(self) -> bool:
        """Whether something could not be written yet, or is lost to a broken disk: nothing may be admitted."""
        return self._is_stuck or (self._commit is not None and self._commit.is_broken)

    def close(self) -> None:
        """Write what waits, if the disk takes it, and let go of the segment. Who waits for what cannot be written gets an error."""
        if self._is_closed:
            return
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
            with contextlib.suppress(OSError):
                self._write_backlog()
        self._is_stuck = self._is_closed = True
        waiting, self._waiting = self._waiting, []
        if self._backlog:
            self._on_problem(f"The ledger's journal ends without {len(self._backlog)} items, for which the disk has no room.")
        elif self._commit is not None and waiting:
            self._commit.now(self._descriptor, waiting)
            waiting = []
        if self._commit is not None:
            self._commit.close(self._descriptor)
        elif self._descriptor >= 0:
            os.close(self._descriptor)
        self._descriptor = -1
        for signal in waiting:
            signal.set(refusal("the journal is closed") if self._backlog else None)

    # --- writing ------------------------------------------------------------------------------------------------

    def _append(self, item: JournalItem) -> Signal | None:
        frame = self._encode(item)
        if self._is_stuck:
            return self._hold(bytes(frame))
        size = len(frame)
        try:
            if size > self._left:
                self._open_next()
            written = os.write(self._descriptor, frame)
        except OSError as error:
            self._wait_for_room(error)
            return self._hold(bytes(frame))
        self._left -= written
        if written < size:  # how a disk that fills up says so first
            self._is_split = True
            self._wait_for_room(OSError("no space left"))
            return self._hold(bytes(frame[written:]))
        return self._safe()

    def _safe(self) -> Signal | None:
        """What was written is in the kernel's hands: who has to wait for the disk gets a signal."""
        if self._commit is None:
            return None
        if not self._always:
            self._commit.soon(self._descriptor)
            return None
        signal = Signal()
        self._commit.now(self._descriptor, [signal])
        return signal

    def _open_next(self) -> None:
        """Begin the next segment. Raises `OSError`; then the present one stays."""
        sequence = self._sequence + 1
        path = self._directory / segment_name(self.journal_id, sequence)
        unfinished = path.with_suffix(UNFINISHED_SUFFIX)
        flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_APPEND
        descriptor = os.open(unfinished, flags, _MODE)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            header = encode_header(Header(self.journal_id, sequence, self._clock.wall_ns()))
            if os.write(descriptor, header) != HEADER_BYTES:
                raise OSError("no space left")  # noqa: TRY301 - as the next `write` would say itself
            unfinished.rename(path)
        except OSError:
            os.close(descriptor)
            with contextlib.suppress(OSError):
                unfinished.unlink()
            raise
        # Only now: at every moment the last segment in the directory is locked.
        self._let_go(self._descriptor)
        self._descriptor = descriptor
        self._sequence = sequence
        self._left = self._segment_bytes - HEADER_BYTES

    def _let_go(self, descriptor: int) -> None:
        if descriptor < 0:
            return
        if self._commit is not None:
            self._commit.retire(descriptor)
        else:
            os.close(descriptor)

    # --- a full disk --------------------------------------------------------------------------------------------

    def _wait_for_room(self, error: OSError) -> None:
        self._is_stuck = True
        self._timer = self._loop.call_later(RETRY_S, self._retry)
        self._on_problem(
            f"The ledger's journal cannot be written ({error.strerror or error}); no request is admitted until it can."
        )

    def _hold(self, piece: bytes) -> Signal:
        signal = Signal()
        if self._is_closed:
            signal.set(refusal("the journal is closed"))
            return signal
        self._backlog.append(piece)
        self._waiting.append(signal)
        return signal

    def _retry(self) -> None:
        try:
            self._write_backlog()
        except OSError:
            self._timer = self._loop.call_later(RETRY_S, self._retry)
            return
        self._timer = None
        self._is_stuck = False
        waiting, self._waiting = self._waiting, []
        self._on_problem("The ledger's journal can be written again.")
        if self._commit is not None:
            self._commit.now(self._descriptor, waiting)
            return
        for signal in waiting:
            signal.set()

    def _write_backlog(self) -> None:
        backlog = self._backlog
        if self._descriptor < 0:
            self._open_next()
        while backlog:
            piece = backlog[0]
            # The rest of a frame goes where its beginning is, even if the segment grows beyond its size by it.
            if not self._is_split and len(piece) > self._left:
                self._open_next()
            written = os.write(self._descriptor, piece)
            self._left -= written
            self._is_split = written < len(piece)
            if self._is_split:
                backlog[0] = piece[written:]
            else:
                backlog.popleft()


def segment_name(journal_id: str, sequence: int) -> str:
    """A segment's file name: the names of a journal sort as its segments do."""
    return f"{journal_id}-{sequence:08}{SUFFIX}"
