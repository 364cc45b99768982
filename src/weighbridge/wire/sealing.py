"""How a caller of one dialect keeps another vendor's opaque texts for us, so that they survive until the next turn.

A thinking block that Anthropic signed has to come back to Anthropic unchanged, also from a caller who speaks OpenAI's or Gemini's
dialect. Every dialect has a place for an opaque text of its own; there a foreign `Seal` is written in a wrapping that names its
origin, and is unwrapped when it comes back. The text is base64 of JSON behind a prefix, padded, so that it also passes
where a dialect wants base64 (Gemini's `thoughtSignature`, Anthropic's `data`).
"""

from __future__ import annotations

import binascii
from base64 import b64decode, b64encode
from typing import Final

import msgspec

from weighbridge.core.codec import JsonError, encode_json
from weighbridge.wire.conversation import Seal, SealKind

_PREFIX: Final = "d2JzZWFsMT"
"""Base64 of `wbseal1` and two bits more: no vendor's opaque text begins so."""
_MARK: Final = b"wbseal1:"


class _Wrapped(msgspec.Struct, array_like=True):
    origin: str
    kind: str
    text: str


_decode: Final = msgspec.json.Decoder(_Wrapped).decode


def wrap(seal: Seal, native: str) -> str:
    """The text to hand to a caller whose dialect is `native`: the vendor's own where it is that vendor's, else wrapped."""
    if seal.origin == native:
        return seal.text
    return b64encode(_MARK + encode_json([seal.origin, seal.kind, seal.text])).decode()


def unwrap(text: str, native: str, kind: SealKind) -> Seal:
    """The seal that a caller whose dialect is `native` sent back where a seal of that `kind` stands."""
    if text.startswith(_PREFIX):
        try:
            inner = b64decode(text, validate=True)
            wrapped = _decode(inner.removeprefix(_MARK))
            return Seal(wrapped.origin, SealKind(wrapped.kind), wrapped.text)
        except (binascii.Error, JsonError, ValueError):
            pass  # not ours after all, or damaged on the way: its vendor will judge
    return Seal(native, kind, text)
