"""What a translation costs: requests and replies between dialects, stream events, and long conversations, in this process alone.

The gateway's other work is not in these figures; `matrix` has what a forwarded request costs. A translated exchange costs both.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final

from rich.console import Console

from benchmarks.findings import Section, Value, verdict
from benchmarks.progress import steps
from benchmarks.rig import Options, Rig
from weighbridge.core.codec import encode_json
from weighbridge.core.terms import Usage, WireFormat
from weighbridge.wire.aws_events import encode_event
from weighbridge.wire.codecs import ReplyContext, RequestContext, TargetContext
from weighbridge.wire.conversation import Conversation, Role, Text, Turn
from weighbridge.wire.events import (
    Choice,
    Ended,
    Event,
    Finished,
    FinishReason,
    PartEnded,
    PartKind,
    PartStarted,
    Reply,
    Started,
    TextDelta,
    UsageReported,
)
from weighbridge.wire.receipt import Receipt
from weighbridge.wire.translate import INBOUND, OUTBOUND

CHAT_US: Final = 120.0
"""The target for a translated 0.6 kB chat is for all that the gateway does; the translation alone has to stay well below."""
EVENT_US: Final = 6.0
LONG_US: Final = 3_000.0

_F = WireFormat
_TEXT_BYTES: Final = 450
_LONG_TURNS, _LONG_TURN_BYTES = 200, 1_000
_N_DELTAS: Final = 100
_BATCH_S, _BATCHES, _QUICK_BATCHES = 0.01, 40, 5
_CONTEXT: Final = RequestContext("bench")


def run(rig: Rig, options: Options, console: Console) -> Section:  # noqa: ARG001 - needs no server; the same shape as the others
    """Every inbound format to every outbound one; the least of many batches."""
    pairs = [(caller, target) for caller in INBOUND for target in OUTBOUND if caller is not target]
    batches = _QUICK_BATCHES if options.quick else _BATCHES
    with steps(console, "translation", len(pairs)) as step:
        rows = []
        for caller, target in pairs:
            step(f"{caller} to {target}")
            rows.append(_row(caller, target, batches))
    return Section(
        name="translation",
        title="Translation between dialects, in one process",
        columns=["caller", "provider", "0.6 kB chat µs", "stream event µs", "200 kB request µs", "target", "verdict"],
        rows=rows,
        notes=[
            "Chat: request read and written, reply read and written. Event: cut, read and written. The least of many batches.",
            f"The targets: {EVENT_US:g} µs an event, {LONG_US:,.0f} µs for 200 kB, {CHAT_US:g} µs for a chat with all of the rest.",
        ],
    )


def _row(caller: WireFormat, target: WireFormat, batches: int) -> list[Value]:
    chat = _least(lambda: _chat(caller, target), batches)
    event = _event(caller, target, batches)
    long = _least(lambda: _request(caller, target, _LONG), batches)
    verdicts = [verdict(chat, CHAT_US), verdict(event, EVENT_US), verdict(long, LONG_US)]
    return [caller.value, target.value, chat, event, long, f"≤ {CHAT_US:g}, {EVENT_US:g}, {LONG_US:,.0f}", max(verdicts)]


def _conversation(turns: int, size: int) -> Conversation:
    roles = (Role.USER, Role.ASSISTANT)
    made = tuple(Turn(roles[n % 2], (Text("word " * (size // 5)),)) for n in range(turns))
    return Conversation("bench", (*made, Turn(Role.USER, (Text("and?"),))), max_output_tokens=500)


_SHORT: Final = _conversation(1, _TEXT_BYTES)
_LONG: Final = _conversation(_LONG_TURNS, _LONG_TURN_BYTES)
_REPLY: Final = Reply(
    (Choice((Text("word " * 60),), FinishReason.STOP, "stop"),), "id", "bench", 1_700_000_000, Usage(100, output=60)
)
_STREAM: Final[tuple[Event, ...]] = (
    Started("id", "bench", 1_700_000_000),
    PartStarted(0, 0, PartKind.TEXT),
    *(TextDelta(0, 0, f" word{n}") for n in range(_N_DELTAS)),
    PartEnded(0, 0),
    Finished(0, FinishReason.STOP, "stop"),
    UsageReported(Usage(100, output=60)),
    Ended(),
)


def _asked_in(caller: WireFormat, conversation: Conversation) -> bytes:
    """A request in the caller's format. Chat's legacy sibling takes one prompt only."""
    if caller is _F.OPENAI_COMPLETIONS:
        texts = "".join(part.text for turn in conversation.turns for part in turn.parts if isinstance(part, Text))
        return encode_json({"model": "bench", "prompt": texts, "max_tokens": 500})
    return OUTBOUND[caller].write_request(conversation, TargetContext("bench"), Receipt())


def _answered_in(target: WireFormat) -> bytes:
    """A whole reply in the provider's format."""
    if target in INBOUND:
        return INBOUND[target].write_reply(_REPLY, ReplyContext("req", "bench", 1_700_000_000, _SHORT))
    return encode_json(_FOREIGN_REPLIES[target])


