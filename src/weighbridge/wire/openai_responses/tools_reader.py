"""`tools` and `tool_choice` of a caller's request."""

from __future__ import annotations

from typing import Final

from weighbridge.wire.conversation import ChoiceMode, CustomTool, FunctionTool, ServerToolUse, Tool, ToolChoice
from weighbridge.wire.fields import Fields, invalid
from weighbridge.wire.json_value import Json, JsonObject
from weighbridge.wire.loose_json import as_list, as_object, as_text
from weighbridge.wire.openai_responses.vocabulary import ORIGIN, tool_kind
from weighbridge.wire.receipt import Receipt
from weighbridge.wire.server_tools import own_options

_MODES: Final = {"auto": ChoiceMode.AUTO, "none": ChoiceMode.NONE, "required": ChoiceMode.REQUIRED}
_PLACE: Final = ("city", "region", "country", "timezone")
_SHARED: Final = ("type", "filters", "user_location", "search_context_size")
_NEW_CONTAINER: Final = {"type": "auto"}
"""What runs code at other vendors as well."""


def read_tools(fields: Fields, receipt: Receipt) -> tuple[Tool, ...]:
    """The tools. Raises `GatewayError` INVALID_REQUEST with the field at fault."""
    return tuple(_read_tool(tool, receipt) for tool in fields.objects("tools") or ())


def _read_tool(fields: Fields, receipt: Receipt) -> Tool:
    word = fields.rest.get("type")
    if not isinstance(word, str):
        raise invalid(fields.at("type"), "a string")
    tool: Tool
    if word == "function":
        tool = FunctionTool(
            fields.required_text("name"),
            fields.text("description"),
            fields.json_object("parameters"),
            fields.boolean("strict"),
        )
    elif word == "custom":
        tool = CustomTool(fields.required_text("name"), fields.text("description"), fields.json_object("format"))
    else:
        return _server_tool(fields.rest, word)
    fields.leftover(receipt, ignored=("type",))
    return tool


def _server_tool(raw: JsonObject, word: str) -> ServerToolUse:
    """A tool of the vendor's. Its name is what `tool_choice` calls it: its type, or the label of an MCP server."""
    filters, place = as_object(raw.get("filters")), as_object(raw.get("user_location"))
    return ServerToolUse(
        ORIGIN,
        tool_kind(word),
        dict(raw),
        as_text(raw.get("server_label")) or word,
        _domains(filters.get("allowed_domains")),
        _domains(filters.get("blocked_domains")),
        None,
        {name: value for name in _PLACE if (value := place.get(name)) is not None} or None,
        as_text(raw.get("search_context_size")) or None,
        own_options(raw, (*_SHARED, "container") if raw.get("container") == _NEW_CONTAINER else _SHARED),
    )


def _domains(value: Json) -> tuple[str, ...]:
    return tuple(domain for domain in as_list(value) if isinstance(domain, str))


def read_choice(fields: Fields, receipt: Receipt) -> ToolChoice | None:
    """How the model shall choose. Raises `GatewayError` INVALID_REQUEST."""
    value = fields.value("tool_choice")
    if value is None:
        return None
    path = fields.at("tool_choice")
    if isinstance(value, str):
        if value not in _MODES:
            raise invalid(path, "'auto', 'none', 'required' or an object")
        return ToolChoice(_MODES[value])
    if not isinstance(value, dict):
        raise invalid(path, "a string or an object")
    return _choice_object(Fields(value, path), receipt)


def _choice_object(wish: Fields, receipt: Receipt) -> ToolChoice:
    word = wish.required_text("type")
    if word == "allowed_tools":
        mode = _MODES.get(wish.text("mode") or "auto")
        if mode is None:
            raise invalid(wish.at("mode"), "'auto' or 'required'")
        return ToolChoice(mode, tuple(_name_of(tool.rest, tool.path) for tool in wish.objects("tools") or ()))
    choice = ToolChoice(ChoiceMode.REQUIRED, (_name_of({"type": word, **wish.rest}, wish.path),))
    if word == "mcp" and wish.rest.get("name") is not None:
        receipt.widened(wish.at("name"), "any tool of the server")
    return choice


def _name_of(tool: JsonObject, path: str) -> str:
    """The name under which a tool stands among the tools."""
    label = as_text(tool.get("server_label"))
    name = label or as_text(tool.get("name")) or as_text(tool.get("type"))
    if not name:
        raise invalid(path, "an object that names a tool")
    return name
