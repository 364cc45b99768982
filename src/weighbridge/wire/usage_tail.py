"""The usage object in the end of a reply that is too long, or too broken, to be read whole."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import msgspec

from weighbridge.core.codec import JsonError
from weighbridge.core.terms import NO_USAGE, Usage
from weighbridge.wire.usage import GeminiUsage, OpenAiUsage, as_derived, from_gemini, from_openai

TAIL_BYTES: Final = 64 * 1024
"""How much of the end is searched: `usage` stands last in every vendor's embeddings and images, and is under 2 kB."""

MAX_USAGE_BYTES: Final = 8 * 1024
"""No more of a usage object is read: four times what the longest takes."""

MAX_CANDIDATES: Final = 16
"""Usage objects that are tried, the last first. Without this bound, 64 kB of nested ones would hold the event loop for seconds."""

_openai: Final = msgspec.json.Decoder(OpenAiUsage).decode
_gemini: Final = msgspec.json.Decoder(GeminiUsage).decode
_KINDS: Final[tuple[tuple[bytes, Callable[[bytes], Usage]], ...]] = (
    (b'"usageMetadata"', lambda found: from_gemini(_gemini(found))),
    (b'"usage"', lambda found: from_openai(_openai(found))),
)


def usage_in_tail(tail: bytes) -> Usage:
    """The last usage object that is whole, marked DERIVED, or `NO_USAGE`."""
    for marker, read in _KINDS:
        at = len(tail)
        for _ in range(MAX_CANDIDATES):
            at = tail.rfind(marker, 0, at)
            if at < 0:
                break
            start = tail.find(b"{", at)
            if start < 0:
                continue
            try:
                usage = read(_object_at(tail[start : start + MAX_USAGE_BYTES]))
            except (JsonError, UnicodeDecodeError, RecursionError):
                continue
            if usage is not NO_USAGE:
                return as_derived(usage)
    return NO_USAGE


def _object_at(data: bytes) -> bytes:
    """The object that `data` begins with, up to its closing brace or the end: usage objects hold no braces inside strings."""
    depth = at = 0
    while True:
        opening, closing = data.find(b"{", at), data.find(b"}", at)
        if closing < 0:
            return data
        if 0 <= opening < closing:
            depth, at = depth + 1, opening + 1
        else:
            depth, at = depth - 1, closing + 1
        if depth == 0:
            return data[:at]
