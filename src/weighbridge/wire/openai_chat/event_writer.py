"""Events -> the caller's stream of a chat completion.

One chunk for each delta; the usage comes in a chunk of its own before `[DONE]`, where the caller asked for it. What a seal proves,
and where a text was found, is sent when its part ends. https://platform.openai.com/docs/api-reference/chat-streaming

Clients add up the entries of a list by their `index`, text to text, so that a word which has to stay whole (`format`, `id`) is
said once.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import ClassVar, Final

from weighbridge.core.codec import encode_json
from weighbridge.core.errors import GatewayError
from weighbridge.core.terms import NO_USAGE, Dialect, Endpoint, Operation, Usage
from weighbridge.wire.codecs import ReplyContext
from weighbridge.wire.conversation import Citation, Image, Reasoning
from weighbridge.wire.error_bodies import render_stream_error
from weighbridge.wire.events import (
    ArgumentsDelta,
    AudioDelta,
    CitationAdded,
    Ended,
    Event,
    Failed,
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
from weighbridge.wire.openai_chat.reply_writer import hides_thoughts, reason_word, reply_id, write_image
from weighbridge.wire.openai_chat.usage_writer import write_usage
from weighbridge.wire.openai_chat.vocabulary import (
    ORIGIN,
    made_call_id,
    sealed_text,
    write_annotation,
    write_details,
    write_signature,
)
from weighbridge.wire.provider_errors import classify_failed
from weighbridge.wire.service_tiers import tier_for

_DONE: Final = b"data: [DONE]\n\n"
_ALIVE: Final = b": keep-alive\n\n"
_ENDPOINT: Final = Endpoint(Dialect.OPENAI, Operation.CHAT)
_WHOLE_TEXT: Final = -1
"""The number of a thought's own text among the paragraphs of its summary."""


class _Thought:
    """One part of reasoning: its number among them, its id until that is said, and whether there was any text."""

    __slots__ = ("has_text", "id", "number")

    def __init__(self, number: int, item_id: str | None) -> None:
        self.number = number
        self.id = item_id
        self.has_text = False


class _Choice:
    """What has been said of one choice."""

    __slots__ = ("calls", "citations", "has_role", "length", "paragraph", "text_start", "thoughts")

    def __init__(self) -> None:
        self.has_role = False
        self.calls: dict[int, tuple[int, bool]] = {}
        """By part: the number of the call, and whether it is a custom one."""
        self.thoughts: dict[int, _Thought] = {}
        self.paragraph: tuple[int, int] | None = None
        """Which paragraph of the thinking was told last: its part, and its number there."""
        self.length = 0
        """Characters of content."""
        self.text_start = 0
        """Where the present text began in it."""
        self.citations: list[Citation] = []
        """Of the present text."""


