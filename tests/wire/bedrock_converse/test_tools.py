"""Tools as Converse's toolConfig."""

from __future__ import annotations

import pytest

from weighbridge.wire.bedrock_converse.families import family_of
from weighbridge.wire.bedrock_converse.tools import ToolWriter
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

CLAUDE, NOVA = "us.anthropic.claude-sonnet-4-5-20250929-v1:0", "us.amazon.nova-2-lite-v1:0"
SCHEMA = {
    "type": "object",
    "$defs": {"n": {"anyOf": [{"$ref": "#/$defs/n"}, {"type": "null"}]}},
    "properties": {"n": {"$ref": "#/$defs/n"}},
}
F, G = FunctionTool("f", "does f", SCHEMA), FunctionTool("g")


def config(*tools, model=CLAUDE, choice=None, called=(), quirks=NO_QUIRKS):
    receipt = Receipt()
    conversation = Conversation(model, (), tools=tools, tool_choice=choice)
    return ToolWriter(family_of(model), quirks, receipt).config(conversation, list(called)), receipt


def test_a_schema_arrives_whole():
    made, receipt = config(F, G)
    assert made == {
        "tools": [
            {"toolSpec": {"name": "f", "inputSchema": {"json": SCHEMA}, "description": "does f"}},
            {"toolSpec": {"name": "g", "inputSchema": {"json": {"type": "object", "properties": {}}}}},
        ]
    }
    assert receipt.losses == []


def test_strict_is_said_to_models_that_obey_and_else_noted():
    strict = FunctionTool("f", schema=SCHEMA, strict=True)
    made, _ = config(strict)
    assert made["tools"][0]["toolSpec"]["strict"] is True
    made, receipt = config(strict, model=NOVA)
    assert "strict" not in made["tools"][0]["toolSpec"]
    assert receipt.edits() == ["widened:tools[0].strict"]


def test_a_cache_point_stands_behind_the_tools_where_the_model_takes_one():
    cached = FunctionTool("f", cache=CacheBreakpoint(), raw={"defer_loading": True})
    made, receipt = config(cached)
    assert made["tools"][1] == {"cachePoint": {"type": "default"}}
    assert receipt.edits() == ["dropped:tools[0].defer_loading"]
    made, receipt = config(cached, model=NOVA)
    assert len(made["tools"]) == 1
    assert "dropped:tools[0].cache" in receipt.edits()


@pytest.mark.parametrize(
    ("choice", "written"),
    [
        (ToolChoice(ChoiceMode.AUTO), {"auto": {}}),
        (ToolChoice(ChoiceMode.REQUIRED), {"any": {}}),
        (ToolChoice(ChoiceMode.REQUIRED, ("g",)), {"tool": {"name": "g"}}),
    ],
)
def test_choices_that_converse_knows(choice, written):
    made, receipt = config(F, G, choice=choice)
    assert made["toolChoice"] == written
    assert receipt.losses == []


def test_a_choice_among_some_sends_only_these():
    made, receipt = config(F, G, FunctionTool("h"), choice=ToolChoice(ChoiceMode.REQUIRED, ("g", "h")))
    assert [tool["toolSpec"]["name"] for tool in made["tools"]] == ["g", "h"]
    assert made["toolChoice"] == {"any": {}}
    assert receipt.losses == []


def test_no_calls_means_no_tools_unless_earlier_turns_need_them():
    none = ToolChoice(ChoiceMode.NONE)
    assert config(F, choice=none)[0] is None
    made, receipt = config(F, choice=none, called=["f"])
    assert [tool["toolSpec"]["name"] for tool in made["tools"]] == ["f"]
    assert "toolChoice" not in made
    assert receipt.edits() == ["widened:tool_choice"]


def test_tools_of_earlier_turns_are_declared_where_the_request_has_none():
    made, _ = config(called=["f"])
    assert made == {"tools": [{"toolSpec": {"name": "f", "inputSchema": {"json": {"type": "object", "properties": {}}}}}]}
    assert config()[0] is None


def test_weaker_choices_where_the_provider_knows_no_stronger_one():
    named = ToolChoice(ChoiceMode.REQUIRED, ("f",))
    made, receipt = config(F, choice=named, quirks=Quirks(tool_choices=("auto", "required")))
    assert (made["toolChoice"], receipt.edits()) == ({"any": {}}, ["widened:tool_choice"])
    made, receipt = config(F, choice=named, quirks=Quirks(tool_choices=("auto",)))
    assert (made["toolChoice"], receipt.edits()) == ({"auto": {}}, ["widened:tool_choice"])


@pytest.mark.parametrize(
    ("model", "choice", "written"),
    [
        ("us.meta.llama4-maverick-17b-instruct-v1:0", ToolChoice(ChoiceMode.AUTO), None),
        ("us.meta.llama4-maverick-17b-instruct-v1:0", ToolChoice(ChoiceMode.REQUIRED), None),
        ("mistral.mistral-large-2407-v1:0", ToolChoice(ChoiceMode.REQUIRED, ("f",)), {"any": {}}),
    ],
)
def test_a_model_is_told_no_more_than_it_understands(model, choice, written):
    made, receipt = config(F, model=model, choice=choice)
    assert made.get("toolChoice") == written
    assert receipt.edits() == ([] if choice.mode is ChoiceMode.AUTO else ["widened:tool_choice"])


def test_a_provider_without_tools_gets_none():
    made, receipt = config(F, quirks=Quirks(tools=False))
    assert (made, receipt.edits()) == (None, ["dropped:tools"])


def test_free_text_becomes_one_argument():
    made, receipt = config(CustomTool("shell", "runs it"), CustomTool("sql", format={"type": "grammar"}))
    assert made["tools"][0]["toolSpec"]["inputSchema"]["json"]["required"] == ["input"]
    assert receipt.edits() == ["widened:tools[1]"]


def test_a_web_search_becomes_the_models_own_or_is_dropped():
    search = ServerToolUse("anthropic", ServerToolKind.WEB_SEARCH, {"type": "web_search_20250305"}, "web_search", max_uses=3)
    made, receipt = config(search, model=NOVA)
    assert made == {"tools": [{"systemTool": {"name": "nova_grounding"}}]}
    assert receipt.edits() == ["dropped:tools[0].max_uses"]
    made, receipt = config(search)
    assert (made, receipt.edits()) == (None, ["dropped:tools[0]"])
    own = ServerToolUse("bedrock", ServerToolKind.OTHER, {"systemTool": {"name": "x"}})
    assert config(own)[0] == {"tools": [{"systemTool": {"name": "x"}}]}
