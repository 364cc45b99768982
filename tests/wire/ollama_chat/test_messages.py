"""Turns as Ollama's messages."""

from __future__ import annotations

from base64 import b64encode

import pytest

from weighbridge.core.errors import ErrorKind, GatewayError
from weighbridge.wire.conversation import (
    Audio,
    CacheBreakpoint,
    Citation,
    Conversation,
    Document,
    Image,
    MediaBytes,
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
from weighbridge.wire.ollama_chat.messages import write_messages
from weighbridge.wire.quirks import NO_QUIRKS, Quirks
from weighbridge.wire.receipt import Receipt

PICTURE = Image(MediaBytes("iVBO", "image/png"))


def user(*parts):
    return Turn(Role.USER, parts)


def assistant(*parts):
    return Turn(Role.ASSISTANT, parts)


def written(*turns, quirks=NO_QUIRKS):
    receipt = Receipt()
    return write_messages(Conversation("m", turns), quirks, receipt), receipt


def test_a_message_has_one_text_and_its_pictures_beside_it():
    made, receipt = written(
        Turn(Role.SYSTEM, (Text("a"),)), Turn(Role.DEVELOPER, (Text("b"), Text("c"))), user(Text("look"), PICTURE), user(PICTURE)
    )
    assert made == [
        {"role": "system", "content": "a"},
        {"role": "system", "content": "b\nc"},
        {"role": "user", "content": "look", "images": ["iVBO"]},
        {"role": "user", "content": "", "images": ["iVBO"]},
    ]
    assert receipt.losses == []


def test_calls_have_objects_and_answers_name_the_tool():
    made, receipt = written(
        assistant(
            Reasoning("hm"), ToolCall("c1", "f", '{"a":1}'), ToolCall("c2", "g", "oops"), ToolCall("c3", "h", "x", is_custom=True)
        ),
        user(ToolResult("c1", (Text("one"), PICTURE)), ToolResult("c9", (), is_error=True), Text("well")),
    )
    assert made == [
        {
            "role": "assistant",
            "content": "",
            "thinking": "hm",
            "tool_calls": [
                {"id": "c1", "function": {"name": "f", "arguments": {"a": 1}}},
                {"id": "c2", "function": {"name": "g", "arguments": {"arguments": "oops"}}},
                {"id": "c3", "function": {"name": "h", "arguments": {"input": "x"}}},
            ],
        },
        {"role": "tool", "content": "one", "images": ["iVBO"], "tool_name": "f", "tool_call_id": "c1"},
        {"role": "tool", "content": "", "tool_call_id": "c9"},
        {"role": "user", "content": "well"},
    ]
    assert receipt.edits() == ["dropped:turns[1].parts[1].is_error"]


def test_documents_of_text_are_texts():
    encoded = MediaBytes(b64encode(b"two").decode(), "text/plain")
    made, receipt = written(
        user(
            Document(plain_text="one", name="a.txt"),
            Document(encoded),
            Document(MediaBytes("AAAA", "application/pdf")),
            Document(MediaBytes("!", "text/plain")),
        )
    )
    assert made == [{"role": "user", "content": "a.txt:\none\ntwo"}]
    assert receipt.edits() == ["dropped:turns[0].parts[2]", "dropped:turns[0].parts[3]"]


@pytest.mark.parametrize("part", [Image(MediaUrl("https://example.com/a.png")), Audio(MediaBytes("AAAA", "audio/wav"))])
def test_a_users_turn_of_which_nothing_can_be_sent_is_refused(part):
    with pytest.raises(GatewayError) as raised:
        written(user(part))
    assert (raised.value.kind, raised.value.param) == (ErrorKind.INVALID_REQUEST, "turns[0]")


def test_a_request_without_a_message_is_refused():
    with pytest.raises(GatewayError) as raised:
        written(user(Text("")))
    assert (raised.value.kind, raised.value.param) == (ErrorKind.INVALID_REQUEST, "turns")


def test_instructions_are_the_users_where_there_is_no_other_way():
    made, _ = written(Turn(Role.SYSTEM, (Text("s"),)), user(Text("q")), quirks=Quirks(system_role="user"))
    assert [message["role"] for message in made] == ["user", "user"]


def test_a_provider_without_eyes_gets_no_pictures():
    assert written(user(Text("look"), PICTURE), quirks=Quirks(images="none"))[1].edits() == ["dropped:turns[0].parts[1]"]


def test_everything_else_is_named():
    seal = Seal("gemini", SealKind.SIGNATURE, "x")
    made, receipt = written(
        Turn(Role.USER, (Text("q", cache=CacheBreakpoint()),), name="Ann"),
        assistant(
            Text("a", citations=(Citation("cohere", {}),), seal=seal),
            Refusal("no"),
            Reasoning(summary=("short",), seal=seal),
            Reasoning(seal=seal),
            Audio(transcript="la"),
            ServerTool("openai", "web_search", {}),
            ToolCall("c", "f", "", seal=seal),
        ),
        user(Text("")),
    )
    assert made[1]["content"] == "a\nno\nla"
    assert made[1]["thinking"] == "short"
    assert receipt.edits() == [
        "dropped:turns[0].name",
        "dropped:turns[0].parts[0].cache",
        "dropped:turns[1].parts[0].citations",
        "dropped:turns[1].parts[0].seal",
        "dropped:turns[1].parts[2].seal",
        "dropped:turns[1].parts[3].seal",
        "widened:turns[1].parts[4]",
        "dropped:turns[1].parts[5]",
        "dropped:turns[1].parts[6].seal",
    ]
