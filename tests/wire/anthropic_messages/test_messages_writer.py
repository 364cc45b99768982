from __future__ import annotations

import pytest

from weighbridge.core.errors import ErrorKind, GatewayError
from weighbridge.wire.anthropic_messages.messages_writer import write_messages
from weighbridge.wire.conversation import (
    Audio,
    CacheBreakpoint,
    Image,
    MediaBytes,
    Reasoning,
    Role,
    Seal,
    SealKind,
    Text,
    ToolCall,
    ToolResult,
    Turn,
)
from weighbridge.wire.quirks import NO_QUIRKS
from weighbridge.wire.receipt import Receipt

OWN = Reasoning("hm", seal=Seal("anthropic", SealKind.SIGNATURE, "S"))
THINKING = {"type": "thinking", "thinking": "hm", "signature": "S"}


def system(*texts):
    return Turn(Role.SYSTEM, tuple(Text(text) for text in texts))


def user(*parts):
    return Turn(Role.USER, tuple(Text(part) if isinstance(part, str) else part for part in parts))


def assistant(*parts):
    return Turn(Role.ASSISTANT, tuple(Text(part) if isinstance(part, str) else part for part in parts))


def write(*turns, instruction=None, is_thinking=False):
    receipt = Receipt()
    top, messages = write_messages(turns, NO_QUIRKS, receipt, instruction, is_thinking=is_thinking)
    return top, [(message["role"], message["content"]) for message in messages], [*receipt._entries]


def test_plain_texts_are_strings():
    assert write(system("s"), user("u"), assistant("a"), user("v")) == (
        "s",
        [("user", "u"), ("assistant", "a"), ("user", "v")],
        [],
    )


def test_instructions_go_before_everything():
    developer = Turn(Role.DEVELOPER, (Text("d", CacheBreakpoint()),))
    top, messages, notes = write(system("s"), developer, user("u"), system("later"), user("v"))
    assert top == [
        {"type": "text", "text": "s"},
        {"type": "text", "text": "d", "cache_control": {"type": "ephemeral"}},
        {"type": "text", "text": "later"},
    ]
    assert messages == [("user", [{"type": "text", "text": "u"}, {"type": "text", "text": "v"}])]
    assert notes == ["turns[3].role"]


def test_instructions_are_text():
    _, _, notes = write(Turn(Role.SYSTEM, (Text("s"), Image(MediaBytes("QQ==", "image/png")))), user("u"))
    assert notes == ["turns[0].parts[1]"]


def test_an_instruction_of_ours_comes_last():
    assert write(user("u"), instruction="JSON!")[0] == "JSON!"
    assert write(system("s"), user("u"), instruction="JSON!")[0] == [
        {"type": "text", "text": "s"},
        {"type": "text", "text": "JSON!"},
    ]


def test_instructions_alone_are_the_question():
    assert write(system("s")) == ("", [("user", "s")], ["turns"])


def test_results_stand_first_in_their_message():
    call = ToolCall("t", "f", "{}")
    _, messages, notes = write(user("u"), assistant(call), user("and", ToolResult("t", (Text("1"),))), user(ToolResult("t2", ())))
    kinds = [block["type"] for block in messages[2][1]]
    assert kinds == ["tool_result", "tool_result", "text"]
    assert [block["tool_use_id"] for block in messages[2][1][:2]] == ["t", "t2"]
    assert notes == []


def test_the_first_message_is_the_users():
    _, messages, notes = write(assistant("hello"), user("u"))
    assert [role for role, _ in messages] == ["user", "assistant", "user"]
    assert notes == ["turns[0]"]


def test_a_turn_that_says_nothing_is_left_out():
    assert write(user("u"), assistant(""), user("v"))[1] == [
        ("user", [{"type": "text", "text": "u"}, {"type": "text", "text": "v"}])
    ]
    assert write(user("u"), assistant(Reasoning("x")), user("v"))[2] == ["turns[1].parts[0]"]


def test_what_a_user_said_does_not_vanish():
    with pytest.raises(GatewayError) as caught:
        write(user("u"), user(Audio(MediaBytes("QQ==", "audio/wav"))))
    assert (caught.value.kind, caught.value.param) == (ErrorKind.INVALID_REQUEST, "turns[1]")


def test_names_of_participants_are_told():
    assert write(Turn(Role.USER, (Text("u"),), "ann"))[2] == ["turns[0].name"]


def test_an_answer_to_be_continued_ends_without_blanks():
    _, messages, notes = write(user("u"), assistant("The answer is "))
    assert (messages[1], notes) == (("assistant", "The answer is"), ["turns[-1].parts[-1]"])


def test_an_answer_to_be_continued_thinks_only_with_thinking_on():
    _, messages, notes = write(user("u"), assistant(OWN, "so"), is_thinking=True)
    assert (messages[1], notes) == (("assistant", [THINKING, {"type": "text", "text": "so"}]), [])
    _, messages, notes = write(user("u"), assistant(OWN, "so"))
    assert (messages[1], notes) == (("assistant", "so"), ["turns[-1].parts"])
    assert write(user("u"), assistant(OWN))[1] == [("user", "u")]


def test_thinking_of_earlier_turns_stays():
    _, messages, notes = write(user("u"), assistant(OWN, "so"), user("v"))
    assert (messages[1], notes) == (("assistant", [THINKING, {"type": "text", "text": "so"}]), [])
