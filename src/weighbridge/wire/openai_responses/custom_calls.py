"""Calls of tools that take free text, from models whose dialect knows no such tools.

For them such a tool was described as a function of one text (`input`), so that its call comes as JSON. The caller declared a custom
tool, and only understands a `custom_tool_call` of it: Codex applies its patches this way.
"""

from __future__ import annotations

from typing import Final

from weighbridge.core.codec import JsonError, decode_json
from weighbridge.wire.conversation import Conversation, CustomTool, ToolCall

_ARGUMENT: Final = "input"
"""What every writer of requests calls the one argument."""


def custom_names(conversation: Conversation) -> frozenset[str]:
    """The names of the caller's tools that take free text."""
    return frozenset(tool.name for tool in conversation.tools if isinstance(tool, CustomTool))


def free_text(arguments: str) -> str:
    """The text within the JSON of a call; what is no such JSON is the text itself."""
    try:
        value = decode_json(arguments.encode())
    except (JsonError, UnicodeError, RecursionError):
        return arguments
    if isinstance(value, dict) and len(value) == 1:
        value = value.get(_ARGUMENT)
    return value if isinstance(value, str) else arguments


def as_custom(call: ToolCall) -> ToolCall:
    """A call of a custom tool that came as one of a function."""
    return ToolCall(call.id, call.name, free_text(call.arguments), is_custom=True, seal=call.seal, item_id=None, cache=call.cache)
