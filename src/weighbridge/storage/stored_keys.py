"""A stored key: what it is made from, what it looks like and how it lies in its row."""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from typing import Any

import msgspec
from sqlalchemy import Row

from weighbridge.auth.virtual_keys import new_key_id
from weighbridge.core.terms import VirtualKey


class KeyState(Enum):
    """Whether a key works."""

    ACTIVE = "active"
    EXPIRED = "expired"
    REVOKED = "revoked"


class NewKey(msgspec.Struct, frozen=True):
    """A key that is to be stored. `models` empty allows all; `expires_wall_ns` None never ends."""

    name: str
    digest: bytes
    hint: str
    models: tuple[str, ...] = ()
    expires_wall_ns: int | None = None
    is_admin: bool = False


class StoredKey(msgspec.Struct, frozen=True):
    """A key with what only its administration needs to know. Unix nanoseconds."""

    key: VirtualKey
    created_wall_ns: int
    revoked_wall_ns: int | None = None

    def state_at(self, now_wall_ns: int) -> KeyState:
        """Whether the key works at this time; a revoked key stays revoked when it would have expired as well."""
        if self.revoked_wall_ns is not None:
            return KeyState.REVOKED
        expires = self.key.expires_wall_ns
        return KeyState.EXPIRED if expires is not None and expires <= now_wall_ns else KeyState.ACTIVE


class KeyPage(msgspec.Struct, frozen=True):
    """Keys, newest first. `next_cursor` asks for the following page; None says that there is none."""

    keys: tuple[StoredKey, ...]
    next_cursor: str | None


def newly_stored(new: NewKey, now_wall_ns: int) -> StoredKey:
    """The key with a new id."""
    key = VirtualKey(
        id=new_key_id(),
        name=new.name,
        digest=new.digest,
        hint=new.hint,
        models=new.models,
        expires_wall_ns=new.expires_wall_ns,
        is_admin=new.is_admin,
    )
    return StoredKey(key, now_wall_ns)


def row_of(stored: StoredKey) -> Mapping[str, object]:
    """The columns of a key that is not revoked."""
    key = stored.key
    return {
        "id": key.id,
        "name": key.name,
        "digest": key.digest,
        "hint": key.hint,
        "models": list(key.models),
        "created_at": stored.created_wall_ns,
        "expires_at": key.expires_wall_ns,
        "is_admin": key.is_admin,
    }


def from_row(row: Row[Any]) -> StoredKey:
    """The key that lies in a row of `virtual_keys`."""
    key = VirtualKey(
        id=row.id,
        name=row.name,
        digest=bytes(row.digest),
        hint=row.hint,
        models=tuple(row.models),
        expires_wall_ns=row.expires_at,
        is_admin=row.is_admin,
    )
    return StoredKey(key, row.created_at, row.revoked_at)
