"""Tools of a caller's request, and how to choose among them."""

from __future__ import annotations

from typing import Final

from weighbridge.wire.cache_control import read_cache
from weighbridge.wire.conversation import (
    CacheBreakpoint,
    ChoiceMode,
    CustomTool,
    FunctionTool,
    ServerToolKind,
    ServerToolUse,
    Tool,
    ToolChoice,
)
from weighbridge.wire.fields import Fields, invalid
from weighbridge.wire.json_value import Json, JsonObject
from weighbridge.wire.loose_json import as_list, as_object, as_text
from weighbridge.wire.openai_chat.custom_tools import read_format
from weighbridge.wire.openai_chat.vocabulary import ORIGIN
from weighbridge.wire.receipt import Receipt
from weighbridge.wire.server_tools import own_options

_MODES: Final = {
    "auto": ChoiceMode.AUTO,
    "none": ChoiceMode.NONE,
    "required": ChoiceMode.REQUIRED,
    "any": ChoiceMode.REQUIRED,  # Mistral's word
}


def read_tools(fields: Fields, receipt: Receipt) -> tuple[Tool, ...]:
    """`tools`, the older `functions`, and `web_search_options`."""
    tools: list[Tool] = []
    for tool in fields.objects("tools") or ():
        read = _tool(tool, receipt)
        if read is not None:
            tools.append(read)
    tools += [_function(function, receipt) for function in fields.objects("functions") or ()]
    search = fields.json_object("web_search_options")
    if search is not None:
        tools.append(_search_options(search))
    return tuple(tools)


def _search_options(search: JsonObject) -> ServerToolUse:
    return ServerToolUse(
        ORIGIN,
        ServerToolKind.WEB_SEARCH,
        {"web_search_options": search},
        user_location=as_object(as_object(search.get("user_location")).get("approximate")) or None,
        context_size=as_text(search.get("search_context_size")) or None,
        own_options=own_options(search, ("user_location", "search_context_size")),
    )


def _tool(tool: Fields, receipt: Receipt) -> Tool | None:
    kind = tool.text("type") or "function"
    cache = read_cache(tool.value("cache_control"))
    if kind == "function":
        inner = tool.nested("function")
        if inner is None:
            tool.missing("function")
        read = _function(inner, receipt)
        tool.leftover(receipt)
        if cache is None:
            return read
        return FunctionTool(read.name, read.description, read.schema, read.strict, cache)
    if kind == "custom":
        return _custom(tool, cache, receipt)
    if "web_search" in kind:
        return _search(tool, kind)
    receipt.dropped(tool.path, f"a tool of type '{kind}' is not known")
    return None


def _custom(tool: Fields, cache: CacheBreakpoint | None, receipt: Receipt) -> CustomTool:
    inner = tool.nested("custom")
    if inner is None:
        tool.missing("custom")
    read = CustomTool(inner.required_text("name"), inner.text("description"), read_format(inner.json_object("format")))
    inner.leftover(receipt)
    tool.leftover(receipt)
    if cache is not None:
        receipt.dropped(tool.at("cache_control"), "no place for it at a tool that takes free text")
    return read


def _search(tool: Fields, kind: str) -> ServerToolUse:
    """A vendor's own search, as LiteLLM's and OpenRouter's callers name it in this format: with a date it is
    Anthropic's, without one the Responses API's."""
    raw: JsonObject = {"type": kind, **tool.rest}
    location = tool.json_object("user_location")
    return ServerToolUse(
        _search_origin(kind),
        ServerToolKind.WEB_SEARCH,
        raw,
        name=tool.text("name"),
        allowed_domains=tool.texts("allowed_domains"),
        blocked_domains=tool.texts("blocked_domains"),
        max_uses=tool.integer("max_uses"),
        user_location=None if location is None else {name: value for name, value in location.items() if name != "type"} or None,
        context_size=tool.text("search_context_size"),
        own_options=own_options(tool.rest, ("name",)),
    )


def _search_origin(kind: str) -> str:
    vendor, colon, _ = kind.partition(":")
    if colon:
        return vendor
    return "anthropic" if kind[-1].isdigit() else ORIGIN


def _function(function: Fields, receipt: Receipt) -> FunctionTool:
    read = FunctionTool(
        function.required_text("name"),
        function.text("description"),
        function.json_object("parameters"),
        function.boolean("strict"),
        read_cache(function.value("cache_control")),
    )
    function.leftover(receipt)
    return read


def read_choice(fields: Fields) -> ToolChoice | None:
    """`tool_choice`, and the older `function_call`."""
    path = fields.at("tool_choice")
    value = fields.value("tool_choice")
    legacy = fields.value("function_call")
    if value is None:
        value = legacy
    if value is None:
        return None
    if isinstance(value, str):
        mode = _MODES.get(value)
        if mode is None:
            raise invalid(path, "'auto', 'none', 'required' or an object")
        return ToolChoice(mode)
    if not isinstance(value, dict):
        raise invalid(path, "'auto', 'none', 'required' or an object")
    if value.get("type") == "allowed_tools":
        allowed = as_object(value.get("allowed_tools"))
        names = tuple(_named(tool) for tool in as_list(allowed.get("tools")))
        if "" in names:
            raise invalid(f"{path}.allowed_tools.tools", "objects that name a tool")
        return ToolChoice(_MODES.get(as_text(allowed.get("mode")), ChoiceMode.AUTO), names)
    name = _named(value)
    if not name and (mode := _MODES.get(as_text(value.get("type")))) is not None:  # Anthropic's way to say it
        return ToolChoice(mode)
    if not name:
        raise invalid(path, "'auto', 'none', 'required' or an object that names a tool")
    return ToolChoice(ChoiceMode.REQUIRED, (name,))


def _named(value: Json) -> str:
    tool = as_object(value)
    return as_text(as_object(tool.get("function") or tool.get("custom") or tool).get("name"))
