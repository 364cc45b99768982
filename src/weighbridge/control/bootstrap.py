"""The first start: an admin key and a first virtual key, made once and kept in the data directory.

The files are written before the rows. If the process dies between, the next start finds files without rows and stores the
keys that they hold; the other way round nobody would ever know the keys.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final, NamedTuple

from weighbridge.auth.virtual_keys import MintedKey, mint_key, minted_from
from weighbridge.core.secret import Secret
from weighbridge.storage.errors import StorageError
from weighbridge.storage.private_files import create_private_file, make_private_directory, only_process
from weighbridge.storage.store import Store
from weighbridge.storage.stored_keys import NewKey

ADMIN_KEY_FILE: Final = "admin.key"
FIRST_KEY_FILE: Final = "first.key"
_LOCK_FILE: Final = "bootstrap.lock"
_ADMIN_NAME: Final = "admin"
_FIRST_NAME: Final = "first"
_MAX_FILE_CHARACTERS: Final = 256
"""A key file has 47 bytes; whatever is much longer is something else."""


class FirstKeys(NamedTuple):
    """The keys of a first start: to be printed once."""

    admin: Secret
    first: Secret


def bootstrap(store: Store, data_dir: Path) -> FirstKeys | None:
    """Make both keys if the store has never had one; None if there is nothing to show.

    Safe when two processes start at once: one of them makes the keys. Raises `StorageError` if the files cannot be
    written or hold something that is no key.
    """
    make_private_directory(data_dir)
    with only_process(data_dir / _LOCK_FILE):
        return None if store.list_keys(limit=1).keys else _make_keys(store, data_dir)


def where_keys_are(data_dir: Path) -> str:
    """One sentence for a later start: where the keys are kept, or how to make one."""
    kept = [str(data_dir / name) for name in (ADMIN_KEY_FILE, FIRST_KEY_FILE) if (data_dir / name).is_file()]
    if kept:
        return f"keys are kept in {' and '.join(kept)}"
    return "the first keys' files are gone: `weighbridge keys create` makes a new key, with --admin an admin key"


def _make_keys(store: Store, data_dir: Path) -> FirstKeys | None:
    admin, admin_is_new = _kept_key(data_dir / ADMIN_KEY_FILE)
    first, first_is_new = _kept_key(data_dir / FIRST_KEY_FILE)
    store.create_keys([_new(_ADMIN_NAME, admin, is_admin=True), _new(_FIRST_NAME, first, is_admin=False)])
    return FirstKeys(admin.secret, first.secret) if admin_is_new and first_is_new else None


def _kept_key(path: Path) -> tuple[MintedKey, bool]:
    """The key in this file and whether it was made just now."""
    minted = mint_key()
    try:
        create_private_file(path, f"{minted.secret.reveal()}\n".encode())
    except FileExistsError:
        return _read_key(path), False
    return minted, True


def _read_key(path: Path) -> MintedKey:
    try:
        with path.open(encoding="ascii") as file:
            return minted_from(Secret(file.read(_MAX_FILE_CHARACTERS).strip()))
    except (OSError, ValueError):
        raise StorageError(f"{path} holds no key, and the store has none either: delete the file and start again") from None


def _new(name: str, minted: MintedKey, *, is_admin: bool) -> NewKey:
    return NewKey(name=name, digest=minted.digest, hint=minted.hint, is_admin=is_admin)
