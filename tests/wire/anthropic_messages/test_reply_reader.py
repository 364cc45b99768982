from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.conformance.test_recordings import billed

from weighbridge.core.errors import ErrorKind, GatewayError
from weighbridge.core.terms import NO_USAGE, Usage
from weighbridge.wire.anthropic_messages.reply_reader import read_reply
from weighbridge.wire.conversation import Citation, Reasoning, Refusal, Seal, SealKind, ServerTool, Text, ToolCall
from weighbridge.wire.events import FinishReason, Reply

RECORDINGS = Path(__file__).parents[3].parent / "shared" / "recordings"


def read(content, **fields):
    body = {"id": "msg_1", "type": "message", "role": "assistant", "model": "claude", "content": content, "stop_reason": "end_turn"}
    return read_reply(json.dumps({**body, **fields}).encode())


def parts(*content, **fields):
    return read(list(content), **fields).choices[0].parts


def test_a_plain_message():
    reply = read([{"type": "text", "text": "hi"}], usage={"input_tokens": 3, "output_tokens": 2, "service_tier": "standard"})
    assert (reply.id, reply.model, reply.usage, reply.service_tier) == ("msg_1", "claude", Usage(3, output=2), "standard")
    choice = reply.choices[0]
    assert (choice.parts, choice.reason, choice.native) == ((Text("hi"),), FinishReason.STOP, "end_turn")


def test_every_kind_of_block():
    citation = {"type": "char_location", "cited_text": "x"}
    search = {"type": "web_search_tool_result", "tool_use_id": "s", "content": []}
    assert parts(
        {"type": "thinking", "thinking": "hm", "signature": "S"},
        {"type": "redacted_thinking", "data": "D"},
        {"type": "text", "text": "a", "citations": [citation]},
        {"type": "tool_use", "id": "t", "name": "f", "input": {"a": 1.5}},
        search,
    ) == (
        Reasoning("hm", seal=Seal("anthropic", SealKind.SIGNATURE, "S")),
        Reasoning(seal=Seal("anthropic", SealKind.REDACTED, "D")),
        Text("a", citations=(Citation("anthropic", citation, cited_text="x"),)),
        ToolCall("t", "f", '{"a":1.5}'),
        ServerTool("anthropic", "web_search", search, "s"),
    )


def test_a_stop_sequence_is_named():
    choice = read([], stop_reason="stop_sequence", stop_sequence="END").choices[0]
    assert (choice.reason, choice.stop_sequence) == (FinishReason.STOP_SEQUENCE, "END")


def test_an_unknown_reason_keeps_its_word():
    choice = read([], stop_reason="compaction").choices[0]
    assert (choice.reason, choice.native) == (FinishReason.OTHER, "compaction")


def test_why_the_model_declined_is_a_refusal():
    details = {"type": "refusal", "category": None, "explanation": "No."}
    reply = read([], stop_reason="refusal", stop_details=details)
    assert (reply.choices[0].parts, reply.choices[0].reason) == ((Refusal("No."),), FinishReason.REFUSAL)
    assert parts(stop_reason="refusal", stop_details={"explanation": None}) == ()


def test_one_odd_field_costs_itself_only():
    reply = read([{"type": "text", "text": "a", "citations": 3}, 7, {"text": "?"}], model=4, usage={"input_tokens": "many"})
    assert reply.choices[0].parts[0] == Text("a")
    assert (reply.id, reply.model, reply.usage) == ("msg_1", "", NO_USAGE)
    assert parts({"type": "tool_use", "id": "t", "name": "f", "input": {"a": 0.5}}, usage=3) == (ToolCall("t", "f", '{"a":0.5}'),)
    assert read("hi").choices[0].parts == (Text("hi"),)


@pytest.mark.parametrize("body", [b"", b"[]", b"{", b'"x"', b"{}", b'{"type":"error","error":{"type":"api_error"}}', b"\xff"])
def test_what_is_no_message_is_malformed(body):
    with pytest.raises(GatewayError) as caught:
        read_reply(body)
    assert caught.value.kind is ErrorKind.PROVIDER_MALFORMED


def recorded():
    with (RECORDINGS / "index.csv").open() as file:
        rows = [row for row in csv.DictReader(file) if row["response_kind"] == "body" and row["status"] == "200"]
    for row in rows:
        if row["wire"] == "anthropic-messages" or (row["wire"] == "bedrock-invoke" and "anthropic" in row["model"]):
            body = json.loads((RECORDINGS / row["path"]).read_bytes())["response"]["body"]
            if "content" in body:
                yield row["path"], body


@pytest.mark.skipif(not RECORDINGS.is_dir(), reason="the recorded exchanges are not beside this checkout")
def test_recorded_replies_are_read_and_counted_as_they_were_billed():
    with (RECORDINGS / "expected_usage.csv").open() as file:
        expected = {row["path"]: row for row in csv.DictReader(file)}
    count = 0
    for path, body in recorded():
        reply = read_reply(json.dumps(body).encode())
        assert len(reply.choices[0].parts) == len(body["content"]), path
        assert reply.choices[0].native == body["stop_reason"]
        assert disagreements(reply, expected[path]) == {}, path
        count += 1
    assert count > 28


def disagreements(reply: Reply, row: dict[str, str]):
    usage = reply.usage
    counts = {
        "input_tokens": usage.total_input,
        "output_tokens": usage.total_output,
        "cache_read_tokens": usage.cache_read,
        "cache_write_tokens": usage.cache_write_5m + usage.cache_write_1h,
        "cache_write_5m": usage.cache_write_5m,
        "cache_write_1h": usage.cache_write_1h,
        "reasoning_tokens": usage.reasoning,
    }
    return {name: count for name, count in counts.items() if row[name] and billed(row, name) != count}


anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=4),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["type", "text", "input", "usage", "id"]), inner),
    max_leaves=8,
)


@given(st.dictionaries(st.sampled_from(["id", "model", "content", "stop_reason", "stop_details", "usage", "type"]), anything))
def test_no_message_however_odd_breaks_the_reader(body):
    document = json.dumps(body).encode()
    if isinstance(body.get("content"), (list, str)) or isinstance(body.get("stop_reason"), str):
        assert len(read_reply(document).choices) == 1
    else:
        with pytest.raises(GatewayError) as caught:
            read_reply(document)
        assert caught.value.kind is ErrorKind.PROVIDER_MALFORMED
