"""A copy of a data directory while its gateway runs: consistent, since what the database has not yet the journals have.

Journals are copied first and the database after them: so whatever of a journal was moved meanwhile is in the copy of the database,
which also says how far each journal had been moved; a gateway that starts from the copy moves the rest. The database is copied by
SQLite itself (https://www.sqlite.org/backup.html), which waits for no writer and none for it.
"""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing, suppress
from pathlib import Path
from typing import Final, NamedTuple

from weighbridge.storage.engine import DATABASE_FILE
from weighbridge.storage.private_files import make_file_private, make_private_directory

JOURNALS: Final = "journal"
_PAGES: Final = 2_000
"""Copied at a time: some 8 MB."""
_PERCENT: Final = 100


class Copied(NamedTuple):
    """What is in the copy."""

    n_bytes: int
    n_segments: int


def back_up(source: Path, to: Path, on_progress: Callable[[int], None] = lambda _percent: None) -> Copied:
    """Copy a data directory's database and journals.

    Raises `FileNotFoundError` where there is no database, `FileExistsError` where `to` is not empty, `OSError` where it cannot be
    written.
    """
    database = source / DATABASE_FILE
    if not database.is_file():
        raise FileNotFoundError(database)
    make_private_directory(to)
    if any(to.iterdir()):
        raise FileExistsError(to)
    n_segments = _copy_journals(source / JOURNALS, to / JOURNALS)
    _copy_database(database, to / DATABASE_FILE, on_progress)
    return Copied((to / DATABASE_FILE).stat().st_size, n_segments)


def _copy_journals(source: Path, to: Path) -> int:
    make_private_directory(to)
    n = 0
    for segment in sorted(source.iterdir()) if source.is_dir() else ():
        with suppress(FileNotFoundError):  # it was moved meanwhile, so the database has it
            shutil.copyfile(segment, to / segment.name)
            make_file_private(to / segment.name)
            n += 1
    return n


def _copy_database(source: Path, to: Path, on_progress: Callable[[int], None]) -> None:
    told = -1

    def progress(_status: int, remaining: int, total: int) -> None:
        nonlocal told
        percent = (total - remaining) * _PERCENT // max(1, total)
        if percent // 10 != told // 10:
            told = percent
            on_progress(percent)

    to.touch(mode=0o600)
    with closing(sqlite3.connect(f"{source.resolve().as_uri()}?mode=ro", uri=True)) as ours, closing(sqlite3.connect(to)) as copy:
        ours.backup(copy, pages=_PAGES, progress=progress)
