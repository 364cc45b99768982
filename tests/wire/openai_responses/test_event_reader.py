"""A provider's stream of a response -> events."""

from __future__ import annotations

import csv
from functools import cache
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from weighbridge.core.codec import decode_json, encode_json
from weighbridge.core.errors import ErrorKind, GatewayError
from weighbridge.core.terms import Usage
from weighbridge.wire.conversation import Reasoning, Refusal, Text, ToolCall
from weighbridge.wire.events import (
    ArgumentsDelta,
    CitationAdded,
    Ended,
    Event,
    Failed,
    Finished,
    FinishReason,
    KeepAlive,
    PartEnded,
    PartKind,
    PartStarted,
    Reply,
    Started,
    TextDelta,
    UsageReported,
)
from weighbridge.wire.fold import fold
from weighbridge.wire.openai_responses.event_reader import ResponseEventReader
from weighbridge.wire.openai_responses.reply_reader import read_reply

RECORDINGS = Path(__file__).resolve().parents[4] / "shared" / "recordings"


def sse(*events: dict[str, Any]) -> bytes:
    return b"".join(b"event: %b\ndata: %b\n\n" % (str(event["type"]).encode(), encode_json(event)) for event in events)


def read(stream: bytes) -> tuple[list[Event], bool]:
    reader = ResponseEventReader()
    events = reader.feed(stream)
    events += reader.finish()
    return events, reader.is_ended


CREATED = {"type": "response.created", "response": {"id": "resp_1", "model": "m", "created_at": 5, "status": "in_progress"}}
TEXT_ITEM = {"type": "message", "id": "msg_1", "content": [{"type": "output_text", "text": "Hello"}]}
HELLO = (
    CREATED,
    {"type": "response.output_item.added", "output_index": 0, "item": {"type": "message", "id": "msg_1", "content": []}},
    {"type": "response.content_part.added", "output_index": 0, "content_index": 0, "part": {"type": "output_text", "text": ""}},
    {"type": "response.output_text.delta", "output_index": 0, "content_index": 0, "delta": "Hel"},
    {"type": "response.output_text.delta", "output_index": 0, "content_index": 0, "delta": "lo"},
    {"type": "response.output_text.done", "output_index": 0, "content_index": 0, "text": "Hello"},
    {"type": "response.output_item.done", "output_index": 0, "item": TEXT_ITEM},
)
COMPLETED = {
    "type": "response.completed",
    "response": {"status": "completed", "output": [TEXT_ITEM], "usage": {"input_tokens": 3, "output_tokens": 2}},
}


def test_a_text_comes_in_pieces() -> None:
    assert read(sse(*HELLO, COMPLETED)) == (
        [
            Started("resp_1", "m", 5),
            PartStarted(0, 0, PartKind.TEXT),
            TextDelta(0, 0, "Hel"),
            TextDelta(0, 0, "lo"),
            PartEnded(0, 0),
            Finished(0, FinishReason.STOP, "completed"),
            UsageReported(Usage(3, output=2)),
            Ended(),
        ],
        True,
    )


def test_a_stream_that_breaks_off_has_no_end() -> None:
    events, is_ended = read(sse(*HELLO))
    assert not is_ended
    assert not any(isinstance(event, (Ended, Finished, Failed)) for event in events)
    assert not read(sse(*HELLO, COMPLETED)[:-40])[1]


def test_the_last_event_may_lack_its_blank_line() -> None:
    assert read(sse(*HELLO, COMPLETED)[:-2])[1]


def test_what_comes_after_the_end_is_not_read() -> None:
    stream = sse(*HELLO, COMPLETED)
    assert read(stream + b"data: [DONE]\n\n" + sse(*HELLO)) == read(stream)


def test_an_item_that_was_never_announced_is_read_from_its_end_or_from_the_whole() -> None:
    call = {"type": "function_call", "id": "fc_1", "call_id": "c", "name": "f", "arguments": "{}"}
    thought = {"type": "reasoning", "id": "rs_1", "summary": [{"text": "s"}], "content": [{"text": "t"}], "encrypted_content": "E"}
    search = {"type": "web_search_call", "id": "ws_1"}
    whole = {"status": "completed", "output": [thought, search, TEXT_ITEM, call]}
    from_items = sse(
        CREATED,
        *({"type": "response.output_item.done", "output_index": i, "item": item} for i, item in enumerate(whole["output"])),
        {"type": "response.completed", "response": {"status": "completed"}},
    )
    from_whole = sse({"type": "response.completed", "response": whole})
    expected = read_reply(encode_json(whole)).choices
    assert fold(read(from_items)[0]).choices == expected
    assert fold(read(from_whole)[0]).choices == expected


