"""A stored key: what it is made from, what it looks like and how it lies in its row."""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from typing import Any, Final

import msgspec
from msgspec import UNSET, UnsetType
from sqlalchemy import Row

from weighbridge.auth.addresses import parse_network
from weighbridge.auth.virtual_keys import check_models, check_name, new_key_id
from weighbridge.core.terms import NO_DEMAND, DataDemand, VirtualKey

MAX_TAGS: Final = 16
MAX_TAG_CHARACTERS: Final = 64
MAX_ADDRESSES: Final = 100
"""As in the configuration."""


class KeyState(Enum):
    """Whether a key works."""

    ACTIVE = "active"
    BLOCKED = "blocked"
    EXPIRED = "expired"
    REVOKED = "revoked"


class NewKey(msgspec.Struct, frozen=True):
    """A key that is to be stored. `models` empty allows all; `expires_wall_ns` None never ends. The store adds the team's
    organisation."""

    name: str
    digest: bytes
    hint: str
    models: tuple[str, ...] = ()
    expires_wall_ns: int | None = None
    is_admin: bool = False
    team: str = ""
    user: str = ""
    organisation: str = ""
    addresses: tuple[str, ...] = ()
    max_output_tokens: int | None = None
    tags: tuple[str, ...] = ()
    demand: DataDemand = NO_DEMAND
    priority: int = 0


class KeyChange(msgspec.Struct, frozen=True):
    """What is to be another about a key; what is left out stays."""

    name: str | UnsetType = UNSET
    models: tuple[str, ...] | UnsetType = UNSET
    expires_wall_ns: int | UnsetType | None = UNSET
    team: str | UnsetType = UNSET
    user: str | UnsetType = UNSET
    organisation: str | UnsetType = UNSET
    addresses: tuple[str, ...] | UnsetType = UNSET
    max_output_tokens: int | UnsetType | None = UNSET
    tags: tuple[str, ...] | UnsetType = UNSET
    demand: DataDemand | UnsetType = UNSET
    priority: int | UnsetType = UNSET
    is_blocked: bool | UnsetType = UNSET


class StoredKey(msgspec.Struct, frozen=True):
    """A key with what only its administration needs to know. Unix nanoseconds.

    `key.is_blocked` is whether it works, `is_blocked` whether it was blocked itself: it may be its team or user that is.
    """

    key: VirtualKey
    created_wall_ns: int
    revoked_wall_ns: int | None = None
    is_blocked: bool = False
    version: int = 1

    def state_at(self, now_wall_ns: int) -> KeyState:
        """Whether the key works at this time; a revoked key stays revoked when it would have expired as well."""
        if self.revoked_wall_ns is not None:
            return KeyState.REVOKED
        expires = self.key.expires_wall_ns
        if expires is not None and expires <= now_wall_ns:
            return KeyState.EXPIRED
        return KeyState.BLOCKED if self.key.is_blocked else KeyState.ACTIVE


class KeyPage(msgspec.Struct, frozen=True):
    """Keys, newest first. `next_cursor` asks for the following page; None says that there is none."""

    keys: tuple[StoredKey, ...]
    next_cursor: str | None


def check_terms(key: VirtualKey) -> None:
    """Raise `ValueError`, with a sentence for the operator, where no key can be so."""
    check_name(key.name)
    check_models(key.models)
    if len(key.tags) > MAX_TAGS or any(not 1 <= len(tag) <= MAX_TAG_CHARACTERS or "," in tag for tag in key.tags):
        raise ValueError(f"a key has at most {MAX_TAGS} tags of 1 to {MAX_TAG_CHARACTERS} characters, without commas")
    if any(not tag.isprintable() or tag != tag.strip() for tag in key.tags):
        raise ValueError("a tag has only printable characters, and no blank at either end")
    if len(key.addresses) > MAX_ADDRESSES:
        raise ValueError(f"a key lists at most {MAX_ADDRESSES} networks")
    for network in key.addresses:
        parse_network(network)
    if key.max_output_tokens is not None and not 1 <= key.max_output_tokens <= 10_000_000:
        raise ValueError("a key's `max_output_tokens` is 1 to 10,000,000")
    if not -100 <= key.priority <= 100:
        raise ValueError("a key's priority is -100 to 100")


def newly_stored(new: NewKey, now_wall_ns: int) -> StoredKey:
    """The key with a new id. Raises `ValueError` as :func:`check_terms`."""
    key = VirtualKey(id=new_key_id(), **msgspec.structs.asdict(new))
    check_terms(key)
    return StoredKey(key, now_wall_ns)


def changed(stored: StoredKey, change: KeyChange) -> StoredKey:
    """The key after a change. Raises `ValueError` as :func:`check_terms`."""
    told = {name: value for name, value in msgspec.structs.asdict(change).items() if value is not UNSET}
    is_blocked = bool(told.pop("is_blocked", stored.is_blocked))
    key = msgspec.structs.replace(stored.key, **told)
    check_terms(key)
    return msgspec.structs.replace(stored, key=key, is_blocked=is_blocked, version=stored.version + 1)


def row_of(stored: StoredKey) -> dict[str, object]:
    """The columns of a key that is not revoked."""
    key = stored.key
    return {
        "id": key.id,
        "name": key.name,
        "digest": key.digest,
        "hint": key.hint,
        "created_at": stored.created_wall_ns,
        "is_admin": key.is_admin,
        "version": stored.version,
        **terms_of(stored),
    }


def terms_of(stored: StoredKey) -> dict[str, object]:
    """The columns of what may be changed about a key."""
    key = stored.key
    return {
        "name": key.name,
        "models": list(key.models),
        "expires_at": key.expires_wall_ns,
        "team": key.team,
        "owner": key.user,
        "organisation": key.organisation,
        "addresses": list(key.addresses),
        "max_output_tokens": key.max_output_tokens,
        "tags": list(key.tags),
        "demand": {} if key.demand.is_empty else msgspec.to_builtins(key.demand),
        "priority": key.priority,
        "is_blocked": stored.is_blocked,
    }


def told_of(stored: StoredKey) -> Mapping[str, object]:
    """The same for the audit log, with the names that the API has."""
    terms = terms_of(stored)
    terms["user"] = terms.pop("owner")
    return terms


def from_row(row: Row[Any]) -> StoredKey:
    """The key that lies in a row of `virtual_keys`, joined with `is_owner_blocked`."""
    key = VirtualKey(
        id=row.id,
        name=row.name,
        digest=bytes(row.digest),
        hint=row.hint,
        models=tuple(row.models),
        expires_wall_ns=row.expires_at,
        is_admin=row.is_admin,
        is_blocked=bool(row.is_blocked or row.is_owner_blocked),
        demand=msgspec.convert(row.demand, DataDemand) if row.demand else NO_DEMAND,
        priority=row.priority,
        team=row.team,
        user=row.owner,
        organisation=row.organisation,
        addresses=tuple(row.addresses),
        max_output_tokens=row.max_output_tokens,
        tags=tuple(row.tags),
    )
    return StoredKey(key, row.created_at, row.revoked_at, bool(row.is_blocked), row.version)
