"""Streams of Cohere."""

from __future__ import annotations

import csv
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from weighbridge.core.codec import decode_json, encode_json
from weighbridge.core.errors import ErrorKind, GatewayError
from weighbridge.core.terms import Usage
from weighbridge.wire.cohere_chat import OUTBOUND
from weighbridge.wire.conversation import Text, ToolCall
from weighbridge.wire.events import (
    ArgumentsDelta,
    Ended,
    Failed,
    Finished,
    FinishReason,
    PartEnded,
    PartKind,
    PartStarted,
    ReasoningDelta,
    Started,
    TextDelta,
    UsageReported,
)
from weighbridge.wire.fold import fold

RECORDINGS = Path(__file__).parents[3].parent / "shared" / "recordings"
USAGE = {"billed_units": {"input_tokens": 1, "output_tokens": 2}, "tokens": {"input_tokens": 3, "output_tokens": 4}}


def event(kind, index=None, message=None, **fields):
    data = {"type": kind} | ({} if index is None else {"index": index})
    data |= {} if message is None else {"delta": {"message": message}}
    return f"event: {kind}\ndata: ".encode() + encode_json(data | fields) + b"\n\n"


START = event("message-start", id="r", message={"role": "assistant", "content": []})
DONE = b"data: [DONE]\n\n"


def text(value, index=0):
    return event("content-delta", index, {"content": {"text": value}})


def call(index, name="f", arguments=""):
    return event(
        "tool-call-start",
        index,
        {"tool_calls": {"id": f"c{index}", "type": "function", "function": {"name": name, "arguments": arguments}}},
    )


def arguments(index, piece):
    return event("tool-call-delta", index, {"tool_calls": {"function": {"arguments": piece}}})


def end(reason="COMPLETE", **fields):
    return event("message-end", delta={"finish_reason": reason, "usage": USAGE} | fields)


def read(*pieces):
    reader = OUTBOUND.event_reader()
    events = [found for piece in pieces for found in reader.feed(piece)]
    return reader, events + reader.finish()


def test_a_plan_a_text_and_calls_as_events():
    plan = event("tool-plan-delta", message={"tool_plan": "I will"})
    begin = event("content-start", 0, {"content": {"type": "text", "text": ""}})
    reader, events = read(
        START,
        plan,
        begin,
        text("hi"),
        event("content-end", 0),
        call(0),
        arguments(0, "{}"),
        event("tool-call-end", 0),
        end("TOOL_CALL"),
        DONE,
    )
    assert events == [
        Started("r"),
        PartStarted(0, 0, PartKind.REASONING),
        ReasoningDelta(0, 0, "I will"),
        PartEnded(0, 0),
        PartStarted(0, 1, PartKind.TEXT),
        TextDelta(0, 1, "hi"),
        PartEnded(0, 1),
        PartStarted(0, 2, PartKind.TOOL_CALL, "c0", "f"),
        ArgumentsDelta(0, 2, "{}"),
        PartEnded(0, 2),
        Finished(0, FinishReason.TOOL_CALLS, "TOOL_CALL"),
        UsageReported(Usage(3, output=4)),
        Ended(),
    ]
    assert reader.is_ended


def test_a_call_without_arguments_has_an_empty_object():
    _, events = read(START, call(0), event("tool-call-end", 0), call(1), end("TOOL_CALL"))
    assert fold(events).choices[0].parts == (ToolCall("c0", "f", "{}"), ToolCall("c1", "f", "{}"))


def test_citations_belong_to_the_open_text_even_after_its_end():
    cite = event("citation-start", 0, {"citations": {"start": 0, "end": 2, "text": "hi", "sources": []}})
    named = event("citation-start", 1, {"citations": {"start": 1, "content_index": 1}})
    plan = event("citation-start", 2, {"citations": {"start": 2, "type": "PLAN"}})
    _, events = read(START, cite, text("hi", 1), cite, event("content-end", 1), named, plan, end())
    [part] = fold(events).choices[0].parts
    assert [citation.start for citation in part.citations] == [0, 1]


def test_log_probabilities_come_with_their_text():
    _, events = read(
        START, event("content-delta", 0, {"content": {"text": "hi"}}, logprobs={"text": "hi", "logprobs": [-0.5]}), end()
    )
    assert fold(events).choices[0].logprobs[0]["token"] == "hi"


