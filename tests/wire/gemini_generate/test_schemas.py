"""Google's subset of OpenAPI as JSON Schema."""

from __future__ import annotations

import pytest

from weighbridge.core.errors import ErrorKind, GatewayError
from weighbridge.wire.gemini_generate.schemas import json_schema


@pytest.mark.parametrize(
    ("given", "made"),
    [
        ({"type": "STRING", "nullable": True}, {"type": ["string", "null"]}),
        ({"type": 5, "items": {"type": 3}}, {"type": "array", "items": {"type": "integer"}}),
        ({"type": "TYPE_UNSPECIFIED"}, {}),
        ({"type": "STRING", "format": "enum", "enum": ["A"]}, {"type": "string", "enum": ["A"]}),
        ({"type": "STRING", "enum": ["A"], "nullable": True}, {"type": ["string", "null"], "enum": ["A", None]}),
        ({"any_of": [{"type": "NUMBER"}], "nullable": True}, {"anyOf": [{"type": "number"}, {"type": "null"}]}),
        ({"type": "ARRAY", "min_items": "2", "maxItems": 3}, {"type": "array", "minItems": 2, "maxItems": 3}),
        ({"type": "STRING", "example": "x"}, {"type": "string", "examples": ["x"]}),
        (
            {"ref": "#/defs/Node", "defs": {"Node": {"type": "OBJECT"}}},
            {"$ref": "#/$defs/Node", "$defs": {"Node": {"type": "object"}}},
        ),
        (
            {"type": "OBJECT", "additional_properties": {"type": "STRING"}},
            {"type": "object", "additionalProperties": {"type": "string"}},
        ),
    ],
)
def test_the_subset_has_its_meaning_in_json_schema(given, made):
    assert json_schema(given) == made


def test_names_of_properties_are_nobodys_but_the_callers():
    schema = {"type": "OBJECT", "properties": {"any_of": {"type": "STRING"}, "type": {"type": "INTEGER"}}}
    assert json_schema(schema)["properties"] == {"any_of": {"type": "string"}, "type": {"type": "integer"}}


def test_properties_stand_in_their_order():
    schema = {"type": "OBJECT", "properties": {"a": {}, "b": {}, "c": {}}, "propertyOrdering": ["c", "a"]}
    made = json_schema(schema)
    assert list(made["properties"]) == ["c", "a", "b"]
    assert "propertyOrdering" not in made


def test_json_schema_stays_as_it_is():
    schema = {
        "type": "object",
        "properties": {"next": {"anyOf": [{"$ref": "#/$defs/Node"}, {"type": "null"}]}, "kinds": {"type": ["string", "null"]}},
        "$defs": {"Node": {"type": "object", "properties": {"next": {"$ref": "#/$defs/Node"}}}},
        "required": ["next"],
        "additionalProperties": False,
    }
    assert json_schema(schema) == schema


def test_a_schema_without_a_bottom_is_refused():
    schema: dict[str, object] = {"type": "STRING"}
    for _ in range(900):
        schema = {"type": "ARRAY", "items": schema}
    with pytest.raises(GatewayError) as refused:
        json_schema(schema)
    assert refused.value.kind is ErrorKind.INVALID_REQUEST
