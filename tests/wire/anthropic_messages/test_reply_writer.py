from __future__ import annotations

import json

import pytest

from weighbridge.core.terms import NO_USAGE, Usage
from weighbridge.wire.anthropic_messages.content_reader import ContentReader
from weighbridge.wire.anthropic_messages.reply_reader import read_reply
from weighbridge.wire.anthropic_messages.reply_writer import write_reply, write_usage
from weighbridge.wire.codecs import ReplyContext
from weighbridge.wire.conversation import (
    Audio,
    Citation,
    Conversation,
    Image,
    MediaBytes,
    MediaUrl,
    Reasoning,
    Refusal,
    Seal,
    SealKind,
    ServerTool,
    Text,
    ToolCall,
)
from weighbridge.wire.events import Choice, FinishReason, Reply
from weighbridge.wire.receipt import Receipt
from weighbridge.wire.usage import AnthropicUsage, from_anthropic

CONTEXT = ReplyContext("req_7", "asked-for", 0, Conversation("asked-for", ()))
SIGNED = Seal("gemini", SealKind.SIGNATURE, "G")
ENCRYPTED = Seal("openai", SealKind.ENCRYPTED, "E")
OWN = Seal("anthropic", SealKind.SIGNATURE, "S")


def write(*parts, reason=FinishReason.STOP, **fields):
    choice = Choice(parts, reason, "", fields.pop("stop_sequence", None))
    return json.loads(write_reply(Reply((choice,), **fields), CONTEXT))


def test_a_message_has_everything_that_clients_expect():
    message = write(Text("hi"), id="chatcmpl-1", model="gpt-x", usage=Usage(5, 2, 1, 1, 4, 3), service_tier="default")
    assert message == {
        "id": "msg_chatcmpl-1",
        "type": "message",
        "role": "assistant",
        "model": "gpt-x",
        "content": [{"type": "text", "text": "hi"}],
        "stop_reason": "end_turn",
        "stop_sequence": None,
        "usage": {
            "input_tokens": 5,
            "cache_creation_input_tokens": 2,
            "cache_read_input_tokens": 2,
            "cache_creation": {"ephemeral_5m_input_tokens": 1, "ephemeral_1h_input_tokens": 1},
            "output_tokens": 4,
            "output_tokens_details": {"thinking_tokens": 3},
            "service_tier": "standard",
        },
    }


def test_what_the_provider_does_not_say_comes_from_the_exchange():
    message = write()
    assert (message["id"], message["model"], message["content"]) == ("msg_req_7", "asked-for", [])
    assert write(id="msg_1")["id"] == "msg_1"


@pytest.mark.parametrize(
    ("reason", "word"),
    [
        (FinishReason.LENGTH, "max_tokens"),
        (FinishReason.STOP_SEQUENCE, "stop_sequence"),
        (FinishReason.CONTENT_FILTER, "refusal"),
        (FinishReason.PAUSE, "pause_turn"),
        (FinishReason.TOOL_CALLS, "tool_use"),
    ],
)
def test_reasons_have_their_words(reason, word):
    assert write(reason=reason)["stop_reason"] == word


def test_a_plain_stop_beside_calls_waits_for_their_results():
    assert write(ToolCall("t", "f", "{}"))["stop_reason"] == "tool_use"
    assert write(ToolCall("t", "f", "{}"), reason=FinishReason.LENGTH)["stop_reason"] == "max_tokens"


def test_a_stop_sequence_is_named():
    assert write(reason=FinishReason.STOP_SEQUENCE, stop_sequence="END")["stop_sequence"] == "END"


SURVIVING = [
    (Text("a"), ToolCall("t", "f", '{"a":1}')),
    (Reasoning("hm", seal=OWN), Text("a")),
    (Reasoning(seal=OWN), Reasoning(seal=Seal("anthropic", SealKind.REDACTED, "D")), Text("a")),
    (Reasoning("hm", seal=ENCRYPTED), Text("a")),
    (Reasoning(seal=ENCRYPTED), Text("a")),
    (Reasoning("hm"), Text("a")),
    (Text("a", seal=SIGNED), ToolCall("t", "f", "{}", seal=SIGNED), ToolCall("u", "f", "{}")),
    (ServerTool("anthropic", "mcp", {"type": "mcp_tool_use", "id": "m"}, "m"),),
]


@pytest.mark.parametrize("parts", SURVIVING)
def test_what_a_client_sends_back_is_what_the_provider_said(parts):
    content = write(*parts)["content"]
    assert ContentReader(Receipt()).read(content, "x") == parts


def test_a_summary_is_thinking():
    (block,) = write(Reasoning(summary=("a", "b"), seal=ENCRYPTED))["content"]
    assert block["thinking"] == "a\n\nb"


def test_input_is_an_object_whatever_the_model_wrote():
    assert write(ToolCall("t", "f", '{"a": 1}'))["content"][0]["input"] == {"a": 1}
    assert write(ToolCall("t", "f", ""))["content"][0]["input"] == {}
    assert write(ToolCall("t", "f", "{oops"))["content"][0]["input"] == {"arguments": "{oops"}
    assert write(ToolCall("t", "f", "free", is_custom=True))["content"][0]["input"] == {"input": "free"}


def test_what_no_block_can_hold_is_named_in_words():
    content = write(
        Refusal("no"),
        Audio(transcript="hi"),
        Image(MediaUrl("https://a.example/x.png")),
        Image(MediaBytes("QQ==", "image/png")),
        ServerTool("openai", "web_search", {}),
    )["content"]
    assert [block["text"][:30] for block in content] == [
        "no",
        "hi",
        "![](https://a.example/x.png)",
        "[image/png: the Messages API ha"[:30],
    ]


def test_foreign_citations_are_pages():
    text = Text("a", citations=(Citation("openai", {}, "https://a.example", "A"), Citation("gemini", {})))
    (block,) = write(text)["content"]
    assert [citation["url"] for citation in block["citations"]] == ["https://a.example"]
    assert "citations" not in write(Text("a", citations=(Citation("gemini", {}),)))["content"][0]


@pytest.mark.parametrize("usage", [Usage(1, 2, 3, 4, 5, 2), Usage(output=3, tool_calls=2)])
def test_usage_is_read_back_as_it_was(usage):
    reply = read_reply(write_reply(Reply((Choice((), FinishReason.STOP),), usage=usage), CONTEXT))
    assert reply.usage == usage


def test_unknown_usage_is_zeros_since_clients_need_numbers():
    written = write_usage(NO_USAGE, None)
    assert (written["input_tokens"], written["output_tokens"]) == (0, 0)
    assert "service_tier" not in write_usage(NO_USAGE, "of_tomorrow")


def test_sounds_and_pictures_count_as_input():
    assert write_usage(Usage(1, input_audio=2, input_image=3, output=1, output_audio=4), None)["input_tokens"] == 6
    assert from_anthropic(AnthropicUsage(6, 5)).total_output == 5
