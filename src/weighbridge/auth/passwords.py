"""Passwords: hashed with Argon2id, checked in a time that tells nothing of whether the account exists.

Parameters are argon2-cffi's defaults, which are RFC 9106's second recommendation (64 MiB, 3 passes, 4 lanes): some 50 ms of one
core. Both functions block that long: call them in a thread.
"""

from __future__ import annotations

from functools import cache
from typing import Final

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from weighbridge.core.clock import new_token

_HASHER: Final = PasswordHasher()


def hash_password(password: str) -> str:
    """What is stored of a password: salt and parameters are in it."""
    return _HASHER.hash(password)


def is_password(password: str, stored_hash: str | None) -> bool:
    """Whether a password is the one that was hashed; no password is that of an account without one (None)."""
    try:
        _HASHER.verify(_of_nobody() if stored_hash is None else stored_hash, password)
    except (VerificationError, InvalidHashError):
        return False
    return stored_hash is not None


@cache
def _of_nobody() -> str:
    """Checked where an account has no password, so that guessing at one takes as long as at any other."""
    return _HASHER.hash(new_token())
