"""A provider's whole response -> `Reply`."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import pytest

from weighbridge.core.codec import decode_json, encode_json
from weighbridge.core.errors import ErrorKind, GatewayError
from weighbridge.core.terms import NO_USAGE, Usage
from weighbridge.wire import reply_facts
from weighbridge.wire.conversation import Audio, MediaBytes, Reasoning, Refusal, Seal, SealKind, ServerTool, Text, ToolCall
from weighbridge.wire.events import FinishReason, Reply
from weighbridge.wire.openai_responses.reply_reader import read_reply

RECORDINGS = Path(__file__).resolve().parents[4] / "shared" / "recordings"


def read(output: list[Any], **fields: Any) -> Reply:
    return read_reply(encode_json({"id": "resp_1", "status": "completed", "output": output, **fields}))


def test_every_kind_of_item_is_read() -> None:
    search = {"type": "web_search_call", "id": "ws_1", "status": "completed", "action": {"type": "search", "query": "q"}}
    reply = read(
        [
            {"type": "reasoning", "id": "rs_1", "summary": [{"type": "summary_text", "text": "s"}], "encrypted_content": "E"},
            {"type": "reasoning", "id": "rs_2", "summary": [], "content": [{"type": "reasoning_text", "text": "t"}]},
            search,
            {
                "type": "message",
                "id": "msg_1",
                "content": [{"type": "output_text", "text": "Hi"}, {"type": "refusal", "refusal": "no"}],
            },
            {"type": "message", "content": [{"type": "output_audio", "data": "AAAA", "transcript": "said"}, {"type": "hologram"}]},
            {"type": "function_call", "id": "fc_1", "call_id": "c1", "name": "f", "arguments": '{"a":1}'},
            {"type": "custom_tool_call", "id": "ctc_1", "call_id": "c2", "name": "g", "input": "ls"},
        ]
    )
    assert reply.choices[0].parts == (
        Reasoning("", ("s",), Seal("openai", SealKind.ENCRYPTED, "E"), "rs_1"),
        Reasoning("t", (), None, "rs_2"),
        ServerTool("openai", "web_search", search, "ws_1", "q"),
        Text("Hi"),
        Refusal("no"),
        Audio(MediaBytes("AAAA", "audio/*"), transcript="said"),
        ToolCall("c1", "f", '{"a":1}', item_id="fc_1"),
        ToolCall("c2", "g", "ls", is_custom=True, item_id="ctc_1"),
    )


@pytest.mark.parametrize(
    ("fields", "output", "reason", "native"),
    [
        ({}, [], FinishReason.STOP, "completed"),
        ({}, [{"type": "function_call", "call_id": "c", "name": "f", "arguments": ""}], FinishReason.TOOL_CALLS, "completed"),
        ({}, [{"type": "message", "content": [{"type": "refusal", "refusal": "no"}]}], FinishReason.REFUSAL, "completed"),
        (
            {"status": "incomplete", "incomplete_details": {"reason": "max_output_tokens"}},
            [],
            FinishReason.LENGTH,
            "max_output_tokens",
        ),
        (
            {"status": "incomplete", "incomplete_details": {"reason": "content_filter"}},
            [],
            FinishReason.CONTENT_FILTER,
            "content_filter",
        ),
        ({"status": "incomplete", "incomplete_details": None}, [], FinishReason.OTHER, "incomplete"),
        ({"status": "queued"}, [], FinishReason.OTHER, "queued"),
    ],
)
def test_every_end_has_its_reason(fields: dict[str, Any], output: list[Any], reason: FinishReason, native: str) -> None:
    choice = read(output, **fields).choices[0]
    assert (choice.reason, choice.native) == (reason, native)


def test_searches_are_counted_with_the_usage() -> None:
    usage = {"input_tokens": 10, "input_tokens_details": {"cached_tokens": 4}, "output_tokens": 5, "total_tokens": 15}
    assert read([{"type": "web_search_call"}, {"type": "x_search_call"}], usage=usage).usage == Usage(6, 4, output=5, tool_calls=2)
    assert read([]).usage is NO_USAGE


def test_the_same_searches_are_charged_as_in_a_reply_that_is_forwarded() -> None:
    output = [
        {"type": "web_search_call", "action": {"type": "search"}},
        {"type": "web_search_call", "action": {"type": "open_page", "url": "https://a.example"}},
        {"type": "file_search_call"},
    ]
    body = {"id": "resp_1", "status": "completed", "output": output, "usage": {"input_tokens": 10, "output_tokens": 5}}
    facts = reply_facts.ReplyFacts()
    reply_facts.read_response(facts, encode_json(body))
    assert read_reply(encode_json(body)).usage == facts.usage == Usage(10, output=5, tool_calls=1, file_searches=1)


@pytest.mark.parametrize(
    "odd",
    [
        {"created_at": "yesterday"},
        {"usage": {"input_tokens": "many"}},
        {"incomplete_details": "none"},
        {"id": 7, "model": ["m"]},
        {
            "usage": {"input_tokens": 1},
            "output": [{"type": "message", "content": [{"text": "Hi"}]}, {"type": ["list"]}, {"type": {}}],
        },
        {"output": [{"type": "message", "content": [{"type": "output_text", "text": "Hi", "annotations": None}]}, 7, None]},
        {"output": [{"type": "message", "content": [{"type": "output_text", "text": "Hi"}, 7]}, {"type": "riddle"}, {}]},
    ],
)
def test_one_odd_field_costs_no_other(odd: dict[str, Any]) -> None:
    output = [{"type": "message", "content": [{"type": "output_text", "text": "Hi"}]}]
    reply = read_reply(encode_json({"status": "completed", "output": output, **odd}))
    assert reply.choices[0].parts[0] == Text("Hi")


def test_numbers_of_an_odd_reply_stay_as_they_came() -> None:
    content = {"type": "output_text", "text": "Hi", "logprobs": [{"token": "Hi", "logprob": -0.25}]}
    reply = read_reply(encode_json({"created_at": "x", "output": [{"type": "message", "content": [content]}]}))
    assert reply.choices[0].logprobs == ({"token": "Hi", "logprob": -0.25},)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<html>",
        b"[]",
        b"{}",
        b'{"output"',
        b"\xff",
    ],
)
def test_what_is_no_reply_is_malformed(body: bytes) -> None:
    with pytest.raises(GatewayError) as caught:
        read_reply(body)
    assert caught.value.kind is ErrorKind.PROVIDER_MALFORMED


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (
            {"status": "failed", "output": [], "error": {"code": "rate_limit_exceeded", "message": "x"}},
            ErrorKind.RATE_LIMIT_EXCEEDED,
        ),
        ({"status": "failed", "output": []}, ErrorKind.PROVIDER_INTERNAL),
        ({"error": {"code": "insufficient_quota", "message": "x"}}, ErrorKind.INSUFFICIENT_QUOTA),
        ({"error": "x", "code": "invalid-argument"}, ErrorKind.PROVIDER_INTERNAL),
    ],
)
def test_a_failed_response_is_an_error_and_no_empty_answer(body: dict[str, Any], kind: ErrorKind) -> None:
    with pytest.raises(GatewayError) as caught:
        read_reply(encode_json(body))
    assert caught.value.kind is kind


@pytest.mark.skipif(not RECORDINGS.is_dir(), reason="the recordings are not part of the project and are not here")
def test_every_recorded_reply_is_read_and_counted_as_expected() -> None:
    with (RECORDINGS / "expected_usage.csv").open(encoding="utf-8") as table:
        expected = {row["path"]: row for row in csv.DictReader(table)}
    count = 0
    with (RECORDINGS / "index.csv").open(encoding="utf-8") as index:
        rows = [row for row in csv.DictReader(index) if row["wire"] == "openai-responses"]
    for row in rows:
        response = decode_json((RECORDINGS / row["path"]).read_bytes())["response"]
        if row["status"] != "200" or "body" not in response:
            continue
        reply = read_reply(encode_json(response["body"]))
        count += 1
        if row["path"] in expected:
            assert counted(reply) == wanted(expected[row["path"]]), row["path"]
    assert count >= 58


def counted(reply: Reply) -> tuple[int, ...]:
    """Without pictures, which the table leaves out."""
    usage, pictures = reply.usage, sum(part.usage.output_image for part in reply.apart)
    written = usage.cache_write_5m + usage.cache_write_1h
    return (usage.total_input, usage.cache_read, written, usage.total_output - pictures, usage.reasoning)


def wanted(row: dict[str, str]) -> tuple[int, ...]:
    names = ("input_tokens", "cache_read_tokens", "cache_write_tokens", "output_tokens", "reasoning_tokens")
    return tuple(int(row[name] or 0) for name in names)
