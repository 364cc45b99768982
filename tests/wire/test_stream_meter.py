from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from weighbridge.core.codec import JsonError
from weighbridge.core.terms import NO_USAGE, Provenance, Usage
from weighbridge.wire.event_markers import MESSAGE_MARKERS, message_tells
from weighbridge.wire.reply_facts import ReplyFacts, read_message_event
from weighbridge.wire.sse import MAX_EVENT_BYTES
from weighbridge.wire.stream_meter import ChatSseMeter, GeminiSseMeter, SseMeter
from weighbridge.wire.whole_meter import Meter

COUNTS = {"prompt_tokens": 20, "completion_tokens": 9, "total_tokens": 29}
DONE = b"data: [DONE]\n\n"


def frame(value: object, end: bytes = b"\n\n", **options: object) -> bytes:
    return b"data: " + json.dumps(value, **options).encode() + end


def chat(content: str = "hi", reason: str | None = None, **fields: object) -> dict[str, object]:
    return {"id": "c", "model": "m", "choices": [{"index": 0, "delta": {"content": content}, "finish_reason": reason}], **fields}


def gemini(count: int, **candidate: object) -> bytes:
    counts = {"promptTokenCount": 4, "candidatesTokenCount": count}
    return frame({"candidates": [{"content": {}, **candidate}], "usageMetadata": counts, "modelVersion": "m"}, b"\r\n\r\n")


def finished(meter: Meter, *pieces: bytes) -> Meter:
    for piece in pieces:
        meter.feed(piece)
    meter.finish()
    return meter


def values(meter: Meter) -> dict[str, object]:
    return {name: getattr(meter, name) for name in ReplyFacts.__slots__}


def messages() -> SseMeter:
    return SseMeter(read_message_event, message_tells, MESSAGE_MARKERS, probes=0)


class Counted:
    """A reader that counts its calls."""

    def __init__(self) -> None:
        self.documents: list[bytes] = []

    def __call__(self, facts: ReplyFacts, document: bytes) -> None:
        self.documents.append(document)
        read_message_event(facts, document)


EVENTS = st.sampled_from(
    [
        frame(chat()),
        frame(chat(), separators=(",", ":")),
        frame(chat('"error" [DONE] "prompt_tokens"')),
        frame(chat(reason="stop"), b"\r\n\r\n"),
        frame(chat(reason="length")),
        frame({"model": "m", "choices": [], "usage": COUNTS}),
        frame({"error": {"code": "overloaded"}}),
        b": keep-alive\n\n",
        b"event: x\ndata: {broken\n\n",
        b"data: \n\n",
        DONE,
    ]
)


@given(st.lists(EVENTS, max_size=8).map(b"".join), st.data())
def test_every_split_of_a_chat_stream_tells_the_same(stream, data) -> None:
    cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=8)))
    pieces = [stream[a:b] for a, b in zip([0, *cuts], [*cuts, len(stream)], strict=True)]
    assert values(finished(ChatSseMeter(), *pieces)) == values(finished(ChatSseMeter(), stream))


@pytest.mark.parametrize("make", [ChatSseMeter, GeminiSseMeter, messages])
@given(pieces=st.lists(st.binary(max_size=40) | EVENTS | st.sampled_from([b"data:", b"\n\n", b"\r", b"data: 7\n\n"]), max_size=8))
def test_bytes_of_any_kind_never_raise(make, pieces) -> None:
    assert finished(make(), *pieces).usage in {NO_USAGE, Usage(20, output=9)}


def test_only_events_worth_reading_are_decoded() -> None:
    read = Counted()
    ordinary = frame({"type": "content_block_delta", "delta": {"text": "hi"}})
    stop = frame({"type": "message_stop"})
    meter = finished(
        SseMeter(read, message_tells, MESSAGE_MARKERS, probes=0), ordinary * 50, *([ordinary] * 50), ordinary + stop + ordinary
    )
    assert read.documents == [b'{"type": "message_stop"}']
    assert meter.is_complete


