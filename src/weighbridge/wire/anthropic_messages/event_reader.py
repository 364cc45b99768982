"""A provider's stream of a message -> events.

https://docs.anthropic.com/en/docs/build-with-claude/streaming. Blocks come one after another, counted by `index`; the counts of
`message_delta` are cumulative; `message_stop` is the end, without which the stream broke off.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import msgspec

from weighbridge.core.codec import JsonError, decode_json
from weighbridge.wire.anthropic_messages.reply_reader import explanation, read_block, report
from weighbridge.wire.anthropic_messages.stream_event import ERROR_STATUSES, Delta, Start, StreamEvent, read_stream_event
from weighbridge.wire.anthropic_messages.vocabulary import ORIGIN, json_text, read_citation
from weighbridge.wire.conversation import Reasoning, Seal, SealKind, ServerTool, Text, ToolCall
from weighbridge.wire.event_markers import payload_of
from weighbridge.wire.events import (
    ArgumentsDelta,
    CitationAdded,
    Ended,
    Event,
    Failed,
    Finished,
    FinishReason,
    KeepAlive,
    PartEnded,
    PartKind,
    PartStarted,
    ReasoningDelta,
    RefusalDelta,
    Started,
    TextDelta,
)
from weighbridge.wire.finish_reasons import READ_ANTHROPIC
from weighbridge.wire.json_value import Json, JsonObject
from weighbridge.wire.sse import EventSplitter
from weighbridge.wire.usage import AnthropicUsage, merge_anthropic


class _Block:
    """A block that has not stopped. One of the caller's tools has a `given` input; `raw` is a block of no kind that others know."""

    __slots__ = ("given", "json", "part", "raw", "seal_kind", "signature")

    def __init__(self, part: int) -> None:
        self.part = part
        self.signature: list[str] = []
        self.seal_kind = SealKind.SIGNATURE
        self.given: JsonObject | None = None
        self.raw: JsonObject | None = None
        self.json: list[str] = []


class MessageEventReader:
    """See `wire/codecs.py:EventReader`."""

    __slots__ = ("_blocks", "_finished", "_is_started", "_parts", "_splitter", "_usage", "is_ended")

    def __init__(self) -> None:
        self._splitter = EventSplitter()
        self._blocks: dict[int, _Block] = {}
        self._parts = 0
        self._usage: AnthropicUsage | None = None
        self._finished: Finished | None = None
        self._is_started = False
        self.is_ended = False

    def feed(self, data: bytes) -> list[Event]:
        """The events that these bytes complete. Raises `GatewayError` PROVIDER_MALFORMED."""
        events: list[Event] = []
        for frame in self._splitter.feed(data):
            self._take_frame(frame, events)
        return events

    def finish(self) -> list[Event]:
        """What the end of the bytes completes: an event without its blank line, if it is whole."""
        events: list[Event] = []
        for frame in self._splitter.finish():
            self._take_frame(frame, events)
        payload = payload_of(self._splitter.pending)
        if payload and not self.is_ended:
            try:
                decode_json(payload)
            except (JsonError, UnicodeDecodeError, RecursionError):
                return events  # broken off in the middle of an event
            self._take_document(payload, events)
        return events

    def _take_frame(self, frame: bytes, events: list[Event]) -> None:
        # The usual frame is `event: ...`, `data: ...` and a blank line.
        at = frame.find(b"\ndata: ")
        payload = frame[at + 7 : -2] if at >= 0 and frame.endswith(b"\n\n") else b""
        if not payload or b"\n" in payload or not frame.startswith(b"event:") or b"\r" in frame:
            payload = payload_of(frame.removeprefix(b"\xef\xbb\xbf"))
        if payload:
            self._take_document(payload, events)
        elif not self.is_ended:
            events.append(KeepAlive())

    def _take_document(self, document: bytes, events: list[Event]) -> None:
        if self.is_ended or document.startswith(b"[DONE]"):  # some servers of this dialect end as OpenAI's do
            return
        event = read_stream_event(document)
        take = _TAKERS.get(event.type or "")
        if take is not None:
            take(self, event, events, document)
        elif event.type is None and b'"error"' in document:
            self._fail(event, events, document)

    def _start(self, event: StreamEvent, events: list[Event], _document: bytes) -> None:
        message = event.message or Start()
        if not self._is_started:
            self._is_started = True
            events.append(Started(message.id or "", message.model or ""))
        else:  # a server that began anew: what was open stays as it is
            self._stop_all(events)
        if message.usage is not None:
            self._report(message.usage, events)

    def _start_block(self, event: StreamEvent, events: list[Event], _document: bytes) -> None:
        if not self._is_started:
            self._is_started = True
            events.append(Started())
        index = event.index or 0
        if index in self._blocks:
            self._stop_block(event, events, b"")
        raw = event.content_block or {}
        part = read_block(raw)
        block = self._blocks[index] = _Block(self._parts)
        if isinstance(part, ServerTool):
            block.raw = part.raw
            return  # complete only when it stops: its input comes in pieces
        self._parts += 1
        _STARTERS[type(part)](block, part, raw, events)

    def _delta(self, event: StreamEvent, events: list[Event], document: bytes) -> None:
        block = self._blocks.get(event.index or 0)
        delta = event.delta
        if block is None or delta is None:
            return
        if block.raw is not None:
            _add_raw(block, delta, document)
        elif delta.text is not None:
            if delta.text:
                events.append(TextDelta(0, block.part, delta.text))
        elif delta.partial_json is not None:
            if delta.partial_json:
                block.given = None
                events.append(ArgumentsDelta(0, block.part, delta.partial_json))
        elif delta.thinking is not None:
            if delta.thinking:
                events.append(ReasoningDelta(0, block.part, delta.thinking))
        elif delta.signature is not None:
            block.signature.append(delta.signature)
        elif delta.citation is not None:
            events.append(CitationAdded(0, block.part, read_citation(delta.citation)))

    def _stop_block(self, event: StreamEvent, events: list[Event], _document: bytes) -> None:
        block = self._blocks.pop(event.index or 0, None)
        if block is not None:
            self._close(block, events)

    def _close(self, block: _Block, events: list[Event]) -> None:
        if block.raw is not None:
            part = self._parts
            self._parts += 1
            events.append(PartStarted(0, part, PartKind.SERVER_TOOL, whole=read_block(_completed(block))))
            events.append(PartEnded(0, part))
            return
        if block.given is not None:  # nothing came after the start: a call without arguments, or one that came whole
            events.append(ArgumentsDelta(0, block.part, json_text(block.given)))
        signature = "".join(block.signature)
        events.append(PartEnded(0, block.part, Seal(ORIGIN, block.seal_kind, signature) if signature else None))

    def _stop_all(self, events: list[Event]) -> None:
        for index in list(self._blocks):
            self._close(self._blocks.pop(index), events)

    def _message_delta(self, event: StreamEvent, events: list[Event], _document: bytes) -> None:
        delta = event.delta
        if delta is not None:
            if delta.stop_reason is not None:
                reason = READ_ANTHROPIC.get(delta.stop_reason, FinishReason.OTHER)
                self._finished = Finished(0, reason, delta.stop_reason, delta.stop_sequence)
            if (said := explanation(delta.stop_details)) is not None:
                self._stop_all(events)
                events += (
                    PartStarted(0, self._parts, PartKind.REFUSAL),
                    RefusalDelta(0, self._parts, said),
                    PartEnded(0, self._parts),
                )
                self._parts += 1
        if event.usage is not None:
            self._report(event.usage, events)

    def _stop(self, _event: StreamEvent, events: list[Event], _document: bytes) -> None:
        self._stop_all(events)
        events.append(self._finished or Finished(0, FinishReason.OTHER))
        events.append(Ended())
        self.is_ended = True

    def _report(self, usage: AnthropicUsage, events: list[Event]) -> None:
        merged = self._usage = merge_anthropic(self._usage, usage)
        events.append(report(merged))

    def _ping(self, _event: StreamEvent, events: list[Event], _document: bytes) -> None:
        events.append(KeepAlive())

    def _fail(self, _event: StreamEvent, events: list[Event], document: bytes) -> None:
        error = decode_json(document).get("error")
        kind, message = "", ""
        if isinstance(error, dict):
            kind, message = _word(error.get("type")), _word(error.get("message"))
        elif isinstance(error, str):
            message = error
        events.append(Failed(message, kind, "", ERROR_STATUSES.get(kind, 0)))
        self.is_ended = True


