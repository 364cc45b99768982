"""Tools that a caller defines, and how they are to be chosen."""

from __future__ import annotations

import pytest

from weighbridge.wire.conversation import ChoiceMode, FunctionTool, ServerToolKind, ServerToolUse, ToolChoice
from weighbridge.wire.fields import Fields
from weighbridge.wire.gemini_generate.tools_reader import read_choice, read_tools
from weighbridge.wire.receipt import Receipt

SCHEMA = {"type": "object", "properties": {"a": {"$ref": "#/$defs/A"}}, "$defs": {"A": {"type": "string"}}}


def read(*tools):
    receipt = Receipt()
    return read_tools(Fields({"tools": list(tools)}, ""), receipt), receipt.edits()


def choice(config):
    receipt, vendor = Receipt(), {}
    return read_choice(Fields({"toolConfig": config}, ""), vendor, receipt), vendor, receipt.edits()


@pytest.mark.parametrize("name", ["parametersJsonSchema", "parameters_json_schema"])
def test_a_functions_schema_is_taken_whole(name):
    assert read({"functionDeclarations": [{"name": "f", "description": "d", name: SCHEMA}]}) == (
        (FunctionTool("f", "d", SCHEMA),),
        [],
    )


def test_the_subset_of_openapi_becomes_json_schema():
    declared = {"name": "f", "parameters": {"type": "OBJECT", "properties": {"a": {"type": "STRING"}}}}
    tools, _ = read({"function_declarations": [declared, {"name": "g"}]})
    assert tools == (FunctionTool("f", None, {"type": "object", "properties": {"a": {"type": "string"}}}), FunctionTool("g"))


@pytest.mark.parametrize(
    ("tool", "kind"),
    [
        ({"googleSearch": {}}, ServerToolKind.WEB_SEARCH),
        ({"google_search_retrieval": {"dynamic_retrieval_config": {}}}, ServerToolKind.WEB_SEARCH),
        ({"urlContext": {}}, ServerToolKind.WEB_FETCH),
        ({"codeExecution": {}}, ServerToolKind.CODE_EXECUTION),
        ({"fileSearch": {"file_search_store_names": ["a"]}}, ServerToolKind.FILE_SEARCH),
        ({"computerUse": {"environment": "ENVIRONMENT_BROWSER"}}, ServerToolKind.COMPUTER),
        ({"googleMaps": {}}, ServerToolKind.OTHER),
        ({"somethingNew": {}}, ServerToolKind.OTHER),
    ],
)
def test_googles_own_tools_keep_their_definition(tool, kind):
    ((own,), edits) = read(tool)
    assert isinstance(own, ServerToolUse)
    assert (own.kind, own.origin, edits) == (kind, "gemini", [])
    assert list(own.raw.values()) == list(tool.values())


def test_one_object_may_hold_several_tools():
    tools, _ = read({"googleSearch": {"exclude_domains": ["a.b"]}, "codeExecution": {}})
    assert [tool.name for tool in tools] == ["googleSearch", "codeExecution"]
    assert tools[0].blocked_domains == ("a.b",)


def test_what_of_a_function_is_not_known_is_named():
    edits = read({"functionDeclarations": [{"name": "f", "behavior": "BLOCKING"}]})[1]
    assert edits == ["dropped:tools[0].functionDeclarations[0].behavior"]


@pytest.mark.parametrize(
    ("calling", "wish", "edits"),
    [
        ({"mode": "AUTO"}, ToolChoice(ChoiceMode.AUTO), []),
        ({"mode": 2}, ToolChoice(ChoiceMode.REQUIRED), []),
        ({"mode": "any", "allowed_function_names": ["f"]}, ToolChoice(ChoiceMode.REQUIRED, ("f",)), []),
        ({"mode": "NONE"}, ToolChoice(ChoiceMode.NONE), []),
        ({"mode": "VALIDATED", "allowedFunctionNames": ["f"]}, ToolChoice(ChoiceMode.AUTO, ("f",)), []),
        ({"mode": "VALIDATED"}, ToolChoice(ChoiceMode.AUTO), ["widened:toolConfig.functionCallingConfig.mode"]),
        ({"mode": "MODE_UNSPECIFIED"}, None, []),
    ],
)
def test_every_mode_has_its_meaning(calling, wish, edits):
    assert choice({"function_calling_config": calling}) == (wish, {}, edits)


def test_what_only_google_can_configure_is_kept_for_it():
    assert choice({"includeServerSideToolInvocations": True}) == (
        None,
        {"toolConfig": {"includeServerSideToolInvocations": True}},
        [],
    )
    assert read_choice(Fields({}, ""), {}, Receipt()) is None
