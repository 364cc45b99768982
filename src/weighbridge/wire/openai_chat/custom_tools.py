"""The grammar of a tool that takes free text. Chat puts it into an object of its own, the Responses API beside the type, as
`CustomTool.format` does (https://platform.openai.com/docs/guides/function-calling#custom-tools)."""

from __future__ import annotations

from weighbridge.wire.json_value import JsonObject


def read_format(written: JsonObject | None) -> JsonObject | None:
    """As a caller of chat writes it -> as `CustomTool` has it."""
    grammar = None if written is None else written.get("grammar")
    if written is None or not isinstance(grammar, dict):
        return written
    return {**{name: value for name, value in written.items() if name != "grammar"}, **grammar}


def write_format(neutral: JsonObject) -> JsonObject:
    """The reverse."""
    if neutral.get("type") != "grammar":
        return neutral
    return {"type": "grammar", "grammar": {name: value for name, value in neutral.items() if name != "type"}}