def _add_raw(block: _Block, delta: Delta, document: bytes) -> None:
    """A delta of a block that only Anthropic knows: the input of its own tools in pieces, texts to be joined, or new members."""
    assert block.raw is not None
    if delta.partial_json is not None:
        block.json.append(delta.partial_json)
        return
    for name, value in decode_json(document)["delta"].items():
        before = block.raw.get(name)
        if name == "type":
            continue
        block.raw[name] = before + value if isinstance(before, str) and isinstance(value, str) else value


def _completed(block: _Block) -> JsonObject:
    raw = block.raw or {}
    text = "".join(block.json)
    if text:
        try:
            raw["input"] = decode_json(text.encode())
        except (JsonError, UnicodeError, RecursionError):
            raw["input"] = {"partial_json": text}
    return raw


def _start_text(block: _Block, part: Text, _raw: JsonObject, events: list[Event]) -> None:
    events.append(PartStarted(0, block.part, PartKind.TEXT))
    if part.text:
        events.append(TextDelta(0, block.part, part.text))
    events.extend(CitationAdded(0, block.part, citation) for citation in part.citations)


def _start_reasoning(block: _Block, part: Reasoning, _raw: JsonObject, events: list[Event]) -> None:
    events.append(PartStarted(0, block.part, PartKind.REASONING))
    if part.text:
        events.append(ReasoningDelta(0, block.part, part.text))
    if part.seal is not None:
        block.signature.append(part.seal.text)
        block.seal_kind = part.seal.kind


def _start_tool_call(block: _Block, part: ToolCall, raw: JsonObject, events: list[Event]) -> None:
    events.append(PartStarted(0, block.part, PartKind.TOOL_CALL, part.id, part.name))
    given = raw.get("input")
    block.given = given if isinstance(given, dict) else {}


def _word(value: Json) -> str:
    return value if isinstance(value, str) else ""


_STARTERS: Final[dict[type[msgspec.Struct], Callable[..., None]]] = {
    Text: _start_text,
    Reasoning: _start_reasoning,
    ToolCall: _start_tool_call,
}
_R = MessageEventReader
_TAKERS: Final[dict[str, Callable[[MessageEventReader, StreamEvent, list[Event], bytes], None]]] = {
    "content_block_delta": _R._delta,  # noqa: SLF001 - the class's own table
    "content_block_start": _R._start_block,  # noqa: SLF001
    "content_block_stop": _R._stop_block,  # noqa: SLF001
    "ping": _R._ping,  # noqa: SLF001
    "message_start": _R._start,  # noqa: SLF001
    "message_delta": _R._message_delta,  # noqa: SLF001
    "message_stop": _R._stop,  # noqa: SLF001
    "error": _R._fail,  # noqa: SLF001
}
