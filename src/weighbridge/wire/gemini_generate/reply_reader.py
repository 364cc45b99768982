"""A provider's whole reply. It is a stream of one response, or of several in an array: there is one law for both."""

from __future__ import annotations

from typing import Final

import msgspec

from weighbridge.core.codec import JsonError
from weighbridge.wire.events import Event, Failed, Reply
from weighbridge.wire.fold import fold
from weighbridge.wire.gemini_generate.chunk import Chunk, malformed, read_chunk
from weighbridge.wire.gemini_generate.chunk_reader import ChunkReader

_split: Final = msgspec.json.Decoder(list[msgspec.Raw]).decode


def read_reply(body: bytes) -> Reply:
    """The reply. Raises `GatewayError` PROVIDER_MALFORMED for what is none."""
    chunks = _chunks(body)
    if all(chunk.is_empty for chunk in chunks):
        raise malformed("nothing of a reply is in it")
    reader = ChunkReader()
    events: list[Event] = []
    for chunk in chunks:
        reader.take(chunk, events)
    if events and isinstance(events[-1], Failed):
        raise malformed("an error in place of a reply")
    reader.finish(events)
    if not reader.is_ended:
        reader.give_up(events)
    return fold(events)


def _chunks(body: bytes) -> list[Chunk]:
    if body.lstrip()[:1] != b"[":
        return [read_chunk(body)]
    try:
        return [read_chunk(bytes(raw)) for raw in _split(body)]
    except (JsonError, UnicodeDecodeError, RecursionError):
        raise malformed(f"{len(body)} bytes are no JSON array") from None
