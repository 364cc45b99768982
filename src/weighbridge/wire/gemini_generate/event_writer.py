"""Events -> the caller's stream: a response for each event, as server-sent events or as a JSON array (without `alt=sse`).

A call is written as a whole, since clients do not join pieces of arguments. The finish reasons stand in the last response, with the
counts: without the provider's proper end it never comes.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

import msgspec

from weighbridge.core.codec import encode_json
from weighbridge.core.errors import GatewayError
from weighbridge.core.terms import NO_USAGE, Dialect, Usage
from weighbridge.wire.codecs import EventWriter, ReplyContext
from weighbridge.wire.conversation import Audio, Citation, MediaBytes, Seal
from weighbridge.wire.error_bodies import render_error
from weighbridge.wire.events import (
    ArgumentsDelta,
    AudioDelta,
    Choice,
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
from weighbridge.wire.gemini_generate.logprobs import write_logprobs
from weighbridge.wire.gemini_generate.reply_writer import (
    Block,
    CandidateWriter,
    call_block,
    finish_reason,
    seal_block,
    signature,
    sound,
)
from weighbridge.wire.gemini_generate.usage_writer import write_usage
from weighbridge.wire.gemini_generate.vocabulary import call_arguments
from weighbridge.wire.json_value import JsonObject

_TEXT: Final = b'{"candidates":[{"content":{"parts":[{"text":%b}],"role":"model"},"index":%d}]%b'
_THOUGHT: Final = b'{"candidates":[{"content":{"parts":[{"text":%b,"thought":true}],"role":"model"},"index":%d}]%b'
_PARTS: Final = b'{"candidates":[{"content":{"parts":%b,"role":"model"},"index":%d}]%b'
_UNKNOWN_SOUND: Final = "audio/*"


class _Part:
    """A part that was begun."""

    __slots__ = ("citations", "start", "texts")

    def __init__(self, start: PartStarted) -> None:
        self.start = start
        self.texts: list[str] = []
        self.citations: list[Citation] = []


class _Candidate:
    """One choice."""

    __slots__ = ("finished", "logprobs", "paragraph", "parts", "writer")

    def __init__(self, context: ReplyContext) -> None:
        self.parts: dict[int, _Part] = {}
        self.writer = CandidateWriter(context)
        self.logprobs: list[JsonObject] = []
        self.paragraph = 0
        self.finished: Finished | None = None


class _ResponseWriter:
    """Events as responses, each a JSON document; `_framed` is what a kind of stream puts around one."""

    __slots__ = ("_candidates", "_context", "_tail", "_tier", "_usage")

    def __init__(self, context: ReplyContext) -> None:
        self._context = context
        self._candidates: dict[int, _Candidate] = {}
        self._usage: Usage = NO_USAGE
        self._tier: str | None = None
        self._tail = self._named("", "")
        """What ends each response: who answers."""

    def write(self, events: Sequence[Event]) -> bytes:
        """What the caller is sent for these events; may be empty."""
        out: list[bytes] = []
        for event in events:
            write = _WRITERS.get(type(event))
            if write is not None:
                write(self, event, out)
        return b"".join(out)

    def fail(self, error: GatewayError) -> bytes:
        """The error in place of a response; every client raises it."""
        return self._framed(render_error(error, Dialect.GEMINI, self._context.request_id)) + self._closed()

    def _framed(self, document: bytes) -> bytes:
        return b"data: " + document + b"\r\n\r\n"

    def _closed(self) -> bytes:
        return b""

    def _keep_alive(self, _event: KeepAlive, out: list[bytes]) -> None:
        # No comment: Google's SDK takes every line without `data:` for a piece of an error.
        out.append(b"\r\n")

    def _named(self, model: str, reply_id: str) -> bytes:
        model, reply_id = model or self._context.model, reply_id or self._context.request_id
        return b',"modelVersion":' + encode_json(model) + b',"responseId":' + encode_json(reply_id) + b"}"

    def _start(self, event: Started, _out: list[bytes]) -> None:
        self._tail = self._named(event.model, event.id)

    def _report(self, event: UsageReported, _out: list[bytes]) -> None:
        self._usage, self._tier = event.usage, event.service_tier or self._tier

    def _candidate(self, index: int) -> _Candidate:
        candidate = self._candidates.get(index)
        if candidate is None:
            candidate = self._candidates[index] = _Candidate(self._context)
        return candidate

    def _send(self, index: int, parts: list[Block], out: list[bytes]) -> None:
        if parts:
            out.append(self._framed(_PARTS % (encode_json(parts), index, self._tail)))

    def _begin(self, event: PartStarted, out: list[bytes]) -> None:
        candidate = self._candidate(event.choice)
        candidate.parts[event.part] = _Part(event)
        candidate.paragraph = 0
        if event.whole is not None:
            self._send(event.choice, candidate.writer.part(event.whole), out)

    def _text(self, event: TextDelta | RefusalDelta, out: list[bytes]) -> None:
        self._candidates[event.choice].parts[event.part].texts.append(event.text)
        out.append(self._framed(_TEXT % (encode_json(event.text), event.choice, self._tail)))

    def _thought(self, event: ReasoningDelta, out: list[bytes]) -> None:
        out.append(self._framed(_THOUGHT % (encode_json(event.text), event.choice, self._tail)))

    def _summary(self, event: SummaryDelta, out: list[bytes]) -> None:
        candidate = self._candidates[event.choice]
        text = event.text if event.index == candidate.paragraph else f"\n\n{event.text}"
        candidate.paragraph = event.index
        out.append(self._framed(_THOUGHT % (encode_json(text), event.choice, self._tail)))

    def _arguments(self, event: ArgumentsDelta, _out: list[bytes]) -> None:
        self._candidates[event.choice].parts[event.part].texts.append(event.text)

    def _sound(self, event: AudioDelta, out: list[bytes]) -> None:
        source = MediaBytes(event.base64, _UNKNOWN_SOUND) if event.base64 else None
        self._candidates[event.choice].parts[event.part].texts.append(event.transcript)
        self._send(event.choice, sound(Audio(source, transcript=event.transcript), self._context), out)

    def _cite(self, event: CitationAdded, _out: list[bytes]) -> None:
        self._candidates[event.choice].parts[event.part].citations.append(event.citation)

    def _end_part(self, event: PartEnded, out: list[bytes]) -> None:
        candidate = self._candidates[event.choice]
        part = candidate.parts.pop(event.part)
        start, text = part.start, "".join(part.texts)
        if start.whole is not None:
            return
        if start.kind is PartKind.TOOL_CALL:
            args = call_arguments(text, is_custom=start.is_custom)
            if isinstance(args, msgspec.Raw):
                # Within an event no line may end. In JSON an end of line is a blank between words: within texts it is escaped.
                args = msgspec.Raw(bytes(args).translate(_BLANKS))
            self._send(event.choice, [call_block(start.call_id, start.name, args, event.seal)], out)
            return
        if start.kind is not PartKind.REASONING:
            candidate.writer.cite(tuple(part.citations), text)
        if event.seal is not None:
            self._send(event.choice, [_seal_alone(start.kind, event.seal)], out)

    def _add_logprobs(self, event: LogprobsAdded, _out: list[bytes]) -> None:
        self._candidate(event.choice).logprobs.extend(event.tokens)

    def _finish(self, event: Finished, _out: list[bytes]) -> None:
        self._candidate(event.choice).finished = event

    def _end(self, _event: Ended, out: list[bytes]) -> None:
        candidates = [self._last(index, candidate) for index, candidate in sorted(self._candidates.items())]
        if not candidates:
            return  # no finish, no end
        body: Block = {"candidates": candidates}
        usage = write_usage(self._usage, self._tier)
        if usage is not None:
            body["usageMetadata"] = usage
        out.append(self._framed(encode_json(body)[:-1] + self._tail))
        out.append(self._closed())

    @staticmethod
    def _last(index: int, candidate: _Candidate) -> Block:
        # An empty text: some clients read the parts of every response without asking whether there are any.
        last: Block = {"content": {"parts": [{"text": ""}], "role": "model"}, "index": index}
        end = candidate.finished
        if end is not None:
            last["finishReason"] = finish_reason(Choice((), end.reason, end.native))
        last.update(candidate.writer.beside())
        if candidate.logprobs:
            last["logprobsResult"] = write_logprobs(candidate.logprobs)
        return last


def _seal_alone(kind: PartKind, seal: Seal) -> Block:
    """The seal of a part that was sent already: in a part of the same kind, without a text."""
    if kind is PartKind.REASONING:
        return {**seal_block("", seal), "thought": True}
    return {"text": "", "thoughtSignature": signature(seal)}


_BLANKS: Final = bytes.maketrans(b"\r\n", b"  ")


class GenerateEventWriter(_ResponseWriter):
    """Server-sent events. See `wire/codecs.py:EventWriter`."""

    __slots__ = ()


class _ArrayEventWriter(_ResponseWriter):
    """A JSON array of responses."""

    __slots__ = ("_is_open",)

    def __init__(self, context: ReplyContext) -> None:
        super().__init__(context)
        self._is_open = False

    def _framed(self, document: bytes) -> bytes:
        before = b",\r\n" if self._is_open else b"["
        self._is_open = True
        return before + document

    def _closed(self) -> bytes:
        return b"]\n"

    def _keep_alive(self, _event: KeepAlive, out: list[bytes]) -> None:
        out.append(b"\n")


def array_event_writer(context: ReplyContext) -> EventWriter:
    """The writer for `streamGenerateContent` without `alt=sse`."""
    return _ArrayEventWriter(context)


_W = _ResponseWriter
_WRITERS: Final[dict[type[msgspec.Struct], Callable[..., None]]] = {
    TextDelta: _W._text,  # noqa: SLF001 - the class's own table
    ReasoningDelta: _W._thought,  # noqa: SLF001
    ArgumentsDelta: _W._arguments,  # noqa: SLF001
    SummaryDelta: _W._summary,  # noqa: SLF001
    RefusalDelta: _W._text,  # noqa: SLF001
    AudioDelta: _W._sound,  # noqa: SLF001
    CitationAdded: _W._cite,  # noqa: SLF001
    PartStarted: _W._begin,  # noqa: SLF001
    PartEnded: _W._end_part,  # noqa: SLF001
    LogprobsAdded: _W._add_logprobs,  # noqa: SLF001
    Started: _W._start,  # noqa: SLF001
    UsageReported: _W._report,  # noqa: SLF001
    Finished: _W._finish,  # noqa: SLF001
    Ended: _W._end,  # noqa: SLF001
    KeepAlive: lambda writer, event, out: writer._keep_alive(event, out),  # noqa: SLF001 - the subclass's own
}
