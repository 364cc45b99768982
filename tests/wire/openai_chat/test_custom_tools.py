from __future__ import annotations

from weighbridge.wire.openai_chat.custom_tools import read_format, write_format

CHAT = {"type": "grammar", "grammar": {"syntax": "lark", "definition": "start: WORD"}}


def test_a_grammar_is_read_as_the_responses_api_writes_it():
    assert read_format(CHAT) == {"type": "grammar", "syntax": "lark", "definition": "start: WORD"}


def test_a_grammar_survives_the_way_there_and_back():
    neutral = read_format(CHAT)
    assert neutral is not None
    assert write_format(neutral) == CHAT


def test_plain_text_needs_no_grammar():
    assert read_format({"type": "text"}) == {"type": "text"}
    assert write_format({"type": "text"}) == {"type": "text"}
    assert read_format(None) is None