def test_an_item_without_deltas_is_read_from_its_end() -> None:
    call = {"type": "custom_tool_call", "id": "ctc_1", "call_id": "c", "name": "f"}
    stream = sse(
        CREATED,
        {"type": "response.output_item.added", "output_index": 0, "item": call},
        {"type": "response.output_item.done", "output_index": 0, "item": {**call, "input": "ls"}},
        {"type": "response.output_item.added", "output_index": 1, "item": {"type": "reasoning", "id": "rs_1"}},
        {"type": "response.reasoning_summary_text.delta", "output_index": 1, "summary_index": 0, "delta": "a"},
        {
            "type": "response.output_item.done",
            "output_index": 1,
            "item": {"type": "reasoning", "id": "rs_1", "summary": [{"text": "a"}, {"text": "b"}]},
        },
    )
    events, _ = read(stream)
    assert ArgumentsDelta(0, 0, "ls") in events
    assert fold(events).choices[0].parts[1] == Reasoning("", ("a", "b"), None, "rs_1")


def test_a_citation_counts_once_whether_it_is_streamed_or_not() -> None:
    first, second = ({"type": "url_citation", "url": f"https://{name}.example"} for name in "ab")
    cited = {
        "type": "message",
        "id": "msg_1",
        "content": [{"type": "output_text", "text": "Hello", "annotations": [first, second]}],
    }
    added = {"type": "response.output_text.annotation.added", "output_index": 0, "content_index": 0, "annotation": first}
    events, _ = read(sse(*HELLO[:5], added, {"type": "response.output_item.done", "output_index": 0, "item": cited}))
    assert [event.citation.raw for event in events if isinstance(event, CitationAdded)] == [first, second]


def test_input_of_the_vendors_own_tools_is_no_call_of_the_callers() -> None:
    stream = sse(
        CREATED,
        {"type": "response.output_item.added", "output_index": 0, "item": {"type": "web_search_call", "id": "ws_1"}},
        {"type": "response.function_call_arguments.delta", "output_index": 0, "delta": "{}"},
        {"type": "response.output_item.done", "output_index": 0, "item": {"type": "web_search_call", "id": "ws_1"}},
    )
    assert [type(event) for event in read(stream)[0]] == [Started, PartStarted, PartEnded]


@pytest.mark.parametrize(
    ("event", "failed"),
    [
        (
            {"type": "error", "code": "server_error", "message": "x", "param": None},
            Failed("x", "", "server_error", 500),
        ),
        (
            {"type": "error", "error": {"type": "insufficient_quota", "code": "insufficient_quota", "message": "x"}},
            Failed("x", "insufficient_quota", "insufficient_quota", 429),
        ),
        (
            {"type": "response.failed", "response": {"status": "failed", "error": {"code": "rate_limit_exceeded", "message": "x"}}},
            Failed("x", "", "rate_limit_exceeded", 429),
        ),
        ({"type": "response.failed", "response": {}}, Failed("")),
        ({"type": None, "error": {"code": 502, "message": "x"}}, Failed("x", "", "", 502)),
        ({"type": None, "code": "invalid-argument", "error": "x"}, Failed("x", "", "invalid-argument")),
    ],
)
def test_an_error_ends_the_stream(event: dict[str, Any], failed: Failed) -> None:
    events, is_ended = read(b"data: " + encode_json(event) + b"\n\n")
    assert events[-1] == failed
    assert is_ended


def test_odd_fields_cost_no_other() -> None:
    stream = sse(
        {"type": "response.created", "response": "soon"},
        {"type": "response.output_text.delta", "output_index": "zero", "content_index": 0, "delta": "Hi", "logprobs": [7]},
        {"type": "response.output_text.delta", "output_index": 0, "content_index": 0, "delta": None},
        {"type": "response.output_item.done", "output_index": 0, "item": {**TEXT_ITEM, "x": 0.5}, "delta": 7},
        {"type": "response.unheard_of", "item": 7},
        {"type": "response.completed", "response": {"status": "completed"}, "item": 7},
    )
    events, is_ended = read(stream)
    assert is_ended
    assert fold(events).choices[0].parts == (Text("Hi"),)


def test_numbers_of_paragraphs_may_be_anything() -> None:
    delta = {"type": "response.reasoning_summary_text.delta", "output_index": 0, "delta": "a"}
    events, _ = read(
        sse(CREATED, {**delta, "summary_index": 10**9}, {**delta, "summary_index": 4}, {**delta, "summary_index": 10**9})
    )
    assert fold(events).choices[0].parts == (Reasoning("", ("aa", "a")),)


def test_deltas_of_another_kind_than_their_item_are_no_part_of_it() -> None:
    call = {"type": "function_call", "id": "fc_1", "call_id": "c", "name": "f", "arguments": ""}
    stream = sse(
        CREATED,
        {"type": "response.output_item.added", "output_index": 0, "item": call},
        {"type": "response.reasoning_text.delta", "output_index": 0, "delta": "a"},
        {"type": "response.reasoning_summary_text.delta", "output_index": 0, "delta": "a"},
        {"type": "response.output_item.done", "output_index": 0, "item": {"type": "reasoning", "encrypted_content": "E"}},
        {"type": "response.refusal.delta", "output_index": 1, "content_index": 0, "delta": "no"},
        {"type": "response.output_text.delta", "output_index": 1, "content_index": 0, "delta": "yes"},
    )
    assert fold(read(stream)[0]).choices[0].parts == (ToolCall("c", "f", "", item_id="fc_1"), Refusal("no"), Text("yes"))


