"""Tools as Converse's `toolConfig`."""

from __future__ import annotations

from typing import Final

from weighbridge.wire.bedrock_converse.families import Family
from weighbridge.wire.bedrock_converse.messages import CUSTOM_INPUT, cache_point
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
from weighbridge.wire.quirks import Quirks
from weighbridge.wire.receipt import Receipt
from weighbridge.wire.server_tools import drop_options

_ANY_OBJECT: Final[JsonObject] = {"type": "object", "properties": {}}
_FREE_TEXT: Final[JsonObject] = {
    "type": "object",
    "properties": {CUSTOM_INPUT: {"type": "string"}},
    "required": [CUSTOM_INPUT],
    "additionalProperties": False,
}


class ToolWriter:
    """Writes the tools of one request."""

    def __init__(self, family: Family, quirks: Quirks, receipt: Receipt) -> None:
        self._family = family
        self._quirks = quirks
        self._receipt = receipt

    def config(self, conversation: Conversation, called: list[str]) -> JsonObject | None:
        """`toolConfig`, or None. `called` are the tools of earlier turns: Converse refuses turns whose tools are not declared."""
        choice = conversation.tool_choice
        if not self._quirks.tools and conversation.tools:
            self._receipt.dropped("tools", "the provider takes no tools")
        elif conversation.tools:
            written = self._written(conversation.tools, choice, is_needed=bool(called))
            if written:
                return self._with_choice(written, choice)
        if not called:
            return None
        self._receipt.mapped("tools", "the tools that were called before are declared")
        return {"tools": [_declared(name) for name in called]}

    def _written(self, tools: tuple[Tool, ...], choice: ToolChoice | None, *, is_needed: bool) -> list[Json]:
        if choice is not None and choice.mode is ChoiceMode.NONE:
            if not is_needed:
                self._receipt.mapped("tool_choice", "tools that may not be called are left out")
                return []
            self._receipt.widened("tool_choice", "earlier calls need the tools declared, and nothing forbids to call them")
        names = choice.names if choice is not None else ()
        written: list[Json] = []
        for i, tool in enumerate(tools):
            if names and tool.name not in names and len(names) > 1:
                self._receipt.mapped("tool_choice", "only the tools to choose from are sent")
                continue
            self._add(written, tool, f"tools[{i}]")
        return written

    def _add(self, written: list[Json], tool: Tool, path: str) -> None:
        if isinstance(tool, ServerToolUse):
            block = self._server_tool(tool, path)
            if block is not None:
                written.append(block)
        elif isinstance(tool, CustomTool):
            note = "free text becomes one argument" + (", without its grammar" if tool.format else "")
            (self._receipt.widened if tool.format else self._receipt.mapped)(path, note)
            written.append(_spec(tool.name, tool.description, _FREE_TEXT))
        else:
            written.append(self._function(tool, path))
            if tool.cache is not None and self._family.caches_tools and self._family.caches:
                written.append(cache_point(tool.cache, f"{path}.cache", self._receipt))
            elif tool.cache is not None:
                self._receipt.dropped(f"{path}.cache", "the model does not cache tools")

    def _function(self, tool: FunctionTool, path: str) -> JsonObject:
        spec: JsonObject = {"name": tool.name, "inputSchema": {"json": tool.schema or _ANY_OBJECT}}
        if tool.description:
            spec["description"] = tool.description
        if tool.strict:
            if self._quirks.strict_tools and self._family.obeys_schemas:
                spec["strict"] = True
            else:
                self._receipt.widened(f"{path}.strict", "the model is not held to the schema")
        for name in tool.raw or ():
            self._receipt.dropped(f"{path}.{name}", "only Anthropic knows it")
        return {"toolSpec": spec}

    def _server_tool(self, tool: ServerToolUse, path: str) -> JsonObject | None:
        if tool.origin == "bedrock":
            return tool.raw
        if tool.kind is ServerToolKind.WEB_SEARCH and self._family.grounding:
            self._receipt.mapped(path, "the model's own search")
            drop_options(tool, path, self._receipt, "the model's own search takes no options")
            return {"systemTool": {"name": self._family.grounding}}
        self._receipt.dropped(path, f"a tool that {tool.origin} runs itself")
        return None

    def _with_choice(self, tools: list[Json], choice: ToolChoice | None) -> JsonObject:
        config: JsonObject = {"tools": tools}
        written = None if choice is None else self._choice(choice)
        if written is not None:
            config["toolChoice"] = written
        return config

    def _choice(self, choice: ToolChoice) -> JsonObject | None:
        allowed = [way for way in self._quirks.tool_choices if way in self._family.tool_choices]
        if choice.mode is ChoiceMode.NONE:
            return None
        auto: JsonObject | None = {"auto": {}} if "auto" in allowed else None
        if choice.mode is ChoiceMode.AUTO:
            return auto
        if len(choice.names) == 1 and "named" in allowed:
            return {"tool": {"name": choice.names[0]}}
        if "required" in allowed:
            if len(choice.names) == 1:
                self._receipt.widened("tool_choice", "any tool instead of this one")
            return {"any": {}}
        self._receipt.widened("tool_choice", "the model may choose to call none")
        return auto


def _spec(name: str, description: str | None, schema: JsonObject) -> JsonObject:
    spec: JsonObject = {"name": name, "inputSchema": {"json": schema}}
    if description:
        spec["description"] = description
    return {"toolSpec": spec}


def _declared(name: str) -> JsonObject:
    return _spec(name, None, _ANY_OBJECT)
