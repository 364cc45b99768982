"""A provider's stream of a response -> events.

https://platform.openai.com/docs/api-reference/responses-streaming. Items are counted by `output_index`, texts within a message by
`content_index`. Servers differ in what they leave out, so that each `output_item.done`, and at the end the whole response, supplies
what no delta said: texts, arguments, citations, whole items. `response.completed`, `.incomplete`, `.failed` and `error` are ends.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from weighbridge.core.codec import JsonError, decode_json
from weighbridge.wire.conversation import Audio, Refusal, Seal, Text
from weighbridge.wire.event_markers import payload_of
from weighbridge.wire.events import (
    ArgumentsDelta,
    AudioDelta,
    CitationAdded,
    Ended,
    Event,
    Finished,
    KeepAlive,
    LogprobsAdded,
    PartEnded,
    PartKind,
    PartStarted,
    ReasoningDelta,
    RefusalDelta,
    Started,
    SummaryDelta,
    TextDelta,
)
from weighbridge.wire.loose_json import as_object, as_text
from weighbridge.wire.openai_responses.reply_reader import (
    ResponseShape,
    call_of,
    contents_of,
    decode_response,
    failed_of,
    finish_by,
    logprobs_of,
    read_content,
    reasoning_of,
    report,
)
from weighbridge.wire.openai_responses.stream_event import StreamEvent, read_event
from weighbridge.wire.openai_responses.vocabulary import Item, read_annotation, server_tool
from weighbridge.wire.sse import EventSplitter


class _Content:
    """A text or refusal of a message."""

    __slots__ = ("citations", "has_logprobs", "has_text", "is_refusal", "part")

    def __init__(self, part: int, *, is_refusal: bool) -> None:
        self.part = part
        self.is_refusal = is_refusal
        self.has_text = False
        self.has_logprobs = False
        self.citations = 0


class _Open:
    """An item that is not done. A message has `contents`; a call and reasoning are one part (-1: not begun)."""

    __slots__ = ("contents", "has_text", "kind", "part", "summaries")

    def __init__(self, part: int = -1) -> None:
        self.part = part
        self.kind: PartKind | None = None
        """What the one part is: a server may mix up its items, but a kind of part has only its own deltas."""
        self.contents: dict[tuple[int, bool], _Content] = {}
        self.has_text = False
        self.summaries: dict[int, int] = {}
        """The provider's numbers of paragraphs, and ours, which have no gaps."""

    def paragraph(self, index: int) -> int:
        """Our number of a paragraph: a provider's may be anything, and whoever writes it makes room for all before it."""
        return self.summaries.setdefault(index, len(self.summaries))


