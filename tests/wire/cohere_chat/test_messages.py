"""Turns as Cohere's messages."""

from __future__ import annotations

from base64 import b64encode

import pytest

from weighbridge.core.errors import ErrorKind, GatewayError
from weighbridge.wire.cohere_chat.messages import write_messages
from weighbridge.wire.conversation import (
    Audio,
    CacheBreakpoint,
    Citation,
    Conversation,
    Document,
    Image,
    MediaBytes,
    MediaFile,
    MediaUrl,
    Reasoning,
    Refusal,
    Role,
    Seal,
    SealKind,
    ServerTool,
    Text,
    ToolCall,
    ToolResult,
    Turn,
)
from weighbridge.wire.quirks import NO_QUIRKS, Quirks
from weighbridge.wire.receipt import Receipt


def user(*parts):
    return Turn(Role.USER, parts)


def assistant(*parts):
    return Turn(Role.ASSISTANT, parts)


def written(*turns, quirks=NO_QUIRKS, thinks=False):
    receipt = Receipt()
    return write_messages(Conversation("m", turns), quirks, receipt, thinks=thinks), receipt


def test_each_turn_is_a_message_and_a_single_text_is_plain():
    made, receipt = written(
        Turn(Role.SYSTEM, (Text("a"), Text("b"))),
        Turn(Role.DEVELOPER, (Text("c"),)),
        user(Text("q")),
        assistant(Text("a"), Refusal("no")),
    )
    assert made.messages == [
        {"role": "system", "content": [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]},
        {"role": "system", "content": "c"},
        {"role": "user", "content": "q"},
        {"role": "assistant", "content": [{"type": "text", "text": "a"}, {"type": "text", "text": "no"}]},
    ]
    assert receipt.losses == []


def test_answers_of_tools_are_messages_of_their_own_before_the_users_words():
    made, receipt = written(
        assistant(ToolCall("c1", "f", '{"a":1}'), ToolCall("c2", "g", ""), ToolCall("c3", "h", "x", is_custom=True)),
        user(
            Text("well"), ToolResult("c1", (Text("one"),)), ToolResult("c2", (Document(plain_text="two", name="t"),), is_error=True)
        ),
    )
    calls = made.messages[0]["tool_calls"]
    assert [call["function"]["arguments"] for call in calls] == ['{"a":1}', "{}", '{"input":"x"}']
    assert "content" not in made.messages[0]
    document = {"type": "document", "document": {"id": "c2:0", "data": {"text": "two", "title": "t"}}}
    assert made.messages[1:] == [
        {"role": "tool", "tool_call_id": "c1", "content": "one"},
        {"role": "tool", "tool_call_id": "c2", "content": [document]},
        {"role": "user", "content": "well"},
    ]
    assert receipt.edits() == ["dropped:turns[1].parts[2].is_error"]


def test_thinking_goes_back_as_thinking_or_as_the_plan_of_a_call():
    turns = (assistant(Reasoning("hm"), Text("so"), ToolCall("c", "f", "{}")),)
    thinking = written(*turns, thinks=True)[0].messages[0]
    assert thinking["content"] == [{"type": "thinking", "thinking": "hm"}, {"type": "text", "text": "so"}]
    plan = written(*turns)[0].messages[0]
    assert (plan["content"], plan["tool_plan"]) == ("so", "hm")


def test_thinking_without_a_call_is_dropped_for_a_model_that_does_not_think():
    made, receipt = written(user(Text("q")), assistant(Reasoning("hm"), Text("a")))
    assert made.messages[1] == {"role": "assistant", "content": "a"}
    assert receipt.edits() == ["dropped:turns[1].parts"]


def test_seals_and_summaries():
    sealed = Reasoning(summary=("short",), seal=Seal("openai", SealKind.ENCRYPTED, "gAAAA"))
    made, receipt = written(assistant(sealed, Text("a", seal=Seal("gemini", SealKind.SIGNATURE, "x"))), thinks=True)
    assert made.messages[0]["content"][0] == {"type": "thinking", "thinking": "short"}
    assert receipt.edits() == ["dropped:turns[0].parts[0].seal", "dropped:turns[0].parts[1].seal"]


