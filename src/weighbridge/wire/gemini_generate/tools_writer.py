"""`tools` and `toolConfig` of a request. https://ai.google.dev/gemini-api/docs/function-calling

A function's schema goes whole into `parametersJsonSchema`: `parameters` takes only a subset, without `$defs` and recursion.
"""

from __future__ import annotations

from typing import Final

from weighbridge.wire.conversation import (
    ChoiceMode,
    Conversation,
    CustomTool,
    FunctionTool,
    ServerToolKind,
    ServerToolUse,
    ToolChoice,
)
from weighbridge.wire.gemini_generate.families import Family
from weighbridge.wire.gemini_generate.vocabulary import CUSTOM_INPUT, ORIGIN
from weighbridge.wire.json_value import Json, JsonObject
from weighbridge.wire.quirks import Quirks
from weighbridge.wire.receipt import Receipt
from weighbridge.wire.server_tools import drop_options

_K = ServerToolKind
_OWN: Final = {_K.WEB_SEARCH: "googleSearch", _K.WEB_FETCH: "urlContext", _K.CODE_EXECUTION: "codeExecution"}
"""Google's own tool for what another vendor's does."""
_FREE_TEXT: Final[JsonObject] = {"type": "object", "properties": {CUSTOM_INPUT: {"type": "string"}}, "required": [CUSTOM_INPUT]}
_MODES: Final = {ChoiceMode.AUTO: "AUTO", ChoiceMode.NONE: "NONE", ChoiceMode.REQUIRED: "ANY"}
_INVOCATIONS: Final = "include_server_side_tool_invocations"
"""The Gemini API wants it where functions and Google's own tools come together; Vertex refuses it (`Quirks.refuses`)."""


def write_tools(conversation: Conversation, family: Family, quirks: Quirks, receipt: Receipt) -> JsonObject:
    """`tools` and `toolConfig`, as far as there is something to say."""
    if not quirks.tools:
        if conversation.tools:
            receipt.dropped("tools", "the provider takes none")
        return {}
    functions: list[Json] = []
    own: list[Json] = []
    for i, tool in enumerate(conversation.tools):
        path = f"tools[{i}]"
        if isinstance(tool, FunctionTool):
            functions.append(_function(tool, path, receipt))
        elif isinstance(tool, CustomTool):
            functions.append(_custom(tool, path, receipt))
        elif (written := _server_tool(tool, path, receipt)) is not None:
            own.append(written)
    if functions and own and not family.is_versatile:
        receipt.dropped("tools.server", "this model takes functions or Google's own tools, not both")
        own = []
    body: JsonObject = {}
    if functions or own:
        body["tools"] = [*own, {"functionDeclarations": functions}] if functions else own
    config = _config(conversation, receipt, has_functions=bool(functions))
    if functions and own and _INVOCATIONS not in quirks.refuses:
        config.setdefault("includeServerSideToolInvocations", True)
    if config:
        body["toolConfig"] = config
    return body


def _function(tool: FunctionTool, path: str, receipt: Receipt) -> JsonObject:
    declared: JsonObject = {"name": tool.name}
    if tool.description is not None:
        declared["description"] = tool.description
    if tool.schema is not None:
        declared["parametersJsonSchema"] = tool.schema
    if tool.strict:
        receipt.widened(f"{path}.strict", "calls follow the schema, without a promise")
    if tool.cache is not None:
        receipt.dropped(f"{path}.cache", "Gemini caches by itself")
    for name in tool.raw or ():
        receipt.dropped(f"{path}.{name}", "only its own vendor knows it")
    return declared


def _custom(tool: CustomTool, path: str, receipt: Receipt) -> JsonObject:
    receipt.mapped(path, f"a function with the one argument `{CUSTOM_INPUT}`")
    if tool.format is not None and tool.format.get("type") != "text":
        receipt.widened(f"{path}.format", "any text is allowed")
    declared: JsonObject = {"name": tool.name, "parametersJsonSchema": _FREE_TEXT}
    if tool.description is not None:
        declared["description"] = tool.description
    return declared


def _server_tool(tool: ServerToolUse, path: str, receipt: Receipt) -> JsonObject | None:
    if tool.origin == ORIGIN:
        return tool.raw
    name = _OWN.get(tool.kind)
    if name is None:
        receipt.dropped(path, "a tool of another vendor")
        return None
    receipt.mapped(path, name)
    drop_options(tool, path, receipt, f"{name} takes no such option")
    return {name: {}}


def _config(conversation: Conversation, receipt: Receipt, *, has_functions: bool) -> JsonObject:
    rest = conversation.vendor.get("toolConfig") if conversation.vendor_origin == ORIGIN else None
    config: JsonObject = dict(rest) if isinstance(rest, dict) else {}
    choice = conversation.tool_choice
    if choice is not None and has_functions:
        config["functionCallingConfig"] = _calling(choice, receipt)
    elif choice is not None and choice.mode is ChoiceMode.REQUIRED:
        receipt.dropped("tool_choice", "there is no function to call")
    return config


def _calling(choice: ToolChoice, receipt: Receipt) -> JsonObject:
    if not choice.names or choice.mode is ChoiceMode.NONE:
        return {"mode": _MODES[choice.mode]}
    names: list[Json] = [*choice.names]
    if choice.mode is ChoiceMode.AUTO:
        # Names go with ANY and VALIDATED only; the latter leaves it to the model whether it calls.
        receipt.mapped("tool_choice", "VALIDATED")
        return {"mode": "VALIDATED", "allowedFunctionNames": names}
    return {"mode": "ANY", "allowedFunctionNames": names}