class ResponseEventReader:
    """See `wire/codecs.py:EventReader`."""

    __slots__ = ("_done", "_has_calls", "_has_refusal", "_is_started", "_items", "_parts", "_splitter", "is_ended")

    def __init__(self) -> None:
        self._splitter = EventSplitter()
        self._items: dict[int, _Open] = {}
        self._done: set[int | str] = set()
        """Indexes and ids of items that are done."""
        self._parts = 0
        self._has_calls = False
        self._has_refusal = False
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
        if self.is_ended or document.startswith(b"[DONE]"):
            return
        event = read_event(document)
        take = _TAKERS.get(event.type or "")
        if take is not None:
            take(self, event, events, document)
        elif event.type is None and b'"error"' in document:
            self._fail(event, events, document)

    def _start(self, event: StreamEvent, events: list[Event], _document: bytes) -> None:
        if self._is_started:
            return
        self._is_started = True
        response = ResponseShape() if event.response is None else decode_response(event.response)
        events.append(Started(response.id or "", response.model or "", int(response.created_at or 0)))

    def _open(self, event: StreamEvent, events: list[Event]) -> _Open:
        """The item that an event is about; a server may not have announced it."""
        if not self._is_started:
            self._is_started = True
            events.append(Started())
        index = event.output_index or 0
        item = self._items.get(index)
        if item is None:
            item = self._items[index] = _Open()
        return item

    def _begin(self, item: _Open, start: PartStarted, events: list[Event]) -> None:
        item.part, item.kind = start.part, start.kind
        self._parts += 1
        events.append(start)

    def _content(self, item: _Open, index: int, events: list[Event], *, is_refusal: bool) -> _Content:
        content = item.contents.get((index, is_refusal))
        if content is None:
            content = item.contents[index, is_refusal] = _Content(self._parts, is_refusal=is_refusal)
            self._has_refusal = self._has_refusal or is_refusal
            events.append(PartStarted(0, self._parts, PartKind.REFUSAL if is_refusal else PartKind.TEXT))
            self._parts += 1
        return content

    def _add_item(self, event: StreamEvent, events: list[Event], _document: bytes) -> None:
        given = event.item or {}
        word = as_text(given.get("type"))
        if (event.output_index or 0) in self._items:
            self._close(self._items.pop(event.output_index or 0), {}, events)
        if word in _CALLS:
            self._begin_call(self._open(event, events), given, events)
        elif word == "reasoning":
            self._begin_reasoning(self._open(event, events), given, events)

    def _begin_call(self, item: _Open, given: Item, events: list[Event]) -> None:
        call = call_of(given)
        self._has_calls = True
        start = PartStarted(0, self._parts, PartKind.TOOL_CALL, call.id, call.name, call.is_custom, call.item_id)
        self._begin(item, start, events)

    def _begin_reasoning(self, item: _Open, given: Item, events: list[Event]) -> None:
        item_id = as_text(given.get("id")) or None
        self._begin(item, PartStarted(0, self._parts, PartKind.REASONING, item_id=item_id), events)

    def _add_content(self, event: StreamEvent, events: list[Event], _document: bytes) -> None:
        word = (event.part or {}).get("type")
        if word in ("output_text", "refusal"):
            self._content(self._open(event, events), event.content_index or 0, events, is_refusal=word == "refusal")

    def _text(self, event: StreamEvent, events: list[Event], _document: bytes) -> None:
        content = self._content(self._open(event, events), event.content_index or 0, events, is_refusal=False)
        if event.delta:
            content.has_text = True
            events.append(TextDelta(0, content.part, event.delta))
        if event.logprobs:
            content.has_logprobs = True
            events.append(LogprobsAdded(0, tuple(event.logprobs)))

    def _refusal(self, event: StreamEvent, events: list[Event], _document: bytes) -> None:
        content = self._content(self._open(event, events), event.content_index or 0, events, is_refusal=True)
        if event.delta:
            content.has_text = True
            events.append(RefusalDelta(0, content.part, event.delta))

    def _cite(self, event: StreamEvent, events: list[Event], _document: bytes) -> None:
        if event.annotation is not None:
            content = self._content(self._open(event, events), event.content_index or 0, events, is_refusal=False)
            content.citations += 1
            events.append(CitationAdded(0, content.part, read_annotation(event.annotation)))

    def _think(self, event: StreamEvent, events: list[Event], _document: bytes) -> None:
        item = self._open(event, events)
        if item.part < 0:
            self._begin_reasoning(item, {}, events)
        if event.delta and item.kind is PartKind.REASONING:
            item.has_text = True
            events.append(ReasoningDelta(0, item.part, event.delta))

    def _summarise(self, event: StreamEvent, events: list[Event], _document: bytes) -> None:
        item = self._open(event, events)
        if item.part < 0:
            self._begin_reasoning(item, {}, events)
        if event.delta and item.kind is PartKind.REASONING:
            events.append(SummaryDelta(0, item.part, item.paragraph(event.summary_index or 0), event.delta))

    def _argue(self, event: StreamEvent, events: list[Event], _document: bytes) -> None:
        item = self._items.get(event.output_index or 0)
        # xAI streams the input of its own tools this way, too; and of a call that was not announced, its end tells all.
        if item is not None and item.kind is PartKind.TOOL_CALL and event.delta:
            item.has_text = True
            events.append(ArgumentsDelta(0, item.part, event.delta))

    def _finish_item(self, event: StreamEvent, events: list[Event], _document: bytes) -> None:
        self._complete(event.output_index or 0, event.item or {}, events)

    def _complete(self, index: int, given: Item, events: list[Event]) -> None:
        """An item is done: what has not been said of it follows."""
        self._done.add(index)
        if item_id := as_text(given.get("id")):
            self._done.add(item_id)
        item = self._items.pop(index, None)
        if item is None:
            item = self._opened_late(given, events)
        if item is not None:
            self._close(item, given, events)

    def _opened_late(self, given: Item, events: list[Event]) -> _Open | None:
        word = as_text(given.get("type"))
        item = _Open()
        if not self._is_started:
            self._is_started = True
            events.append(Started())
        if word in _CALLS:
            self._begin_call(item, given, events)
        elif word == "reasoning":
            self._begin_reasoning(item, given, events)
        elif word and word != "message":
            part = self._parts
            self._begin(item, PartStarted(0, part, PartKind.SERVER_TOOL, whole=server_tool(given)), events)
            events.append(PartEnded(0, part))
            return None
        return item

    def _close(self, item: _Open, given: Item, events: list[Event]) -> None:
        word = as_text(given.get("type"))
        if word == "message":
            self._supply_contents(item, given, events)
        elif item.part >= 0:
            kind, supply = _SUPPLIERS.get(word, (None, None))
            seal = supply(item, given, events) if supply is not None and kind is item.kind else None
            events.append(PartEnded(0, item.part, seal))
        events.extend(PartEnded(0, content.part) for content in item.contents.values())

    def _supply_contents(self, item: _Open, given: Item, events: list[Event]) -> None:
        for index, raw in enumerate(contents_of(given)):
            said = read_content(raw)
            if isinstance(said, Audio):
                part = self._parts
                self._parts += 1
                sound = as_text(as_object(raw).get("data"))
                events += (PartStarted(0, part, PartKind.AUDIO), AudioDelta(0, part, sound, said.transcript or ""))
                events.append(PartEnded(0, part))
            elif said is not None:
                content = self._content(item, index, events, is_refusal=isinstance(said, Refusal))
                _supply_text(content, said, events)
                if isinstance(said, Text) and not content.has_logprobs and (tokens := logprobs_of(raw)):
                    events.append(LogprobsAdded(0, tuple(tokens)))

    def _end(self, event: StreamEvent, events: list[Event], _document: bytes) -> None:
        self._start(event, events, b"")
        response = ResponseShape() if event.response is None else decode_response(event.response)
        for index, given in enumerate(response.output or ()):
            if not (index in self._done or as_text(given.get("id")) in self._done):
                self._complete(index, given, events)
        for index in list(self._items):
            self._close(self._items.pop(index), {}, events)
        if response.status is None:
            response.status = (event.type or "").removeprefix("response.")
        reason, native = finish_by(response, has_calls=self._has_calls, has_refusal=self._has_refusal)
        events.append(Finished(0, reason, native))
        self._report(response, events)
        events.append(Ended())
        self.is_ended = True

    def _report(self, response: ResponseShape, events: list[Event]) -> None:
        if response.usage is not None or response.service_tier is not None:
            events.append(report(response))

    def _fail_response(self, event: StreamEvent, events: list[Event], _document: bytes) -> None:
        self._start(event, events, b"")
        response = ResponseShape() if event.response is None else decode_response(event.response)
        if response.usage is not None:
            self._report(response, events)
        events.append(failed_of(response.error))
        self.is_ended = True

    def _fail(self, _event: StreamEvent, events: list[Event], document: bytes) -> None:
        whole = as_object(decode_json(document))
        error = whole.get("error")
        events.append(failed_of(whole if error is None else error, as_text(whole.get("code"))))
        self.is_ended = True


