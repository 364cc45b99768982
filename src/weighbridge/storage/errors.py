"""What can go wrong with the store, each as a sentence that says what to do. None carries a value from a row or a password."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from sqlalchemy.exc import DBAPIError, OperationalError

_BUSY_SIGNS: Final = ("database is locked", "database table is locked", "lock timeout")
"""What SQLite (SQLITE_BUSY, SQLITE_LOCKED) and PostgreSQL (55P03) say when somebody else holds the lock."""


class StorageError(Exception):
    """The store cannot be used: unwritable directory, unreachable server, damaged or foreign file."""


class StoreBusyError(StorageError):
    """Another process held the store's write lock for longer than the busy timeout. Trying again makes sense."""


class KeyNotFoundError(StorageError):
    """No key has this id, and no live key this name."""


class KeyNameTakenError(StorageError):
    """A key that is not revoked has this name already."""


class NotFoundError(StorageError):
    """Nothing has this id or name. `kind` says what was looked for."""

    def __init__(self, kind: str, wanted: str) -> None:
        super().__init__(f"there is no {kind} '{wanted}'")
        self.kind = kind


class NameTakenError(StorageError):
    """Something of the same kind is called so already."""


class InUseError(StorageError):
    """It cannot be deleted while something belongs to it."""


class ChangedMeanwhileError(StorageError):
    """The version that was to be changed is not the one that is there."""


class OtherCreateError(StorageError):
    """An `Idempotency-Key` has come again with another request."""


class CreatedBeforeError(StorageError):
    """An `Idempotency-Key` has come again: what it made has this id. `sealed` is what only its sender can open."""

    def __init__(self, subject_id: str, sealed: bytes | None) -> None:
        super().__init__("this was created before")
        self.subject_id = subject_id
        self.sealed = sealed


@contextmanager
def plain_errors() -> Iterator[None]:
    """Turn the driver's exceptions into ours: theirs name hosts, files and statements."""
    try:
        yield
    except OperationalError as error:
        if any(sign in str(error.orig) for sign in _BUSY_SIGNS):
            raise StoreBusyError("another process holds the database's lock: try again in a moment") from None
        raise StorageError(f"the database cannot be used: {_first_line(error)}") from error
    except DBAPIError as error:
        raise StorageError(f"the database refused: {_first_line(error)}") from error


def _first_line(error: DBAPIError) -> str:
    return str(error.orig).partition("\n")[0]
