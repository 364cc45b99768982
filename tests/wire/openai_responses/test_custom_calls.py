"""Calls of tools that take free text, from models that know no such tools."""

from __future__ import annotations

import pytest

from weighbridge.wire.conversation import Conversation, CustomTool, FunctionTool, Seal, SealKind, ToolCall
from weighbridge.wire.openai_responses.custom_calls import as_custom, custom_names, free_text


def test_only_custom_tools_take_free_text() -> None:
    assert custom_names(Conversation("m", (), tools=(CustomTool("patch"), FunctionTool("f")))) == {"patch"}


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ('{"input":"*** Begin\\n"}', "*** Begin\n"),
        ('"plain"', "plain"),
        ('{"input":"cut', '{"input":"cut'),
        ('{"input":7}', '{"input":7}'),
        ('{"input":"a","b":"c"}', '{"input":"a","b":"c"}'),
        ("*** Begin", "*** Begin"),
        ("", ""),
    ],
)
def test_the_text_is_taken_out_of_its_json(arguments: str, text: str) -> None:
    assert free_text(arguments) == text


def test_a_call_keeps_what_else_it_has() -> None:
    seal = Seal("gemini", SealKind.SIGNATURE, "s")
    call = ToolCall("c", "patch", '{"input":"x"}', seal=seal, item_id="fc_1")
    assert as_custom(call) == ToolCall("c", "patch", "x", is_custom=True, seal=seal)
