from __future__ import annotations

import pytest

from weighbridge.core.codec import encode_json
from weighbridge.wire.codecs import RequestContext
from weighbridge.wire.conversation import CacheBreakpoint, ChoiceMode, CustomTool, FunctionTool, ServerToolKind, ToolChoice
from weighbridge.wire.openai_chat.request_reader import read_request
from weighbridge.wire.receipt import Receipt

SCHEMA = {"type": "object", "$defs": {"n": {"anyOf": [{"$ref": "#/$defs/n"}, {"type": "null"}]}}}


def read(receipt=None, **fields):
    body = encode_json({"model": "m", "messages": [{"role": "user", "content": "x"}]} | fields)
    return read_request(body, RequestContext("m"), receipt or Receipt())


def test_schemas_are_whole_and_options_kept():
    tool = {"type": "function", "function": {"name": "f", "description": "d", "parameters": SCHEMA, "strict": True}}
    cached = tool | {"cache_control": {"type": "ephemeral"}}
    assert read(tools=[tool]).tools == (FunctionTool("f", "d", SCHEMA, strict=True),)
    assert read(tools=[cached]).tools == (FunctionTool("f", "d", SCHEMA, strict=True, cache=CacheBreakpoint()),)
    older = read(functions=[{"name": "f", "parameters": SCHEMA}])
    assert older.tools == (FunctionTool("f", schema=SCHEMA),)
    assert (older.wants_function_call, older.parallel_tool_calls) == (True, False)


def test_custom_tools_and_searches_are_tools():
    custom = {"type": "custom", "custom": {"name": "c", "format": {"type": "text"}}}
    assert read(tools=[custom]).tools == (CustomTool("c", format={"type": "text"}),)
    place = {"user_location": {"type": "approximate", "approximate": {"city": "Bern"}}}
    (search,) = read(web_search_options=place).tools
    assert (search.kind, search.user_location) == (ServerToolKind.WEB_SEARCH, {"city": "Bern"})


def test_a_vendors_own_search_is_known_by_its_type():
    (search,) = read(tools=[{"type": "web_search_20250305", "name": "web_search", "max_uses": 3}]).tools
    assert (search.origin, search.kind, search.max_uses) == ("anthropic", ServerToolKind.WEB_SEARCH, 3)
    assert search.raw == {"type": "web_search_20250305", "name": "web_search", "max_uses": 3}
    (search,) = read(tools=[{"type": "web_search", "user_location": {"type": "approximate", "city": "Bern"}}]).tools
    assert (search.origin, search.user_location) == ("openai", {"city": "Bern"})


def test_a_tool_of_no_known_type_is_named():
    receipt = Receipt()
    assert read(receipt, tools=[{"type": "telepathy"}]).tools == ()
    assert receipt.edits() == ["dropped:tools[0]"]


@pytest.mark.parametrize(
    ("given", "choice"),
    [
        ("auto", ToolChoice(ChoiceMode.AUTO)),
        ("none", ToolChoice(ChoiceMode.NONE)),
        ("required", ToolChoice(ChoiceMode.REQUIRED)),
        ("any", ToolChoice(ChoiceMode.REQUIRED)),
        ({"type": "function", "function": {"name": "f"}}, ToolChoice(ChoiceMode.REQUIRED, ("f",))),
        ({"type": "any"}, ToolChoice(ChoiceMode.REQUIRED)),
        ({"type": "tool", "name": "f"}, ToolChoice(ChoiceMode.REQUIRED, ("f",))),
        ({"type": "custom", "custom": {"name": "c"}}, ToolChoice(ChoiceMode.REQUIRED, ("c",))),
        (
            {
                "type": "allowed_tools",
                "allowed_tools": {"mode": "required", "tools": [{"type": "function", "function": {"name": "f"}}]},
            },
            ToolChoice(ChoiceMode.REQUIRED, ("f",)),
        ),
    ],
)
def test_choices_are_read_in_every_form(given, choice):
    assert read(tool_choice=given).tool_choice == choice
