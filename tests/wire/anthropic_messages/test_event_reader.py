from __future__ import annotations

import csv
import json
from base64 import b64decode
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from weighbridge.core.errors import ErrorKind, GatewayError
from weighbridge.core.terms import Usage
from weighbridge.wire.anthropic_messages.event_reader import MessageEventReader
from weighbridge.wire.anthropic_messages.reply_reader import read_reply
from weighbridge.wire.aws_unwrap import InvokeUnwrapper
from weighbridge.wire.conversation import Citation, Reasoning, Refusal, Seal, SealKind, ServerTool, Text, ToolCall
from weighbridge.wire.events import Ended, Failed, Finished, FinishReason, KeepAlive, PartEnded, PartStarted, Started, UsageReported
from weighbridge.wire.fold import fold

RECORDINGS = Path(__file__).parents[3].parent / "shared" / "recordings"
# Streams, by folder and number, whose usage cannot equal the expected one, each with its reason.
EXCEPTIONS = {
    "anthropic/103": "message_delta gives a new total of cache writes without a new split",
    "anthropic/107": "three streams in a row: the first one is read to its end",
}


def sse(*events):
    return b"".join(b"event: %b\ndata: %b\n\n" % (event["type"].encode(), json.dumps(event).encode()) for event in events)


def start(**message):
    return {
        "type": "message_start",
        "message": {"id": "msg_1", "model": "claude", "usage": {"input_tokens": 9, "output_tokens": 1}, **message},
    }


def block(index, content, *deltas, stop=True):
    yield {"type": "content_block_start", "index": index, "content_block": content}
    for delta in deltas:
        yield {"type": "content_block_delta", "index": index, "delta": delta}
    if stop:
        yield {"type": "content_block_stop", "index": index}


def end(reason="end_turn", **delta):
    yield {"type": "message_delta", "delta": {"stop_reason": reason, "stop_sequence": None, **delta}, "usage": {"output_tokens": 7}}
    yield {"type": "message_stop"}


def text(words):
    return {"type": "text_delta", "text": words}


def read(*events):
    reader = MessageEventReader()
    found = reader.feed(sse(*events)) + reader.finish()
    return found, reader.is_ended


def parts(*blocks):
    found, is_ended = read(start(), *blocks, *end())
    assert is_ended
    return fold(found).choices[0].parts


def test_a_stream_tells_everything_in_order():
    found, is_ended = read(start(), *block(0, {"type": "text", "text": ""}, text("a"), text(""), text("b")), *end("max_tokens"))
    assert [type(event).__name__ for event in found] == [
        "Started", "UsageReported", "PartStarted", "TextDelta", "TextDelta", "PartEnded", "UsageReported", "Finished", "Ended",
    ]  # fmt: skip
    assert found[0] == Started("msg_1", "claude")
    assert found[6] == UsageReported(Usage(9, output=7))
    assert found[7:] == [Finished(0, FinishReason.LENGTH, "max_tokens"), Ended()]
    assert is_ended


def test_thinking_ends_with_its_signature():
    thinking = {"type": "thinking", "thinking": "", "signature": ""}
    deltas = (
        {"type": "thinking_delta", "thinking": "h"},
        {"type": "thinking_delta", "thinking": "m"},
        {"type": "signature_delta", "signature": "S"},
    )
    assert parts(*block(0, thinking, *deltas)) == (Reasoning("hm", seal=Seal("anthropic", SealKind.SIGNATURE, "S")),)
    assert parts(*block(0, thinking, deltas[2])) == (Reasoning(seal=Seal("anthropic", SealKind.SIGNATURE, "S")),)
    assert parts(*block(0, {"type": "redacted_thinking", "data": "D"})) == (
        Reasoning(seal=Seal("anthropic", SealKind.REDACTED, "D")),
    )


@pytest.mark.parametrize(
    ("given", "deltas", "arguments"),
    [
        ({}, ("", '{"a"', ": 1}"), '{"a": 1}'),
        ({}, ("",), "{}"),
        ({}, (), "{}"),
        ({"a": 1}, (), '{"a":1}'),
        (None, (), "{}"),
    ],
)
def test_arguments_come_in_pieces_or_at_once(given, deltas, arguments):
    tool = {"type": "tool_use", "id": "t", "name": "f", "input": given}
    pieces = [{"type": "input_json_delta", "partial_json": piece} for piece in deltas]
    assert parts(*block(0, tool, *pieces)) == (ToolCall("t", "f", arguments),)


def test_a_step_of_a_server_tool_is_whole_when_it_stops():
    step = {"type": "server_tool_use", "id": "s", "name": "web_search", "input": {}}
    pieces = [{"type": "input_json_delta", "partial_json": piece} for piece in ('{"query":', '"tides"}')]
    result = {"type": "web_search_tool_result", "tool_use_id": "s", "content": [{"url": "https://a.example"}]}
    assert parts(*block(0, step, *pieces), *block(1, result), *block(2, {"type": "text", "text": "x"})) == (
        ServerTool("anthropic", "web_search", {**step, "input": {"query": "tides"}}, "s", "tides"),
        ServerTool("anthropic", "web_search", result, "s"),
        Text("x"),
    )


