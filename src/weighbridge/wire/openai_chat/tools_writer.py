"""Tools and the choice among them, as the provider understands them."""

from __future__ import annotations

from typing import Any, Final

from weighbridge.wire.cache_control import write_cache
from weighbridge.wire.conversation import (
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
from weighbridge.wire.openai_chat.custom_tools import write_format
from weighbridge.wire.openai_chat.vocabulary import ORIGIN
from weighbridge.wire.quirks import Quirks
from weighbridge.wire.receipt import Receipt
from weighbridge.wire.server_tools import drop_options
from weighbridge.wire.unsaid import drop_unsaid

_NO_ARGUMENTS: Final[JsonObject] = {"type": "object", "properties": {}}


def write_tools(conversation: Conversation, quirks: Quirks, receipt: Receipt, body: dict[str, object]) -> None:
    """`tools`, `web_search_options`, `tool_choice`, `parallel_tool_calls`."""
    if not quirks.tools:
        drop_unsaid(conversation, ("tools", "tool_choice", "parallel_tool_calls"), receipt, "the provider takes no tools")
        return
    written: list[JsonObject] = []
    for i, tool in enumerate(conversation.tools):
        entry = _tool(tool, f"tools[{i}]", quirks, receipt, body)
        if entry is not None:
            written.append(entry)
    if not written:
        if conversation.tool_choice is not None and conversation.tool_choice.mode is ChoiceMode.REQUIRED:
            receipt.widened("tool_choice", "no tool is left")
        return
    body["tools"] = written
    _write_choice(conversation.tool_choice, quirks, receipt, body)
    if conversation.parallel_tool_calls is not None:
        body["parallel_tool_calls"] = conversation.parallel_tool_calls


def _tool(tool: Tool, path: str, quirks: Quirks, receipt: Receipt, body: dict[str, object]) -> JsonObject | None:
    if isinstance(tool, FunctionTool):
        return _function(tool, path, quirks, receipt)
    if isinstance(tool, CustomTool):
        custom: JsonObject = {"name": tool.name}
        if tool.description is not None:
            custom["description"] = tool.description
        if tool.format is not None:
            custom["format"] = write_format(tool.format)
        return {"type": "custom", "custom": custom}
    _server_tool(tool, path, receipt, body)
    return None


def _function(tool: FunctionTool, path: str, quirks: Quirks, receipt: Receipt) -> JsonObject:
    function: JsonObject = {"name": tool.name}
    if tool.description is not None:
        function["description"] = tool.description
    function["parameters"] = _NO_ARGUMENTS if tool.schema is None else tool.schema
    if tool.strict is not None:
        if quirks.strict_tools:
            function["strict"] = tool.strict
        elif tool.strict:
            receipt.widened(f"{path}.strict")
    for name in tool.raw or {}:
        receipt.dropped(f"{path}.{name}")
    entry: JsonObject = {"type": "function", "function": function}
    if tool.cache is not None:
        if quirks.cache_control:
            entry["cache_control"] = write_cache(tool.cache, f"{path}.cache", receipt)
        else:
            receipt.dropped(f"{path}.cache")
    return entry


def _server_tool(tool: ServerToolUse, path: str, receipt: Receipt, body: dict[str, object]) -> None:
    if tool.kind is not ServerToolKind.WEB_SEARCH:
        receipt.dropped(path, f"the provider's chat has no tool '{tool.kind}'")
        return
    own = tool.raw.get("web_search_options") if tool.origin == ORIGIN else None
    if own is not None:
        body["web_search_options"] = own
        return
    options: JsonObject = {}
    if tool.context_size is not None:
        options["search_context_size"] = tool.context_size
    if tool.user_location is not None:
        options["user_location"] = {"type": "approximate", "approximate": tool.user_location}
    body["web_search_options"] = options
    receipt.mapped(path, "web_search_options")
    drop_options(tool, path, receipt, "the provider's search takes no such option", kept=("user_location", "context_size"))


def _write_choice(choice: ToolChoice | None, quirks: Quirks, receipt: Receipt, body: dict[str, object]) -> None:
    if choice is None:
        return
    understood = quirks.tool_choices
    value: Json = choice.mode.value
    if len(choice.names) == 1 and choice.mode is ChoiceMode.REQUIRED and "named" in understood:
        (name,) = choice.names
        kind = "custom" if any("custom" in tool and tool["custom"]["name"] == name for tool in _offered(body)) else "function"
        body["tool_choice"] = {"type": kind, kind: {"name": name}}
        return
    if choice.names:
        # Everybody but OpenAI knows no list of allowed tools: offering those alone means the same.
        _offer_only(choice.names, body)
        receipt.mapped("tool_choice", "only the allowed tools are offered")
    if choice.mode.value not in understood:
        if choice.mode is ChoiceMode.NONE:
            body.pop("tools")
            receipt.mapped("tool_choice", "no tools are offered")
            return
        if choice.mode is ChoiceMode.REQUIRED:
            receipt.widened("tool_choice", "a call cannot be required")
        value = "auto"
    body["tool_choice"] = value


def _offer_only(names: tuple[str, ...], body: dict[str, object]) -> None:
    tools = _offered(body)
    body["tools"] = [tool for tool in tools if (tool.get("function") or tool["custom"])["name"] in names] or tools


def _offered(body: dict[str, object]) -> list[dict[str, Any]]:
    tools = body["tools"]
    assert isinstance(tools, list)
    return tools
