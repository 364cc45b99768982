"""Definitions of tools, and how to choose among them, as the Messages API takes them."""

from __future__ import annotations

from typing import Final, NamedTuple

from weighbridge.wire.anthropic_messages.content_writer import CUSTOM_INPUT
from weighbridge.wire.anthropic_messages.vocabulary import ORIGIN
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
from weighbridge.wire.json_value import JsonObject
from weighbridge.wire.quirks import Quirks
from weighbridge.wire.receipt import Receipt
from weighbridge.wire.server_tools import drop_options

_K = ServerToolKind
_SAME_TOOL: Final = {
    _K.WEB_SEARCH: ("web_search_20250305", "web_search"),
    _K.WEB_FETCH: ("web_fetch_20250910", "web_fetch"),
    _K.CODE_EXECUTION: ("code_execution_20250825", "code_execution"),
}
"""Anthropic's own tool for what another vendor's does: the versions that every model with the tool takes."""
_OPTIONS: Final[dict[ServerToolKind, tuple[str, ...]]] = {
    _K.WEB_SEARCH: ("allowed_domains", "blocked_domains", "max_uses", "user_location"),
    _K.WEB_FETCH: ("allowed_domains", "blocked_domains", "max_uses"),
    _K.CODE_EXECUTION: (),
}
"""Which options that vendors have in common it takes."""

_FREE_TEXT: Final = {
    "type": "object",
    "properties": {CUSTOM_INPUT: {"type": "string"}},
    "required": [CUSTOM_INPUT],
    "additionalProperties": False,
}


class WrittenTools(NamedTuple):
    """`tools` and `tool_choice` of a body; empty and None are left out."""

    tools: list[dict[str, object]]
    choice: dict[str, object] | None


def write_tools(conversation: Conversation, quirks: Quirks, receipt: Receipt, *, can_force: bool) -> WrittenTools:
    """The tools, and how to choose among them. Without `can_force`, none of them can be forced."""
    if not conversation.tools:
        if conversation.tool_choice is not None and conversation.tool_choice.mode is ChoiceMode.REQUIRED:
            receipt.dropped("tool_choice", "there are no tools")
        return WrittenTools([], None)
    if not quirks.tools:
        receipt.dropped("tools", "no tools")
        return WrittenTools([], None)
    choice = conversation.tool_choice
    written: dict[str, dict[str, object]] = {}
    for i, tool in enumerate(conversation.tools):
        block = _write_tool(tool, i, quirks, receipt)
        if block is not None:
            written[str(block.get("name", f"#{i}"))] = block
    if choice is not None and len(choice.names) > (choice.mode is ChoiceMode.REQUIRED):
        # "one of these" is said by showing no others
        shown = {name: block for name, block in written.items() if name in choice.names}
        if shown and len(shown) < len(written):
            receipt.mapped("tool_choice.names", "the other tools are left out")
            written = shown
    if not written:
        return WrittenTools([], None)
    return WrittenTools(list(written.values()), _write_choice(conversation, written, quirks, receipt, can_force=can_force))


def _write_tool(tool: Tool, i: int, quirks: Quirks, receipt: Receipt) -> dict[str, object] | None:
    if isinstance(tool, FunctionTool):
        return _function(tool, i, quirks, receipt)
    if isinstance(tool, CustomTool):
        receipt.widened(f"tools[{i}]", f"free text as the argument `{CUSTOM_INPUT}`")
        return _described({"name": tool.name, "input_schema": _FREE_TEXT}, tool.description)
    if tool.origin == ORIGIN:
        return dict(tool.raw)
    return _same_tool(tool, i, receipt)


def _function(tool: FunctionTool, i: int, quirks: Quirks, receipt: Receipt) -> dict[str, object]:
    schema: JsonObject = {"type": "object", "properties": {}} if tool.schema is None else tool.schema
    if "type" not in schema:  # required here; arguments are objects in every dialect
        schema = {"type": "object", **schema}
        receipt.mapped(f"tools[{i}].schema", "`type` is required")
    block = _described({"name": tool.name, "input_schema": schema}, tool.description)
    if tool.strict is not None:
        if quirks.strict_tools:
            block["strict"] = tool.strict
        elif tool.strict:
            receipt.widened(f"tools[{i}].strict", "not known")
    if tool.cache is not None:
        block["cache_control"] = write_cache(tool.cache, f"tools[{i}].cache", receipt)
    if tool.raw is not None:
        block.update(tool.raw)
    return block


def _described(block: dict[str, object], description: str | None) -> dict[str, object]:
    if description is not None:
        block["description"] = description
    return block


def _same_tool(tool: ServerToolUse, i: int, receipt: Receipt) -> dict[str, object] | None:
    same = _SAME_TOOL.get(tool.kind)
    if same is None:
        receipt.dropped(f"tools[{i}]", f"a tool of {tool.origin}")
        return None
    receipt.mapped(f"tools[{i}]", "Anthropic's own tool of the same kind")
    block: dict[str, object] = {"type": same[0], "name": same[1]}
    kept = _OPTIONS[tool.kind]
    if tool.allowed_domains and tool.blocked_domains:  # "you can use either, but not both"
        kept = tuple(name for name in kept if name != "blocked_domains")
    drop_options(tool, f"tools[{i}]", receipt, "no place for it here", kept=kept)
    for name in kept:
        value = getattr(tool, name)
        if value and name == "user_location":
            block[name] = {"type": "approximate", **value}
        elif value:
            block[name] = list(value) if isinstance(value, tuple) else value
    return block


def _write_choice(
    conversation: Conversation,
    written: dict[str, dict[str, object]],
    quirks: Quirks,
    receipt: Receipt,
    *,
    can_force: bool,
) -> dict[str, object] | None:
    choice = conversation.tool_choice
    parallel = conversation.parallel_tool_calls
    if choice is None:
        return {"type": "auto", "disable_parallel_tool_use": True} if parallel is False else None
    block = _mode(choice, written, quirks, receipt, can_force=can_force)
    if block is not None and parallel is not None and choice.mode is not ChoiceMode.NONE:
        block["disable_parallel_tool_use"] = not parallel
    return block


def _mode(
    choice: ToolChoice,
    written: dict[str, dict[str, object]],
    quirks: Quirks,
    receipt: Receipt,
    *,
    can_force: bool,
) -> dict[str, object] | None:
    if choice.mode is ChoiceMode.NONE:
        if "none" in quirks.tool_choices:
            return {"type": "none"}
        receipt.widened("tool_choice", "`none` is not known")
        return None
    if choice.mode is ChoiceMode.AUTO:
        return {"type": "auto"}
    if not can_force:
        # "Thinking may not be enabled when tool_choice forces tool use."
        receipt.widened("tool_choice", "thinking excludes a forced tool")
        return {"type": "auto"}
    name = choice.names[0] if len(choice.names) == 1 else None
    if name is not None and name in written and "named" in quirks.tool_choices:
        return {"type": "tool", "name": name}
    if name is not None:
        receipt.widened("tool_choice", "the tool cannot be named")
    if "required" in quirks.tool_choices:
        return {"type": "any"}
    receipt.widened("tool_choice", "a tool cannot be forced")
    return {"type": "auto"}
