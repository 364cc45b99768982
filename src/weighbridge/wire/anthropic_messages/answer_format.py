"""Structured output: a schema where the API can hold the model to it, an instruction where it cannot.

https://docs.anthropic.com/en/docs/build-with-claude/structured-outputs: every object of the schema must say
`"additionalProperties": false`.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from weighbridge.wire.conversation import AnswerFormat, FormatKind
from weighbridge.wire.format_instruction import format_instruction
from weighbridge.wire.json_value import Json, JsonObject
from weighbridge.wire.quirks import Quirks
from weighbridge.wire.receipt import Receipt

_ONE: Final = ("items", "contains")
_SEVERAL: Final = ("anyOf", "prefixItems")
_NAMED: Final = ("properties", "$defs", "definitions")
"""Where schemas stand within a schema: alone, in an array, under names."""
_EXACT: Final = ("oneOf", "allOf", "not", "if", "then", "else", "dependentSchemas")
"""Where a narrower schema may let more pass, or nothing: what stands there must be closed already."""


class WrittenFormat(NamedTuple):
    """`output_config.format`, or an instruction to be added to the system prompt."""

    config: JsonObject | None = None
    instruction: str | None = None


def write_answer_format(wish: AnswerFormat | None, quirks: Quirks, receipt: Receipt) -> WrittenFormat:
    """How the body asks for the shape of the answer."""
    if wish is None or wish.kind is FormatKind.TEXT:
        return WrittenFormat()
    if wish.schema is not None and "json_schema" in quirks.answer_formats and (schema := closed(wish.schema)) is not None:
        if schema != wish.schema:
            receipt.mapped("answer_format.schema", "objects closed: `additionalProperties` must be false")
        if wish.description is not None and "description" not in schema:
            schema = {**schema, "description": wish.description}
        return WrittenFormat({"type": "json_schema", "schema": schema})
    receipt.widened("answer_format", "by instruction")
    return WrittenFormat(instruction=format_instruction(wish))


def closed(schema: JsonObject) -> JsonObject | None:
    """The schema with every object closed, whose answers all fit the schema as it was; None where an object is meant to be open."""
    try:
        return _closed(schema)
    except _IsOpenError:
        return None


class _IsOpenError(Exception):
    pass


def _closed(schema: JsonObject) -> JsonObject:
    new = dict(schema)
    is_object = schema.get("type") == "object" or "properties" in schema
    if is_object:
        if schema.get("additionalProperties") not in (None, False) or "patternProperties" in schema or not _properties(schema):
            raise _IsOpenError
        new["additionalProperties"] = False
    for name in _ONE:
        if name in new:
            new[name] = _closed_value(new[name])
    for name in _SEVERAL:
        if isinstance(several := new.get(name), list):
            new[name] = [_closed_value(value) for value in several]
    for name in _NAMED:
        if isinstance(named := new.get(name), dict):
            new[name] = {key: _closed_value(value) for key, value in named.items()}
    if any(name in schema and _has_open(schema[name]) for name in _EXACT):
        raise _IsOpenError
    return new


def _has_open(value: Json) -> bool:
    if isinstance(value, list):
        return any(_has_open(member) for member in value)
    return isinstance(value, dict) and _closed(value) != value


def _closed_value(value: Json) -> Json:
    return _closed(value) if isinstance(value, dict) else value


def _properties(schema: JsonObject) -> bool:
    """Whether it says what its members are, or that it has none."""
    return isinstance(schema.get("properties"), dict) or schema.get("additionalProperties") is False
