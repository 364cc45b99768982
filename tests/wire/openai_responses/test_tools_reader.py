"""Tools and their choice."""

from __future__ import annotations

import pytest

from weighbridge.core.errors import GatewayError
from weighbridge.wire.conversation import ChoiceMode, CustomTool, FunctionTool, ServerToolKind, ServerToolUse, ToolChoice
from weighbridge.wire.fields import Fields
from weighbridge.wire.json_value import Json, JsonObject
from weighbridge.wire.openai_responses.tools_reader import read_choice, read_tools
from weighbridge.wire.receipt import Receipt

SCHEMA: JsonObject = {"type": "object", "properties": {"a": {"$ref": "#/$defs/a"}}, "$defs": {"a": {"type": "string"}}}


def test_every_kind_of_tool_is_read() -> None:
    grammar: JsonObject = {"type": "grammar", "syntax": "lark", "definition": "start: /a/"}
    search: JsonObject = {
        "type": "web_search",
        "filters": {"allowed_domains": ["a.example"]},
        "user_location": {"type": "approximate", "city": "Rome", "country": "IT"},
    }
    mcp: JsonObject = {"type": "mcp", "server_label": "docs", "server_url": "https://a.example/mcp"}
    tools: list[Json] = [
        {"type": "function", "name": "f", "description": "d", "parameters": SCHEMA, "strict": True},
        {"type": "custom", "name": "c", "format": grammar},
        search,
        mcp,
    ]
    assert read_tools(Fields({"tools": tools}, ""), Receipt()) == (
        FunctionTool("f", "d", SCHEMA, strict=True),
        CustomTool("c", None, grammar),
        ServerToolUse(
            "openai",
            ServerToolKind.WEB_SEARCH,
            search,
            "web_search",
            ("a.example",),
            user_location={"city": "Rome", "country": "IT"},
        ),
        ServerToolUse("openai", ServerToolKind.MCP, mcp, "docs", own_options=("server_label", "server_url")),
    )


def test_an_option_of_a_function_that_nobody_knows_is_named() -> None:
    receipt = Receipt()
    read_tools(Fields({"tools": [{"type": "function", "name": "f", "defer_loading": True}]}, ""), receipt)
    assert receipt.edits() == ["dropped:tools[0].defer_loading"]


@pytest.mark.parametrize(
    ("given", "choice"),
    [
        (None, None),
        ("auto", ToolChoice(ChoiceMode.AUTO)),
        ("none", ToolChoice(ChoiceMode.NONE)),
        ("required", ToolChoice(ChoiceMode.REQUIRED)),
        ({"type": "function", "name": "f"}, ToolChoice(ChoiceMode.REQUIRED, ("f",))),
        ({"type": "custom", "name": "c"}, ToolChoice(ChoiceMode.REQUIRED, ("c",))),
        ({"type": "web_search_preview"}, ToolChoice(ChoiceMode.REQUIRED, ("web_search_preview",))),
        ({"type": "mcp", "server_label": "docs"}, ToolChoice(ChoiceMode.REQUIRED, ("docs",))),
        (
            {"type": "allowed_tools", "mode": "auto", "tools": [{"type": "function", "name": "f"}, {"type": "web_search"}]},
            ToolChoice(ChoiceMode.AUTO, ("f", "web_search")),
        ),
    ],
)
def test_every_choice_is_read(given: Json, choice: ToolChoice | None) -> None:
    assert read_choice(Fields({"tool_choice": given}, ""), Receipt()) == choice


def test_one_tool_of_a_server_is_widened_to_all() -> None:
    receipt = Receipt()
    read_choice(Fields({"tool_choice": {"type": "mcp", "server_label": "docs", "name": "search"}}, ""), receipt)
    assert receipt.edits() == ["widened:tool_choice.name"]


@pytest.mark.parametrize("given", ["maybe", 7, {"type": "allowed_tools", "mode": "maybe"}, {}])
def test_a_choice_that_makes_no_sense_is_refused(given: Json) -> None:
    with pytest.raises(GatewayError):
        read_choice(Fields({"tool_choice": given}, ""), Receipt())


def test_a_tool_without_a_type_is_refused() -> None:
    with pytest.raises(GatewayError) as caught:
        read_tools(Fields({"tools": [{"name": "f"}]}, ""), Receipt())
    assert caught.value.param == "tools[0].type"
