"""Meters of replies that are one document, or nothing that can be read."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from weighbridge.core.codec import JsonError
from weighbridge.core.errors import GatewayError
from weighbridge.wire.content_coding import Decoder
from weighbridge.wire.reply_facts import ReplyFacts, read_gemini_array
from weighbridge.wire.usage import as_derived
from weighbridge.wire.usage_tail import TAIL_BYTES, usage_in_tail

MAX_WHOLE_BYTES: Final = 8 * 1024 * 1024
"""A JSON reply is held up to here: four 1024x1024 images in base64, or 4,000 embeddings of 128 numbers."""

Read = Callable[[ReplyFacts, bytes], None]
"""A dialect's reader: it writes what a document says into the facts, and raises `JsonError`."""


class Meter(ReplyFacts):
    """The meter of replies that say nothing about usage (audio, files); HTTP alone tells whether such a reply is complete.

    `finish` is called whether the reply ended or broke off, and the facts are final only then. Called again it changes nothing.
    """

    __slots__ = ("_decoder", "_is_broken")

    def __init__(self, decoder: Decoder | None = None) -> None:
        ReplyFacts.__init__(self)  # a super() call costs 0.1 µs
        self._decoder = decoder
        self._is_broken = False

    def feed(self, data: bytes) -> None:
        """The next bytes of the reply as they are sent to the client."""

    def finish(self) -> None:
        """No more bytes will come."""
        self.is_complete = True

    def _decoded(self, data: bytes) -> bytes:
        if self._decoder is None or self._is_broken:
            return b""
        try:
            return self._decoder.feed(data)
        except GatewayError:  # not in the coding that was declared, or larger than we decode
            self._is_broken = True
            return b""


class WholeMeter(Meter):
    """One JSON document, decoded once at the end."""

    __slots__ = ("_parts", "_read", "_size")

    def __init__(self, read: Read, decoder: Decoder | None = None) -> None:
        ReplyFacts.__init__(self)  # and not through `Meter`: every whole reply has one of these
        self._decoder = decoder
        self._is_broken = False
        self._read = read
        self._parts: list[bytes] = []
        self._size = 0

    def feed(self, data: bytes) -> None:
        """Keep the bytes; beyond the cap, only the last of them."""
        if self._decoder is not None:
            data = self._decoded(data)
        self._parts.append(data)
        self._size += len(data)
        if self._size > MAX_WHOLE_BYTES and sum(map(len, self._parts)) > 2 * TAIL_BYTES:
            self._parts = [b"".join(self._parts)[-TAIL_BYTES:]]

    def finish(self) -> None:
        """Read the document."""
        parts = self._parts
        if not parts:  # read already, or there is nothing
            return
        if len(parts) == 1:
            body = parts.pop()
        else:
            body = b"".join(parts)
            parts.clear()
        if self._size <= MAX_WHOLE_BYTES:
            try:
                self._read(self, body)
            except JsonError:
                return
            self.is_complete = True
        else:
            self.usage = usage_in_tail(body)
            self.is_complete = body.rstrip()[-1:] in {b"}", b"]"}


class GeminiArrayMeter(WholeMeter):
    """`streamGenerateContent` without `alt=sse`. An array that breaks off has counted as far as its last whole chunk."""

    __slots__ = ()

    def __init__(self, decoder: Decoder | None = None) -> None:
        super().__init__(_read_array_or_its_end, decoder)

    def finish(self) -> None:
        """Read the array; without a finish reason it did not end, and its counts are a floor."""
        super().finish()
        if self.finish_reason is None:
            self.usage = as_derived(self.usage)
            self.is_complete = False


def _read_array_or_its_end(facts: ReplyFacts, document: bytes) -> None:
    try:
        read_gemini_array(facts, document)
    except JsonError:
        facts.usage = usage_in_tail(document[-TAIL_BYTES:])
        raise
