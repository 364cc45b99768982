"""The stream of Cohere's Chat API: server-sent events that name their type in the data as well.

    message-start (tool-plan-delta* | content-start content-delta* content-end | tool-call-start tool-call-delta* tool-call-end
    | citation-start citation-end)* message-end

`message-end` has the finish reason and the usage, and ends the stream. https://docs.cohere.com/reference/chat-stream
"""

from __future__ import annotations

from typing import ClassVar, Final

import msgspec

from weighbridge.wire.cohere_chat.citations import citation_of, logprob_of
from weighbridge.wire.events import (
    ArgumentsDelta,
    CitationAdded,
    Ended,
    Event,
    Failed,
    Finished,
    FinishReason,
    LogprobsAdded,
    PartEnded,
    PartKind,
    PartStarted,
    ReasoningDelta,
    Started,
    TextDelta,
    UsageReported,
)
from weighbridge.wire.finish_reasons import READ_COHERE
from weighbridge.wire.json_value import JsonObject
from weighbridge.wire.loose_json import as_index, as_list, as_object, as_text, read_any_object
from weighbridge.wire.sse import EventSplitter, SseReader
from weighbridge.wire.usage_cohere import read_cohere_usage

_PLAN: Final = -1
"""Where the plan stands among the contents: it has no number of its own."""
_DATA: Final = b"\ndata: "
_DONE: Final = b"[DONE]"


class _Content(msgspec.Struct, gc=False):
    text: str | None = None
    thinking: str | None = None


class _Message(msgspec.Struct, gc=False):
    content: _Content | None = None


class _Delta(msgspec.Struct, gc=False):
    message: _Message | None = None
    logprobs: msgspec.Raw | None = None


class _Event(msgspec.Struct, gc=False):
    """A `content-delta`, which nearly all events are."""

    type: str = ""
    index: int = 0
    delta: _Delta | None = None
    logprobs: msgspec.Raw | None = None


_read_event: Final = msgspec.json.Decoder(_Event).decode


class _Open:
    """A part in the making."""

    __slots__ = ("has_arguments", "kind", "number")

    def __init__(self, kind: PartKind, number: int) -> None:
        self.kind = kind
        self.number = number
        self.has_arguments = False


