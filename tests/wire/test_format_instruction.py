"""Structured output as a sentence."""

from __future__ import annotations

from weighbridge.wire.conversation import AnswerFormat, FormatKind
from weighbridge.wire.format_instruction import format_instruction


def test_plain_text_needs_no_word():
    assert format_instruction(AnswerFormat(FormatKind.TEXT)) is None


def test_any_object_is_asked_for_where_there_is_no_schema():
    asked = format_instruction(AnswerFormat(FormatKind.JSON))
    assert asked is not None
    assert "JSON object" in asked
    assert format_instruction(AnswerFormat(FormatKind.JSON_SCHEMA)) == asked


def test_a_schema_is_quoted_whole():
    schema = {"$defs": {"a": {"type": "null"}}, "anyOf": [{"$ref": "#/$defs/a"}]}
    asked = format_instruction(AnswerFormat(FormatKind.JSON_SCHEMA, schema))
    assert asked is not None
    assert asked.endswith('{"$defs":{"a":{"type":"null"}},"anyOf":[{"$ref":"#/$defs/a"}]}')