def test_a_content_that_is_a_bare_string_is_a_text() -> None:
    item = {"type": "message", "id": "msg_1", "content": "Hello"}
    events, _ = read(sse(CREATED, {"type": "response.output_item.done", "output_index": 0, "item": item}))
    assert fold(events).choices[0].parts == (Text("Hello"),)


def test_a_comment_keeps_the_stream_alive() -> None:
    assert read(b": PROCESSING\n\n") == ([KeepAlive()], False)


def test_what_is_no_json_is_malformed() -> None:
    with pytest.raises(GatewayError) as caught:
        read(b"data: {oops\n\n")
    assert caught.value.kind is ErrorKind.PROVIDER_MALFORMED


@given(st.lists(st.integers(1, 60), min_size=1))
def test_any_split_of_the_bytes_gives_the_same_events(sizes: list[int]) -> None:
    stream = sse(*HELLO, COMPLETED)
    reader, events = ResponseEventReader(), []
    place = 0
    while place < len(stream):
        size = sizes[place % len(sizes)]
        events += reader.feed(stream[place : place + size])
        place += size
    assert events + reader.finish() == read(stream)[0]


# --- recordings


@cache
def recorded() -> dict[str, bytes]:
    with (RECORDINGS / "index.csv").open(encoding="utf-8") as index:
        paths = [row["path"] for row in csv.DictReader(index) if row["wire"] == "openai-responses" and row["status"] == "200"]
    responses = ((path, decode_json((RECORDINGS / path).read_bytes())["response"]) for path in paths)
    return {path: response["sse"].encode() for path, response in responses if "sse" in response}


needs_recordings = pytest.mark.skipif(not RECORDINGS.is_dir(), reason="the recordings are not part of the project and are not here")

# What the last event says otherwise than the events before it did.
DIFFERING = {
    "187": "log probabilities are rounded at the end",
    "208": "lists of tools come last, and stand first",
    "241": "a fixture: most of its deltas were taken out",
}


@needs_recordings
def test_every_recorded_stream_adds_up_to_its_last_event() -> None:
    assert len(recorded()) >= 36
    for path, stream in recorded().items():
        events, is_ended = read(stream)
        assert is_ended, path
        last = decode_json(stream.rpartition(b'"response":')[2].join([b'{"response":', b""]).partition(b"\n")[0])["response"]
        if last["status"] == "failed":
            assert isinstance(events[-1], Failed)
            continue
        if path.partition("/")[2][:3] not in DIFFERING:
            assert _unsealed(fold(events)) == _unsealed(read_reply(encode_json(last))), path


def _unsealed(reply: Reply) -> Reply:
    """OpenAI encrypts the reasoning anew for the last event."""
    parts = tuple(
        msgspec.structs.replace(part, seal=None if part.seal is None else msgspec.structs.replace(part.seal, text=""))
        if isinstance(part, Reasoning)
        else part
        for part in reply.choices[0].parts
    )
    return msgspec.structs.replace(reply, choices=(msgspec.structs.replace(reply.choices[0], parts=parts),))


@needs_recordings
def test_every_recorded_stream_is_counted_as_expected() -> None:
    with (RECORDINGS / "expected_usage.csv").open(encoding="utf-8") as table:
        expected = {row["path"]: row for row in csv.DictReader(table)}
    for path, stream in recorded().items():
        if path not in expected:
            continue
        reply, row = fold(read(stream)[0]), expected[path]
        usage, pictures = reply.usage, sum(part.usage.output_image for part in reply.apart)  # which the table leaves out
        written = usage.cache_write_5m + usage.cache_write_1h
        counted = (usage.total_input, usage.cache_read, written, usage.total_output - pictures, usage.reasoning)
        names = ("input_tokens", "cache_read_tokens", "cache_write_tokens", "output_tokens", "reasoning_tokens")
        assert counted == tuple(int(row[name] or 0) for name in names), path


@needs_recordings
@given(st.data())
@settings(max_examples=10, deadline=None)
def test_any_split_of_a_recorded_stream_gives_the_same_events(data: st.DataObject) -> None:
    stream = recorded()[data.draw(st.sampled_from(sorted(recorded())))]
    size = data.draw(st.integers(1, 400))
    reader, events = ResponseEventReader(), []
    for place in range(0, len(stream), size):
        events += reader.feed(stream[place : place + size])
    assert events + reader.finish() == read(stream)[0]
