from __future__ import annotations

from copy import deepcopy

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st

from weighbridge.wire.anthropic_messages.answer_format import closed, write_answer_format
from weighbridge.wire.conversation import AnswerFormat, FormatKind
from weighbridge.wire.quirks import NO_QUIRKS, Quirks
from weighbridge.wire.receipt import Receipt

CLOSED = {"type": "object", "properties": {"a": {"type": "string"}}, "required": ["a"], "additionalProperties": False}
OPEN = {"type": "object", "properties": {"a": {"type": "string"}}}


def write(kind, schema=None, quirks=NO_QUIRKS, **fields):
    receipt = Receipt()
    written = write_answer_format(AnswerFormat(kind, schema, **fields), quirks, receipt)
    return written, receipt.edits(), [entry.field for entry in receipt._entries.values()]


def test_text_needs_nothing():
    assert write(FormatKind.TEXT) == ((None, None), [], [])
    assert write_answer_format(None, NO_QUIRKS, Receipt()) == (None, None)


def test_a_closed_schema_goes_as_it_is():
    written, losses, notes = write(FormatKind.JSON_SCHEMA, CLOSED, name="n", strict=True)
    assert written.config == {"type": "json_schema", "schema": CLOSED}
    assert (losses, notes) == ([], [])


def test_objects_are_closed_since_the_api_wants_it():
    before = deepcopy(OPEN)
    written, losses, notes = write(FormatKind.JSON_SCHEMA, OPEN, description="d")
    assert written.config == {"type": "json_schema", "schema": {**OPEN, "additionalProperties": False, "description": "d"}}
    assert (losses, notes) == ([], ["answer_format.schema"])
    assert before == OPEN


@pytest.mark.parametrize(
    "schema",
    [
        {"type": "object"},
        {"type": "object", "properties": {}, "additionalProperties": True},
        {"type": "object", "properties": {"a": {"type": "object", "additionalProperties": {"type": "number"}}}},
        {"type": "object", "properties": {}, "patternProperties": {"^x": {}}},
        {"allOf": [OPEN, {"properties": {"b": {}}}]},
        {"not": OPEN},
    ],
)
def test_an_open_object_can_only_be_asked_for(schema):
    written, losses, _ = write(FormatKind.JSON_SCHEMA, schema)
    assert written.config is None
    assert written.instruction is not None
    assert "JSON Schema" in written.instruction
    assert losses == ["widened:answer_format"]


def test_json_without_a_schema_is_asked_for():
    written, losses, _ = write(FormatKind.JSON)
    assert "JSON" in str(written.instruction)
    assert losses == ["widened:answer_format"]


def test_a_provider_without_schemas_is_told_in_words():
    written, losses, _ = write(FormatKind.JSON_SCHEMA, CLOSED, Quirks(answer_formats=("text",)))
    assert written.config is None
    assert '"additionalProperties":false' in str(written.instruction)
    assert losses == ["widened:answer_format"]


def test_names_of_members_are_not_taken_for_keywords():
    schema = {
        "type": "object",
        "properties": {"items": OPEN, "properties": OPEN},
        "$defs": {"x": {"anyOf": [OPEN, {"type": "null"}]}},
    }
    shut = {**OPEN, "additionalProperties": False}
    assert closed(schema) == {
        "type": "object",
        "properties": {"items": shut, "properties": shut},
        "$defs": {"x": {"anyOf": [shut, {"type": "null"}]}},
        "additionalProperties": False,
    }


def test_alternatives_that_are_closed_already_stay():
    schema = {"oneOf": [CLOSED, {"type": "null"}]}
    assert closed(schema) == schema


values = st.recursive(
    st.none() | st.integers(-3, 3) | st.sampled_from(["x", "y"]),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from(["a", "b", "items"]), inner, max_size=2),
    max_leaves=6,
)
schemas = st.recursive(
    st.sampled_from([{"type": "integer"}, {"type": "null"}, {"enum": ["x", 1]}]),
    lambda inner: (
        st.dictionaries(st.sampled_from(["a", "b", "items"]), inner, max_size=2).map(
            lambda named: {"type": "object", "properties": named}
        )
        | inner.map(lambda one: {"type": "array", "items": one})
        | st.lists(inner, min_size=1, max_size=2).map(lambda several: {"anyOf": several})
    ),
    max_leaves=5,
)


@given(schemas, values)
def test_what_fits_the_closed_schema_fits_the_callers(schema, value):
    shut = closed(schema)
    assert shut is not None
    if jsonschema.Draft202012Validator(shut).is_valid(value):
        assert jsonschema.Draft202012Validator(schema).is_valid(value)
