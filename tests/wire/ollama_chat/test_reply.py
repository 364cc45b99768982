"""Whole replies of Ollama."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

from weighbridge.core.codec import decode_json, encode_json, pretty_json
from weighbridge.core.errors import ErrorKind, GatewayError
from weighbridge.core.terms import NO_USAGE, Usage
from weighbridge.wire.conversation import Reasoning, Text, ToolCall
from weighbridge.wire.events import Choice, FinishReason, Reply
from weighbridge.wire.ollama_chat import OUTBOUND

RECORDINGS = Path(__file__).parents[3].parent / "shared" / "recordings"
WHOLE = {
    "model": "qwen3",
    "created_at": "2026-08-07T06:08:09.335586Z",
    "message": {
        "role": "assistant",
        "content": "hello",
        "thinking": "hm",
        "tool_calls": [{"id": "call_1", "function": {"index": 0, "name": "f", "arguments": {"a": 1}}}],
    },
    "done": True,
    "done_reason": "stop",
    "prompt_eval_count": 3,
    "eval_count": 4,
}
READ = Reply(
    (Choice((Reasoning("hm"), Text("hello"), ToolCall("call_1", "f", '{"a":1}')), FinishReason.TOOL_CALLS, "stop"),),
    model="qwen3",
    created_s=1_786_082_889,
    usage=Usage(3, output=4),
)


@pytest.mark.parametrize("body", [encode_json(WHOLE), pretty_json(WHOLE).encode(), encode_json(WHOLE) + b"\n"])
def test_a_reply_however_it_is_laid_out(body):
    assert OUTBOUND.read_reply(body) == READ


def test_calls_without_an_id_get_one_that_is_always_the_same():
    calls = [{"function": {"name": "f", "arguments": {"a": 1}}}, {"function": {"name": "f", "arguments": {"a": 1}}}]
    body = encode_json(WHOLE | {"message": {"tool_calls": calls}})
    one, two = OUTBOUND.read_reply(body).choices[0].parts
    assert one.id.startswith("call_")
    assert one.id != two.id
    assert OUTBOUND.read_reply(body).choices[0].parts == (one, two)
    later = encode_json(WHOLE | {"message": {"tool_calls": calls}, "created_at": "2026-08-07T06:08:10Z"})
    assert OUTBOUND.read_reply(later).choices[0].parts[0].id != one.id


def test_missing_fields_and_odd_types_do_no_harm():
    reply = OUTBOUND.read_reply(b'{"message": {"content": "a", "tool_calls": null}, "done": true, "created_at": "soon"}')
    assert reply == Reply((Choice((Text("a"),), FinishReason.STOP),), usage=NO_USAGE)
    odd = {"message": {"content": "a"}, "done": True, "done_reason": "bored", "eval_count": "x", "model": 5}
    assert OUTBOUND.read_reply(encode_json(odd)).choices[0].native == "bored"
    texts = {"message": {"tool_calls": [5, {"function": {"name": "f", "arguments": "{}"}}]}, "done": True}
    assert [part.arguments for part in OUTBOUND.read_reply(encode_json(texts)).choices[0].parts] == ["{}", "{}"]


@pytest.mark.parametrize("body", [b"", b"[]", b'{"error": "model not found"}', b'{"done": true}', b'"x"'])
def test_what_is_no_reply_is_refused(body):
    with pytest.raises(GatewayError) as raised:
        OUTBOUND.read_reply(body)
    assert raised.value.kind is ErrorKind.PROVIDER_MALFORMED


@pytest.mark.skipif(not RECORDINGS.is_dir(), reason="the recordings are not here")
def test_recorded_replies_read_with_the_expected_usage():
    with (RECORDINGS / "expected_usage.csv").open() as file:
        expected = {row["path"]: row for row in csv.DictReader(file)}
    with (RECORDINGS / "index.csv").open() as file:
        rows = [row for row in csv.DictReader(file) if row["wire"] == "ollama-native-chat" and row["status"] == "200"]
    count = 0
    for row in rows:
        response = decode_json((RECORDINGS / row["path"]).read_bytes())["response"]
        if "body" not in response:
            continue
        reply = OUTBOUND.read_reply(encode_json(response["body"]))
        wanted = expected[row["path"]]
        assert (reply.usage.total_input, reply.usage.total_output) == (int(wanted["input_tokens"]), int(wanted["output_tokens"]))
        assert reply.choices[0].parts
        count += 1
    assert count
