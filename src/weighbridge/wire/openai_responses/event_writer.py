"""Events -> the caller's stream of a response.

https://platform.openai.com/docs/api-reference/responses-streaming. Every event is numbered. An item is announced, filled and done;
the last event carries the whole response. An item that has ended is declared done with the next sign of life only, since it is
`incomplete` where the answer was cut in it, and a client must not carry out half a call.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

import msgspec

from weighbridge.core.codec import encode_json
from weighbridge.core.errors import GatewayError
from weighbridge.core.terms import NO_USAGE, Dialect, Endpoint, Operation, Usage
from weighbridge.wire.codecs import ReplyContext
from weighbridge.wire.conversation import Seal
from weighbridge.wire.error_bodies import render_stream_error
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
    UsageReported,
)
from weighbridge.wire.json_value import JsonObject
from weighbridge.wire.openai_responses.custom_calls import custom_names, free_text
from weighbridge.wire.openai_responses.event_bytes import (
    ARGUMENTS,
    INPUT,
    KEEP_ALIVE,
    REFUSAL,
    STAGES,
    SUMMARY,
    TEXT,
    TEXT_LOGPROBS,
    THINKING,
    tokens_first,
)
from weighbridge.wire.openai_responses.open_items import (
    OpenCall,
    OpenContent,
    OpenItem,
    OpenMessage,
    OpenReasoning,
    WholeItem,
)
from weighbridge.wire.openai_responses.reply_items import add_logprobs, call_item_id, item_of, reasoning_item, summarises
from weighbridge.wire.openai_responses.response_object import Ending, ResponseFrame, ending_of, failure_of
from weighbridge.wire.openai_responses.vocabulary import Item, own_id, seal_id, write_annotation

_ENDPOINT: Final = Endpoint(Dialect.OPENAI, Operation.RESPONSES)
_IN_MESSAGE: Final = frozenset((PartKind.TEXT, PartKind.REFUSAL, PartKind.AUDIO))


class ResponseEventWriter:
    """See `wire/codecs.py:EventWriter`."""

    __slots__ = (
        "_context",
        "_custom_names",
        "_finished",
        "_frame",
        "_held",
        "_is_over",
        "_logprobs",
        "_message",
        "_output",
        "_parts",
        "_sequence",
        "_summarises",
        "_tier",
        "_unsent_logprobs",
        "_usage",
    )

    def __init__(self, context: ReplyContext) -> None:
        self._context = context
        self._frame: ResponseFrame | None = None
        self._sequence = -1
        self._custom_names = custom_names(context.conversation)
        self._summarises = summarises(context.conversation)
        self._parts: dict[int, OpenItem] = {}
        self._message: OpenMessage | None = None
        """To which a text that follows would be added."""
        self._output: list[Item | None] = []
        """Items by `output_index`; None is not done."""
        self._held: list[OpenItem] = []
        """Items that have ended and are not declared done yet."""
        self._logprobs: list[JsonObject] = []
        """Those that came too late for their text."""
        self._unsent_logprobs: list[JsonObject] = []
        self._usage: Usage = NO_USAGE
        self._tier: str | None = None
        self._finished: Ending | None = None
        self._is_over = False

    def write(self, events: Sequence[Event]) -> bytes:
        """What the caller is sent for these events; may be empty."""
        out: list[bytes] = []
        if self._context.conversation.logprobs:
            events = tokens_first(events)
        for event in events:
            write = _WRITERS.get(type(event))
            if write is not None and getattr(event, "choice", 0) == 0:  # there is place for one choice
                write(self, event, out)
        return b"".join(out)

    def fail(self, error: GatewayError) -> bytes:
        """The failed response, or an error event where none has begun. Nothing follows."""
        if self._is_over:
            return b""
        self._is_over = True
        if self._frame is None:
            return render_stream_error(error, _ENDPOINT, self._context.request_id)
        out: list[bytes] = []
        self._write_end(failure_of(error), out)
        return b"".join(out)

    def _send(self, kind: str, fields: JsonObject, out: list[bytes]) -> None:
        self._sequence += 1
        document = encode_json({"type": kind, "sequence_number": self._sequence, **fields})
        out += (b"event: ", kind.encode(), b"\ndata: ", document, b"\n\n")

    def _start(self, event: Started, out: list[bytes]) -> None:
        if self._frame is None:
            self._frame = ResponseFrame(self._context, event.id, event.model, event.created_s)
            response = self._frame.render("in_progress", [])
            self._send("response.created", {"response": response}, out)
            self._send("response.in_progress", {"response": response}, out)

    def _keep_alive(self, _event: KeepAlive, out: list[bytes]) -> None:
        out.append(KEEP_ALIVE)

    def _report(self, event: UsageReported, _out: list[bytes]) -> None:
        self._usage, self._tier = event.usage, event.service_tier or self._tier

    def _begin(self, event: PartStarted, out: list[bytes]) -> None:
        self._start(Started(), out)
        if event.kind in _IN_MESSAGE:
            message = self._message
            if message is None:
                self._release(out)
                index = self._next_index()
                message = self._message = OpenMessage(index, own_id("msg", self._context.request_id, index))
                self._announce(message, out)
            content = message.begin(is_refusal=event.kind is PartKind.REFUSAL)
            self._parts[event.part] = content
            self._send("response.content_part.added", {**content.place, "part": content.empty()}, out)
            return
        item = self._opened(event)
        if item is not None:
            self._part_from_message()
            self._release(out)
            self._output.append(None)
            self._parts[event.part] = item
            self._announce(item, out)

    def _opened(self, event: PartStarted) -> OpenItem | None:
        """The item of a part that is no message; None for what cannot be shown."""
        index, request_id = len(self._output), self._context.request_id
        if event.kind is PartKind.TOOL_CALL:
            is_wrapped = not event.is_custom and event.name in self._custom_names
            is_custom = event.is_custom or is_wrapped
            item_id = call_item_id(None if is_wrapped else event.item_id, request_id, index, is_custom=is_custom)
            call = OpenCall(index, item_id, event.call_id, event.name, is_custom=is_custom)
            call.is_wrapped = is_wrapped
            return call
        if event.kind is PartKind.REASONING:
            return OpenReasoning(index, event.item_id or own_id("rs", request_id, index))
        item = None if event.whole is None else item_of(event.whole, request_id, index)
        return None if item is None else WholeItem(index, item)

    def _next_index(self) -> int:
        self._output.append(None)
        return len(self._output) - 1

    def _announce(self, item: OpenItem, out: list[bytes]) -> None:
        self._send("response.output_item.added", {"output_index": item.index, "item": item.announced()}, out)

    def _part_from_message(self) -> None:
        """No further text belongs to the message: it is done when its texts are."""
        message, self._message = self._message, None
        if message is not None:
            message.is_closed = True
            if message.open == 0:
                self._held.append(message)

    def _release(self, out: list[bytes], status: str = "completed") -> None:
        """Declare done what has ended. The last of them has the status."""
        held, self._held = self._held, []
        last = next((item for item in reversed(held) if not item.is_seal), None)
        for item in held:
            if item.is_seal:
                self._announce(item, out)
            done = self._output[item.index] = item.done("completed" if item is not last else status)
            self._send("response.output_item.done", {"output_index": item.index, "item": done}, out)

    def _text(self, event: TextDelta, out: list[bytes]) -> None:
        content = self._parts[event.part]
        assert isinstance(content, OpenContent)
        content.texts.append(event.text)
        self._sequence += 1
        at = (self._sequence, content.message.id_json, content.index, content.number, encode_json(event.text))
        if self._unsent_logprobs:
            out.append(TEXT_LOGPROBS % (*at, encode_json(self._unsent_logprobs)))
            self._unsent_logprobs = []
        else:
            out.append(TEXT % at)

    def _refusal(self, event: RefusalDelta, out: list[bytes]) -> None:
        content = self._parts[event.part]
        assert isinstance(content, OpenContent)
        content.texts.append(event.text)
        self._sequence += 1
        text = encode_json(event.text)
        out.append(REFUSAL % (self._sequence, content.message.id_json, content.index, content.number, text))

    def _audio(self, event: AudioDelta, out: list[bytes]) -> None:
        if event.transcript:
            self._text(TextDelta(0, event.part, event.transcript), out)

    def _arguments(self, event: ArgumentsDelta, out: list[bytes]) -> None:
        call = self._parts[event.part]
        assert isinstance(call, OpenCall)
        call.texts.append(event.text)
        if not call.is_wrapped:
            self._send_arguments(call, event.text, out)

    def _send_arguments(self, call: OpenCall, text: str, out: list[bytes]) -> None:
        self._sequence += 1
        template = INPUT if call.is_custom else ARGUMENTS
        out.append(template % (self._sequence, call.id_json, call.index, encode_json(text)))

    def _think(self, event: ReasoningDelta, out: list[bytes]) -> None:
        thought = self._parts[event.part]
        assert isinstance(thought, OpenReasoning)
        if self._summarises and (thought.has_text_in_summary or not thought.summary):
            thought.has_text_in_summary = True
            self._add_to_summary(thought, 0, event.text, out)
            return
        if not thought.texts:
            part: JsonObject = {"type": "reasoning_text", "text": ""}
            self._send("response.content_part.added", {**thought.place, "content_index": 0, "part": part}, out)
        thought.texts.append(event.text)
        self._sequence += 1
        out.append(THINKING % (self._sequence, thought.id_json, thought.index, encode_json(event.text)))

    def _summarise(self, event: SummaryDelta, out: list[bytes]) -> None:
        thought = self._parts[event.part]
        assert isinstance(thought, OpenReasoning)
        self._add_to_summary(thought, event.index + thought.has_text_in_summary, event.text, out)

    def _add_to_summary(self, thought: OpenReasoning, index: int, text: str, out: list[bytes]) -> None:
        index = min(index, len(thought.summary))  # paragraphs have no gaps, whatever their provider counts
        if index == len(thought.summary):
            self._end_paragraph(thought, out)
            thought.summary.append([])
            part: JsonObject = {"type": "summary_text", "text": ""}
            fields: JsonObject = {**thought.place, "summary_index": index, "part": part}
            self._send("response.reasoning_summary_part.added", fields, out)
            thought.is_paragraph_open = True
        thought.summary[index].append(text)
        self._sequence += 1
        out.append(SUMMARY % (self._sequence, thought.id_json, thought.index, index, encode_json(text)))

    def _end_paragraph(self, thought: OpenReasoning, out: list[bytes]) -> None:
        if not thought.is_paragraph_open:
            return
        thought.is_paragraph_open = False
        index = len(thought.summary) - 1
        text = "".join(thought.summary[index])
        place: JsonObject = {**thought.place, "summary_index": index}
        self._send("response.reasoning_summary_text.done", {**place, "text": text}, out)
        part: JsonObject = {"type": "summary_text", "text": text}
        self._send("response.reasoning_summary_part.done", {**place, "part": part}, out)

    def _cite(self, event: CitationAdded, out: list[bytes]) -> None:
        content = self._parts[event.part]
        assert isinstance(content, OpenContent)
        annotation = write_annotation(event.citation, sum(map(len, content.texts)))
        content.citations.append(event.citation)
        if annotation is not None:
            fields: JsonObject = {**content.place, "annotation_index": content.annotations, "annotation": annotation}
            content.annotations += 1
            self._send("response.output_text.annotation.added", fields, out)

    def _take_logprobs(self, event: LogprobsAdded, _out: list[bytes]) -> None:
        if event.is_refusal:
            return
        content = self._message.contents[-1] if self._message is not None else None
        if content is None:
            self._logprobs += event.tokens
        else:
            content.logprobs += event.tokens
            self._unsent_logprobs += event.tokens

    def _end_part(self, event: PartEnded, out: list[bytes]) -> None:
        item = self._parts.pop(event.part, None)
        if item is None:
            return
        _PART_ENDS[type(item)](self, item, event, out)
        if isinstance(item, OpenContent):
            message = item.message
            message.open -= 1
            if message.is_closed and message.open == 0:
                self._held.append(message)
            if event.seal is not None and not message.is_closed:
                self._part_from_message()
        else:
            self._held.append(item)
        if event.seal is not None and not isinstance(item, OpenReasoning):
            self._hold_seal(event.seal)

    def _hold_seal(self, seal: Seal) -> None:
        index = self._next_index()
        item = WholeItem(index, reasoning_item(seal_id(self._context.request_id, index), "", (), seal))
        item.is_seal = True
        self._held.append(item)

    def _end_content(self, content: OpenContent, _event: PartEnded, out: list[bytes]) -> None:
        part = content.done()
        if content.is_refusal:
            self._send("response.refusal.done", {**content.place, "refusal": part["refusal"]}, out)
        else:
            fields: JsonObject = {**content.place, "text": part["text"], "logprobs": part["logprobs"]}
            self._send("response.output_text.done", fields, out)
        self._send("response.content_part.done", {**content.place, "part": part}, out)

    def _end_call(self, call: OpenCall, _event: PartEnded, out: list[bytes]) -> None:
        if call.is_wrapped:  # JSON is read as a whole only
            text = free_text("".join(call.texts))
            call.texts = [text]
            if text:
                self._send_arguments(call, text, out)
        kind, name = ("custom_tool_call_input", "input") if call.is_custom else ("function_call_arguments", "arguments")
        fields: JsonObject = {**call.place, name: "".join(call.texts)}
        if not call.is_custom:
            fields["name"] = call.name
        self._send(f"response.{kind}.done", fields, out)

    def _end_reasoning(self, thought: OpenReasoning, event: PartEnded, out: list[bytes]) -> None:
        self._end_paragraph(thought, out)
        if thought.texts:
            text = "".join(thought.texts)
            place: JsonObject = {**thought.place, "content_index": 0}
            self._send("response.reasoning_text.done", {**place, "text": text}, out)
            part: JsonObject = {"type": "reasoning_text", "text": text}
            self._send("response.content_part.done", {**place, "part": part}, out)
        thought.seal = event.seal

    def _end_whole(self, item: WholeItem, _event: PartEnded, out: list[bytes]) -> None:
        for stage in STAGES.get(item.kind, ()):
            self._send(f"response.{item.kind}.{stage}", item.place, out)

    def _finish(self, event: Finished, out: list[bytes]) -> None:
        self._finished = ending_of(event.reason)
        self._part_from_message()
        self._release(out, self._finished.item_status)

    def _end(self, _event: Ended, out: list[bytes]) -> None:
        if self._finished is not None and not self._is_over:  # no finish, no end
            self._start(Started(), out)
            self._is_over = True
            self._write_end(self._finished, out)

    def _write_end(self, ending: Ending, out: list[bytes]) -> None:
        assert self._frame is not None
        output = [item for item in self._output if item is not None]
        add_logprobs(output, self._logprobs)
        response = self._frame.render_end(ending, output, self._usage, self._tier)
        self._send(f"response.{ending.status}", {"response": response}, out)


_W = ResponseEventWriter
_WRITERS: Final[dict[type[msgspec.Struct], Callable[..., None]]] = {
    TextDelta: _W._text,  # noqa: SLF001 - the class's own table
    ReasoningDelta: _W._think,  # noqa: SLF001
    SummaryDelta: _W._summarise,  # noqa: SLF001
    ArgumentsDelta: _W._arguments,  # noqa: SLF001
    RefusalDelta: _W._refusal,  # noqa: SLF001
    AudioDelta: _W._audio,  # noqa: SLF001
    CitationAdded: _W._cite,  # noqa: SLF001
    LogprobsAdded: _W._take_logprobs,  # noqa: SLF001
    PartStarted: _W._begin,  # noqa: SLF001
    PartEnded: _W._end_part,  # noqa: SLF001
    Started: _W._start,  # noqa: SLF001
    KeepAlive: _W._keep_alive,  # noqa: SLF001
    UsageReported: _W._report,  # noqa: SLF001
    Finished: _W._finish,  # noqa: SLF001
    Ended: _W._end,  # noqa: SLF001
}
_PART_ENDS: Final[dict[type[OpenItem], Callable[..., None]]] = {
    OpenContent: _W._end_content,  # noqa: SLF001
    OpenCall: _W._end_call,  # noqa: SLF001
    OpenReasoning: _W._end_reasoning,  # noqa: SLF001
    WholeItem: _W._end_whole,  # noqa: SLF001
}
