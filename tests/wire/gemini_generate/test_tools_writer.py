"""Tools and their choice for a model of Google's."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from weighbridge.core.codec import decode_json, encode_json
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
from weighbridge.wire.fields import Fields
from weighbridge.wire.gemini_generate.families import family_of
from weighbridge.wire.gemini_generate.tools_reader import read_tools
from weighbridge.wire.gemini_generate.tools_writer import write_tools
from weighbridge.wire.quirks import NO_QUIRKS, Quirks
from weighbridge.wire.receipt import Receipt

F = FunctionTool("f", "d", {"type": "object"})
SEARCH = ServerToolUse("openai", ServerToolKind.WEB_SEARCH, {"type": "web_search"}, allowed_domains=("a.b",))
OWN = ServerToolUse("gemini", ServerToolKind.OTHER, {"googleMaps": {}}, "googleMaps")


def write(*tools, choice=None, model="gemini-3-flash-preview", quirks=NO_QUIRKS):
    receipt = Receipt()
    conversation = Conversation(model, (), tools=tools, tool_choice=choice)
    return write_tools(conversation, family_of(model), quirks, receipt), receipt.edits()


def test_a_schema_goes_whole():
    body, edits = write(F, FunctionTool("g"))
    declared = [{"name": "f", "description": "d", "parametersJsonSchema": {"type": "object"}}, {"name": "g"}]
    assert (body, edits) == ({"tools": [{"functionDeclarations": declared}]}, [])


SCHEMAS = st.recursive(
    st.sampled_from([{"type": "string"}, {"$ref": "#/$defs/A"}, {"type": ["integer", "null"]}, True]),
    lambda inner: st.one_of(
        st.builds(lambda options: {"anyOf": options}, st.lists(inner, min_size=1, max_size=3)),
        st.builds(lambda items: {"type": "array", "items": items}, inner),
        st.builds(
            lambda members: {"type": "object", "properties": members, "additionalProperties": False},
            st.dictionaries(st.sampled_from(["a", "any_of", "type", "$defs"]), inner, max_size=3),
        ),
    ),
    max_leaves=20,
)


@given(inner=SCHEMAS, shared=SCHEMAS)
def test_any_schema_arrives_as_it_was(inner, shared):
    schema = {"type": "object", "properties": {"x": inner}, "$defs": {"A": shared}}
    body, _ = write(FunctionTool("f", None, schema))
    assert read_tools(Fields(decode_json(encode_json(body)), ""), Receipt()) == (FunctionTool("f", None, schema),)


def test_what_cannot_be_promised_is_named():
    tool = FunctionTool("f", None, None, strict=True, cache=CacheBreakpoint(), raw={"defer_loading": True})
    assert write(tool)[1] == ["widened:tools[0].strict", "dropped:tools[0].cache", "dropped:tools[0].defer_loading"]


def test_a_tool_of_free_text_is_a_function_with_one_argument():
    body, edits = write(CustomTool("sql", "d", {"type": "grammar"}))
    declared = body["tools"][0]["functionDeclarations"][0]
    assert declared["parametersJsonSchema"]["required"] == ["input"]
    assert edits == ["widened:tools[0].format"]


def test_another_vendors_search_becomes_googles():
    assert write(SEARCH) == ({"tools": [{"googleSearch": {}}]}, ["dropped:tools[0].allowed_domains"])


def test_googles_own_tool_is_sent_as_it_came():
    assert write(OWN) == ({"tools": [{"googleMaps": {}}]}, [])


def test_a_tool_that_google_has_not_is_dropped():
    tool = ServerToolUse("openai", ServerToolKind.IMAGE_GENERATION, {})
    assert write(tool) == ({}, ["dropped:tools[0]"])


def test_functions_beside_googles_tools_are_for_gemini_3():
    body, _ = write(OWN, F)
    assert [list(tool) for tool in body["tools"]] == [["googleMaps"], ["functionDeclarations"]]
    assert body["toolConfig"] == {"includeServerSideToolInvocations": True}
    vertex, _ = write(OWN, F, quirks=Quirks(refuses=("include_server_side_tool_invocations",)))
    assert "toolConfig" not in vertex
    older, edits = write(OWN, F, model="gemini-2.5-flash")
    assert [list(tool) for tool in older["tools"]] == [["functionDeclarations"]]
    assert edits == ["dropped:tools.server"]


@pytest.mark.parametrize(
    ("choice", "calling"),
    [
        (ToolChoice(ChoiceMode.AUTO), {"mode": "AUTO"}),
        (ToolChoice(ChoiceMode.NONE), {"mode": "NONE"}),
        (ToolChoice(ChoiceMode.REQUIRED), {"mode": "ANY"}),
        (ToolChoice(ChoiceMode.REQUIRED, ("f",)), {"mode": "ANY", "allowedFunctionNames": ["f"]}),
        (ToolChoice(ChoiceMode.AUTO, ("f",)), {"mode": "VALIDATED", "allowedFunctionNames": ["f"]}),
    ],
)
def test_every_choice_has_its_mode(choice, calling):
    body, edits = write(F, choice=choice)
    assert body["toolConfig"] == {"functionCallingConfig": calling}
    assert edits == []


def test_a_choice_without_functions_says_nothing():
    assert write(choice=ToolChoice(ChoiceMode.AUTO)) == ({}, [])
    assert write(choice=ToolChoice(ChoiceMode.REQUIRED)) == ({}, ["dropped:tool_choice"])


def test_a_provider_without_tools_gets_none():
    assert write(F, quirks=Quirks(tools=False)) == ({}, ["dropped:tools"])
