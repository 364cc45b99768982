"""Virtual keys: how one is made, hashed and named.

A key is `wb-` and 43 URL-safe characters: 256 random bits. With that much chance a plain SHA-256 is as safe at rest as
a slow hash, and a look-up stays a dictionary access.
"""

from __future__ import annotations

import hashlib
import re
from typing import Final, NamedTuple

import msgspec

from weighbridge.core.clock import new_id, new_token
from weighbridge.core.secret import Secret
from weighbridge.core.terms import VirtualKey

KEY_PREFIX: Final = "wb-"
_KEY_BYTES: Final = 32
"""256 bits, which is 43 characters of unpadded base64url (RFC 4648, section 5)."""
_KEY_FORM: Final = re.compile(r"wb-[A-Za-z0-9_-]{43}")
_HINT_CHARACTERS: Final = 4
"""24 of the 256 bits: enough for people to tell keys apart, of no help to a guesser."""
_ID_PREFIX: Final = "key"

MAX_NAME_CHARACTERS: Final = 64
"""A name is a label in tables and metrics, not a description."""
MAX_MODELS: Final = 256
"""Bounds the row and each admission check; a longer list is better said with `*`."""
MAX_MODEL_CHARACTERS: Final = 256
"""Longer than any vendor's model name (Bedrock's ARNs reach about 150)."""


class MintedKey(NamedTuple):
    """A new key. `secret` is shown once and forgotten; `digest` and `hint` are kept."""

    secret: Secret
    digest: bytes
    hint: str


class KeysDelta(msgspec.Struct, frozen=True):
    """What changed among the stored keys, as the control plane tells its workers.

    `revision` is the store's counter that the change brings the receiver to. `removed` are SHA-256 digests.
    """

    revision: int
    upserted: tuple[VirtualKey, ...] = ()
    removed: tuple[bytes, ...] = ()


def mint_key() -> MintedKey:
    """A new key from the operating system's generator."""
    return minted_from(Secret(KEY_PREFIX + new_token(_KEY_BYTES)))


def minted_from(secret: Secret) -> MintedKey:
    """Digest and hint of a key that exists already. Raises `ValueError` if it has not the form of one."""
    key = secret.reveal()
    if not _KEY_FORM.fullmatch(key):
        raise ValueError(f"not a virtual key: one is {KEY_PREFIX!r} and 43 URL-safe characters")
    return MintedKey(secret, digest_of(key.encode()), key[-_HINT_CHARACTERS:])


def digest_of(key: bytes) -> bytes:
    """SHA-256 of the whole key, prefix included: 32 bytes, the only form in which a key is stored."""
    return hashlib.sha256(key).digest()


def new_key_id() -> str:
    """For example `key_3f9a…`: what Records and the admin API call a key."""
    return new_id(_ID_PREFIX)


def check_name(name: str) -> None:
    """Raise `ValueError`, with a sentence for the operator, if a key may not be called so."""
    if not 1 <= len(name) <= MAX_NAME_CHARACTERS:
        raise ValueError(f"a key's name has 1 to {MAX_NAME_CHARACTERS} characters")
    if not name.isprintable() or name != name.strip():
        raise ValueError("a key's name has only printable characters, and no blank at either end")
    if name.startswith(f"{_ID_PREFIX}_"):
        # `keys revoke X` takes an id or a name: the two must not be mistaken for each other.
        raise ValueError(f"a key's name does not start with {_ID_PREFIX + '_'!r}: that is how ids look")


def check_models(models: tuple[str, ...]) -> None:
    """Raise `ValueError`, with a sentence for the operator, if these cannot be the models a key may ask for."""
    if len(models) > MAX_MODELS:
        raise ValueError(f"a key lists at most {MAX_MODELS} models; use a pattern such as 'openai/*'")
    for model in models:
        if not 1 <= len(model) <= MAX_MODEL_CHARACTERS or not model.isprintable() or " " in model:
            raise ValueError(f"a model's name has 1 to {MAX_MODEL_CHARACTERS} printable characters and no blank")