def test_blocks_of_tomorrow_are_put_together():
    deltas = ({"type": "compaction_delta", "content": "so "}, {"type": "compaction_delta", "content": "far", "more": 1})
    (part,) = parts(*block(0, {"type": "compaction", "content": ""}, *deltas))
    assert part.raw == {"type": "compaction", "content": "so far", "more": 1}


def test_citations_belong_to_their_text():
    citation = {"type": "char_location", "cited_text": "x"}
    assert parts(*block(0, {"type": "text", "text": ""}, text("a"), {"type": "citations_delta", "citation": citation})) == (
        Text("a", citations=(Citation("anthropic", citation, cited_text="x"),)),
    )


def test_why_the_model_declined_comes_before_the_end():
    found, _ = read(start(), *end("refusal", stop_details={"type": "refusal", "explanation": "No."}))
    assert fold(found).choices[0].parts == (Refusal("No."),)
    assert isinstance(found[-2], Finished)


def test_a_ping_and_a_comment_keep_alive():
    reader = MessageEventReader()
    assert reader.feed(b'event: ping\ndata: {"type": "ping"}\n\n: wait\n\n') == [KeepAlive(), KeepAlive()]


def test_an_error_ends_the_stream():
    error = {"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}}
    found, is_ended = read(start(), *block(0, {"type": "text", "text": ""}, text("a"), stop=False), error, *end())
    assert found[-1] == Failed("Overloaded", "overloaded_error", "", 529)
    assert is_ended
    assert not any(isinstance(event, (Ended, Finished)) for event in found)


def test_an_error_without_a_type_is_one():
    reader = MessageEventReader()
    assert reader.feed(b'data: {"error": "quota"}\n\n') == [Failed("quota")]


def test_what_comes_after_the_end_is_not_read():
    found, _ = read(start(), *end(), start(), *end())
    assert sum(isinstance(event, Started) for event in found) == 1
    assert isinstance(found[-1], Ended)


def test_a_second_start_within_a_stream_closes_what_was_open():
    found, is_ended = read(
        start(),
        *block(0, {"type": "text", "text": ""}, text("a"), stop=False),
        start(id="msg_2"),
        *block(0, {"type": "text", "text": ""}, text("b")),
        *end(),
    )
    assert is_ended
    assert fold(found).choices[0].parts == (Text("a"), Text("b"))
    assert sum(isinstance(event, PartStarted) for event in found) == sum(isinstance(event, PartEnded) for event in found) == 2


def test_a_block_that_never_stopped_is_closed_by_the_end():
    found, _ = read(start(), *block(0, {"type": "text", "text": ""}, text("a"), stop=False), *end())
    assert [type(event) for event in found[-4:]] == [UsageReported, PartEnded, Finished, Ended]


def test_a_stream_without_a_start_begins_with_its_first_block():
    found, is_ended = read(*block(0, {"type": "text", "text": "a"}), {"type": "message_stop"})
    assert found[0] == Started()
    assert is_ended


WHOLE = sse(
    start(),
    *block(
        0,
        {"type": "thinking", "thinking": "", "signature": ""},
        {"type": "thinking_delta", "thinking": "é"},
        {"type": "signature_delta", "signature": "S"},
    ),
    *block(1, {"type": "text", "text": ""}, text("über"), text("🎈")),
    {"type": "ping"},
    *block(2, {"type": "tool_use", "id": "t", "name": "f", "input": {}}, {"type": "input_json_delta", "partial_json": '{"a":1}'}),
    *end("tool_use"),
)


@given(st.lists(st.integers(0, len(WHOLE)), max_size=8), st.sampled_from([b"\n", b"\r\n"]))
def test_any_split_of_the_bytes_gives_the_same_events(cuts, line_end):
    stream = WHOLE.replace(b"\n", line_end)
    reader = MessageEventReader()
    bounds = [0, *sorted(cuts), len(stream)]
    found = [event for low, high in pairwise(bounds) for event in reader.feed(stream[low:high])]
    found += reader.finish()
    assert found == MessageEventReader().feed(WHOLE)
    assert reader.is_ended


@pytest.mark.parametrize("cut", range(0, len(WHOLE) - len(sse({"type": "message_stop"})) + 1, 7))
def test_a_stream_that_broke_off_has_no_end(cut):
    reader = MessageEventReader()
    found = reader.feed(WHOLE[:cut]) + reader.finish()
    assert not reader.is_ended
    assert not any(isinstance(event, (Ended, Finished, Failed)) for event in found)


def test_the_last_blank_line_may_be_missing():
    reader = MessageEventReader()
    found = reader.feed(WHOLE.rstrip(b"\n")) + reader.finish()
    assert found == MessageEventReader().feed(WHOLE)


@pytest.mark.parametrize("data", [b"data: {\n\n", b"data: [1]\n\n", b'data: "x"\n\n', b"data: \xff\n\n", b"data: <html>\n\n"])
def test_what_is_no_event_is_malformed(data):
    with pytest.raises(GatewayError) as caught:
        MessageEventReader().feed(data)
    assert caught.value.kind is ErrorKind.PROVIDER_MALFORMED


def test_odd_fields_and_events_are_passed_over():
    found, is_ended = read(
        start(usage={"input_tokens": -3}, id=7),
        {"type": "of_tomorrow", "x": 1},
        {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": None}},
        {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "a", "citation": 4}},
        {"type": "content_block_delta", "index": 5, "delta": {"type": "text_delta", "text": "lost"}},
        {"type": "content_block_delta", "index": 0, "delta": None},
        {"type": "content_block_stop", "index": 0},
        *end(),
    )
    assert is_ended
    assert fold(found).choices[0].parts == (Text("a"),)


def recorded():
    with (RECORDINGS / "index.csv").open() as file:
        rows = [row for row in csv.DictReader(file) if row["status"] == "200" and row["stream"]]
    for row in rows:
        response = json.loads((RECORDINGS / row["path"]).read_bytes())["response"]
        if row["wire"] == "anthropic-messages":
            yield row["path"], response["sse"].encode()
        elif row["wire"] == "bedrock-invoke" and "anthropic" in row["model"] and "claude-v2" not in row["model"]:
            yield row["path"], InvokeUnwrapper().feed(b64decode(response["base64"]))


@pytest.mark.skipif(not RECORDINGS.is_dir(), reason="the recorded exchanges are not beside this checkout")
def test_recorded_streams_are_read_and_counted_as_they_were_billed():
    with (RECORDINGS / "expected_usage.csv").open() as file:
        expected = {row["path"]: row for row in csv.DictReader(file)}
    count = 0
    for path, stream in recorded():
        reader = MessageEventReader()
        found = [event for at in range(0, len(stream), 777) for event in reader.feed(stream[at : at + 777])]
        found += reader.finish()
        assert reader.is_ended, path
        reply = fold(found)
        assert reply.choices[0].reason is not FinishReason.OTHER, path
        assert (disagreements(reply.usage, expected[path]) == {}) == (path[: path.index("/") + 4] not in EXCEPTIONS), path
        count += 1
    assert count > 20


def disagreements(usage: Usage, row: dict[str, str]):
    counts = {
        "input_tokens": usage.total_input,
        "output_tokens": usage.total_output,
        "cache_read_tokens": usage.cache_read,
        "cache_write_tokens": usage.cache_write_5m + usage.cache_write_1h,
        "cache_write_5m": usage.cache_write_5m,
        "cache_write_1h": usage.cache_write_1h,
        "reasoning_tokens": usage.reasoning,
    }
    return {name: count for name, count in counts.items() if row[name] and int(row[name]) != count}


def test_the_whole_reply_and_its_stream_say_the_same():
    whole = {
        "id": "msg_1",
        "model": "claude",
        "content": [
            {"type": "thinking", "thinking": "é", "signature": "S"},
            {"type": "text", "text": "über🎈"},
            {"type": "tool_use", "id": "t", "name": "f", "input": {"a": 1}},
        ],
        "stop_reason": "tool_use",
        "usage": {"input_tokens": 9, "output_tokens": 7},
    }
    assert fold(MessageEventReader().feed(WHOLE)) == read_reply(json.dumps(whole).encode())


scalars = (
    st.none() | st.booleans() | st.integers(-2, 3) | st.floats(-9, 9) | st.sampled_from(["", "a", '{"a":1}', "tool_use", "text"])
)
members = st.sampled_from(
    ["type", "text", "input", "id", "name", "partial_json", "signature", "citation", "stop_reason", "usage", "error"]
)
odd = st.recursive(scalars, lambda inner: st.lists(inner, max_size=2) | st.dictionaries(members, inner, max_size=3), max_leaves=6)
kinds = st.sampled_from(
    [
        "message_start",
        "content_block_start",
        "content_block_delta",
        "content_block_stop",
        "message_delta",
        "message_stop",
        "error",
        "x",
    ]
)
fields = st.sampled_from(["index", "delta", "content_block", "message", "usage", "error"])


@given(st.lists(st.tuples(kinds, st.dictionaries(fields, odd, max_size=4)), max_size=8))
def test_no_event_however_odd_breaks_the_reader(events):
    found, _ = read(*({"type": kind, **rest} for kind, rest in events))
    fold(found)
    assert sum(isinstance(event, PartStarted) for event in found) >= sum(isinstance(event, PartEnded) for event in found)
