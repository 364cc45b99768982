"""Takes the usage chunk out of an OpenAI chat or completions stream whose client did not ask for it.

The gateway asks every stream for usage (`stream_options.include_usage`), since otherwise nothing is known of its cost.
OpenAI then sends one chunk more before `[DONE]`, with `"choices":[]` and `usage`; clients that index `choices[0]` fail on it.
https://platform.openai.com/docs/api-reference/chat/create#chat-create-stream_options
"""

from __future__ import annotations

import re
from typing import Final

import msgspec

from weighbridge.core.errors import GatewayError
from weighbridge.wire.sse import EventSplitter

MAX_HELD_BYTES: Final = 1024 * 1024
"""A frame is held until it is whole, up to here. A usage chunk is under 2 kB; audio deltas stay under 100 kB. Beyond it the
rest of the stream passes unfiltered: one chunk too many is better than a reply that stalls."""

_EMPTY_CHOICES: Final = re.compile(rb'"choices"\s*:\s*\[\s*\]').search
_FRAME_ENDS: Final = (b"\n\n", b"\r\n\r\n")


class _Chunk(msgspec.Struct, gc=False):
    choices: list[msgspec.Raw] | None = None
    usage: dict[str, msgspec.Raw] | None = None


_decode: Final = msgspec.json.Decoder(_Chunk).decode


class UsageChunkFilter:
    """Forwards a stream but for its usage chunk. Usage beside choices (Perplexity, Groq) is the provider's own and stays."""

    __slots__ = ("_splitter",)

    def __init__(self) -> None:
        self._splitter: EventSplitter | None = EventSplitter(limit=MAX_HELD_BYTES)

    def feed(self, data: bytes) -> bytes:
        """The bytes to forward now: all whole frames but the usage chunk. May be empty."""
        splitter = self._splitter
        if splitter is None:
            return data
        held = splitter.pending
        if not held and data.endswith(_FRAME_ENDS) and _EMPTY_CHOICES(data) is None:
            return data
        try:
            frames = splitter.feed(data)
        except GatewayError:
            self._splitter = None
            return held + data
        return b"".join([frame for frame in frames if not _is_usage_chunk(frame)])

    def finish(self) -> bytes:
        """The rest: an incomplete frame, unless it is a usage chunk that lacks only its blank line."""
        rest = self._splitter.pending if self._splitter is not None else b""
        self._splitter = None
        return b"" if _is_usage_chunk(rest) else rest


def _is_usage_chunk(frame: bytes) -> bool:
    if _EMPTY_CHOICES(frame) is None:
        return False
    payload = b"\n".join([line[5:] for line in frame.splitlines() if line.startswith(b"data:")])
    try:
        chunk = _decode(payload)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
        return False
    return chunk.choices == [] and chunk.usage is not None
