from __future__ import annotations

import pytest

from weighbridge.wire.continuation import can_be_continued, going_on
from weighbridge.wire.conversation import AnswerFormat, AudioWish, Conversation, FormatKind, Role, Text, Turn

ASKED = Conversation("m", (Turn(Role.USER, (Text("Hi"),)),), max_output_tokens=10)


def test_what_was_said_stands_before_the_request_to_go_on():
    turns = going_on(ASKED, "Once upon").turns
    assert [turn.role for turn in turns] == [Role.USER, Role.ASSISTANT, Role.USER]
    assert turns[1].parts == (Text("Once upon"),)


def test_the_bound_on_the_output_is_lowered_and_never_below_one():
    assert going_on(ASKED, "x" * 16).max_output_tokens == 6
    assert going_on(ASKED, "x" * 400).max_output_tokens == 1


def test_where_nothing_was_said_the_request_is_the_same():
    assert going_on(ASKED, "") is ASKED


@pytest.mark.parametrize(
    ("facts", "can"),
    [
        ({}, True),
        ({"answer_format": AnswerFormat(FormatKind.TEXT)}, True),
        ({"answer_format": AnswerFormat(FormatKind.JSON)}, False),
        ({"n": 1}, True),
        ({"n": 2}, False),
        ({"logprobs": True}, False),
        ({"audio": AudioWish("alloy")}, False),
        ({"modalities": ("text", "image")}, False),
    ],
)
def test_only_one_plain_text_can_be_continued(facts, can):
    assert can_be_continued(Conversation("m", (), **facts)) is can