class ChatEventWriter:
    """See `wire/codecs.py:EventWriter`."""

    def __init__(self, context: ReplyContext) -> None:
        self._context = context
        self._shows_usage = context.conversation.include_usage is True
        self._hides_thoughts = hides_thoughts(context)
        self._choices: dict[int, _Choice] = {}
        self._usage: Usage = NO_USAGE
        self._tier: str | None = None
        self._head = b""
        self._tail = b'],"usage":null}\n\n' if self._shows_usage else b"]}\n\n"
        self._start(Started())

    def write(self, events: Sequence[Event]) -> bytes:
        """Chunks for these events."""
        pieces: list[bytes] = []
        for event in events:
            write = self._WRITERS.get(event.__class__)
            if write is not None:
                write(self, event, pieces)
        return b"".join(pieces)

    def fail(self, error: GatewayError) -> bytes:
        """An error event; no `[DONE]` follows."""
        return render_stream_error(error, _ENDPOINT, self._context.request_id)

    def _start(self, event: Started) -> None:
        context = self._context
        head: JsonObject = {
            "id": reply_id(event.id, context),
            "object": "chat.completion.chunk",
            "created": event.created_s or context.created_s,
            "model": event.model or context.model,
        }
        # The same bytes before every delta, without the closing brace.
        self._head = b"data: " + encode_json(head)[:-1] + b',"choices":['

    def _choice(self, index: int) -> _Choice:
        choice = self._choices.get(index)
        if choice is None:
            choice = self._choices[index] = _Choice()
        return choice

    def _chunk(
        self, index: int, delta: JsonObject, pieces: list[bytes], *, reason: str | None = None, logprobs: object = None
    ) -> None:
        choice = self._choice(index)
        if not choice.has_role:
            choice.has_role = True
            delta = {"role": "assistant", **delta}
        entry: dict[str, object] = {"index": index, "delta": delta, "finish_reason": reason}
        if logprobs is not None:
            entry["logprobs"] = logprobs
        pieces += (self._head, encode_json(entry), self._tail)

    def _started(self, event: Started, _pieces: list[bytes]) -> None:
        self._start(event)

    def _text(self, event: TextDelta, pieces: list[bytes]) -> None:
        self._choice(event.choice).length += len(event.text)
        self._chunk(event.choice, {"content": event.text}, pieces)

    def _part_started(self, event: PartStarted, pieces: list[bytes]) -> None:
        choice = self._choice(event.choice)
        if event.kind is PartKind.TEXT:
            choice.text_start = choice.length
        elif event.kind is PartKind.TOOL_CALL:
            self._call_started(event, choice, pieces)
        elif event.kind is PartKind.REASONING:
            choice.thoughts[event.part] = _Thought(len(choice.thoughts), event.item_id)
        elif isinstance(event.whole, Image):
            self._chunk(event.choice, {"images": [write_image(event.whole)]}, pieces)

    def _call_started(self, event: PartStarted, choice: _Choice, pieces: list[bytes]) -> None:
        number = len(choice.calls)
        choice.calls[event.part] = (number, event.is_custom)
        inner: JsonObject = {"name": event.name, "input" if event.is_custom else "arguments": ""}
        kind = "custom" if event.is_custom else "function"
        call_id = event.call_id or made_call_id(self._context.request_id, number)
        if self._context.conversation.wants_function_call:
            if number == 0:
                self._chunk(event.choice, {"function_call": inner}, pieces)
            return
        self._chunk(event.choice, {"tool_calls": [{"index": number, "id": call_id, "type": kind, kind: inner}]}, pieces)

    def _arguments(self, event: ArgumentsDelta, pieces: list[bytes]) -> None:
        number, is_custom = self._choices[event.choice].calls[event.part]
        if self._context.conversation.wants_function_call:
            if number == 0:
                self._chunk(event.choice, {"function_call": {"arguments": event.text}}, pieces)
            return
        inner: JsonObject = {"custom": {"input": event.text}} if is_custom else {"function": {"arguments": event.text}}
        self._chunk(event.choice, {"tool_calls": [{"index": number, **inner}]}, pieces)

    def _reasoning(self, event: ReasoningDelta, pieces: list[bytes]) -> None:
        thought = self._choices[event.choice].thoughts[event.part]
        detail: JsonObject = {"type": "reasoning.text", "text": event.text, "index": thought.number}
        gap = self._gap(event.choice, event.part, _WHOLE_TEXT)
        self._think(thought, event.choice, gap + event.text, detail, pieces)

    def _summary(self, event: SummaryDelta, pieces: list[bytes]) -> None:
        """Paragraphs are told apart by a blank line, since entries of one index become one at the client."""
        thought = self._choices[event.choice].thoughts[event.part]
        gap = self._gap(event.choice, event.part, event.index)
        text = gap + event.text if event.index else event.text
        detail: JsonObject = {"type": "reasoning.summary", "summary": text, "index": thought.number}
        self._think(thought, event.choice, gap + event.text, detail, pieces)

    def _gap(self, index: int, part: int, paragraph: int) -> str:
        choice = self._choices[index]
        before, choice.paragraph = choice.paragraph, (part, paragraph)
        return "" if before is None or before == choice.paragraph else "\n\n"

    def _think(self, thought: _Thought, index: int, text: str, detail: JsonObject, pieces: list[bytes]) -> None:
        thought.has_text = True
        if not self._hides_thoughts:
            if thought.id is not None:
                detail["id"], thought.id = thought.id, None
            self._chunk(index, {"reasoning_content": text, "reasoning_details": [detail]}, pieces)

    def _refusal(self, event: RefusalDelta, pieces: list[bytes]) -> None:
        self._chunk(event.choice, {"refusal": event.text}, pieces)

    def _audio(self, event: AudioDelta, pieces: list[bytes]) -> None:
        given = {"id": event.id, "data": event.base64, "transcript": event.transcript, "expires_at": event.expires_at}
        self._chunk(event.choice, {"audio": {name: value for name, value in given.items() if value}}, pieces)

    def _citation(self, event: CitationAdded, _pieces: list[bytes]) -> None:
        self._choice(event.choice).citations.append(event.citation)

    def _part_ended(self, event: PartEnded, pieces: list[bytes]) -> None:
        choice = self._choice(event.choice)
        if event.part in choice.thoughts:
            self._thought_ended(event, choice.thoughts[event.part], pieces)
        elif event.part in choice.calls:
            if event.seal is not None and not self._context.conversation.wants_function_call:
                number, is_custom = choice.calls[event.part]
                # OpenAI's own SDK stumbles over a delta of a function call without the function.
                same: JsonObject = {"custom": {"input": ""}} if is_custom else {"function": {"arguments": ""}}
                call: JsonObject = {"index": number, **same, "extra_content": write_signature(event.seal)}
                self._chunk(event.choice, {"tool_calls": [call]}, pieces)
        else:
            self._text_ended(event, choice, pieces)

    def _thought_ended(self, event: PartEnded, thought: _Thought, pieces: list[bytes]) -> None:
        if event.seal is None or (self._hides_thoughts and thought.has_text):
            return
        details = write_details(Reasoning(seal=event.seal, id=thought.id), thought.number, sealed_text(event.seal))
        self._chunk(event.choice, {"reasoning_details": list(details)}, pieces)

    def _text_ended(self, event: PartEnded, choice: _Choice, pieces: list[bytes]) -> None:
        delta: JsonObject = {}
        span = (choice.text_start, choice.length)
        annotations = [note for citation in choice.citations if (note := write_annotation(citation, *span)) is not None]
        choice.citations.clear()
        if annotations:
            delta["annotations"] = list(annotations)
        if event.seal is not None:
            delta["extra_content"] = write_signature(event.seal)
        if delta:
            self._chunk(event.choice, delta, pieces)

    def _logprobs(self, event: LogprobsAdded, pieces: list[bytes]) -> None:
        name, other = ("refusal", "content") if event.is_refusal else ("content", "refusal")
        self._chunk(event.choice, {}, pieces, logprobs={name: event.tokens, other: None})

    def _finished(self, event: Finished, pieces: list[bytes]) -> None:
        self._chunk(event.choice, {}, pieces, reason=reason_word(event.reason, self._context))

    def _usage_reported(self, event: UsageReported, _pieces: list[bytes]) -> None:
        self._usage = event.usage
        if event.service_tier is not None:
            self._tier = tier_for(ORIGIN, event.service_tier) or self._tier

    def _kept_alive(self, _event: KeepAlive, pieces: list[bytes]) -> None:
        pieces.append(_ALIVE)

    def _failed(self, event: Failed, pieces: list[bytes]) -> None:
        pieces.append(self.fail(classify_failed(event, Dialect.OPENAI)))

    def _ended(self, _event: Ended, pieces: list[bytes]) -> None:
        if self._shows_usage:
            usage = write_usage(self._usage)
            tier = b"" if self._tier is None else b',"service_tier":' + encode_json(self._tier)
            pieces += (self._head, b'],"usage":', encode_json(usage), tier, b"}\n\n")
        pieces.append(_DONE)

    _WRITERS: ClassVar[dict[type, Callable[..., None]]] = {
        Started: _started,
        PartStarted: _part_started,
        TextDelta: _text,
        ArgumentsDelta: _arguments,
        ReasoningDelta: _reasoning,
        SummaryDelta: _summary,
        RefusalDelta: _refusal,
        AudioDelta: _audio,
        CitationAdded: _citation,
        PartEnded: _part_ended,
        LogprobsAdded: _logprobs,
        Finished: _finished,
        UsageReported: _usage_reported,
        Ended: _ended,
        KeepAlive: _kept_alive,
        Failed: _failed,
    }
