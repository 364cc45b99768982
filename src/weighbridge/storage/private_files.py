"""Directories and files that only the gateway's own user may read."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from weighbridge.storage.errors import StorageError

DIRECTORY_MODE: Final = 0o700
FILE_MODE: Final = 0o600


def make_private_directory(path: Path) -> None:
    """Make `path`, mode 700, if it is not there. One that exists keeps its mode: somebody else may need it.

    Raises `StorageError` if it cannot be made or written to.
    """
    try:
        path.mkdir(mode=DIRECTORY_MODE, parents=True, exist_ok=True)
    except OSError as error:
        raise StorageError(_advice(path, error)) from None
    if not os.access(path, os.W_OK | os.X_OK):
        raise StorageError(f"the data directory {path} is not writable: change its owner, or choose another with --data-dir")


def create_private_file(path: Path, content: bytes) -> None:
    """Write a new file, mode 600, and wait until it is on the disk.

    Raises `FileExistsError` if there is one already, which is never overwritten, and `StorageError` for all else.
    """
    try:
        # O_EXCL also refuses a symbolic link that somebody has put there.
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, FILE_MODE)
    except FileExistsError:
        raise
    except OSError as error:
        raise StorageError(_advice(path, error)) from None
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(descriptor)
    _sync_directory(path.parent)


def make_file_private(path: Path) -> None:
    """Make sure that a file exists and has mode 600. SQLite gives its `-wal` and `-shm` files the mode of this one."""
    try:
        try:
            os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, FILE_MODE))
        except FileExistsError:
            # Never open and close a database that is in use: closing drops this process's POSIX locks on it
            # (https://www.sqlite.org/howtocorrupt.html, section 2.2).
            path.chmod(FILE_MODE)
    except OSError as error:
        raise StorageError(_advice(path, error)) from None


@contextmanager
def only_process(path: Path) -> Iterator[None]:
    """Wait until no other process (or thread) is in here with the same lock file, which is made and left behind.

    Raises `StorageError` if the file cannot be made.
    """
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT, FILE_MODE)
    except OSError as error:
        raise StorageError(_advice(path, error)) from None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)  # which also lets go of the lock, as the end of the process would


def _sync_directory(path: Path) -> None:
    # Without it a crash may lose the name of a file whose bytes are safe; see fsync(2).
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _advice(path: Path, error: OSError) -> str:
    return f"cannot write {path} ({error.strerror}): change its owner or mode, or choose another place with --data-dir"
