"""The journals of a directory as their reader sees them: which segments there are, what they hold, whether their writer lives."""

from __future__ import annotations

import contextlib
import fcntl
import os
from pathlib import Path
from shutil import copyfile
from typing import Final, NamedTuple

from weighbridge.ledger.journal import FRAME_BYTES, HEADER_BYTES, Frames, read_frames
from weighbridge.storage.ledger_journal import SUFFIX, UNFINISHED_SUFFIX, segment_name

PIECE_BYTES: Final = 4 * 1024 * 1024
"""Read at once: some 4,500 exchanges."""
DAMAGED_SUFFIX: Final = ".damaged"


class Segment(NamedTuple):
    """A file of a journal, by its name."""

    path: Path
    journal_id: str
    sequence: int


def list_journals(directory: Path) -> dict[str, list[Segment]]:
    """The segments of each journal in order. A directory that is not there has none."""
    journals: dict[str, list[Segment]] = {}
    for path in sorted(directory.glob(f"*{SUFFIX}")):
        journal_id, dash, sequence = path.stem.rpartition("-")
        if dash and sequence.isdecimal():
            journals.setdefault(journal_id, []).append(Segment(path, journal_id, int(sequence)))
    return journals


def is_abandoned(segment: Segment) -> bool:
    """Whether a journal's last segment will stay the last, its writer being gone. Raises `OSError`."""
    # A writer that goes on to the next segment lets go of this one when that one is there.
    return (
        _is_unlocked(segment.path) and not segment.path.with_name(segment_name(segment.journal_id, segment.sequence + 1)).exists()
    )


def read_segment(segment: Segment, offset: int, max_items: int) -> Frames:
    """At most `max_items` items from `offset` on, and how many bytes they took. Raises `OSError`."""
    size = PIECE_BYTES
    with segment.path.open("rb", buffering=0) as file:
        while True:
            piece = os.pread(file.fileno(), size, offset)
            frames = read_frames(piece, max_items)
            if frames.n_bytes or frames.is_torn or len(piece) < size:
                return frames
            size = FRAME_BYTES + int.from_bytes(piece[:4], "little")  # one item that is larger than a piece


def length_of(segment: Segment) -> int:
    """Its bytes. Raises `OSError`."""
    return segment.path.stat().st_size


def keep_damaged(segment: Segment) -> Path:
    """Keep a copy of a damaged segment under a name that nobody reads or deletes. Raises `OSError`."""
    kept = segment.path.with_suffix(DAMAGED_SUFFIX)
    copyfile(segment.path, kept)
    return kept


def remove_unfinished(directory: Path) -> None:
    """Delete what a writer left that died while it began a segment: there is no item in it. Raises `OSError`."""
    for path in directory.glob(f"*{UNFINISHED_SUFFIX}"):
        with contextlib.suppress(FileNotFoundError):  # it has its name by now
            # A writer holds it unlocked for a moment before it locks it; then it has less than a header.
            if path.stat().st_size >= HEADER_BYTES and _is_unlocked(path):
                path.unlink()


def _is_unlocked(path: Path) -> bool:
    with path.open("rb") as file:
        try:
            fcntl.flock(file.fileno(), fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
    return True
