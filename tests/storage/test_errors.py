from __future__ import annotations

import inspect

from weighbridge.storage import errors


def test_whoever_handles_storage_error_handles_them_all():
    kinds = [kind for _, kind in inspect.getmembers(errors, inspect.isclass) if kind.__module__ == errors.__name__]
    assert len(kinds) >= 4
    assert all(issubclass(kind, errors.StorageError) for kind in kinds)
