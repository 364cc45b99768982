"""Streams of ConverseStream."""

from __future__ import annotations

import csv
from base64 import b64decode
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from weighbridge.core.codec import decode_json, encode_json
from weighbridge.core.errors import ErrorKind, GatewayError
from weighbridge.core.terms import Usage
from weighbridge.wire.aws_events import encode_event
from weighbridge.wire.bedrock_converse import OUTBOUND
from weighbridge.wire.conversation import Citation, Image, MediaBytes, Text, ToolCall
from weighbridge.wire.events import (
    ArgumentsDelta,
    Ended,
    Failed,
    Finished,
    FinishReason,
    PartEnded,
    PartKind,
    PartStarted,
    Started,
    TextDelta,
    UsageReported,
)
from weighbridge.wire.fold import fold

RECORDINGS = Path(__file__).parents[3].parent / "shared" / "recordings"
USAGE = {"inputTokens": 3, "outputTokens": 4, "totalTokens": 7}


def event(kind, **fields):
    headers = {":event-type": kind, ":content-type": "application/json", ":message-type": "event"}
    return encode_event(headers, encode_json(fields | {"p": "abcdef"}))


def delta(index, **fields):
    return event("contentBlockDelta", contentBlockIndex=index, delta=fields)


START = event("messageStart", role="assistant")
METADATA = event("metadata", usage=USAGE, metrics={"latencyMs": 1})


def stop(reason="end_turn"):
    return event("messageStop", stopReason=reason)


def ended(index):
    return event("contentBlockStop", contentBlockIndex=index)


def read(*pieces):
    reader = OUTBOUND.event_reader()
    events = [found for piece in pieces for found in reader.feed(piece)]
    return reader, events + reader.finish()


def test_a_text_and_a_call_as_events():
    begin = event("contentBlockStart", contentBlockIndex=1, start={"toolUse": {"toolUseId": "c", "name": "f"}})
    reader, events = read(
        START, delta(0, text="he"), delta(0, text="llo"), ended(0), begin,
        delta(1, toolUse={"input": ""}), delta(1, toolUse={"input": '{"a":1}'}), ended(1), stop("tool_use"), METADATA,
    )  # fmt: skip
    assert events == [
        Started(),
        PartStarted(0, 0, PartKind.TEXT),
        TextDelta(0, 0, "he"),
        TextDelta(0, 0, "llo"),
        PartEnded(0, 0),
        PartStarted(0, 1, PartKind.TOOL_CALL, "c", "f"),
        ArgumentsDelta(0, 1, '{"a":1}'),
        PartEnded(0, 1),
        Finished(0, FinishReason.TOOL_CALLS, "tool_use"),
        UsageReported(Usage(3, output=4)),
        Ended(),
    ]
    assert reader.is_ended


def test_a_call_without_arguments_has_an_empty_object():
    begin = event("contentBlockStart", contentBlockIndex=0, start={"toolUse": {"toolUseId": "c", "name": "f"}})
    _, events = read(START, begin, delta(0, toolUse={"input": ""}), ended(0), stop("tool_use"), METADATA)
    assert fold(events).choices[0].parts == (ToolCall("c", "f", "{}"),)


def test_a_citation_may_come_before_its_text():
    _, events = read(START, delta(0, citation={"title": "t"}), delta(0, text="cited"), ended(0), stop(), METADATA)
    assert fold(events).choices[0].parts == (Text("cited", citations=(Citation("bedrock", {"title": "t"}, title="t"),)),)


def test_blocks_that_are_never_closed_are_closed_by_the_stop():
    _, events = read(START, delta(0, text="a"), stop(), METADATA)
    assert PartEnded(0, 0) in events
    assert events[-1] == Ended()


@pytest.mark.parametrize("kind", ["throttlingException", "modelStreamErrorException", "somethingNewException"])
def test_an_exception_is_a_failure_and_no_end(kind):
    frame = encode_event({":message-type": "exception", ":exception-type": kind}, b'{"message":"slow down"}')
    reader, events = read(START, delta(0, text="a"), frame, stop(), METADATA)
    statuses = {"throttlingException": 429, "modelStreamErrorException": 424}
    assert events[-1] == Failed("slow down", kind, status=statuses.get(kind, 0))
    assert reader.is_ended


def test_an_error_outside_of_the_service_has_its_text_in_headers():
    frame = encode_event({":message-type": "error", ":error-code": "InternalFailure", ":error-message": "oh"}, b"")
    assert read(START, frame)[1][-1] == Failed("oh", "InternalFailure")


def test_an_exception_that_came_as_an_event_or_without_json_is_one_nevertheless():
    assert read(START, event("validationException", message="bad"))[1][-1] == Failed("bad", "validationException", status=400)
    frame = encode_event({":message-type": "exception", ":exception-type": "throttlingException"}, b"<x>")
    assert read(frame)[1] == [Failed("", "throttlingException", status=429)]


def test_a_stream_that_breaks_off_never_ends():
    reader, events = read(START, delta(0, text="a"), ended(0))
    assert not reader.is_ended
    assert Ended() not in events
    reader, events = read(START, stop(), METADATA[:-1])
    assert not reader.is_ended


def test_a_stream_whose_usage_never_came_still_ends():
    reader, events = read(START, delta(0, text="a"), ended(0), stop())
    assert events[-1] == Ended()
    assert reader.is_ended
    assert reader.finish() == []


def test_usage_before_the_stop_does_not_end_the_stream():
    _, events = read(START, METADATA, delta(0, text="a"), stop())
    assert [type(found).__name__ for found in events[-2:]] == ["Finished", "Ended"]


def test_nothing_is_read_after_the_end():
    assert read(START, stop(), METADATA, delta(0, text="late"))[1][-1] == Ended()


