"""A provider's stream: server-sent events, or the JSON array that Google streams without `alt=sse`. What the responses in it mean:
`chunk_reader.py`."""

from __future__ import annotations

import re
from typing import Final

from weighbridge.core.errors import GatewayError
from weighbridge.wire.event_markers import payload_of
from weighbridge.wire.events import (
    Event,
    KeepAlive,
)
from weighbridge.wire.gemini_generate.chunk import malformed, read_chunk
from weighbridge.wire.gemini_generate.chunk_reader import ChunkReader
from weighbridge.wire.sse import MAX_EVENT_BYTES, EventSplitter


class GenerateEventReader:
    """Server-sent events. See `wire/codecs.py:EventReader`."""

    __slots__ = ("_chunks", "_splitter")

    def __init__(self) -> None:
        self._splitter = EventSplitter()
        self._chunks = ChunkReader()

    @property
    def is_ended(self) -> bool:
        """The bytes have ended behind a finish reason, or an error was sent."""
        return self._chunks.is_ended

    def feed(self, data: bytes) -> list[Event]:
        """The events that these bytes complete. Raises `GatewayError` PROVIDER_MALFORMED."""
        events: list[Event] = []
        for frame in self._splitter.feed(data):
            self._take_frame(frame, events)
        return events

    def finish(self) -> list[Event]:
        """What the end of the bytes completes."""
        events: list[Event] = []
        for frame in (*self._splitter.finish(), self._splitter.pending):
            if frame and not self._chunks.is_ended:
                try:
                    self._take_frame(frame, events)
                except GatewayError:  # broken off in the middle of an event
                    return events
        self._chunks.finish(events)
        return events

    def _take_frame(self, frame: bytes, events: list[Event]) -> None:
        if self._chunks.is_ended:
            return
        if frame.startswith(b"data: ") and frame.endswith(b"\r\n\r\n") and frame.find(b"\n") == len(frame) - 3:
            payload = frame[6:-4]
        else:
            payload = payload_of(frame.removeprefix(b"\xef\xbb\xbf"))
        if not payload:
            events.append(KeepAlive())
        elif not payload.startswith(b"[DONE]"):
            self._chunks.take(read_chunk(payload), events)


_MARKS: Final = re.compile(rb'[{}"\\]')


class ArrayEventReader:
    """The JSON array that Google streams without `alt=sse`, response by response. See `wire/codecs.py:EventReader`."""

    __slots__ = ("_chunks", "_depth", "_held", "_in_text", "_position", "_start")

    def __init__(self) -> None:
        self._chunks = ChunkReader()
        self._held = bytearray()
        self._position = 0
        """How far `_held` has been looked at."""
        self._start = -1
        """Where the response begins that is not complete."""
        self._depth = 0
        self._in_text = False

    @property
    def is_ended(self) -> bool:
        """The bytes have ended behind a finish reason, or an error was sent."""
        return self._chunks.is_ended

    def feed(self, data: bytes) -> list[Event]:
        """The events that these bytes complete. Raises `GatewayError` PROVIDER_MALFORMED."""
        events: list[Event] = []
        self._held += data
        for document in self._complete():
            if not self._chunks.is_ended:
                self._chunks.take(read_chunk(document), events)
        return events

    def finish(self) -> list[Event]:
        """What the end of the bytes completes."""
        events: list[Event] = []
        if self._depth == 0:
            self._chunks.finish(events)
        return events

    def _complete(self) -> list[bytes]:
        """The objects of the array that are whole by now."""
        held = self._held
        documents: list[bytes] = []
        while (found := _MARKS.search(held, self._position)) is not None:
            mark, here = found.group(), found.start()
            if self._in_text and mark == b"\\":
                if here + 1 == len(held):  # what is escaped comes with the next bytes
                    self._position = here
                    break
                self._position = here + 2
                continue
            self._position = here + 1
            if mark == b'"':
                self._in_text = not self._in_text
            elif self._in_text or mark == b"\\":
                continue
            elif mark == b"{":
                self._depth += 1
                if self._depth == 1:
                    self._start = here
            elif self._depth > 0:
                self._depth -= 1
                if self._depth == 0:
                    documents.append(bytes(held[self._start : here + 1]))
                    self._start = -1
        else:
            self._position = len(held)
        keep = self._start if self._start >= 0 else self._position
        del held[:keep]
        self._position -= keep
        self._start = 0 if self._start >= 0 else -1
        if len(held) > MAX_EVENT_BYTES:
            raise malformed(f"a response of more than {MAX_EVENT_BYTES} bytes")
        return documents