def test_a_stream_without_the_message_end_never_ends():
    reader, events = read(START, text("hi"), DONE)
    assert not reader.is_ended
    assert Ended() not in events
    reader, _ = read(START, text("hi"), end()[:-2])
    assert not reader.is_ended


def test_an_error_at_the_end_is_a_failure():
    reader, events = read(START, text("hi"), end("ERROR", error="out of memory"))
    assert events[-1] == Failed("out of memory", "ERROR")
    assert reader.is_ended


def test_an_error_body_within_a_stream_is_a_failure():
    assert read(START, b'data: {"message":"too many tokens"}\n\n')[1][-1] == Failed("too many tokens")


def test_nothing_is_read_after_the_end():
    assert read(START, end(), text("late"))[1][-1] == Ended()


@pytest.mark.parametrize(
    "odd",
    [
        event("debug", prompt="x"),
        event("holo", 0, {"content": 5}),
        event("content-delta", 0),
        event("content-delta", 0, {"content": {"text": None}}),
        event("content-delta", "x", {"content": {"holo": 1}}),
        event("citation-start", 0),
        arguments(7, "x"),
        event("tool-call-end", 7),
        b": comment\n\n",
        b"data: 5\n\n",
    ],
)
def test_odd_events_do_no_harm(odd):
    _, events = read(START, odd, text("a"), end())
    assert fold(events).choices[0].parts == (Text("a"),)


def test_an_event_that_is_no_json_is_refused():
    with pytest.raises(GatewayError) as raised:
        OUTBOUND.event_reader().feed(b"data: {\n\n")
    assert raised.value.kind is ErrorKind.PROVIDER_MALFORMED


# --- fold(stream) == whole, in any split

words = st.text(min_size=1, max_size=12)
contents = st.lists(st.tuples(st.sampled_from(["text", "thinking"]), words), max_size=4)
calls = st.lists(st.tuples(words, st.dictionaries(words, words, max_size=2)), max_size=3)


def halves(value):
    return [piece for piece in (value[: len(value) // 2], value[len(value) // 2 :]) if piece]


def streamed(plan, content, made):
    yield START
    yield from (event("tool-plan-delta", message={"tool_plan": piece}) for piece in halves(plan))
    for index, (kind, value) in enumerate(content):
        yield event("content-start", index, {"content": {"type": kind, kind: ""}})
        yield from (event("content-delta", index, {"content": {kind: piece}}) for piece in halves(value))
        if kind == "text":
            yield event("citation-start", index, {"citations": {"start": index, "content_index": index}})
        yield event("content-end", index)
    for index, (name, given_arguments) in enumerate(made):
        yield call(index, name)
        yield from (arguments(index, piece) for piece in halves(encode_json(given_arguments).decode()))
        yield event("tool-call-end", index)
    yield end("TOOL_CALL" if made else "COMPLETE")
    yield DONE


@settings(deadline=None)
@given(st.one_of(st.just(""), words), contents, calls, st.lists(st.integers(0, 9000), max_size=9))
def test_a_folded_stream_is_the_whole_reply_in_any_split(plan, content, made, cuts):
    message = {
        "role": "assistant",
        "tool_plan": plan,
        "content": [{"type": kind, kind: value} for kind, value in content],
        "citations": [{"start": i, "content_index": i} for i, (kind, _) in enumerate(content) if kind == "text"],
        "tool_calls": [
            {"id": f"c{i}", "type": "function", "function": {"name": name, "arguments": encode_json(given_arguments).decode()}}
            for i, (name, given_arguments) in enumerate(made)
        ],
    }
    reason = "TOOL_CALL" if made else "COMPLETE"
    whole = OUTBOUND.read_reply(encode_json({"id": "r", "message": message, "finish_reason": reason, "usage": USAGE}))
    data = b"".join(streamed(plan, content, made))
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
        rows = [row for row in csv.DictReader(file) if row["wire"] == "cohere-v2-chat" and row["response_kind"] == "sse"]
    assert rows
    for row in rows:
        data = decode_json((RECORDINGS / row["path"]).read_bytes())["response"]["sse"].encode()
        reader, events = read(data)
        assert reader.is_ended, row["path"]
        assert events == read(*(data[i : i + 7] for i in range(0, len(data), 7)))[1]
        usage, wanted = fold(events).usage, expected[row["path"]]
        assert (usage.total_input, usage.cache_read, usage.total_output) == tuple(
            int(wanted[name] or 0) for name in ("input_tokens", "cache_read_tokens", "output_tokens")
        ), row["path"]