@pytest.mark.parametrize(
    "odd",
    [
        event("holo", x=1),
        delta(0),
        delta(0, holo=1),
        delta(0, text=None),
        delta(0, text=5),
        delta(9, toolUse={"input": "x"}),
        event("contentBlockDelta", contentBlockIndex=0),
        event("contentBlockDelta", contentBlockIndex="x", delta=5),
        event("contentBlockStart", contentBlockIndex=0, start={}),
        event("contentBlockStop"),
        encode_event({}, b"{}"),
    ],
)
def test_odd_events_do_no_harm(odd):
    _, events = read(START, odd, delta(0, text="a"), ended(0), stop(), METADATA)
    assert fold(events).choices[0].parts == (Text("a"),)


def test_an_event_that_is_no_json_is_refused():
    frame = encode_event({":event-type": "contentBlockDelta"}, b"{")
    with pytest.raises(GatewayError) as raised:
        OUTBOUND.event_reader().feed(frame)
    assert raised.value.kind is ErrorKind.PROVIDER_MALFORMED


def test_a_picture_comes_in_one_piece():
    begin = event("contentBlockStart", contentBlockIndex=0, start={"image": {"format": "png"}})
    _, events = read(START, begin, delta(0, image={"source": {"bytes": "iVBO"}}), ended(0), stop(), METADATA)
    assert fold(events).choices[0].parts == (Image(MediaBytes("iVBO", "image/png")),)


# --- fold(stream) == whole, in any split

words = st.text(min_size=1, max_size=12)
blocks = st.one_of(
    words.map(lambda text: {"text": text}),
    st.builds(
        lambda name, value: {"toolUse": {"toolUseId": "c", "name": name, "input": {"a": value}}},
        words,
        st.one_of(words, st.integers(0, 9)),
    ),
    st.builds(
        lambda text, signature: {"reasoningContent": {"reasoningText": {"text": text} | signature}},
        words,
        st.sampled_from(({}, {"signature": "Er=="})),
    ),
    st.just({"reasoningContent": {"redactedContent": "RXVZQg=="}}),
    words.map(lambda text: {"citationsContent": {"content": [{"text": text}], "citations": [{"title": text}]}}),
    st.just({"toolUse": {"toolUseId": "s", "name": "nova_grounding", "input": {"query": "q"}, "type": "server_tool_use"}}),
    st.just({"toolResult": {"toolUseId": "s", "type": "nova_grounding_result", "content": [{"text": "[HIDDEN]"}]}}),
)


def halves(text):
    return [piece for piece in (text[: len(text) // 2], text[len(text) // 2 :]) if piece]


def streamed_block(index, block):
    if "text" in block:
        yield from (delta(index, text=piece) for piece in halves(block["text"]))
    elif "toolUse" in block:
        start = {name: value for name, value in block["toolUse"].items() if name != "input"}
        yield event("contentBlockStart", contentBlockIndex=index, start={"toolUse": start})
        yield from (delta(index, toolUse={"input": piece}) for piece in halves(encode_json(block["toolUse"]["input"]).decode()))
    elif "toolResult" in block:
        start = {name: value for name, value in block["toolResult"].items() if name != "content"}
        yield event("contentBlockStart", contentBlockIndex=index, start={"toolResult": start})
        yield delta(index, toolResult=block["toolResult"]["content"])
    elif "citationsContent" in block:
        yield from (delta(index, text=piece["text"]) for piece in block["citationsContent"]["content"])
        yield from (delta(index, citation=citation) for citation in block["citationsContent"]["citations"])
    else:
        thought = block["reasoningContent"]
        for name, value in thought.get("reasoningText", thought).items():
            pieces = halves(value) if name == "text" else [value]
            yield from (delta(index, reasoningContent={name: piece}) for piece in pieces)
    yield ended(index)


def streamed(content, reason):
    yield START
    for index, block in enumerate(content):
        yield from streamed_block(index, block)
    yield stop(reason)
    yield METADATA


@settings(deadline=None)
@given(
    st.lists(blocks, max_size=6),
    st.sampled_from(["end_turn", "tool_use", "max_tokens"]),
    st.lists(st.integers(0, 9000), max_size=9),
)
def test_a_folded_stream_is_the_whole_reply_in_any_split(content, reason, cuts):
    whole = OUTBOUND.read_reply(
        encode_json({"output": {"message": {"role": "assistant", "content": content}}, "stopReason": reason, "usage": USAGE})
    )
    data = b"".join(streamed(content, reason))
    places = sorted({cut % (len(data) + 1) for cut in cuts} | {0, len(data)})
    reader, events = read(*(data[a:b] for a, b in pairwise(places)))
    assert reader.is_ended
    assert fold(events) == whole
    assert events == read(data)[1]


@pytest.mark.skipif(not RECORDINGS.is_dir(), reason="the recordings are not here")
def test_recorded_streams_end_with_the_expected_usage():
    with (RECORDINGS / "expected_usage.csv").open() as file:
        expected = {row["path"]: row for row in csv.DictReader(file)}
    with (RECORDINGS / "index.csv").open() as file:
        rows = [row for row in csv.DictReader(file) if row["wire"] == "bedrock-converse" and row["response_kind"] == "base64"]
    assert rows
    for row in rows:
        data = b64decode(decode_json((RECORDINGS / row["path"]).read_bytes())["response"]["base64"])
        reader, events = read(data)
        assert reader.is_ended, row["path"]
        assert events == read(*(data[i : i + 7] for i in range(0, len(data), 7)))[1]
        usage, wanted = fold(events).usage, expected[row["path"]]
        assert (usage.total_input, usage.cache_read, usage.total_output) == tuple(
            int(wanted[name] or 0) for name in ("input_tokens", "cache_read_tokens", "output_tokens")
        ), row["path"]
