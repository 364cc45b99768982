"""What waits to be sent to a sink, on disk: so a sink may be away for hours, and the gateway be started anew meanwhile.

A directory of files, each with some lines and in its name how many were put into it. The bound is on bytes: where a new file has no
room, the oldest give way, and what they held is counted. Nothing here is needed by the ledger.

A batch that was taken is written down (`batch`), so that it is the same after a new start as well: by its name a receiver knows
that it has it already, or writes it over itself. So a batch also gives way as a whole.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from threading import Lock
from typing import Final, NamedTuple

_MODE: Final = 0o600
_DIRECTORY_MODE: Final = 0o700
_ENDING: Final = ".jsonl"
_TAKEN: Final = "batch"
_OVER: Final = "batch.over"


class Batch(NamedTuple):
    """Lines to be sent together. `name` is the same whenever they are tried again."""

    name: str
    body: bytes
    n_lines: int
    paths: tuple[Path, ...]


class Spool:
    """One sink's. `append` may be called from any thread; the rest belongs to one."""

    def __init__(self, directory: Path, max_bytes: int, first: int = 1) -> None:
        """`first` is the least number of a new file: of every start a larger one, since an empty directory does not know which
        names it has had. Raises `OSError` where the directory cannot be made or read."""
        directory.mkdir(mode=_DIRECTORY_MODE, parents=True, exist_ok=True)
        self._directory = directory
        self._max_bytes = max_bytes
        self._lock = Lock()
        self._finish()
        self._files: dict[Path, int] = {}
        """By path in the order of age: how many bytes."""
        for path in sorted(directory.glob(f"*{_ENDING}"), key=_number_of):
            self._files[path] = path.stat().st_size
        for unfinished in directory.glob("*.part"):
            unfinished.unlink()
        self._taken = tuple(path for path in self._listed(_TAKEN) if path in self._files)
        self._next = max(first, max(map(_number_of, self._files), default=0) + 1)
        self.n_dropped = 0
        self.n_bytes = sum(self._files.values())
        """What waits."""

    def append(self, lines: Sequence[bytes], most_lines: int) -> None:
        """Keep lines, in files of so many at most. Raises `OSError`: then they are lost, which the caller counts."""
        for at in range(0, len(lines), most_lines):
            self._write(lines[at : at + most_lines])

    def take(self, most_lines: int, most_bytes: int) -> Batch | None:
        """The oldest lines, as many as may be sent together; None: nothing waits. They stay until they are `done`, and whoever
        takes before that, in this life or the next, takes the same."""
        with self._lock:
            if not self._taken:
                self._taken = self._oldest(most_lines, most_bytes)
                with contextlib.suppress(OSError):  # then the batch is the same for as long as this process lives
                    self._write_whole(_TAKEN, "\n".join(path.name for path in self._taken).encode())
            chosen = self._taken
        pieces = [(path, _read(path)) for path in chosen]
        there = [(path, piece) for path, piece in pieces if piece is not None]
        if not there:
            return None
        name = f"{there[0][0].stem}.{there[-1][0].stem}"
        body = b"".join(piece for _, piece in there)
        return Batch(name, body, body.count(b"\n"), tuple(path for path, _ in there))

    def done(self, batch: Batch) -> None:
        """They were sent, or will never be."""
        with self._lock:
            if self._taken and set(self._taken) >= set(batch.paths):
                self._forget_taken()
            for path in batch.paths:
                self.n_bytes -= self._files.pop(path, 0)
                path.unlink(missing_ok=True)

    def keep_only(self, is_kept: Callable[[bytes], bool]) -> int:
        """Take out the lines that are not to be kept. How many that were. Raises `OSError`: then some of them are still there."""
        with self._lock:
            return sum(self._filter(path, is_kept) for path in list(self._files))

    def _filter(self, path: Path, is_kept: Callable[[bytes], bool]) -> int:
        """The file keeps its name, so that a batch that was taken does: a receiver writes the rest over what it may have."""
        lines = path.read_bytes().splitlines()
        kept = [line for line in lines if is_kept(line)]
        if len(kept) < len(lines):
            body = b"".join([line + b"\n" for line in kept])
            self._write_whole(path.name, body)
            self.n_bytes += len(body) - self._files[path]
            self._files[path] = len(body)
        return len(lines) - len(kept)

    # --- the batch that was taken -------------------------------------------------------------------------------

    def _oldest(self, most_lines: int, most_bytes: int) -> tuple[Path, ...]:
        chosen: list[Path] = []
        n_lines = n_bytes = 0
        for path, size in self._files.items():
            n = _lines_in(path)
            if chosen and (n_lines + n > most_lines or n_bytes + size > most_bytes):
                break
            chosen.append(path)
            n_lines, n_bytes = n_lines + n, n_bytes + size
        return tuple(chosen)

    def _forget_taken(self) -> None:
        """All of the batch goes, also if this process does in between: a rest of it would be another batch of the same name."""
        self._taken = ()
        with contextlib.suppress(FileNotFoundError):
            (self._directory / _TAKEN).replace(self._directory / _OVER)
        self._finish()

    def _finish(self) -> None:
        for path in self._listed(_OVER):
            path.unlink(missing_ok=True)
        (self._directory / _OVER).unlink(missing_ok=True)

    def _listed(self, name: str) -> tuple[Path, ...]:
        try:
            names = (self._directory / name).read_text(encoding="ascii").split()
        except FileNotFoundError:
            return ()
        return tuple(self._directory / each for each in names)

    # --- files --------------------------------------------------------------------------------------------------

    def _write(self, lines: Sequence[bytes]) -> None:
        body = b"".join([line + b"\n" for line in lines])
        with self._lock:
            name = f"{self._next:012}-{len(lines)}{_ENDING}"
            self._next += 1
            while self._files and self.n_bytes + len(body) > self._max_bytes:
                oldest = next(iter(self._files))
                self._drop(self._taken if oldest in self._taken else (oldest,))
            self._files[self._write_whole(name, body)] = len(body)
            self.n_bytes += len(body)

    def _drop(self, paths: Sequence[Path]) -> None:
        if paths is self._taken:
            self._forget_taken()
        for path in paths:
            if path in self._files:
                self.n_bytes -= self._files.pop(path)
                self.n_dropped += _lines_in(path)
            path.unlink(missing_ok=True)

    def _write_whole(self, name: str, body: bytes) -> Path:
        part = self._directory / f"{name}.part"
        descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, _MODE)
        with os.fdopen(descriptor, "wb") as file:
            file.write(body)
        return part.replace(self._directory / name)


def _number_of(path: Path) -> int:
    return int(path.name.partition("-")[0])


def _lines_in(path: Path) -> int:
    return int(path.stem.partition("-")[2])


def _read(path: Path) -> bytes | None:
    try:
        return path.read_bytes()
    except FileNotFoundError:  # it gave way to others just now
        return None