def _supply_text(content: _Content, said: Text | Refusal, events: list[Event]) -> None:
    if not content.has_text and said.text:
        events.append((RefusalDelta if content.is_refusal else TextDelta)(0, content.part, said.text))
    if isinstance(said, Text):
        events.extend(CitationAdded(0, content.part, citation) for citation in said.citations[content.citations :])


def _supply_arguments(item: _Open, given: Item, events: list[Event]) -> Seal | None:
    call = call_of(given)
    if not item.has_text and call.arguments:
        events.append(ArgumentsDelta(0, item.part, call.arguments))
    return None


def _supply_reasoning(item: _Open, given: Item, events: list[Event]) -> Seal | None:
    thought = reasoning_of(given)
    if not item.has_text and thought.text:
        events.append(ReasoningDelta(0, item.part, thought.text))
    for index, paragraph in enumerate(thought.summary):
        if index not in item.summaries:
            events.append(SummaryDelta(0, item.part, item.paragraph(index), paragraph))
    return thought.seal


_CALLS: Final = frozenset(("function_call", "custom_tool_call"))
_SUPPLIERS: Final[dict[str, tuple[PartKind, Callable[[_Open, Item, list[Event]], Seal | None]]]] = {
    "function_call": (PartKind.TOOL_CALL, _supply_arguments),
    "custom_tool_call": (PartKind.TOOL_CALL, _supply_arguments),
    "reasoning": (PartKind.REASONING, _supply_reasoning),
}
_R = ResponseEventReader
_TAKERS: Final[dict[str, Callable[[ResponseEventReader, StreamEvent, list[Event], bytes], None]]] = {
    "response.output_text.delta": _R._text,  # noqa: SLF001 - the class's own table
    "response.reasoning_summary_text.delta": _R._summarise,  # noqa: SLF001
    "response.reasoning_text.delta": _R._think,  # noqa: SLF001
    "response.reasoning.delta": _R._think,  # noqa: SLF001
    "response.function_call_arguments.delta": _R._argue,  # noqa: SLF001
    "response.custom_tool_call_input.delta": _R._argue,  # noqa: SLF001
    "response.refusal.delta": _R._refusal,  # noqa: SLF001
    "response.output_item.added": _R._add_item,  # noqa: SLF001
    "response.content_part.added": _R._add_content,  # noqa: SLF001
    "response.output_text.annotation.added": _R._cite,  # noqa: SLF001
    "response.output_item.done": _R._finish_item,  # noqa: SLF001
    "response.created": _R._start,  # noqa: SLF001
    "response.queued": _R._start,  # noqa: SLF001
    "response.in_progress": _R._start,  # noqa: SLF001
    "response.completed": _R._end,  # noqa: SLF001
    "response.incomplete": _R._end,  # noqa: SLF001
    "response.failed": _R._fail_response,  # noqa: SLF001
    "error": _R._fail,  # noqa: SLF001
}
