from __future__ import annotations

import pytest

from weighbridge.core.errors import GatewayError
from weighbridge.wire.anthropic_messages.tools_reader import Choosing, read_choice, read_tools
from weighbridge.wire.conversation import CacheBreakpoint, ChoiceMode, FunctionTool, ServerToolKind, ToolChoice
from weighbridge.wire.fields import Fields
from weighbridge.wire.receipt import Receipt

SCHEMA = {
    "type": "object",
    "properties": {"n": {"$ref": "#/$defs/N"}},
    "$defs": {"N": {"anyOf": [{"type": "null"}, {"$ref": "#/$defs/N"}]}},
}


def tools(*raw):
    receipt = Receipt()
    return read_tools(Fields({"tools": list(raw)}, ""), receipt), receipt


def choice(raw):
    return read_choice(Fields({"tool_choice": raw}, ""), Receipt())


def test_a_tool_of_the_callers_is_read_whole():
    raw = {
        "type": "custom",
        "name": "f",
        "description": "d",
        "input_schema": SCHEMA,
        "strict": True,
        "cache_control": {"type": "ephemeral"},
        "defer_loading": True,
        "input_examples": [{"n": 1}],
        "colour": "red",
    }
    (tool,), receipt = tools(raw)
    assert tool == FunctionTool(
        "f", "d", SCHEMA, strict=True, cache=CacheBreakpoint(), raw={"defer_loading": True, "input_examples": [{"n": 1}]}
    )
    assert receipt.edits() == ["dropped:tools[0].colour"]


def test_a_tool_of_anthropics_is_kept_as_it_stands():
    raw = {
        "type": "web_search_20250305",
        "name": "web_search",
        "max_uses": 3,
        "allowed_domains": ["a.example"],
        "blocked_domains": None,
        "user_location": {"type": "approximate", "city": "Ghent"},
    }
    (tool,), receipt = tools(raw)
    assert (tool.kind, tool.raw, tool.name) == (ServerToolKind.WEB_SEARCH, raw, "web_search")
    assert (tool.allowed_domains, tool.blocked_domains, tool.max_uses) == (("a.example",), (), 3)
    assert tool.user_location == {"city": "Ghent"}
    assert receipt.edits() == []


@pytest.mark.parametrize(
    ("raw", "read"),
    [
        ({"type": "auto"}, Choosing(ToolChoice(ChoiceMode.AUTO))),
        ({"type": "any", "disable_parallel_tool_use": True}, Choosing(ToolChoice(ChoiceMode.REQUIRED), parallel=False)),
        ({"type": "tool", "name": "f"}, Choosing(ToolChoice(ChoiceMode.REQUIRED, ("f",)))),
        ({"type": "none"}, Choosing(ToolChoice(ChoiceMode.NONE))),
        (None, Choosing()),
    ],
)
def test_choices(raw, read):
    assert choice(raw) == read


def test_an_unknown_choice_is_refused():
    with pytest.raises(GatewayError) as caught:
        choice({"type": "some"})
    assert caught.value.param == "tool_choice.type"