class CohereReader:
    """Reads a stream of Cohere's (`codecs.EventReader`)."""

    __slots__ = ("_calls", "_contents", "_count", "_splitter", "_text", "is_ended")

    def __init__(self) -> None:
        self._splitter = EventSplitter()
        self._contents: dict[int, _Open] = {}
        self._calls: dict[int, _Open] = {}
        self._text: _Open | None = None
        """The text that citations without a number of a content belong to."""
        self._count = 0
        self.is_ended = False

    def feed(self, data: bytes) -> list[Event]:
        """The events that these bytes complete. Raises `GatewayError` PROVIDER_MALFORMED for an event that is no JSON."""
        events: list[Event] = []
        for frame in self._splitter.feed(data):
            self._take_frame(frame, events)
        return events

    def finish(self) -> list[Event]:
        """Nothing but the protocol's own end ends a stream of Cohere's."""
        events: list[Event] = []
        for frame in self._splitter.finish():
            self._take_frame(frame, events)
        return events

    def _take_frame(self, frame: bytes, events: list[Event]) -> None:
        # All of Cohere's have two lines; reading them as any server-sent event takes as long as all the rest.
        at = frame.find(b"\n")
        if frame.startswith(b"event: ") and frame.startswith(_DATA, at) and frame.find(b"\n", at + 1) == len(frame) - 2:
            self._take(frame[at + len(_DATA) : -2], events)
            return
        reader = SseReader()
        for event in (*reader.feed(frame), *reader.finish()):
            if event.is_dispatched:
                self._take(event.data, events)

    def _take(self, data: bytes, events: list[Event]) -> None:
        if self.is_ended or data == _DONE:
            return
        try:
            event = _read_event(data)
        except (msgspec.DecodeError, UnicodeDecodeError):
            self._take_rare(read_any_object(data), events)
            return
        content = None
        if event.type == "content-delta" and event.delta is not None and event.logprobs is None and event.delta.logprobs is None:
            content = event.delta.message.content if event.delta.message is not None else None
        if content is None:
            self._take_rare(read_any_object(data), events)
        else:
            self._add_content(event.index, content.text, content.thinking, events)

    def _take_rare(self, event: JsonObject, events: list[Event]) -> None:
        """Every other event."""
        take = self._TAKERS.get(as_text(event.get("type")))
        if take is not None:
            take(self, event, events)
        elif "type" not in event and isinstance(event.get("message"), str):
            # What an error reply would have as its body.
            self.is_ended = True
            events.append(Failed(as_text(event["message"])))

    def _add_content(self, index: int, text: str | None, thinking: str | None, events: list[Event]) -> None:
        if thinking:
            part = self._open(index, PartKind.REASONING, events)
            if part is not None:
                events.append(ReasoningDelta(0, part.number, thinking))
        elif text:
            part = self._open(index, PartKind.TEXT, events)
            if part is not None:
                events.append(TextDelta(0, part.number, text))

    def _take_start(self, event: JsonObject, events: list[Event]) -> None:
        events.append(Started(as_text(event.get("id"))))

    def _take_content(self, event: JsonObject, events: list[Event]) -> None:
        """`content-start`, which may have the first of the text, and deltas with log probabilities."""
        delta = as_object(event.get("delta"))
        content = as_object(as_object(delta.get("message")).get("content"))
        text, thinking = as_text(content.get("text")), as_text(content.get("thinking"))
        self._add_content(as_index(event.get("index")), text, thinking, events)
        raw = as_object(event.get("logprobs")) or as_object(delta.get("logprobs"))
        token = logprob_of(raw) if raw else None
        if token is not None:
            events.append(LogprobsAdded(0, (token,)))

    def _take_plan(self, event: JsonObject, events: list[Event]) -> None:
        plan = as_text(as_object(as_object(event.get("delta")).get("message")).get("tool_plan"))
        part = self._open(_PLAN, PartKind.REASONING, events) if plan else None
        if part is not None:
            events.append(ReasoningDelta(0, part.number, plan))

    def _take_call_start(self, event: JsonObject, events: list[Event]) -> None:
        self._close_contents(events)
        call = self._call_in(event)
        function = as_object(call.get("function"))
        index = as_index(event.get("index"))
        self._close_call(index, events)
        part = self._calls[index] = _Open(PartKind.TOOL_CALL, self._count)
        self._count += 1
        name = as_text(function.get("name"))
        events.append(PartStarted(0, part.number, PartKind.TOOL_CALL, as_text(call.get("id")), name))
        self._add_arguments(part, as_text(function.get("arguments")), events)

    def _take_call_delta(self, event: JsonObject, events: list[Event]) -> None:
        part = self._calls.get(as_index(event.get("index")))
        if part is not None:
            function = as_object(self._call_in(event).get("function"))
            self._add_arguments(part, as_text(function.get("arguments")), events)

    def _take_call_end(self, event: JsonObject, events: list[Event]) -> None:
        self._close_call(as_index(event.get("index")), events)

    def _take_citation(self, event: JsonObject, events: list[Event]) -> None:
        raw = as_object(as_object(as_object(event.get("delta")).get("message")).get("citations"))
        if not raw or raw.get("type") == "PLAN":
            return  # what cites is the plan, which is no text
        index = raw.get("content_index")
        part = self._contents.get(index) if isinstance(index, int) else None
        if part is None or part.kind is not PartKind.TEXT:
            part = self._text
        if part is not None:
            events.append(CitationAdded(0, part.number, citation_of(raw)))

    def _take_end(self, event: JsonObject, events: list[Event]) -> None:
        delta = as_object(event.get("delta"))
        self.is_ended = True
        error = as_text(delta.get("error"))
        if error:
            events.append(Failed(error, as_text(delta.get("finish_reason"))))
            return
        self._close_contents(events)
        for index in sorted(self._calls):
            self._close_call(index, events)
        native = as_text(delta.get("finish_reason"))
        events.append(Finished(0, READ_COHERE.get(native, FinishReason.OTHER), native))
        if "usage" in delta:
            events.append(UsageReported(read_cohere_usage(delta["usage"])))
        events.append(Ended())

    _TAKERS: ClassVar = {
        "message-start": _take_start,
        "content-start": _take_content,
        "content-delta": _take_content,
        "tool-plan-delta": _take_plan,
        "tool-call-start": _take_call_start,
        "tool-call-delta": _take_call_delta,
        "tool-call-end": _take_call_end,
        "citation-start": _take_citation,
        "message-end": _take_end,
    }
    """`content-end` is not among them: citations of a text may come after it, so that a text ends with what comes next."""

    def _call_in(self, event: JsonObject) -> JsonObject:
        """The call of an event: an object, though its name is a plural."""
        calls = as_object(as_object(event.get("delta")).get("message")).get("tool_calls")
        return as_object(next(iter(as_list(calls)), calls))

    def _add_arguments(self, part: _Open, text: str, events: list[Event]) -> None:
        if text:
            part.has_arguments = True
            events.append(ArgumentsDelta(0, part.number, text))

    def _open(self, index: int, kind: PartKind, events: list[Event]) -> _Open | None:
        part = self._contents.get(index)
        if part is None:
            self._close_contents(events)
            part = self._contents[index] = _Open(kind, self._count)
            self._count += 1
            events.append(PartStarted(0, part.number, kind))
            if kind is PartKind.TEXT:
                self._text = part
        return part if part.kind is kind else None

    def _close_contents(self, events: list[Event]) -> None:
        events += [PartEnded(0, part.number) for part in self._contents.values()]
        self._contents.clear()
        self._text = None

    def _close_call(self, index: int, events: list[Event]) -> None:
        part = self._calls.pop(index, None)
        if part is None:
            return
        if not part.has_arguments:
            events.append(ArgumentsDelta(0, part.number, "{}"))  # of a tool without arguments
        events.append(PartEnded(0, part.number))
