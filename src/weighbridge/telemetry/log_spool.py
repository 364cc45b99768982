"""What waits to be sent to a sink, on disk: so a sink may be away for hours, and the gateway be started anew meanwhile.

A directory of files, each with some lines and their number in its name. The bound is on bytes: where a new file has no room, the
oldest give way, and what they held is counted. Nothing here is needed by the ledger.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from threading import Lock
from typing import Final, NamedTuple

_MODE: Final = 0o600
_DIRECTORY_MODE: Final = 0o700
_ENDING: Final = ".jsonl"


class Batch(NamedTuple):
    """Lines to be sent together. `name` is the same whenever they are tried again."""

    name: str
    body: bytes
    n_lines: int
    paths: tuple[Path, ...]


class Spool:
    """One sink's. `append` may be called from any thread; the rest belongs to one."""

    def __init__(self, directory: Path, max_bytes: int) -> None:
        """Raises `OSError` where the directory cannot be made or read."""
        directory.mkdir(mode=_DIRECTORY_MODE, parents=True, exist_ok=True)
        self._directory = directory
        self._max_bytes = max_bytes
        self._lock = Lock()
        self._files: dict[Path, int] = {}
        """By path in the order of age: how many bytes."""
        for path in sorted(directory.glob(f"*{_ENDING}")):
            self._files[path] = path.stat().st_size
        for unfinished in directory.glob("*.part"):
            unfinished.unlink()
        self._next = max((int(path.name.partition("-")[0]) for path in self._files), default=0) + 1
        self.n_dropped = 0
        self.n_bytes = sum(self._files.values())
        """What waits."""

    def append(self, lines: Sequence[bytes], most_lines: int) -> None:
        """Keep lines, in files of so many at most. Raises `OSError`: then they are lost, which the caller counts."""
        for at in range(0, len(lines), most_lines):
            self._write(lines[at : at + most_lines])

    def take(self, most_lines: int, most_bytes: int) -> Batch | None:
        """The oldest lines, as many as may be sent together; None: nothing waits. They stay until they are `done`."""
        with self._lock:
            waiting = list(self._files.items())
        chosen: list[Path] = []
        n_lines = n_bytes = 0
        for path, size in waiting:
            n = _lines_in(path)
            if chosen and (n_lines + n > most_lines or n_bytes + size > most_bytes):
                break
            chosen.append(path)
            n_lines, n_bytes = n_lines + n, n_bytes + size
        pieces = [(path, _read(path)) for path in chosen]
        there = [(path, piece) for path, piece in pieces if piece is not None]
        if not there:
            return None
        name = f"{there[0][0].stem}.{there[-1][0].stem}"
        return Batch(name, b"".join(piece for _, piece in there), sum(_lines_in(p) for p, _ in there), tuple(p for p, _ in there))

    def done(self, batch: Batch) -> None:
        """They were sent, or will never be."""
        with self._lock:
            for path in batch.paths:
                self.n_bytes -= self._files.pop(path, 0)
                path.unlink(missing_ok=True)

    def keep_only(self, is_kept: Callable[[bytes], bool]) -> int:
        """Take out the lines that are not to be kept. How many that were. Raises `OSError`: then some of them are still there."""
        with self._lock:
            return sum(self._filter(path, is_kept) for path in list(self._files))

    def _filter(self, path: Path, is_kept: Callable[[bytes], bool]) -> int:
        lines = path.read_bytes().splitlines()
        kept = [line for line in lines if is_kept(line)]
        if len(kept) == len(lines):
            return 0
        # Under the same number, so that the order stays; only then the other one, since twice is better than never.
        place = {each: size for each, size in self._files.items() if each != path}
        self.n_bytes -= self._files[path]
        if kept:
            other = self._directory / f"{path.name.partition('-')[0]}-{len(kept)}{_ENDING}"
            body = b"".join([line + b"\n" for line in kept])
            _store(other, body)
            place[other] = len(body)
            self.n_bytes += len(body)
        path.unlink(missing_ok=True)
        self._files = dict(sorted(place.items()))
        return len(lines) - len(kept)

    def _write(self, lines: Sequence[bytes]) -> None:
        body = b"".join([line + b"\n" for line in lines])
        with self._lock:
            path = self._directory / f"{self._next:012}-{len(lines)}{_ENDING}"
            self._next += 1
            while self._files and self.n_bytes + len(body) > self._max_bytes:
                oldest = next(iter(self._files))
                self.n_bytes -= self._files.pop(oldest)
                self.n_dropped += _lines_in(oldest)
                oldest.unlink(missing_ok=True)
            _store(path, body)
            self._files[path] = len(body)
            self.n_bytes += len(body)


def _store(path: Path, body: bytes) -> None:
    part = path.with_suffix(".part")
    descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, _MODE)
    with os.fdopen(descriptor, "wb") as file:
        file.write(body)
    part.replace(path)


def _lines_in(path: Path) -> int:
    return int(path.stem.partition("-")[2])


def _read(path: Path) -> bytes | None:
    try:
        return path.read_bytes()
    except FileNotFoundError:  # it gave way to others just now
        return None