def test_what_the_model_says_is_no_event() -> None:
    said = frame({"type": "content_block_delta", "delta": {"type": "text_delta", "text": '{"type":"message_stop"} "error"'}})
    meter = finished(messages(), said)
    assert (meter.is_complete, meter.stream_error) == (False, None)


def test_the_models_name_is_learned_from_the_first_event_that_has_it() -> None:
    azure = frame({"model": "", "choices": [], "prompt_filter_results": []})
    assert finished(ChatSseMeter(), azure, frame(chat())).served_model == "m"
    nameless = frame({"choices": [{"index": 0, "delta": {}, "finish_reason": None}]})
    assert finished(ChatSseMeter(), *([nameless] * 100), DONE).is_complete


@pytest.mark.parametrize("options", [{}, {"separators": (",", ":")}], ids=["spaced", "compact"])
@pytest.mark.parametrize("silent", [False, True])
def test_a_chat_stream_without_done_is_complete_once_the_model_finished(options, silent) -> None:
    frames = [frame(chat(), **options)] * 3
    assert not finished(ChatSseMeter(), *frames).is_complete
    ends = [frame(chat(reason="stop"), **options)] + [frame(chat(""), **options)] * silent
    meter = finished(ChatSseMeter(), *frames, *ends)
    assert (meter.is_complete, meter.finish_reason) == (True, "stop")


def test_an_error_before_or_behind_the_text_is_named_and_no_completion() -> None:
    error = frame({"error": {"code": "overloaded"}}, separators=(",", ":"))
    for pieces in ([error], [frame(chat()), frame(chat()), error]):
        meter = finished(ChatSseMeter(), *pieces)
        assert (meter.stream_error, meter.is_complete) == ("overloaded", False)


def test_the_last_event_may_lack_its_blank_line() -> None:
    assert finished(ChatSseMeter(), frame(chat()), DONE.rstrip()).is_complete
    assert finished(messages(), frame({"type": "message_stop"}, b"\n")).is_complete
    assert finished(GeminiSseMeter(), gemini(6, finishReason="STOP").rstrip()).usage == Usage(4, output=6)


def test_events_split_at_line_ends_of_every_kind_are_read() -> None:
    for end in (b"\n\n", b"\r\n\r\n", b"\r\r"):
        assert finished(messages(), frame({"type": "ping"}, end), frame({"type": "message_stop"}, end)).is_complete


def test_an_event_too_long_to_hold_costs_no_more_than_what_follows() -> None:
    start, stop = frame({"type": "message_start", "message": {"model": "m"}}), frame({"type": "message_stop"})
    meter = finished(messages(), start, b"data: " + b"x" * MAX_EVENT_BYTES, stop)
    assert (meter.served_model, meter.is_complete) == ("m", False)


def test_an_event_that_cannot_be_read_does_not_cost_the_next() -> None:
    def refuse_first(facts: ReplyFacts, document: bytes) -> None:
        if document == b"1":
            raise JsonError("no")
        facts.finish_reason = "stop"

    assert finished(SseMeter(refuse_first, lambda _: True, (), probes=0), b"data: 1\n\ndata: 2\n\n").finish_reason == "stop"


@given(st.lists(st.integers(1, 500), min_size=1, max_size=6), st.booleans(), st.data())
def test_geminis_latest_counts_stand_whether_it_finished_or_not(counts, is_whole, data) -> None:
    frames = [gemini(count) for count in counts]
    if is_whole:
        frames[-1] = gemini(counts[-1], finishReason="STOP")
    stream = b"".join(frames)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=8)))
    pieces = [stream[a:b] for a, b in zip([0, *cuts], [*cuts, len(stream)], strict=True)]
    provenance = Provenance.REPORTED if is_whole else Provenance.DERIVED
    for meter in (finished(GeminiSseMeter(), *pieces), finished(GeminiSseMeter(), *frames)):
        assert (meter.usage, meter.is_complete) == (Usage(4, output=counts[-1], provenance=provenance), is_whole)