def test_pictures_by_address_and_within_the_request():
    turn = user(Image(MediaUrl("https://example.com/a.png"), detail="low"), Image(MediaBytes("iVBO", "image/png")), Text("look"))
    made, receipt = written(turn)
    assert made.messages[0]["content"][:2] == [
        {"type": "image_url", "image_url": {"url": "https://example.com/a.png", "detail": "low"}},
        {"type": "image_url", "image_url": {"url": "data:image/png;base64,iVBO"}},
    ]
    assert receipt.losses == []
    assert written(turn, quirks=Quirks(images="inline"))[1].edits() == ["dropped:turns[0].parts[0]"]
    assert written(turn, quirks=Quirks(images="none"))[1].edits() == ["dropped:turns[0].parts[0]", "dropped:turns[0].parts[1]"]


def test_a_detail_that_cohere_does_not_know_is_the_next_one():
    made, receipt = written(user(Image(MediaUrl("https://example.com/a.png"), detail="original")))
    assert made.messages[0]["content"][0]["image_url"]["detail"] == "high"
    assert receipt.losses == []


def test_documents_of_text_are_documents_of_the_request_and_others_are_dropped():
    text = MediaBytes(b64encode("é".encode()).decode(), "text/plain")
    made, receipt = written(
        user(
            Document(plain_text="facts", name="n", context="c"),
            Document(text),
            Document(MediaBytes("AAAA", "application/pdf")),
            Document(MediaBytes("!", "text/plain")),
            Text("q"),
        )
    )
    assert made.documents == [
        {"id": "doc_0", "data": {"text": "facts", "title": "n", "context": "c"}},
        {"id": "doc_1", "data": {"text": "é"}},
    ]
    assert receipt.edits() == ["dropped:turns[0].parts[2]", "dropped:turns[0].parts[3]"]


def test_a_users_turn_of_which_nothing_can_be_sent_is_refused():
    with pytest.raises(GatewayError) as raised:
        written(user(Audio(MediaBytes("AAAA", "audio/wav"))))
    assert (raised.value.kind, raised.value.param) == (ErrorKind.INVALID_REQUEST, "turns[0]")


def test_a_request_without_a_message_is_refused():
    with pytest.raises(GatewayError) as raised:
        written(user(Text("")))
    assert (raised.value.kind, raised.value.param) == (ErrorKind.INVALID_REQUEST, "turns")


def test_instructions_are_the_users_where_there_is_no_other_way():
    made, _ = written(Turn(Role.SYSTEM, (Text("s"),)), user(Text("q")), quirks=Quirks(system_role="user"))
    assert [message["role"] for message in made.messages] == ["user", "user"]


def test_everything_else_is_named():
    made, receipt = written(
        Turn(Role.SYSTEM, (Image(MediaFile("f", "openai")), Text("s", cache=CacheBreakpoint()))),
        Turn(Role.USER, (Text("q"), Audio(transcript="la"), Image(MediaFile("f", "openai"))), name="Ann"),
        assistant(
            Text("a", citations=(Citation("cohere", {}),)),
            ServerTool("openai", "web_search", {}),
            Audio(transcript="lo"),
            ToolCall("c", "f", "{}", seal=Seal("gemini", SealKind.SIGNATURE, "x")),
        ),
        user(ToolResult("c", (Image(MediaBytes("A", "image/png"), cache=CacheBreakpoint()),))),
    )
    assert made.messages[1]["content"][1] == {"type": "text", "text": "la"}
    assert made.messages[3] == {"role": "tool", "tool_call_id": "c", "content": ""}
    assert receipt.edits() == [
        "dropped:turns[0].parts[1].cache",
        "dropped:turns[0].parts[0]",
        "dropped:turns[1].name",
        "widened:turns[1].parts[1]",
        "dropped:turns[1].parts[2]",
        "dropped:turns[2].parts[0].citations",
        "dropped:turns[2].parts[1]",
        "widened:turns[2].parts[2]",
        "dropped:turns[2].parts[3].seal",
        "dropped:turns[3].parts[0].parts[0]",
        "dropped:turns[3].parts[0].parts[0].cache",
    ]
