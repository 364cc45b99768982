from __future__ import annotations

import pytest

from weighbridge.core.codec import encode_json
from weighbridge.core.errors import ErrorKind, GatewayError
from weighbridge.core.terms import NO_USAGE
from weighbridge.wire.conversation import Audio, Image, MediaBytes, Reasoning, Refusal, Seal, SealKind, Text, ToolCall
from weighbridge.wire.events import FinishReason
from weighbridge.wire.openai_chat.reply_reader import read_reply


def read(message=None, finish="stop", **fields):
    choice = {
        "index": 0,
        "message": {"role": "assistant", "content": "Hi"} if message is None else message,
        "finish_reason": finish,
    }
    return read_reply(encode_json({"id": "id", "model": "m", "created": 5, "choices": [choice]} | fields))


def parts(**message):
    return read({"role": "assistant", "content": None} | message).choices[0].parts


def test_text_with_its_head_and_usage():
    reply = read(usage={"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5}, service_tier="flex")
    assert (reply.id, reply.model, reply.created_s, reply.service_tier) == ("id", "m", 5, "flex")
    assert reply.choices[0].parts == (Text("Hi"),)
    assert (reply.usage.total_input, reply.usage.output) == (3, 2)
    assert read().usage is NO_USAGE


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        ({"refusal": "no"}, (Refusal("no"),)),
        ({"content": "a", "reasoning_content": "t"}, (Reasoning("t"), Text("a"))),
        ({"content": "a", "reasoning": "t"}, (Reasoning("t"), Text("a"))),
        (
            {"content": [{"type": "thinking", "thinking": [{"type": "text", "text": "t"}]}, {"type": "text", "text": "a"}]},
            (Reasoning("t"), Text("a")),
        ),
        (
            {"reasoning_details": [{"type": "reasoning.encrypted", "data": "d", "format": "openai-responses-v1", "id": "rs"}]},
            (Reasoning(seal=Seal("openai", SealKind.ENCRYPTED, "d"), id="rs"),),
        ),
        (
            {"audio": {"id": "a", "data": "QQ==", "transcript": "t", "expires_at": 9}},
            (Audio(MediaBytes("QQ==", "audio/*"), "a", "t", 9),),
        ),
        (
            {"tool_calls": [{"id": "c", "type": "function", "function": {"name": "f", "arguments": {"a": 1}}}]},
            (ToolCall("c", "f", '{"a":1}'),),
        ),
        ({"tool_calls": [{"function": {"name": "f", "arguments": None}}]}, (ToolCall("call_id_0", "f", ""),)),
        (
            {"tool_calls": [{"id": "c", "type": "custom", "custom": {"name": "g", "input": "x"}}]},
            (ToolCall("c", "g", "x", is_custom=True),),
        ),
        ({"function_call": {"name": "f", "arguments": "{}"}}, (ToolCall("call_id_0", "f", "{}"),)),
        ({"content": "a", "audio": {"id": "", "data": ""}, "function_call": {"name": "", "arguments": ""}}, (Text("a"),)),
        (
            {"reasoning": "t", "reasoning_details": [{"type": "reasoning.encrypted", "data": "d", "format": "xai-responses-v1"}]},
            (Reasoning("t", seal=Seal("xai", SealKind.ENCRYPTED, "d")),),
        ),
        (
            {"reasoning_content": "t", "thinking_blocks": [{"type": "thinking", "thinking": "t", "signature": "s"}]},
            (Reasoning("t", seal=Seal("anthropic", SealKind.SIGNATURE, "s")),),
        ),
        (
            {"content": "a", "images": [{"type": "image_url", "image_url": {"url": "data:image/png;base64,QQ=="}}]},
            (Text("a"), Image(MediaBytes("QQ==", "image/png"))),
        ),
        (
            {"content": "a", "extra_content": {"google": {"thought_signature": "c2ln"}}},
            (Text("a", seal=Seal("gemini", SealKind.SIGNATURE, "c2ln")),),
        ),
        ({"content": "<thought>a", "extra_content": {"google": {"thought": True}}}, (Reasoning("a"),)),
        (
            {"tool_calls": [{"id": "c", "function": {"name": "f", "arguments": "{}"}, "custom": {"name": "", "input": ""}}]},
            (ToolCall("c", "f", "{}"),),
        ),
        ({"tool_calls": None, "annotations": None, "refusal": None, "new_thing": 1}, ()),
    ],
)
def test_every_kind_of_part_is_read(message, expected):
    assert parts(**message) == expected


def test_sources_beside_the_choices_belong_to_the_text():
    (text,) = read(citations=["https://a.example"]).choices[0].parts
    assert [citation.url for citation in text.citations] == ["https://a.example"]
    (text,) = read(search_results=[{"url": "https://b.example", "title": "B"}]).choices[0].parts
    assert text.citations[0].title == "B"


@pytest.mark.parametrize(
    ("native", "calls", "reason"),
    [
        ("stop", False, FinishReason.STOP),
        ("stop", True, FinishReason.TOOL_CALLS),
        ("length", True, FinishReason.LENGTH),
        ("content_filter", False, FinishReason.CONTENT_FILTER),
        ("novel", False, FinishReason.OTHER),
        ("", True, FinishReason.TOOL_CALLS),
        ("error", True, FinishReason.ERROR),
    ],
)
def test_finish_reasons_are_understood(native, calls, reason):
    message = {"tool_calls": [{"id": "c", "function": {"name": "f", "arguments": "{}"}}]} if calls else {"content": "x"}
    choice = read(message, native).choices[0]
    assert (choice.reason, choice.native) == (reason, native)


def test_several_choices_keep_their_logprobs():
    token = {"token": "a", "logprob": -1.0, "bytes": None, "top_logprobs": []}
    choices = [{"index": i, "message": {"content": "a"}, "finish_reason": "stop", "logprobs": {"content": [token]}} for i in (0, 1)]
    reply = read_reply(encode_json({"choices": choices}))
    assert [choice.logprobs for choice in reply.choices] == [(token,), (token,)]


@pytest.mark.parametrize("body", [b"", b"<html>", b"{}", b'{"choices":[]}', b'{"choices":null}', b"\xff"])
def test_what_is_no_answer_is_malformed(body):
    with pytest.raises(GatewayError) as refused:
        read_reply(body)
    assert refused.value.kind is ErrorKind.PROVIDER_MALFORMED
