"""Tools and their choice, written."""

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
    Tool,
    ToolChoice,
)
from weighbridge.wire.json_value import Json, JsonObject
from weighbridge.wire.openai_responses.tools_writer import write_choice, write_tools
from weighbridge.wire.quirks import NO_QUIRKS, Quirks
from weighbridge.wire.receipt import Receipt

SCHEMA: JsonObject = {"type": "object", "properties": {"a": {"type": "string"}}}
F: Json = {"type": "function", "name": "f"}
S: Json = {"type": "web_search"}
M: Json = {"type": "mcp", "server_label": "docs"}
AUTO, NONE, REQUIRED = ChoiceMode.AUTO, ChoiceMode.NONE, ChoiceMode.REQUIRED


def write(*tools: Tool, quirks: Quirks = NO_QUIRKS, origin: str = "") -> tuple[list[Json], list[str]]:
    receipt = Receipt()
    return write_tools(Conversation("m", (), tools=tools, vendor_origin=origin), quirks, receipt), receipt.edits()


def test_a_function_of_another_dialect_is_not_made_strict_by_saying_nothing() -> None:
    function: JsonObject = {"type": "function", "name": "f", "parameters": SCHEMA, "description": "d"}
    tool = FunctionTool("f", "d", SCHEMA)
    assert write(tool) == ([{**function, "strict": False}], [])
    assert write(tool, origin="openai-responses") == ([{**function, "strict": None}], [])
    assert write(FunctionTool("f", "d", SCHEMA, strict=True)) == ([{**function, "strict": True}], [])


def test_a_provider_without_strict_schemas_gets_none() -> None:
    tools, edits = write(FunctionTool("f", None, SCHEMA, strict=True), quirks=Quirks(strict_tools=False))
    assert tools == [{"type": "function", "name": "f", "parameters": SCHEMA}]
    assert edits == ["widened:tools[0].strict"]


def test_what_a_function_cannot_carry_is_named() -> None:
    tools, edits = write(FunctionTool("f", cache=CacheBreakpoint(), raw={"input_examples": []}))
    assert tools == [{"type": "function", "name": "f", "parameters": {"type": "object", "properties": {}}, "strict": False}]
    assert edits == ["dropped:tools[0].cache", "dropped:tools[0].input_examples"]


def test_a_custom_tool_keeps_its_grammar() -> None:
    grammar: JsonObject = {"type": "grammar", "syntax": "regex", "definition": "a+"}
    assert write(CustomTool("c", "d", grammar)) == (
        [{"type": "custom", "name": "c", "description": "d", "format": grammar}],
        [],
    )


def test_a_tool_of_openai_is_said_in_its_own_words() -> None:
    raw: JsonObject = {"type": "file_search", "vector_store_ids": ["vs_1"]}
    assert write(ServerToolUse("openai", ServerToolKind.FILE_SEARCH, raw)) == ([raw], [])


def test_a_search_of_another_vendor_is_a_search_here() -> None:
    search = ServerToolUse(
        "anthropic", ServerToolKind.WEB_SEARCH, {}, "web_search", ("a.example",), ("b.example",), 3, {"city": "Rome"}
    )
    tools, edits = write(search, ServerToolUse("gemini", ServerToolKind.CODE_EXECUTION, {}))
    assert tools == [
        {
            "type": "web_search",
            "filters": {"allowed_domains": ["a.example"]},
            "user_location": {"type": "approximate", "city": "Rome"},
        },
        {"type": "code_interpreter", "container": {"type": "auto"}},
    ]
    assert edits == ["dropped:tools[0].blocked_domains", "dropped:tools[0].max_uses"]


def test_a_tool_that_only_another_vendor_has_is_dropped() -> None:
    assert write(ServerToolUse("anthropic", ServerToolKind.WEB_FETCH, {})) == ([], ["dropped:tools[0]"])


def test_a_provider_without_tools_gets_none() -> None:
    assert write(FunctionTool("f"), quirks=Quirks(tools=False)) == ([], ["dropped:tools"])


@pytest.mark.parametrize(
    ("choice", "written", "edits"),
    [
        (ToolChoice(AUTO), "auto", []),
        (ToolChoice(NONE), "none", []),
        (ToolChoice(REQUIRED), "required", []),
        (ToolChoice(REQUIRED, ("f",)), F, []),
        (ToolChoice(REQUIRED, ("docs",)), M, []),
        (ToolChoice(REQUIRED, ("web_search",)), S, []),
        (ToolChoice(AUTO, ("f",)), {"type": "allowed_tools", "mode": "auto", "tools": [F]}, []),
        (ToolChoice(REQUIRED, ("f", "web_search")), {"type": "allowed_tools", "mode": "required", "tools": [F, S]}, []),
        (ToolChoice(REQUIRED, ("gone",)), "required", ["widened:tool_choice"]),
        (ToolChoice(REQUIRED, ("gone", "f")), F, ["widened:tool_choice"]),
    ],
)
def test_every_choice_is_written(choice: ToolChoice, written: Json, edits: list[str]) -> None:
    receipt = Receipt()
    assert write_choice(choice, [F, S, M], NO_QUIRKS, receipt) == written
    assert receipt.edits() == edits


def test_a_choice_that_a_provider_does_not_know_is_widened() -> None:
    receipt = Receipt()
    quirks = Quirks(tool_choices=("auto",))
    assert write_choice(ToolChoice(REQUIRED), [F], quirks, receipt) is None
    assert write_choice(ToolChoice(AUTO, ("f",)), [F], quirks, receipt) == "auto"
    assert receipt.edits() == ["widened:tool_choice"]


def test_without_tools_there_is_no_choice() -> None:
    receipt = Receipt()
    assert write_choice(ToolChoice(AUTO), [], NO_QUIRKS, receipt) is None
    assert receipt.edits() == []
    assert write_choice(ToolChoice(REQUIRED), [], NO_QUIRKS, receipt) is None
    assert receipt.edits() == ["dropped:tool_choice"]
