from __future__ import annotations

import pytest

from weighbridge.core.codec import decode_json
from weighbridge.core.terms import NO_USAGE, Usage
from weighbridge.wire.codecs import ReplyContext
from weighbridge.wire.conversation import (
    Audio,
    Citation,
    Conversation,
    Image,
    MediaBytes,
    Reasoning,
    ReasoningWish,
    Refusal,
    Seal,
    SealKind,
    ServerTool,
    Text,
    ToolCall,
)
from weighbridge.wire.events import Choice, FinishReason, Reply
from weighbridge.wire.openai_chat.reply_writer import write_reply

SIGNED = Seal("anthropic", SealKind.SIGNATURE, "sig")
HIDDEN = ReasoningWish(summary="omitted")


def write(*parts, reason=FinishReason.STOP, wish=None, **facts):
    context = ReplyContext("req1", "asked", 7, Conversation("asked", (), reasoning=wish))
    return decode_json(write_reply(Reply((Choice(parts, reason),), **facts), context))


def message(*parts, **facts):
    return write(*parts, **facts)["choices"][0]["message"]


def test_the_usual_answer_has_openais_fields():
    assert write(Text("Hi"), id="id", model="m", created_s=5, usage=Usage(3, output=2), service_tier="flex") == {
        "id": "id",
        "object": "chat.completion",
        "created": 5,
        "model": "m",
        "choices": [
            {
                "index": 0,
                "message": {"role": "assistant", "content": "Hi", "refusal": None},
                "finish_reason": "stop",
                "logprobs": None,
            }
        ],
        "usage": {
            "prompt_tokens": 3,
            "completion_tokens": 2,
            "total_tokens": 5,
            "prompt_tokens_details": {"cached_tokens": 0, "audio_tokens": 0},
            "completion_tokens_details": {"reasoning_tokens": 0, "audio_tokens": 0},
        },
        "service_tier": "flex",
    }


def test_what_the_provider_does_not_say_is_ours():
    body = write(Text("Hi"), usage=NO_USAGE)
    assert (body["id"], body["model"], body["created"]) == ("chatcmpl-req1", "asked", 7)
    assert "usage" not in body


def test_a_tier_is_named_in_openais_word_or_not_at_all():
    assert write(Text("Hi"), service_tier="standard")["service_tier"] == "default"
    assert "service_tier" not in write(Text("Hi"), service_tier="on_demand")


def test_calls_have_ids_and_arguments_whatever_the_provider_left_out():
    written = message(ToolCall("", "f", ""), ToolCall("c", "g", "x", is_custom=True))
    assert written["content"] is None
    assert written["tool_calls"] == [
        {"id": "call_req1_0", "type": "function", "function": {"name": "f", "arguments": "{}"}},
        {"id": "c", "type": "custom", "custom": {"name": "g", "input": "x"}},
    ]


def test_callers_of_the_older_functions_get_the_one_call_in_their_way():
    context = ReplyContext("r", "m", 7, Conversation("m", (), wants_function_call=True))
    choice = Choice((ToolCall("c", "f", "{}"),), FinishReason.TOOL_CALLS)
    told = decode_json(write_reply(Reply((choice,)), context))["choices"][0]
    assert (told["message"]["function_call"], told["finish_reason"]) == ({"name": "f", "arguments": "{}"}, "function_call")
    assert "tool_calls" not in told["message"]


def test_reasoning_is_told_for_people_and_for_the_next_turn():
    written = message(Reasoning("one", seal=SIGNED), Reasoning(summary=("a", "b")), Text("Hi"))
    assert written["reasoning_content"] == "one\n\na\n\nb"
    assert written["reasoning_details"][0] == {
        "type": "reasoning.text",
        "text": "one",
        "index": 0,
        "format": "anthropic-claude-v1",
        "signature": "sig",
    }
    assert [entry["summary"] for entry in written["reasoning_details"][1:]] == ["a", "b"]


def test_reasoning_that_nobody_wants_to_see_is_left_out_but_for_what_shows_nothing():
    redacted = Reasoning(seal=Seal("anthropic", SealKind.REDACTED, "r"))
    written = message(Reasoning("one", seal=SIGNED), redacted, Text("Hi"), wish=HIDDEN)
    assert "reasoning_content" not in written
    assert [entry["data"] for entry in written["reasoning_details"]] == ["r"]
    assert "reasoning_details" not in message(Reasoning("one"), Text("Hi"), wish=HIDDEN)


def test_places_of_citations_count_from_the_start_of_the_whole_content():
    cited = Citation("anthropic", {"type": "web_search_result_location"}, url="https://a.example", title="A")
    written = message(Text("It is "), Text("so", citations=(cited,)), Text("."))
    assert written["content"] == "It is so."
    assert written["annotations"] == [
        {"type": "url_citation", "url_citation": {"url": "https://a.example", "title": "A", "start_index": 6, "end_index": 8}}
    ]


def test_geminis_signatures_go_with_what_they_sign():
    seal = Seal("gemini", SealKind.SIGNATURE, "c2ln")
    signature = {"google": {"thought_signature": "c2ln"}}
    written = message(Text("Hi", seal=seal), ToolCall("c", "f", "{}", seal=seal))
    assert (written["extra_content"], written["tool_calls"][0]["extra_content"]) == (signature, signature)


def test_other_parts_have_their_fields_and_steps_of_vendors_tools_none():
    step = ServerTool("anthropic", "web_search", {"type": "server_tool_use"})
    sound = Audio(MediaBytes("QQ==", "audio/*"), "audio_1", "hi", 9)
    written = message(step, Refusal("no"), sound, Image(MediaBytes("QQ==", "image/png")))
    assert written == {
        "role": "assistant",
        "content": None,
        "refusal": "no",
        "audio": {"id": "audio_1", "data": "QQ==", "transcript": "hi", "expires_at": 9},
        "images": [{"type": "image_url", "image_url": {"url": "data:image/png;base64,QQ=="}}],
    }


@pytest.mark.parametrize(
    ("reason", "word"),
    [
        (FinishReason.STOP_SEQUENCE, "stop"),
        (FinishReason.CONTEXT_LENGTH, "length"),
        (FinishReason.TOOL_CALLS, "tool_calls"),
        (FinishReason.REFUSAL, "content_filter"),
        (FinishReason.ERROR, "error"),
    ],
)
def test_every_reason_has_a_word_and_a_failure_is_no_stop(reason, word):
    assert write(Text("Hi"), reason=reason)["choices"][0]["finish_reason"] == word


def test_log_probabilities_stand_beside_the_message():
    choice = Choice((Text("a"),), FinishReason.STOP, logprobs=({"token": "a", "logprob": -1.0},))
    body = decode_json(write_reply(Reply((choice,)), ReplyContext("r", "m", 7, Conversation("m", ()))))
    assert body["choices"][0]["logprobs"] == {"content": [{"token": "a", "logprob": -1.0}], "refusal": None}
