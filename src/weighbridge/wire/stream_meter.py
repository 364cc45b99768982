"""Meters of server-sent event streams. Ordinary events are searched for markers (`event_markers.py`), never decoded."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

from weighbridge.core.codec import JsonError
from weighbridge.core.errors import GatewayError
from weighbridge.wire.content_coding import Decoder
from weighbridge.wire.event_markers import CHAT_MARKERS, chat_tells, first_mention, gemini_tells, payload_of
from weighbridge.wire.reply_facts import read_gemini, read_openai
from weighbridge.wire.sse import EventSplitter
from weighbridge.wire.usage import as_derived
from weighbridge.wire.whole_meter import Meter, Read

_PROBES: Final = 4
"""Events that are decoded to learn the model's name: Azure's first chunk (content filter results) has an empty one."""

_WORTH_SKIMMING: Final = 2048
"""Bytes that hold several events: tokens come in events of 200 to 300 bytes."""
_GEMINI_COUNT: Final = b'TokenCount"'
_FRAME_ENDS: Final = (b"\n\n", b"\r\n\r\n")


class SseMeter(Meter):
    """A stream of server-sent events of which few are worth reading."""

    __slots__ = ("_is_between", "_markers", "_probes", "_read", "_splitter", "_tells")

    def __init__(
        self,
        read: Read,
        tells: Callable[[bytes], bool],
        markers: Sequence[bytes],
        *,
        probes: int,
        decoder: Decoder | None = None,
    ) -> None:
        """`tells` says whether bytes may hold an event worth reading, because one of `markers` stands in them; the first
        `probes` events are read in any case."""
        Meter.__init__(self, decoder)  # a super() call costs 0.1 µs
        self._markers = markers
        self._read = read
        self._tells = tells
        self._probes = probes
        self._splitter: EventSplitter | None = EventSplitter()
        self._is_between = True
        """No frame is pending: the next byte begins one."""

    def feed(self, data: bytes) -> None:
        """Search the bytes; read the events that tell something."""
        if self._decoder is not None:
            data = self._decoded(data)
        # Most reads from a provider are whole events: no need to cut them where none of them tells anything.
        if self._is_between and not self._probes and data.endswith(_FRAME_ENDS) and not self._tells(data):
            return
        self._cut(data)

    def finish(self) -> None:
        """Read an event that lacks its blank line: some servers end so after `[DONE]`."""
        if self._splitter is not None:
            for frame in (*self._splitter.finish(), self._splitter.pending):
                self._look_at(frame)
        self._splitter = None

    def _cut(self, data: bytes) -> None:
        if self._is_between and len(data) > _WORTH_SKIMMING:
            data = self._skim(data)
        self._cut_all(data)

    def _cut_all(self, data: bytes) -> None:
        if self._splitter is None:
            return
        try:
            frames = self._splitter.feed(data)
        except GatewayError:  # an event beyond the splitter's limit: what was learned so far stands
            self._splitter = None
            return
        for frame in frames:
            self._look_at(frame)
        self._is_between = not self._splitter.pending

    def _skim(self, data: bytes) -> bytes:
        """What is left of bytes that begin with an event, from the first event on that tells something.

        Many events in one read, of which few tell: they are found by searching all bytes once, not each event for itself.
        Works where lines end in LF, as everybody's but Google's do; other bytes come back as they are.
        """
        while self._probes and (end := data.find(b"\n\n")) >= 0:
            self._look_at(data[: end + 2])
            data = data[end + 2 :]
        boundary = data.rfind(b"\n\n", 0, first_mention(data, self._markers)) + 2
        return data[boundary:] if boundary > 1 else data

    def _look_at(self, frame: bytes) -> None:
        if self._probes or self._tells(frame):
            self._take(frame)

    def _take(self, frame: bytes) -> None:
        payload = payload_of(frame)
        if not payload:
            return
        if payload.startswith(b"[DONE]"):
            self.is_complete = True
            return
        try:
            self._read(self, payload)
        except JsonError:
            return
        if self._probes:
            self._probes = 0 if self.served_model else self._probes - 1


class ChatSseMeter(SseMeter):
    """OpenAI chat and completions. Perplexity, Writer and others never send `[DONE]`: a finish reason and the end will do.

    The hottest code of the gateway, a call per token: two searches are made instead of the five of `chat_tells`. `[DONE]` does
    not end in a brace; an error comes as the first event, which is probed, or the last, which is kept; and a provider writes
    `"finish_reason":"` always with or always without a blank, which the first event shows.
    """

    __slots__ = ("_finish_marker", "_last")

    def __init__(self, decoder: Decoder | None = None) -> None:
        super().__init__(read_openai, chat_tells, CHAT_MARKERS, probes=_PROBES, decoder=decoder)
        self._finish_marker = b"finish_reason"
        self._last = b""

    def feed(self, data: bytes) -> None:
        """Search the bytes; read the events that tell something."""
        if self._decoder is not None:
            data = self._decoded(data)
        if (
            self._is_between
            and not self._probes
            and data.endswith(b"}\n\n")
            and data.rfind(self._finish_marker) < 0
            and data.rfind(b'_tokens"') < 0
        ):
            self._last = data
            return
        self._cut(data)

    def finish(self) -> None:
        """Complete as well where the model finished, though the server did not say `[DONE]`."""
        if self.finish_reason is None and self._last:
            for frame in EventSplitter().feed(self._last):
                self._look_at(frame)
        self._last = b""
        super().finish()
        if self.finish_reason is not None and self.stream_error is None:
            self.is_complete = True

    def _look_at(self, frame: bytes) -> None:
        if self._finish_marker == b"finish_reason":
            if b'"finish_reason":null' in frame:
                self._finish_marker = b'finish_reason":"'
            elif b'"finish_reason": null' in frame:
                self._finish_marker = b'finish_reason": "'
        super()._look_at(frame)


class GeminiSseMeter(SseMeter):
    """Gemini counts in every chunk: the last one is kept and read when it matters."""

    __slots__ = ("_latest",)

    def __init__(self, decoder: Decoder | None = None) -> None:
        super().__init__(read_gemini, gemini_tells, (), probes=0, decoder=decoder)
        self._latest = b""

    def feed(self, data: bytes) -> None:
        """Keep the latest whole chunks that count; read at once what ends the reply."""
        if self._decoder is not None:
            data = self._decoded(data)
        if self._is_between and data.endswith(_FRAME_ENDS) and data.rfind(_GEMINI_COUNT) >= 0 and data.rfind(b'"finishReason"') < 0:
            self._latest = data
            return
        self._cut_all(data)

    def finish(self) -> None:
        """Read the latest counts; without a finish reason they are a floor."""
        super().finish()
        for frame in EventSplitter().feed(self._latest):
            self._take(frame)
        self._latest = b""
        if not self.is_complete:
            self.usage = as_derived(self.usage)

    def _look_at(self, frame: bytes) -> None:
        if gemini_tells(frame):
            self._take(frame)
            if _GEMINI_COUNT in frame:
                self._latest = b""
        elif _GEMINI_COUNT in frame:
            self._latest = frame
