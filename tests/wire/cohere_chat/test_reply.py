"""Whole replies of Cohere."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

from weighbridge.core.codec import decode_json, encode_json
from weighbridge.core.errors import ErrorKind, GatewayError
from weighbridge.core.terms import NO_USAGE, Usage
from weighbridge.wire.cohere_chat import OUTBOUND
from weighbridge.wire.conversation import Reasoning, Text, ToolCall
from weighbridge.wire.events import Choice, FinishReason, Reply

RECORDINGS = Path(__file__).parents[3].parent / "shared" / "recordings"


def read(message, **fields):
    return OUTBOUND.read_reply(encode_json({"message": message} | fields))


def test_a_reply_with_a_bit_of_everything():
    reply = read(
        {
            "role": "assistant",
            "tool_plan": "I will look.",
            "content": [{"type": "thinking", "thinking": "hm"}, {"type": "text", "text": "hello"}],
            "tool_calls": [{"id": "c", "type": "function", "function": {"name": "f", "arguments": ""}}],
        },
        id="r",
        finish_reason="TOOL_CALL",
        usage={"tokens": {"input_tokens": 3, "output_tokens": 4}, "cached_tokens": 1},
        logprobs=[{"text": "hello", "logprobs": [-0.5]}],
    )
    token = {"token": "hello", "logprob": -0.5, "bytes": list(b"hello"), "top_logprobs": []}
    parts = (Reasoning("I will look."), Reasoning("hm"), Text("hello"), ToolCall("c", "f", "{}"))
    choice = Choice(parts, FinishReason.TOOL_CALLS, "TOOL_CALL", logprobs=(token,))
    assert reply == Reply((choice,), "r", usage=Usage(2, 1, 0, 0, 4))


def test_citations_go_to_the_text_that_they_name_or_to_the_first():
    content = [{"type": "thinking", "thinking": "hm"}, {"type": "text", "text": "one"}, {"type": "text", "text": "two"}]
    marks = [{"start": 0, "content_index": 2}, {"start": 1}, {"start": 2, "content_index": 0}, {"start": 3, "type": "PLAN"}]
    one, two = read({"content": content, "citations": marks}).choices[0].parts[1:]
    assert [citation.start for citation in one.citations] == [1, 2]
    assert [citation.start for citation in two.citations] == [0]


@pytest.mark.parametrize("block", [{}, 5, {"type": "holo"}, {"type": "text", "text": None}, {"type": "text", "text": ""}])
def test_what_is_unknown_or_says_nothing_is_passed_over(block):
    assert read({"content": [block, {"type": "text", "text": "a"}], "citations": [5]}).choices[0].parts[0].text == "a"


def test_missing_fields_and_odd_types_do_no_harm():
    reply = read({"content": "plain", "tool_calls": [5], "citations": None}, finish_reason=None, usage=5)
    assert reply == Reply((Choice((Text("plain"), ToolCall("", "", "{}")), FinishReason.OTHER),), usage=NO_USAGE)
    assert read({"content": None, "citations": [{"start": 1}]}).choices[0].parts == ()


@pytest.mark.parametrize("body", [b"", b"[]", b'{"id": "x", "message": "Incorrect API key provided"}'])
def test_what_is_no_reply_is_refused(body):
    with pytest.raises(GatewayError) as raised:
        OUTBOUND.read_reply(body)
    assert raised.value.kind is ErrorKind.PROVIDER_MALFORMED


@pytest.mark.skipif(not RECORDINGS.is_dir(), reason="the recordings are not here")
def test_recorded_replies_read_with_the_expected_usage():
    with (RECORDINGS / "expected_usage.csv").open() as file:
        expected = {row["path"]: row for row in csv.DictReader(file)}
    with (RECORDINGS / "index.csv").open() as file:
        rows = [row for row in csv.DictReader(file) if row["wire"] == "cohere-v2-chat" and row["status"] == "200"]
    count = 0
    for row in rows:
        response = decode_json((RECORDINGS / row["path"]).read_bytes())["response"]
        if "body" not in response:
            continue
        reply = OUTBOUND.read_reply(encode_json(response["body"]))
        wanted, usage = expected[row["path"]], reply.usage
        assert (usage.total_input, usage.cache_read, usage.total_output, usage.reasoning) == tuple(
            int(wanted[name] or 0) for name in ("input_tokens", "cache_read_tokens", "output_tokens", "reasoning_tokens")
        ), row["path"]
        assert reply.choices[0].parts
        assert reply.choices[0].reason is not FinishReason.OTHER
        count += 1
    assert count