_TEXT: Final = "word " * 60
_FOREIGN_REPLIES: Final = {
    _F.BEDROCK_CONVERSE: {
        "output": {"message": {"role": "assistant", "content": [{"text": _TEXT}]}},
        "stopReason": "end_turn",
        "usage": {"inputTokens": 100, "outputTokens": 60, "totalTokens": 160},
    },
    _F.COHERE_CHAT: {
        "id": "id",
        "finish_reason": "COMPLETE",
        "message": {"role": "assistant", "content": [{"type": "text", "text": _TEXT}]},
        "usage": {"tokens": {"input_tokens": 100, "output_tokens": 60}},
    },
    _F.OLLAMA_CHAT: {
        "model": "bench",
        "message": {"role": "assistant", "content": _TEXT},
        "done": True,
        "done_reason": "stop",
        "prompt_eval_count": 100,
        "eval_count": 60,
    },
}


def _streamed_in(target: WireFormat) -> list[bytes]:
    """A stream in the provider's format, a delta in each piece."""
    if target in INBOUND:
        writer = INBOUND[target].event_writer(ReplyContext("req", "bench", 1_700_000_000, _SHORT))
        return [data for event in _STREAM if (data := writer.write([event]))]
    deltas = [f" word{n}" for n in range(_N_DELTAS)]
    if target is _F.BEDROCK_CONVERSE:
        return [
            encode_event(
                {":message-type": "event", ":event-type": "contentBlockDelta"},
                encode_json({"contentBlockIndex": 0, "delta": {"text": text}}),
            )
            for text in deltas
        ]
    if target is _F.OLLAMA_CHAT:
        return [
            encode_json({"model": "bench", "message": {"role": "assistant", "content": text}, "done": False}) + b"\n"
            for text in deltas
        ]
    delta = [{"type": "content-delta", "index": 0, "delta": {"message": {"content": {"text": text}}}} for text in deltas]
    return [b"event: content-delta\ndata: " + encode_json(each) + b"\n\n" for each in delta]


def _request(caller: WireFormat, target: WireFormat, conversation: Conversation) -> Callable[[], None]:
    body = _asked_in(caller, conversation)
    read, write = INBOUND[caller].read_request, OUTBOUND[target].write_request
    context = TargetContext("bench")

    def once() -> None:
        receipt = Receipt()
        write(read(body, _CONTEXT, receipt), context, receipt)

    return once


def _chat(caller: WireFormat, target: WireFormat) -> Callable[[], None]:
    request = _request(caller, target, _SHORT)
    answer = _answered_in(target)
    read, write = OUTBOUND[target].read_reply, INBOUND[caller].write_reply
    context = ReplyContext("req", "bench", 1_700_000_000, _SHORT)

    def once() -> None:
        request()
        write(read(answer), context)

    return once


def _event(caller: WireFormat, target: WireFormat, batches: int) -> float:
    """Of one delta, in the midst of a stream."""
    pieces = _streamed_in(target)
    context = ReplyContext("req", "bench", 1_700_000_000, _SHORT)

    def once() -> None:
        reader, writer = OUTBOUND[target].event_reader(), INBOUND[caller].event_writer(context)
        for piece in pieces:
            writer.write(reader.feed(piece))

    return _least(lambda: once, batches) / len(pieces)


def _least(make: Callable[[], Callable[[], None]], batches: int) -> float:
    """Microseconds of one call."""
    once = make()
    once()
    began = time.perf_counter()
    once()
    size = max(1, int(_BATCH_S / max(time.perf_counter() - began, 1e-7)))
    return min(_batch(once, size) for _ in range(batches)) * 1e6


def _batch(once: Callable[[], None], size: int) -> float:
    began = time.perf_counter()
    for _ in range(size):
        once()
    return (time.perf_counter() - began) / size
