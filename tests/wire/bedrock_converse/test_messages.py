"""Turns as Converse's messages."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from weighbridge.core.errors import ErrorKind, GatewayError
from weighbridge.wire.bedrock_converse.families import family_of
from weighbridge.wire.bedrock_converse.messages import tool_use_id, write_messages
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
from weighbridge.wire.quirks import NO_QUIRKS, Quirks
from weighbridge.wire.receipt import Receipt

CLAUDE = "us.anthropic.claude-sonnet-4-5-20250929-v1:0"
LLAMA = "us.meta.llama4-maverick-17b-instruct-v1:0"
SIGNED = Reasoning("hm", seal=Seal("anthropic", SealKind.SIGNATURE, "Er=="))


def user(*parts):
    return Turn(Role.USER, parts)


def assistant(*parts):
    return Turn(Role.ASSISTANT, parts)


def written(*turns, model=CLAUDE, **fields):
    receipt = Receipt()
    return write_messages(Conversation(model, turns, **fields), family_of(model), NO_QUIRKS, receipt), receipt


def test_instructions_go_before_all_messages_wherever_they_stood():
    made, receipt = written(
        Turn(Role.SYSTEM, (Text("a"),)), user(Text("hi")), Turn(Role.DEVELOPER, (Text("b"),)), user(Text("there"))
    )
    assert made.system == [{"text": "a"}, {"text": "b"}]
    assert made.messages == [{"role": "user", "content": [{"text": "hi"}, {"text": "there"}]}]
    assert receipt.losses == []


def test_neighbouring_turns_of_one_role_are_joined_and_answers_of_tools_come_first():
    made, _ = written(
        user(Text("q")),
        assistant(Text("let me see")),
        assistant(ToolCall("c1", "f", '{"a":1}'), ToolCall("c2", "f", "")),
        user(Text("by the way")),
        user(ToolResult("c1", (Text("one"),), cache=CacheBreakpoint()), ToolResult("c2", (), is_error=True)),
    )
    assert [message["role"] for message in made.messages] == ["user", "assistant", "user"]
    assert made.messages[1]["content"] == [
        {"text": "let me see"},
        {"toolUse": {"toolUseId": "c1", "name": "f", "input": {"a": 1}}},
        {"toolUse": {"toolUseId": "c2", "name": "f", "input": {}}},
    ]
    assert made.messages[2]["content"] == [
        {"toolResult": {"toolUseId": "c1", "content": [{"text": "one"}]}},
        {"cachePoint": {"type": "default"}},
        {"toolResult": {"toolUseId": "c2", "content": [], "status": "error"}},
        {"text": "by the way"},
    ]
    assert made.tool_names == ["f"]


def test_a_conversation_that_begins_with_the_model_gets_a_user_before_it():
    made, receipt = written(assistant(Text("hello")), user(Text("hi")))
    assert made.messages[0] == {"role": "user", "content": [{"text": "."}]}
    assert receipt.losses == []


def test_instructions_alone_become_the_users_message():
    made, _ = written(Turn(Role.SYSTEM, (Text("write a poem"),)))
    assert made.system == []
    assert made.messages == [{"role": "user", "content": [{"text": "write a poem"}]}]


@pytest.mark.parametrize(("model", "quirks"), [("amazon.titan-text-express-v1", NO_QUIRKS), (CLAUDE, Quirks(system_role="user"))])
def test_instructions_begin_the_users_message_where_there_is_no_other_way(model, quirks):
    conversation = Conversation(model, (Turn(Role.SYSTEM, (Text("s"),)), user(Text("q"))))
    receipt = Receipt()
    made = write_messages(conversation, family_of(model), quirks, receipt)
    assert (made.system, made.messages) == ([], [{"role": "user", "content": [{"text": "s"}, {"text": "q"}]}])
    assert receipt.losses == []


def test_a_request_without_a_message_is_refused():
    with pytest.raises(GatewayError) as raised:
        written(user(Text("")))
    assert (raised.value.kind, raised.value.param) == (ErrorKind.INVALID_REQUEST, "turns")


def test_cache_points_stand_behind_what_they_cache():
    made, _ = written(
        Turn(Role.SYSTEM, (Text("long", cache=CacheBreakpoint("1h")),)),
        user(Text("big", cache=CacheBreakpoint("5m")), Text("small")),
        cache=CacheBreakpoint(),
    )
    assert made.system == [{"text": "long"}, {"cachePoint": {"type": "default", "ttl": "1h"}}]
    point = {"cachePoint": {"type": "default"}}
    assert made.messages[0]["content"] == [{"text": "big"}, point, {"text": "small"}, point]


def test_a_model_without_a_prompt_cache_gets_no_cache_points():
    made, receipt = written(user(Text("big", cache=CacheBreakpoint())), model=LLAMA, cache=CacheBreakpoint())
    assert made.messages[0]["content"] == [{"text": "big"}]
    assert receipt.edits() == ["dropped:turns[0].parts[0].cache", "dropped:cache"]


def test_claudes_thinking_goes_back_with_its_seal():
    redacted = Reasoning(seal=Seal("anthropic", SealKind.REDACTED, "EuYB"))
    own = Reasoning(seal=Seal("bedrock", SealKind.REDACTED, "AP8="))
    made, receipt = written(user(Text("q")), assistant(SIGNED, redacted, own, Text("a")))
    assert made.messages[1]["content"] == [
        {"reasoningContent": {"reasoningText": {"text": "hm", "signature": "Er=="}}},
        {"reasoningContent": {"redactedContent": "RXVZQg=="}},
        {"reasoningContent": {"redactedContent": "AP8="}},
        {"text": "a"},
    ]
    assert receipt.losses == []


@pytest.mark.parametrize(
    ("part", "model"),
    [
        (Reasoning("hm"), CLAUDE),
        (Reasoning("", seal=Seal("openai", SealKind.ENCRYPTED, "gAAAA")), CLAUDE),
        (Reasoning("hm", seal=Seal("gemini", SealKind.SIGNATURE, "Cg==")), CLAUDE),
        (SIGNED, LLAMA),
    ],
)
def test_thinking_that_the_model_cannot_check_is_left_out(part, model):
    made, receipt = written(user(Text("q")), assistant(part, Text("a")), model=model)
    assert made.messages[1]["content"] == [{"text": "a"}]
    assert receipt.edits() == ["dropped:turns[1].parts[0]"]


def test_arguments_that_are_no_object_and_free_text_are_put_into_one():
    made, receipt = written(
        user(Text("q")),
        assistant(ToolCall("a", "f", '{"cut": '), ToolCall("b", "g", "[1]"), ToolCall("c", "h", "x=1", is_custom=True)),
    )
    inputs = [block["toolUse"]["input"] for block in made.messages[1]["content"]]
    assert inputs == [{"arguments": '{"cut": '}, {"arguments": "[1]"}, {"input": "x=1"}]
    assert receipt.losses == []


def test_answers_of_tools_may_have_pictures_and_documents():
    image = Image(MediaBytes("iVBORw0KGgo=", "image/png"))
    made, receipt = written(
        user(Text("q")),
        assistant(ToolCall("c", "f", "{}")),
        user(ToolResult("c", (image, Document(plain_text="x"), Text("t", cache=CacheBreakpoint()), Refusal("no")), is_error=False)),
    )
    result = made.messages[2]["content"][0]["toolResult"]
    assert [next(iter(block)) for block in result["content"]] == ["image", "document", "text"]
    assert result["status"] == "success"
    assert receipt.edits() == ["dropped:turns[2].parts[0].parts[2].cache", "dropped:turns[2].parts[0].parts[3]"]


def test_a_document_gets_the_text_beside_it_that_converse_asks_for():
    made, _ = written(user(Document(plain_text="x")))
    assert made.messages[0]["content"][-1] == {"text": "."}


def test_a_users_turn_of_which_nothing_can_be_sent_is_refused():
    with pytest.raises(GatewayError) as raised:
        written(user(Text("q")), user(Image(MediaUrl("https://example.com/a.png"))))
    assert (raised.value.kind, raised.value.param) == (ErrorKind.INVALID_REQUEST, "turns[1]")


def test_a_turn_keeps_what_can_be_sent_of_it():
    made, receipt = written(user(Text("look"), Image(MediaUrl("https://example.com/a.png"))))
    assert made.messages[0]["content"] == [{"text": "look"}]
    assert receipt.edits() == ["dropped:turns[0].parts[1]"]


def test_empty_turns_vanish_and_blanks_at_the_end_of_a_begun_answer_too():
    made, _ = written(user(Text("q")), user(Text("")), assistant(Text("Sure,  \n")))
    assert made.messages == [{"role": "user", "content": [{"text": "q"}]}, {"role": "assistant", "content": [{"text": "Sure,"}]}]
    made, _ = written(user(Text("q")), assistant(Text("  ")))
    assert [message["role"] for message in made.messages] == ["user"]


def test_citations_of_bedrocks_own_go_back_and_others_do_not():
    own = Text("cited", citations=(Citation("bedrock", {"title": "t"}),))
    foreign = Text("cited", citations=(Citation("openai", {"type": "url_citation"}),), seal=Seal("gemini", SealKind.SIGNATURE, "x"))
    made, receipt = written(user(Text("q")), assistant(own, foreign))
    assert made.messages[1]["content"] == [
        {"citationsContent": {"citations": [{"title": "t"}], "content": [{"text": "cited"}]}},
        {"text": "cited"},
    ]
    assert receipt.edits() == ["dropped:turns[1].parts[1].seal", "dropped:turns[1].parts[1].citations"]


def test_steps_of_bedrocks_own_tools_go_back_as_they_came_and_others_do_not():
    raw = {"toolUse": {"toolUseId": "x", "name": "nova_grounding", "input": {}, "type": "server_tool_use"}}
    made, receipt = written(
        user(Text("q")),
        assistant(
            ServerTool("bedrock", "web_search", raw), ServerTool("openai", "web_search", {}), Refusal("no"), Audio(transcript="la")
        ),
    )
    assert made.messages[1]["content"] == [raw, {"text": "no"}, {"text": "la"}]
    assert receipt.edits() == ["dropped:turns[1].parts[1]", "widened:turns[1].parts[3]"]


def test_names_of_participants_and_instructions_that_are_no_texts_are_dropped():
    made, receipt = written(
        Turn(Role.SYSTEM, (Image(MediaBytes("iVBO", "image/png")), Text("s"))), Turn(Role.USER, (Text("hi"),), name="Ann")
    )
    assert made.system == [{"text": "s"}]
    assert receipt.edits() == ["dropped:turns[0].parts[0]", "dropped:turns[1].name"]


@given(st.text(min_size=1, max_size=90), st.text(min_size=1, max_size=90))
def test_ids_of_calls_fit_and_stay_apart(one, other):
    for call_id in (one, other):
        assert re.fullmatch(r"[A-Za-z0-9_.:-]{1,64}", tool_use_id(call_id))
    assert (tool_use_id(one) == tool_use_id(other)) == (one == other)
