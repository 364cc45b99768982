"""Secrets sealed at rest under keys that only the configuration has: the first seals, all open, so that one can replace another.

Each secret is sealed under a key derived for it alone (`sealing.py`), with who it belongs to as associated data: a row that is
copied over another, or whose owner is changed in the database, does not open.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Final

import msgspec

from weighbridge.auth.sealing import SealBrokenError, seal, unseal
from weighbridge.core.secret import Secret

_ID_DIGITS: Final = 12
_SEPARATOR: Final = "\x1f"
"""In no name: `printable` is asked of all of them."""


class Sealed(msgspec.Struct, frozen=True):
    """What is kept of a secret. `master_key` says which key opens it, and nothing of that key."""

    master_key: str
    content: bytes


class NoMasterKeyError(Exception):
    """Nothing can be sealed, since the configuration has no master key."""

    def __init__(self) -> None:
        super().__init__("no master key is configured to seal it under: set `provider_keys.master_keys`")


class MasterKeys:
    """Those of a configuration."""

    __slots__ = ("_by_id", "_first")

    def __init__(self, keys: Sequence[Secret] = ()) -> None:
        self._by_id = {master_key_id(key): key for key in keys}
        self._first = next(iter(self._by_id), "")

    def __bool__(self) -> bool:
        return bool(self._by_id)

    @property
    def first(self) -> str:
        """The id of the one that seals; empty where there is none."""
        return self._first

    def seal(self, secret: Secret, *identity: str) -> Sealed:
        """Raises `NoMasterKeyError`. `identity` is who it belongs to, and has to be told again to open it."""
        if not self._first:
            raise NoMasterKeyError
        return Sealed(self._first, seal(secret, self._by_id[self._first].reveal().encode(), _purpose(identity)))

    def open(self, sealed: Sealed, *identity: str) -> Secret:
        """The secret again. Raises `SealBrokenError` where no key opens it, or it is not this one's."""
        key = self._by_id.get(sealed.master_key)
        if key is None:
            raise SealBrokenError("it was sealed under a master key that is not configured")
        return unseal(sealed.content, key.reveal().encode(), _purpose(identity))


def master_key_id(key: Secret) -> str:
    """For example `5e1f0c92ab3d`. With so much chance in a key its hash tells nothing of it."""
    return hashlib.sha256(b"weighbridge master key " + key.reveal().encode()).hexdigest()[:_ID_DIGITS]


def _purpose(identity: Sequence[str]) -> str:
    return _SEPARATOR.join(("provider key", *identity))
