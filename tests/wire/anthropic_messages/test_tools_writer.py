from __future__ import annotations

import pytest

from weighbridge.wire.anthropic_messages.tools_writer import write_tools
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
from weighbridge.wire.quirks import NO_QUIRKS, Quirks
from weighbridge.wire.receipt import Receipt

SCHEMA = {
    "type": "object",
    "properties": {"n": {"$ref": "#/$defs/N"}},
    "$defs": {"N": {"anyOf": [{"type": "null"}, {"$ref": "#/$defs/N"}]}},
}
F, G = FunctionTool("f", "d", SCHEMA), FunctionTool("g", None, SCHEMA)
AUTO, ANY, NONE = ToolChoice(ChoiceMode.AUTO), ToolChoice(ChoiceMode.REQUIRED), ToolChoice(ChoiceMode.NONE)


def write(*tools, quirks=NO_QUIRKS, can_force=True, **fields):
    receipt = Receipt()
    conversation = Conversation("m", (), tools=tools, **fields)
    written = write_tools(conversation, quirks, receipt, can_force=can_force)
    return written, receipt.edits(), [entry.field for entry in receipt._entries.values()]


def test_schemas_are_passed_whole():
    written, losses, _ = write(F)
    assert written.tools == [{"name": "f", "input_schema": SCHEMA, "description": "d"}]
    assert written.tools[0]["input_schema"] is SCHEMA
    assert losses == []


def test_own_options_go_beside_the_schema():
    tool = FunctionTool("f", None, SCHEMA, strict=True, cache=CacheBreakpoint("1h"), raw={"defer_loading": True})
    (block,) = write(tool)[0].tools
    assert block["strict"] is True
    assert block["cache_control"] == {"type": "ephemeral", "ttl": "1h"}
    assert block["defer_loading"] is True


def test_a_tool_without_arguments_has_an_empty_object():
    assert write(FunctionTool("f"))[0].tools[0]["input_schema"] == {"type": "object", "properties": {}}
    written, losses, notes = write(FunctionTool("f", None, {"properties": {}}))
    assert written.tools[0]["input_schema"] == {"type": "object", "properties": {}}
    assert (losses, notes) == ([], ["tools[0].schema"])


def test_strictness_that_is_not_known_is_told():
    written, losses, _ = write(FunctionTool("f", None, SCHEMA, strict=True), quirks=Quirks(strict_tools=False))
    assert "strict" not in written.tools[0]
    assert losses == ["widened:tools[0].strict"]


def test_a_tool_of_free_text_takes_it_as_an_argument():
    written, losses, _ = write(CustomTool("patch", "d"))
    schema = written.tools[0]["input_schema"]
    assert isinstance(schema, dict)
    assert schema["required"] == ["input"]
    assert losses == ["widened:tools[0]"]


def test_own_tools_go_as_they_came_and_like_ones_as_the_same_kind():
    own = ServerToolUse("anthropic", ServerToolKind.OTHER, {"type": "bash_20250124", "name": "bash"}, "bash")
    search = ServerToolUse(
        "openai",
        ServerToolKind.WEB_SEARCH,
        {"type": "web_search"},
        allowed_domains=("a.example",),
        blocked_domains=("b.example",),
        max_uses=2,
        user_location={"city": "Ghent"},
    )
    code = ServerToolUse("gemini", ServerToolKind.CODE_EXECUTION, {"codeExecution": {}})
    files = ServerToolUse("openai", ServerToolKind.FILE_SEARCH, {"type": "file_search"})
    written, losses, _ = write(own, search, code, files)
    assert written.tools == [
        {"type": "bash_20250124", "name": "bash"},
        {
            "type": "web_search_20250305",
            "name": "web_search",
            "allowed_domains": ["a.example"],
            "max_uses": 2,
            "user_location": {"type": "approximate", "city": "Ghent"},
        },
        {"type": "code_execution_20250825", "name": "code_execution"},
    ]
    assert losses == ["dropped:tools[1].blocked_domains", "dropped:tools[3]"]


@pytest.mark.parametrize(
    ("choice", "block"),
    [
        (None, None),
        (AUTO, {"type": "auto"}),
        (ANY, {"type": "any"}),
        (ToolChoice(ChoiceMode.REQUIRED, ("g",)), {"type": "tool", "name": "g"}),
        (NONE, {"type": "none"}),
    ],
)
def test_choices(choice, block):
    written, losses, _ = write(F, G, tool_choice=choice)
    assert (written.choice, losses, len(written.tools)) == (block, [], 2)


def test_one_call_at_a_time():
    assert write(F, parallel_tool_calls=False)[0].choice == {"type": "auto", "disable_parallel_tool_use": True}
    assert write(F, parallel_tool_calls=False, tool_choice=ANY)[0].choice == {"type": "any", "disable_parallel_tool_use": True}
    assert write(F, parallel_tool_calls=True)[0].choice is None
    assert write(F, parallel_tool_calls=False, tool_choice=NONE)[0].choice == {"type": "none"}


def test_some_of_the_tools_are_chosen_by_showing_no_others():
    written, losses, notes = write(F, G, FunctionTool("h"), tool_choice=ToolChoice(ChoiceMode.REQUIRED, ("f", "g")))
    assert [tool["name"] for tool in written.tools] == ["f", "g"]
    assert (written.choice, losses, notes) == ({"type": "any"}, [], ["tool_choice.names"])
    written, _, _ = write(F, G, tool_choice=ToolChoice(ChoiceMode.AUTO, ("f",)))
    assert ([tool["name"] for tool in written.tools], written.choice) == (["f"], {"type": "auto"})


def test_thinking_excludes_a_forced_tool():
    written, losses, _ = write(F, tool_choice=ANY, can_force=False)
    assert (written.choice, losses) == ({"type": "auto"}, ["widened:tool_choice"])
    assert write(F, tool_choice=NONE, can_force=False)[1] == []


def test_choices_that_the_provider_does_not_know_are_widened():
    named = ToolChoice(ChoiceMode.REQUIRED, ("f",))
    few = Quirks(tool_choices=("auto",))
    assert write(F, tool_choice=named, quirks=few)[:2] == (write(F, tool_choice=AUTO)[0], ["widened:tool_choice"])
    assert write(F, tool_choice=NONE, quirks=few)[0].choice is None
    assert write(F, tool_choice=named, quirks=Quirks(tool_choices=("auto", "required")))[0].choice == {"type": "any"}


def test_without_tools_there_is_nothing_to_choose():
    assert write(tool_choice=ANY) == (([], None), ["dropped:tool_choice"], ["tool_choice"])
    assert write(tool_choice=AUTO)[1] == []
    assert write(F, tool_choice=ANY, quirks=Quirks(tools=False))[:2] == (([], None), ["dropped:tools"])
