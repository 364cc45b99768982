"""Events -> the caller's stream of a message.

https://docs.anthropic.com/en/docs/build-with-claude/streaming. Blocks come strictly one after another; where a provider's parts
overlap, the later ones wait. A block of thinking begins with the first thing that is said in it, since only then it is known what
it is: thinking that can be read, or a seal alone.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

import msgspec

from weighbridge.core.codec import encode_json
from weighbridge.core.errors import GatewayError
from weighbridge.core.terms import NO_USAGE, Dialect, Endpoint, Operation, Usage
from weighbridge.wire.anthropic_messages.reply_writer import (
    Block,
    call_input,
    message_head,
    seal_block,
    stand_in,
    stop_reason,
    write_usage,
)
from weighbridge.wire.anthropic_messages.vocabulary import ORIGIN, write_citation
from weighbridge.wire.codecs import ReplyContext
from weighbridge.wire.conversation import Audio, ServerTool
from weighbridge.wire.error_bodies import render_stream_error
from weighbridge.wire.events import (
    ArgumentsDelta,
    AudioDelta,
    CitationAdded,
    Ended,
    Event,
    Finished,
    KeepAlive,
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
from weighbridge.wire.sealing import wrap

_ENDPOINT: Final = Endpoint(Dialect.ANTHROPIC, Operation.MESSAGES)
_PING: Final = b'event: ping\ndata: {"type":"ping"}\n\n'
_COMMENT: Final = b": keep-alive\n\n"
"""For clients that take nothing before `message_start`."""
_STOP: Final = b'event: message_stop\ndata: {"type":"message_stop"}\n\n'
_BLOCK_STOP: Final = b'event: content_block_stop\ndata: {"type":"content_block_stop","index":%d}\n\n'
_BLOCK_START: Final = b'event: content_block_start\ndata: {"type":"content_block_start","index":%d,"content_block":%b}\n\n'
_DELTA: Final = b'event: content_block_delta\ndata: {"type":"content_block_delta","index":%d,"delta":{"type":"'
_TEXT: Final = _DELTA + b'text_delta","text":%b}}\n\n'
_THINKING: Final = _DELTA + b'thinking_delta","thinking":%b}}\n\n'
_SIGNATURE: Final = _DELTA + b'signature_delta","signature":%b}}\n\n'
_JSON: Final = _DELTA + b'input_json_delta","partial_json":%b}}\n\n'
_CITATION: Final = _DELTA + b'citations_delta","citation":%b}}\n\n'

_EMPTY_TEXT: Final = b'{"type":"text","text":""}'
_EMPTY_THINKING: Final = b'{"type":"thinking","thinking":"","signature":""}'


class _Part:
    """A part that was begun. What comes for it while another one is open waits in `waiting`."""

    __slots__ = ("arguments", "is_block_open", "paragraph", "start", "waiting")

    def __init__(self, start: PartStarted) -> None:
        self.start = start
        self.is_block_open = False
        self.paragraph = 0
        self.arguments: list[str] | None = [] if start.is_custom else None
        self.waiting: list[Event] = []


class MessageEventWriter:
    """See `wire/codecs.py:EventWriter`."""

    __slots__ = ("_context", "_finished", "_has_calls", "_index", "_is_started", "_parts", "_queue", "_tier", "_usage")

    def __init__(self, context: ReplyContext) -> None:
        self._context = context
        self._index = 0
        """Of the block that is open, or of the next one."""
        self._parts: dict[int, _Part] = {}
        self._queue: list[int] = []
        """Parts that have not ended on the wire; the first is the one whose block may be open."""
        self._has_calls = False
        self._is_started = False
        self._usage: Usage = NO_USAGE
        self._tier: str | None = None
        self._finished: Finished | None = None

    def write(self, events: Sequence[Event]) -> bytes:
        """What the caller is sent for these events; may be empty."""
        out: list[bytes] = []
        for event in events:
            write = _WRITERS.get(type(event))
            if write is not None:
                write(self, event, out)
            elif getattr(event, "choice", 1) == 0:  # there is place for one choice
                self._for_part(event, out)
        return b"".join(out)

    def fail(self, error: GatewayError) -> bytes:
        """The error event, which no client takes for an end."""
        return render_stream_error(error, _ENDPOINT, self._context.request_id)

    def _start(self, event: Started, out: list[bytes]) -> None:
        self._is_started = True
        message = message_head(event.id, event.model, self._context)
        message["usage"] = write_usage(self._usage, self._tier)
        out.append(b"event: message_start\ndata: " + encode_json({"type": "message_start", "message": message}) + b"\n\n")

    def _keep_alive(self, _event: KeepAlive, out: list[bytes]) -> None:
        out.append(_PING if self._is_started else _COMMENT)

    def _report(self, event: UsageReported, _out: list[bytes]) -> None:
        self._usage, self._tier = event.usage, event.service_tier or self._tier

    def _finish(self, event: Finished, _out: list[bytes]) -> None:
        if event.choice == 0:
            self._finished = event

    def _end(self, _event: Ended, out: list[bytes]) -> None:
        end = self._finished
        if end is None:
            return  # no finish, no end
        delta = {"stop_reason": stop_reason(end.reason, has_calls=self._has_calls), "stop_sequence": end.stop_sequence}
        body = {"type": "message_delta", "delta": delta, "usage": write_usage(self._usage, self._tier)}
        out += (b"event: message_delta\ndata: ", encode_json(body), b"\n\n", _STOP)

    def _for_part(self, event: Event, out: list[bytes]) -> None:
        number: int | None = getattr(event, "part", None)
        if number is None:  # log probabilities have no place here
            return
        if isinstance(event, PartStarted):
            self._parts[number] = _Part(event)
            self._queue.append(number)
        part = self._parts[number]
        if self._queue[0] != number:
            part.waiting.append(event)
            return
        _PART_WRITERS[type(event)](self, part, event, out)
        if isinstance(event, PartEnded):
            self._release(out)

    def _release(self, out: list[bytes]) -> None:
        """The part at the head of the queue has ended: what waited for it follows."""
        del self._parts[self._queue.pop(0)]
        while self._queue:
            part = self._parts[self._queue[0]]
            waiting, part.waiting = part.waiting, []
            for event in waiting:
                _PART_WRITERS[type(event)](self, part, event, out)
            if not (waiting and isinstance(waiting[-1], PartEnded)):
                return
            del self._parts[self._queue.pop(0)]

    def _begin(self, part: _Part, event: PartStarted, out: list[bytes]) -> None:
        if event.kind is PartKind.TEXT or event.kind is PartKind.REFUSAL:
            self._open(part, _EMPTY_TEXT, out)
        elif event.kind is PartKind.TOOL_CALL:
            self._has_calls = True
            self._open(part, encode_json({"type": "tool_use", "id": event.call_id, "name": event.name, "input": {}}), out)

    def _text(self, _part: _Part, event: TextDelta | RefusalDelta, out: list[bytes]) -> None:
        out.append(_TEXT % (self._index, encode_json(event.text)))

    def _thinking(self, part: _Part, event: ReasoningDelta, out: list[bytes]) -> None:
        if not part.is_block_open:
            self._open(part, _EMPTY_THINKING, out)
        out.append(_THINKING % (self._index, encode_json(event.text)))

    def _summary(self, part: _Part, event: SummaryDelta, out: list[bytes]) -> None:
        text = event.text
        if not part.is_block_open:
            self._open(part, _EMPTY_THINKING, out)
        elif event.index != part.paragraph:
            text = f"\n\n{text}"
        part.paragraph = event.index
        out.append(_THINKING % (self._index, encode_json(text)))

    def _arguments(self, part: _Part, event: ArgumentsDelta, out: list[bytes]) -> None:
        if part.arguments is not None:
            part.arguments.append(event.text)  # free text becomes JSON only as a whole
        else:
            out.append(_JSON % (self._index, encode_json(event.text)))

    def _audio(self, part: _Part, event: AudioDelta, out: list[bytes]) -> None:
        if event.transcript:
            if not part.is_block_open:
                self._open(part, _EMPTY_TEXT, out)
            out.append(_TEXT % (self._index, encode_json(event.transcript)))

    def _citation(self, _part: _Part, event: CitationAdded, out: list[bytes]) -> None:
        citation = write_citation(event.citation)
        if citation is not None:
            out.append(_CITATION % (self._index, encode_json(citation)))

    def _finish_part(self, part: _Part, event: PartEnded, out: list[bytes]) -> None:
        start, seal = part.start, event.seal
        if part.arguments is not None:
            given = encode_json(call_input("".join(part.arguments), is_custom=True)).decode()
            out.append(_JSON % (self._index, encode_json(given)))
        if start.kind is PartKind.REASONING and part.is_block_open:
            if seal is not None:
                out.append(_SIGNATURE % (self._index, encode_json(wrap(seal, ORIGIN))))
            seal = None
        elif start.whole is not None:
            self._whole(part, out)
        elif start.kind is PartKind.AUDIO and not part.is_block_open:
            self._stand_in(part, out)
        if part.is_block_open:
            self._close(part, out)
        if seal is not None:
            self._seal(part, seal_block(seal), out)

    def _seal(self, part: _Part, block: Block, out: list[bytes]) -> None:
        """A block of a seal alone; a signature comes in a delta of its own."""
        signature = block.get("signature")
        if signature is None:
            self._open(part, encode_json(block), out)
        else:
            self._open(part, _EMPTY_THINKING, out)
            out.append(_SIGNATURE % (self._index, encode_json(signature)))
        self._close(part, out)

    def _whole(self, part: _Part, out: list[bytes]) -> None:
        whole = part.start.whole
        if not isinstance(whole, ServerTool):
            self._stand_in(part, out)
        elif whole.origin == ORIGIN:
            given = whole.raw.get("input")
            raw = whole.raw if given is None else {**whole.raw, "input": {}}
            self._open(part, encode_json(raw), out)
            if given:
                out.append(_JSON % (self._index, encode_json(encode_json(given).decode())))

    def _stand_in(self, part: _Part, out: list[bytes]) -> None:
        self._open(part, _EMPTY_TEXT, out)
        text = stand_in(part.start.whole or Audio())
        out.append(_TEXT % (self._index, encode_json(text)))

    def _open(self, part: _Part, block: bytes, out: list[bytes]) -> None:
        part.is_block_open = True
        out.append(_BLOCK_START % (self._index, block))

    def _close(self, part: _Part, out: list[bytes]) -> None:
        part.is_block_open = False
        out.append(_BLOCK_STOP % self._index)
        self._index += 1


_W = MessageEventWriter
_WRITERS: Final[dict[type[msgspec.Struct], Callable[..., None]]] = {
    Started: _W._start,  # noqa: SLF001 - the class's own table
    KeepAlive: _W._keep_alive,  # noqa: SLF001
    UsageReported: _W._report,  # noqa: SLF001
    Finished: _W._finish,  # noqa: SLF001
    Ended: _W._end,  # noqa: SLF001
}
_PART_WRITERS: Final[dict[type[msgspec.Struct], Callable[..., None]]] = {
    PartStarted: _W._begin,  # noqa: SLF001
    TextDelta: _W._text,  # noqa: SLF001
    RefusalDelta: _W._text,  # noqa: SLF001
    ReasoningDelta: _W._thinking,  # noqa: SLF001
    SummaryDelta: _W._summary,  # noqa: SLF001
    ArgumentsDelta: _W._arguments,  # noqa: SLF001
    AudioDelta: _W._audio,  # noqa: SLF001
    CitationAdded: _W._citation,  # noqa: SLF001
    PartEnded: _W._finish_part,  # noqa: SLF001
}
