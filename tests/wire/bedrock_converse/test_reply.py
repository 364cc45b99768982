"""Whole replies of Converse."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

from weighbridge.core.codec import decode_json, encode_json
from weighbridge.core.errors import ErrorKind, GatewayError
from weighbridge.core.terms import NO_USAGE, Usage
from weighbridge.wire.bedrock_converse import OUTBOUND
from weighbridge.wire.conversation import Citation, Image, MediaBytes, Reasoning, Seal, SealKind, ServerTool, Text, ToolCall
from weighbridge.wire.events import Choice, FinishReason, Reply

RECORDINGS = Path(__file__).parents[3].parent / "shared" / "recordings"


def read(*content, **fields):
    body = {"output": {"message": {"role": "assistant", "content": list(content)}}} | fields
    return OUTBOUND.read_reply(encode_json(body))


def test_a_reply_with_a_bit_of_everything():
    tool = {"toolUse": {"toolUseId": "t", "name": "nova_grounding", "input": {"query": "q"}, "type": "server_tool_use"}}
    reply = read(
        {"reasoningContent": {"reasoningText": {"text": "hm", "signature": "Er=="}}},
        {"reasoningContent": {"redactedContent": "RXVZQg=="}},
        tool,
        {"text": "hello"},
        {"citationsContent": {"content": [{"text": "cited"}], "citations": [{"title": "t"}]}},
        {"image": {"format": "png", "source": {"bytes": "iVBO"}}},
        {"toolUse": {"toolUseId": "c", "name": "f", "input": {"a": 1}, "type": "tool_use"}},
        stopReason="tool_use",
        usage={"inputTokens": 3, "outputTokens": 4, "totalTokens": 7},
        serviceTier={"type": "flex"},
    )
    assert reply == Reply(
        (
            Choice(
                (
                    Reasoning("hm", seal=Seal("anthropic", SealKind.SIGNATURE, "Er==")),
                    Reasoning(seal=Seal("anthropic", SealKind.REDACTED, "EuYB")),
                    ServerTool("bedrock", "web_search", tool, "t", "q"),
                    Text("hello"),
                    Text("cited", citations=(Citation("bedrock", {"title": "t"}, title="t"),)),
                    Image(MediaBytes("iVBO", "image/png")),
                    ToolCall("c", "f", '{"a":1}'),
                ),
                FinishReason.TOOL_CALLS,
                "tool_use",
            ),
        ),
        usage=Usage(3, output=4),
        service_tier="flex",
    )


@pytest.mark.parametrize(
    "block",
    [
        {"holo": {"x": 1}},
        {},
        5,
        {"text": None},
        {"text": ""},
        {"reasoningContent": None},
        {"reasoningContent": {"reasoningText": {}}},
        {"citationsContent": {}},
        {"image": {"format": "png", "source": {"s3Location": {"uri": "s3://a/b"}}}},
    ],
)
def test_what_is_unknown_or_says_nothing_is_passed_over(block):
    assert read(block, {"text": "a"}, stopReason="end_turn").choices[0].parts == (Text("a"),)


def test_missing_fields_and_odd_types_do_no_harm():
    reply = read({"toolUse": {"toolUseId": 5, "input": None}}, stopReason=7, usage="much", serviceTier=[])
    assert reply == Reply((Choice((ToolCall("", "", "{}"),), FinishReason.OTHER),), usage=NO_USAGE)
    assert OUTBOUND.read_reply(b'{"output": {}}').choices == (Choice((), FinishReason.OTHER),)


@pytest.mark.parametrize("body", [b"", b"[]", b"<html>", b'{"message": "The security token is expired"}'])
def test_what_is_no_reply_is_refused(body):
    with pytest.raises(GatewayError) as raised:
        OUTBOUND.read_reply(body)
    assert raised.value.kind is ErrorKind.PROVIDER_MALFORMED


@pytest.mark.skipif(not RECORDINGS.is_dir(), reason="the recordings are not here")
def test_recorded_replies_read_with_the_expected_usage():
    with (RECORDINGS / "expected_usage.csv").open() as file:
        expected = {row["path"]: row for row in csv.DictReader(file)}
    with (RECORDINGS / "index.csv").open() as file:
        rows = [row for row in csv.DictReader(file) if row["wire"] == "bedrock-converse" and row["status"] == "200"]
    count = 0
    for row in rows:
        response = decode_json((RECORDINGS / row["path"]).read_bytes())["response"]
        if "body" not in response:
            continue
        reply = OUTBOUND.read_reply(encode_json(response["body"]))
        wanted, usage = expected[row["path"]], reply.usage
        assert (usage.total_input, usage.cache_read, usage.cache_write_5m + usage.cache_write_1h, usage.total_output) == tuple(
            int(wanted[name] or 0) for name in ("input_tokens", "cache_read_tokens", "cache_write_tokens", "output_tokens")
        ), row["path"]
        assert reply.choices[0].parts
        assert reply.choices[0].reason is not FinishReason.OTHER
        count += 1
    assert count
