"""A caller's `tools` and `toolConfig`. https://ai.google.dev/api/caching#Tool"""

from __future__ import annotations

from typing import Final

from weighbridge.wire.conversation import ChoiceMode, FunctionTool, ServerToolKind, ServerToolUse, Tool, ToolChoice
from weighbridge.wire.fields import Fields
from weighbridge.wire.gemini_generate.schemas import json_schema
from weighbridge.wire.gemini_generate.vocabulary import ORIGIN, TOOL_KINDS, camel, enum_word, message, messages
from weighbridge.wire.json_value import Json, JsonObject
from weighbridge.wire.receipt import Receipt
from weighbridge.wire.server_tools import own_options

_MODES: Final = {1: "AUTO", 2: "ANY", 3: "NONE", 4: "VALIDATED"}
_CHOICES: Final = {
    "AUTO": ChoiceMode.AUTO,
    "ANY": ChoiceMode.REQUIRED,
    "NONE": ChoiceMode.NONE,
    "VALIDATED": ChoiceMode.AUTO,
}


def read_tools(fields: Fields, receipt: Receipt) -> tuple[Tool, ...]:
    """`tools`: functions, and one entry for each of Google's own."""
    tools: list[Tool] = []
    for tool in messages(fields, "tools"):
        tools += [_function(declared, receipt) for declared in messages(tool, "functionDeclarations")]
        for name, value in tool.rest.items():
            if value is not None:
                tools.append(_own(name, value))
    return tuple(tools)


def _function(declared: Fields, receipt: Receipt) -> FunctionTool:
    name, description = declared.required_text("name"), declared.text("description")
    subset, whole = declared.json_object("parameters"), declared.json_object("parametersJsonSchema")
    declared.leftover(receipt)
    return FunctionTool(name, description, whole if whole is not None else None if subset is None else json_schema(subset))


def _own(name: str, value: Json) -> ServerToolUse:
    kind = TOOL_KINDS.get(name, ServerToolKind.OTHER)
    options = camel(value) if isinstance(value, dict) else {}
    excluded = options.get("excludeDomains")
    blocked = tuple(domain for domain in excluded if isinstance(domain, str)) if isinstance(excluded, list) else ()
    further = own_options(options, ("excludeDomains",))
    return ServerToolUse(ORIGIN, kind, {name: value}, name, blocked_domains=blocked, own_options=further)


def read_choice(fields: Fields, vendor: JsonObject, receipt: Receipt) -> ToolChoice | None:
    """`toolConfig`; what of it only Google knows is put into `vendor`."""
    config = message(fields, "toolConfig")
    if config is None:
        return None
    calling = message(config, "functionCallingConfig")
    rest: JsonObject = {name: value for name, value in config.rest.items() if value is not None}
    if rest:
        vendor["toolConfig"] = rest
    if calling is None:
        return None
    word = enum_word(calling.value("mode"), _MODES)
    names = calling.texts("allowedFunctionNames")
    path = calling.at("mode")
    calling.leftover(receipt)
    if word is None and not names:
        return None
    if word == "VALIDATED" and not names:
        receipt.widened(path, "auto")
    return ToolChoice(_CHOICES.get(word or "AUTO", ChoiceMode.AUTO), names)
