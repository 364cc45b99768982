"""Server-sent events: exact frames, and their meaning.

https://html.spec.whatwg.org/multipage/server-sent-events.html#parsing-an-event-stream

Lines end with LF, CRLF or CR, and a blank line ends an event. A *frame* ends behind two line ends in a row, so it holds one
event at most, with the comments and stray blank lines before it. A CR that ends the input waits for the byte after it,
so that no CRLF is cut and every split of the bytes gives the same frames.
"""

from __future__ import annotations

import re
from typing import Final, NamedTuple

from weighbridge.core.errors import ErrorKind, GatewayError

MAX_EVENT_BYTES: Final = 16 * 1024 * 1024
"""One frame. An image comes as one event of several MB; a stream that never ends an event would fill the memory."""

DEFAULT_EVENT: Final = "message"
"""The name of an event that names none."""

_BOM: Final = b"\xef\xbb\xbf"
_LINE_END: Final = re.compile(rb"\r\n|\n|\r")
# Written out, since a leading CR or LF in every branch lets the regex engine skip to the next candidate.
_FRAME_END: Final = re.compile(
    rb"\r\n\r\n|\n\n|\r\n\n|\n\r\n|\r\r\n|\r\n\r(?=[^\n])|\n\r(?=[^\n])|\r\r(?=[^\n])",
)
_LONGEST_PARTIAL_END: Final = 3


class SseEvent(NamedTuple):
    """One frame and what it says.

    `data` holds the data lines joined by LF. `raw` is the frame as it came, with comments and its terminator. A browser
    would see the event only if `is_dispatched`: a frame without a data line (a comment as keep-alive) says nothing.
    `id` and `retry_ms` are None unless this frame sets them.
    """

    event: str
    data: bytes
    raw: bytes
    is_dispatched: bool = True
    id: str | None = None
    retry_ms: int | None = None


class EventSplitter:
    """Cuts a stream into frames without reading them. All frames and `pending`, joined, are the input exactly."""

    __slots__ = ("_held", "_held_cr", "_limit")

    def __init__(self, *, limit: int = MAX_EVENT_BYTES) -> None:
        self._held = bytearray()
        self._held_cr = False
        self._limit = limit

    @property
    def pending(self) -> bytes:
        """The bytes behind the last complete frame."""
        return bytes(self._held)

    def feed(self, data: bytes) -> list[bytes]:
        """The frames that these bytes complete, each with its terminator.

        Raises `GatewayError` PROVIDER_MALFORMED when a frame is longer than the limit.
        """
        if self._held or len(data) > self._limit:
            return self._feed_held(data)
        frame_end = b"\n\n"
        if b"\r" not in data:
            # The usual case, one chunk for one frame: no copy.
            if data.endswith(frame_end) and data.find(frame_end) == len(data) - 2:
                return [data]
        else:
            # Gemini ends its lines with CRLF. `split` is exact as long as no CR and no LF stands alone.
            if 2 * data.count(b"\r\n") != data.count(b"\r") + data.count(b"\n"):
                return self._feed_held(data)
            frame_end = b"\r\n\r\n"
        frames = data.split(frame_end)
        rest = frames.pop()
        if rest:
            self._held += rest
            self._held_cr = b"\r" in rest
        return [frame + frame_end for frame in frames]

    def finish(self) -> list[bytes]:
        """The frame that only the end of the stream completes: one that ends in a bare CR. What remains is `pending`."""
        if not self._held.endswith((b"\n\r", b"\r\r")):
            return []
        frame = bytes(self._held)
        self._held.clear()
        return [frame]

    def _feed_held(self, data: bytes) -> list[bytes]:
        held = self._held
        self._held_cr = self._held_cr or b"\r" in data
        position = max(0, len(held) - _LONGEST_PARTIAL_END)
        held += data
        frames: list[bytes] = []
        start = 0
        while (end := self._next_end(max(start, position))) >= 0:
            self._check_length(end - start)
            frames.append(bytes(held[start:end]))
            start = end
        del held[:start]
        self._check_length(len(held))
        if not held:
            self._held_cr = False
        return frames

    def _next_end(self, position: int) -> int:
        if self._held_cr:
            match = _FRAME_END.search(self._held, position)
            return match.end() if match else -1
        found = self._held.find(b"\n\n", position)
        return found + 2 if found >= 0 else -1

    def _check_length(self, length: int) -> None:
        if length > self._limit:
            raise GatewayError(
                ErrorKind.PROVIDER_MALFORMED,
                "The provider sent a stream event that is too long.",
                detail=f"SSE frame of more than {self._limit} bytes",
            )


class SseReader:
    """Reads a stream into events. The `raw` of all events and `pending`, joined, are the input exactly."""

    __slots__ = ("_is_first", "_splitter")

    def __init__(self, *, limit: int = MAX_EVENT_BYTES) -> None:
        self._splitter = EventSplitter(limit=limit)
        self._is_first = True

    @property
    def pending(self) -> bytes:
        """The bytes of an event that is not complete; after the end of a stream, of one that broke off."""
        return self._splitter.pending

    def feed(self, data: bytes) -> list[SseEvent]:
        """The events that these bytes complete.

        Raises `GatewayError` PROVIDER_MALFORMED when one is longer than the limit.
        """
        return [self._read(frame) for frame in self._splitter.feed(data)]

    def finish(self) -> list[SseEvent]:
        """The event that only the end of the stream completes (it ends in a bare CR). What remains is `pending`."""
        return [self._read(frame) for frame in self._splitter.finish()]

    def _read(self, frame: bytes) -> SseEvent:
        is_first, self._is_first = self._is_first, False
        if frame.startswith(b"data: ") and frame.find(b"\n") == len(frame) - 2 and b"\r" not in frame:
            return SseEvent(DEFAULT_EVENT, frame[6:-2], frame)
        return _read_lines(frame, frame.removeprefix(_BOM) if is_first else frame)


def _read_lines(raw: bytes, text: bytes) -> SseEvent:
    event = ""
    event_id: str | None = None
    retry_ms: int | None = None
    lines: list[bytes] = []
    for line in _LINE_END.split(text):
        field, _, value = line.partition(b":")
        value = value.removeprefix(b" ")
        if field == b"data":
            lines.append(value)
        elif field == b"event":
            event = value.decode("utf-8", "replace")
        elif field == b"id" and b"\0" not in value:
            event_id = value.decode("utf-8", "replace")
        elif field == b"retry" and value.isdigit() and len(value) <= 18:  # more digits are no time span
            retry_ms = int(value)
    return SseEvent(event or DEFAULT_EVENT, b"\n".join(lines), raw, bool(lines), event_id, retry_ms)
