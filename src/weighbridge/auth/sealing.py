"""Secrets sealed under something that only their owner holds: AES-256-GCM, the key derived by HKDF-SHA-256 (RFC 5869)."""

from __future__ import annotations

from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from weighbridge.core.clock import random_bytes
from weighbridge.core.secret import Secret

_KEY_BYTES: Final = 32
_NONCE_BYTES: Final = 12
"""NIST SP 800-38D: 96 bits, by chance; a key here seals one or two secrets."""


class SealBrokenError(Exception):
    """Sealed under another key or for another purpose, or changed since."""


def seal(secret: Secret, under: bytes, purpose: str) -> bytes:
    """A secret that only who knows `under` (of at least 128 bits of chance) can read. `purpose` binds it to one use."""
    nonce = random_bytes(_NONCE_BYTES)
    return nonce + AESGCM(_derived(under, purpose)).encrypt(nonce, secret.reveal().encode(), purpose.encode())


def unseal(sealed: bytes, under: bytes, purpose: str) -> Secret:
    """The secret again. Raises `SealBrokenError`."""
    nonce, text = sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:]
    try:
        return Secret(AESGCM(_derived(under, purpose)).decrypt(nonce, text, purpose.encode()).decode())
    except (InvalidTag, ValueError):
        raise SealBrokenError("it was sealed under another key, or changed") from None


def _derived(under: bytes, purpose: str) -> bytes:
    return HKDF(SHA256(), _KEY_BYTES, salt=None, info=b"weighbridge " + purpose.encode()).derive(under)
