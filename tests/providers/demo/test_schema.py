"""Instances of JSON Schemas, judged by an independent validator."""

import jsonschema
import pytest

from weighbridge.providers.demo.exchange import DemoError
from weighbridge.providers.demo.schema import minimal_instance

NODE = {
    "$ref": "#/$defs/node",
    "$defs": {
        "node": {
            "type": "object",
            "properties": {"value": {"type": "integer"}, "next": {"anyOf": [{"$ref": "#/$defs/node"}, {"type": "null"}]}},
            "required": ["value", "next"],
        }
    },
}


@pytest.mark.parametrize(
    "schema",
    [
        {"type": "string", "minLength": 9},
        {"type": "string", "maxLength": 2},
        {"type": "string", "enum": ["b", "a"]},
        {"const": {"a": [1]}},
        {"type": ["null", "integer"]},
        {"type": "integer", "minimum": 3},
        {"type": "integer", "exclusiveMinimum": 5, "multipleOf": 4},
        {"type": "integer", "maximum": -3},
        {"type": "number", "exclusiveMinimum": 0, "exclusiveMaximum": 1},
        {"type": "number", "minimum": 0.2, "maximum": 0.3},
        {"type": "number", "minimum": 1, "multipleOf": 1e-300},
        {"type": "array", "items": {"type": "integer"}, "minItems": 3, "uniqueItems": True},
        {"type": "array", "items": {"enum": ["x", "y"]}, "minItems": 2, "uniqueItems": True},
        {"type": "array", "prefixItems": [{"type": "string"}, {"type": "boolean"}], "minItems": 2},
        {"type": "object", "properties": {"a": {"type": "null"}}, "minProperties": 1},
        {"properties": {"a": {"type": "string"}}, "required": ["a", "undeclared"]},
        {"allOf": [{"properties": {"a": {"type": "integer"}}, "required": ["a"]}, {"properties": {"b": {}}, "required": ["b"]}]},
        {"type": "object", "required": ["k"], "anyOf": [{"properties": {"k": {"const": 1}}}, {"properties": {"k": {"const": 2}}}]},
        {"oneOf": [{"$ref": "#/definitions/a~1b"}], "definitions": {"a/b": {"type": "boolean"}}},
        {"type": "string", "format": "date-time"},
        {"type": "string", "format": "uuid"},
        NODE,
        True,
        {},
    ],
)
def test_instance_satisfies_the_schema(schema):
    jsonschema.Draft202012Validator(schema, format_checker=jsonschema.Draft202012Validator.FORMAT_CHECKER).validate(
        minimal_instance(schema)
    )


def test_geminis_spelling_is_understood():
    schema = {
        "type": "OBJECT",
        "properties": {"a": {"type": "ARRAY", "items": {"type": "NUMBER"}, "minItems": "2"}},
        "required": ["a"],
    }
    assert minimal_instance(schema) == {"a": [0, 0]}


def doubling(levels):
    """Each definition holds the next one twice: 2 ** levels values in an instance."""
    two = {
        str(at): {"required": ["l", "r"], "properties": {key: {"$ref": f"#/$defs/{at + 1}"} for key in "lr"}}
        for at in range(levels)
    }
    return {"$ref": "#/$defs/0", "$defs": {**two, str(levels): {"type": "null"}}}


def nested(levels):
    schema = {"type": "null"}
    for _ in range(levels):
        schema = {"type": "object", "properties": {"a": schema}, "required": ["a"]}
    return schema


@pytest.mark.parametrize(
    "schema",
    [
        False,
        {"$ref": "#"},
        {"$ref": "#/nowhere"},
        {"allOf": [{"$ref": "#"}]},
        {"type": "array", "minItems": 10**9},
        {"type": "string", "minLength": 10**9},
        doubling(40),
        {"$defs": {"a": {"allOf": [{}] * 500}}, "type": "array", "items": {"$ref": "#/$defs/a"}, "minItems": 5000},
        {"$ref": "#" + "/a" * 10_000},
        nested(400),
    ],
)
def test_schema_without_a_reasonable_instance_is_refused_quickly(schema):
    with pytest.raises(DemoError) as caught:
        minimal_instance(schema)
    assert caught.value.status == 400
