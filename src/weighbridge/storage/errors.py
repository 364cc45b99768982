"""What can go wrong with the store, each as a sentence that says what to do. None carries a value from a row or a password."""

from __future__ import annotations


class StorageError(Exception):
    """The store cannot be used: unwritable directory, unreachable server, damaged or foreign file."""


class StoreBusyError(StorageError):
    """Another process held the store's write lock for longer than the busy timeout. Trying again makes sense."""


class KeyNotFoundError(StorageError):
    """No key has this id, and no live key this name."""


class KeyNameTakenError(StorageError):
    """A key that is not revoked has this name already."""
