"""Tools and their choice -> `tools` and `tool_choice`, for requests and for replies, which repeat them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

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
from weighbridge.wire.openai_responses.vocabulary import ORIGIN, VENDOR_ORIGIN
from weighbridge.wire.quirks import Quirks
from weighbridge.wire.receipt import Receipt
from weighbridge.wire.server_tools import drop_options

_NO_PARAMETERS: Final[JsonObject] = {"type": "object", "properties": {}}


def write_tools(conversation: Conversation, quirks: Quirks, receipt: Receipt) -> list[Json]:
    """The tools that the target has."""
    if conversation.tools and not quirks.tools:
        receipt.dropped("tools", "the provider knows none")
        return []
    # Here `strict` is true where nothing is said, everywhere else false.
    unsaid = None if conversation.vendor_origin == VENDOR_ORIGIN else False
    tools: list[Json] = []
    for i, tool in enumerate(conversation.tools):
        written = write_tool(tool, f"tools[{i}]", quirks, receipt, unsaid_strict=unsaid)
        if written is not None:
            tools.append(written)
    return tools


def write_tool(tool: Tool, path: str, quirks: Quirks, receipt: Receipt, *, unsaid_strict: bool | None = None) -> JsonObject | None:
    """One tool; None (and an entry in the receipt) where it is another vendor's own."""
    if isinstance(tool, FunctionTool):
        return _function(tool, path, quirks, receipt, unsaid_strict)
    if isinstance(tool, CustomTool):
        custom: JsonObject = {"type": "custom", "name": tool.name}
        if tool.description is not None:
            custom["description"] = tool.description
        if tool.format is not None:
            custom["format"] = tool.format
        return custom
    return _server_tool(tool, path, receipt)


def _function(tool: FunctionTool, path: str, quirks: Quirks, receipt: Receipt, unsaid: bool | None) -> JsonObject:  # noqa: FBT001
    if tool.cache is not None:
        receipt.dropped(f"{path}.cache", "no place for it here")
    for name in tool.raw or ():
        receipt.dropped(f"{path}.{name}", "only another vendor knows it")
    written: JsonObject = {
        "type": "function",
        "name": tool.name,
        "parameters": _NO_PARAMETERS if tool.schema is None else tool.schema,
        "strict": unsaid if tool.strict is None else tool.strict,
    }
    if not quirks.strict_tools:
        del written["strict"]
        if tool.strict:
            receipt.widened(f"{path}.strict", "the provider does not enforce schemas")
    if tool.description is not None:
        written["description"] = tool.description
    return written


def _server_tool(tool: ServerToolUse, path: str, receipt: Receipt) -> JsonObject | None:
    if tool.origin == ORIGIN and "type" in tool.raw:
        return tool.raw
    make = _MAKERS.get(tool.kind)
    if make is None:
        receipt.dropped(path, f"a tool of {tool.origin}")
        return None
    receipt.mapped(path, f"{tool.kind} of {tool.origin}")
    kept = _OF_SEARCH if tool.kind is ServerToolKind.WEB_SEARCH else ()
    drop_options(tool, path, receipt, "no place for it here", kept=kept)
    return make(tool)


def _web_search(tool: ServerToolUse) -> JsonObject:
    written: JsonObject = {"type": "web_search"}
    if tool.allowed_domains:
        written["filters"] = {"allowed_domains": list(tool.allowed_domains)}
    if tool.user_location:
        written["user_location"] = {"type": "approximate", **tool.user_location}
    if tool.context_size is not None:
        written["search_context_size"] = tool.context_size
    return written


def _code_execution(_tool: ServerToolUse) -> JsonObject:
    return {"type": "code_interpreter", "container": {"type": "auto"}}


def _image_generation(_tool: ServerToolUse) -> JsonObject:
    return {"type": "image_generation"}


_OF_SEARCH: Final = ("allowed_domains", "user_location", "context_size")
_MAKERS: Final[dict[ServerToolKind, Callable[[ServerToolUse], JsonObject]]] = {
    ServerToolKind.WEB_SEARCH: _web_search,
    ServerToolKind.CODE_EXECUTION: _code_execution,
    ServerToolKind.IMAGE_GENERATION: _image_generation,
}


def write_choice(choice: ToolChoice, tools: list[Json], quirks: Quirks, receipt: Receipt) -> Json:
    """The choice among tools as they were written; None where none of them is left to choose."""
    known = quirks.tool_choices
    if not tools:
        if choice.mode is ChoiceMode.REQUIRED:
            receipt.dropped("tool_choice", "no tool is left")
        return None
    if not choice.names:
        return _mode(choice.mode, known, receipt)
    chosen = [entry for name in choice.names if (entry := _entry(name, tools)) is not None]
    if len(chosen) < len(choice.names):
        receipt.widened("tool_choice", "some of its tools are not there")
    if not chosen or "named" not in known:
        receipt.widened("tool_choice", "any tool")
        return _mode(choice.mode, known, receipt)
    if len(chosen) == 1 and choice.mode is ChoiceMode.REQUIRED:
        return chosen[0]
    return {"type": "allowed_tools", "mode": choice.mode.value, "tools": list(chosen)}


def _mode(mode: ChoiceMode, known: tuple[str, ...], receipt: Receipt) -> Json:
    if mode.value in known:
        return mode.value
    receipt.widened("tool_choice", f"the provider does not know '{mode.value}'")
    return None


def _entry(name: str, tools: list[Json]) -> JsonObject | None:
    for tool in tools:
        assert isinstance(tool, dict)
        word = tool["type"]
        if word in ("function", "custom"):
            if tool.get("name") == name:
                return {"type": word, "name": name}
        elif tool.get("server_label") == name:
            return {"type": word, "server_label": name}
        elif word == name or name.startswith(str(word)):
            return {"type": word}
    return None
