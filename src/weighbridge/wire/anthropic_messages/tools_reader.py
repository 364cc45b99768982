"""Definitions of tools, and how to choose among them, as callers write them."""

from __future__ import annotations

from typing import Final, NamedTuple

from weighbridge.wire.anthropic_messages.vocabulary import ORIGIN, tool_kind
from weighbridge.wire.cache_control import read_cache
from weighbridge.wire.conversation import ChoiceMode, FunctionTool, ServerToolUse, Tool, ToolChoice
from weighbridge.wire.fields import Fields, invalid
from weighbridge.wire.json_value import Json, JsonObject
from weighbridge.wire.receipt import Receipt
from weighbridge.wire.server_tools import own_options

OWN_OPTIONS: Final = ("defer_loading", "input_examples", "eager_input_streaming", "allowed_callers")
"""Options of a caller's tool that only Anthropic knows."""

_SHARED: Final = ("type", "name", "max_uses", "allowed_domains", "blocked_domains", "user_location")

_MODES: Final = {
    "auto": ChoiceMode.AUTO,
    "any": ChoiceMode.REQUIRED,
    "tool": ChoiceMode.REQUIRED,
    "none": ChoiceMode.NONE,
}


class Choosing(NamedTuple):
    """What `tool_choice` says: the choice, and whether several calls at once are welcome."""

    choice: ToolChoice | None = None
    parallel: bool | None = None


def read_tools(fields: Fields, receipt: Receipt) -> tuple[Tool, ...]:
    """The request's `tools`. Raises `GatewayError` INVALID_REQUEST with the field at fault."""
    return tuple(_read_tool(tool, receipt) for tool in fields.objects("tools") or ())


def read_choice(fields: Fields, receipt: Receipt) -> Choosing:
    """The request's `tool_choice`. Raises `GatewayError` INVALID_REQUEST with the field at fault."""
    wish = fields.nested("tool_choice")
    if wish is None:
        return Choosing()
    kind = wish.required_text("type")
    mode = _MODES.get(kind)
    if mode is None:
        raise invalid(wish.at("type"), "'auto', 'any', 'tool' or 'none'")
    names = (wish.required_text("name"),) if kind == "tool" else ()
    is_sequential = wish.boolean("disable_parallel_tool_use")
    wish.leftover(receipt)
    return Choosing(ToolChoice(mode, names), None if is_sequential is None else not is_sequential)


def _read_tool(fields: Fields, receipt: Receipt) -> Tool:
    kind = fields.rest.get("type")
    if isinstance(kind, str) and kind != "custom":
        return _server_tool(fields.rest, kind)
    fields.value("type")
    name = fields.required_text("name")
    description = fields.text("description")
    schema = fields.json_object("input_schema")
    strict = fields.boolean("strict")
    cache = read_cache(fields.value("cache_control"))
    options: JsonObject = {option: value for option in OWN_OPTIONS if (value := fields.value(option)) is not None}
    fields.leftover(receipt)
    return FunctionTool(name, description, schema, strict, cache, options or None)


def _server_tool(raw: JsonObject, kind: str) -> ServerToolUse:
    name, most = raw.get("name"), raw.get("max_uses")
    location = raw.get("user_location")
    return ServerToolUse(
        ORIGIN,
        tool_kind(kind),
        dict(raw),
        name if isinstance(name, str) else None,
        _texts(raw.get("allowed_domains")),
        _texts(raw.get("blocked_domains")),
        most if isinstance(most, int) else None,
        {key: value for key, value in location.items() if key != "type"} if isinstance(location, dict) else None,
        own_options=own_options(raw, _SHARED),
    )


def _texts(value: Json) -> tuple[str, ...]:
    return tuple(text for text in value if isinstance(text, str)) if isinstance(value, list) else ()
