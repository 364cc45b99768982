from __future__ import annotations

import pytest

from weighbridge.wire.conversation import (
    CacheBreakpoint,
    ChoiceMode,
    Conversation,
    CustomTool,
    FunctionTool,
    ServerToolKind,
    ServerToolUse,
    ToolChoice,
)
from weighbridge.wire.openai_chat.tools_writer import write_tools
from weighbridge.wire.quirks import NO_QUIRKS, Quirks
from weighbridge.wire.receipt import Receipt

F, G = FunctionTool("f", schema={"type": "object", "$defs": {"a": {}}}), FunctionTool("g", strict=True)
REQUIRED = ChoiceMode.REQUIRED


def write(*tools, choice=None, quirks=NO_QUIRKS, receipt=None, **fields):
    body = {}
    conversation = Conversation("m", (), tools=tools, tool_choice=choice, **fields)
    write_tools(conversation, quirks, receipt or Receipt(), body)
    return body


def names(body):
    return [tool["function"]["name"] for tool in body["tools"]]


def test_schemas_go_whole_and_a_tool_without_takes_no_arguments():
    body = write(F, G)
    assert body["tools"][0]["function"]["parameters"] == {"type": "object", "$defs": {"a": {}}}
    assert body["tools"][1]["function"] == {"name": "g", "parameters": {"type": "object", "properties": {}}, "strict": True}


def test_strictness_and_breakpoints_are_named_where_they_are_not_taken():
    receipt = Receipt()
    cached = FunctionTool("h", strict=True, cache=CacheBreakpoint(), raw={"defer_loading": True})
    write(cached, quirks=Quirks(strict_tools=False), receipt=receipt)
    assert set(receipt.edits()) == {"widened:tools[0].strict", "dropped:tools[0].cache", "dropped:tools[0].defer_loading"}


@pytest.mark.parametrize(
    ("choice", "written"),
    [
        (ToolChoice(ChoiceMode.AUTO), "auto"),
        (ToolChoice(ChoiceMode.NONE), "none"),
        (ToolChoice(REQUIRED), "required"),
        (ToolChoice(REQUIRED, ("f",)), {"type": "function", "function": {"name": "f"}}),
    ],
)
def test_choices_are_said(choice, written):
    assert write(F, G, choice=choice)["tool_choice"] == written


def test_a_custom_tool_is_chosen_as_one():
    body = write(F, CustomTool("c"), choice=ToolChoice(REQUIRED, ("c",)))
    assert body["tool_choice"] == {"type": "custom", "custom": {"name": "c"}}


def test_allowed_tools_are_the_only_ones_offered():
    body = write(F, G, choice=ToolChoice(ChoiceMode.AUTO, ("g",)))
    assert (names(body), body["tool_choice"]) == (["g"], "auto")


def test_choices_that_are_not_understood_become_the_nearest():
    only_auto = Quirks(tool_choices=("auto",))
    receipt = Receipt()
    assert write(F, choice=ToolChoice(REQUIRED), quirks=only_auto, receipt=receipt)["tool_choice"] == "auto"
    assert receipt.edits() == ["widened:tool_choice"]
    assert "tools" not in write(F, choice=ToolChoice(ChoiceMode.NONE), quirks=only_auto)
    named = write(F, G, choice=ToolChoice(REQUIRED, ("g",)), quirks=Quirks(tool_choices=("auto", "required")))
    assert (names(named), named["tool_choice"]) == (["g"], "required")


def test_a_provider_without_tools_gets_none():
    receipt = Receipt()
    assert write(F, choice=ToolChoice(REQUIRED), quirks=Quirks(tools=False), receipt=receipt) == {}
    assert set(receipt.edits()) == {"dropped:tools", "dropped:tool_choice"}


def test_searches_have_a_field_of_their_own_and_other_servers_tools_none():
    receipt = Receipt()
    search = ServerToolUse("anthropic", ServerToolKind.WEB_SEARCH, {}, allowed_domains=("x.example",), user_location={"city": "B"})
    code = ServerToolUse("anthropic", ServerToolKind.CODE_EXECUTION, {})
    body = write(search, code, CustomTool("c", "d", {"type": "text"}), receipt=receipt, parallel_tool_calls=False)
    assert body["web_search_options"] == {"user_location": {"type": "approximate", "approximate": {"city": "B"}}}
    assert body["tools"] == [{"type": "custom", "custom": {"name": "c", "description": "d", "format": {"type": "text"}}}]
    assert body["parallel_tool_calls"] is False
    alone = Receipt()
    assert "tool_choice" not in write(code, choice=ToolChoice(REQUIRED), receipt=alone)
    assert set(alone.edits()) == {"dropped:tools[0]", "widened:tool_choice"}
    assert set(receipt.edits()) == {"dropped:tools[0].allowed_domains", "dropped:tools[1]"}
