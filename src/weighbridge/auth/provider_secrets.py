"""What a customer may hand in as a provider key."""

from __future__ import annotations

import re
from typing import Final

from weighbridge.auth.virtual_keys import minted_from
from weighbridge.core.secret import Secret

MIN_SECRET_CHARACTERS: Final = 8
MAX_SECRET_CHARACTERS: Final = 8192
"""As in the configuration: Google's and Azure's tokens reach 4 kB."""
MAX_LABEL_CHARACTERS: Final = 64
HINT_CHARACTERS: Final = 4
_LEAST_HIDDEN: Final = 12
"""A secret that is hardly longer than its hint has none."""
_IN_A_HEADER: Final = re.compile(r"[\x21-\x7e]+")
_MASKED: Final = re.compile(r"\*{3}|\.{3}|[xX]{8}|\[secret\]|[•…●]")
"""What dashboards and this gateway show instead of a key."""


def check_provider_secret(secret: Secret) -> Secret:
    """Raise `ValueError`, with a sentence that does not repeat it, if it cannot be a provider's key."""
    text = secret.reveal()
    if _MASKED.search(text):
        raise ValueError("that is a mask, not a key: hand in the key itself")
    if not MIN_SECRET_CHARACTERS <= len(text) <= MAX_SECRET_CHARACTERS:
        raise ValueError(f"a provider's key has {MIN_SECRET_CHARACTERS} to {MAX_SECRET_CHARACTERS} characters")
    if not _IN_A_HEADER.fullmatch(text):
        raise ValueError("a provider's key is printable ASCII without blanks, which is all that a header can carry")
    try:
        minted_from(secret)
    except ValueError:
        return secret
    raise ValueError("that is a key of this gateway, not one of a provider")


def hint_of(secret: Secret) -> str:
    """Its last characters, for people to tell keys apart."""
    text = secret.reveal()
    return text[-HINT_CHARACTERS:] if len(text) >= _LEAST_HIDDEN else ""


def check_label(label: str) -> str:
    """Raise `ValueError`, with a sentence, if a key may not be labelled so."""
    if len(label) > MAX_LABEL_CHARACTERS or not label.isprintable() or label != label.strip():
        raise ValueError(f"a label has at most {MAX_LABEL_CHARACTERS} printable characters, and no blank at either end")
    return label
