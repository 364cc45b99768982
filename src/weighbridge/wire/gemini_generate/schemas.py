"""Gemini's `Schema` (a subset of OpenAPI 3.0, types in capitals) -> JSON Schema.

https://ai.google.dev/api/caching#Schema. The reverse is not needed: `parametersJsonSchema` and `responseJsonSchema` take
whole JSON Schemas, at the Gemini API and at Vertex.
"""

from __future__ import annotations

from typing import Final

from weighbridge.core.errors import ErrorKind, GatewayError
from weighbridge.wire.gemini_generate.vocabulary import camel, enum_word
from weighbridge.wire.json_value import Json, JsonObject

_TYPES: Final = {1: "STRING", 2: "NUMBER", 3: "INTEGER", 4: "BOOLEAN", 5: "ARRAY", 6: "OBJECT", 7: "NULL"}
_COUNTS: Final = frozenset(
    ("minItems", "maxItems", "minLength", "maxLength", "minProperties", "maxProperties"),
)  # 64 bits wide, so that protobuf writes them as text
_RENAMED: Final = {"defs": "$defs", "ref": "$ref"}
_OWN: Final = frozenset(("type", "nullable", "propertyOrdering", "example"))


def json_schema(schema: JsonObject) -> JsonObject:
    """The same schema as JSON Schema. What is JSON Schema already (types in small letters, `$defs`) stays.

    Raises `GatewayError` INVALID_REQUEST for one that is nested hundreds of times.
    """
    try:
        return _converted(schema)
    except RecursionError:
        raise GatewayError(ErrorKind.INVALID_REQUEST, "A schema is nested too deep.", param="schema") from None


def _converted(schema: JsonObject) -> JsonObject:
    given = camel(schema)
    made: JsonObject = {}
    kind = _type(given.get("type"))
    if kind is not None:
        made["type"] = kind
    for name, value in given.items():
        if name not in _OWN and value is not None:
            made[_RENAMED.get(name, name)] = _value(name, value)
    if made.get("format") == "enum":
        del made["format"]
    ordering, properties = given.get("propertyOrdering"), made.get("properties")
    if isinstance(ordering, list) and isinstance(properties, dict):
        first = {name: properties[name] for name in ordering if isinstance(name, str) and name in properties}
        made["properties"] = {**first, **properties}
    if "example" in given:
        made["examples"] = [given["example"]]
    return _nullable(made) if given.get("nullable") is True else made


def _type(value: Json) -> Json:
    if isinstance(value, list):  # JSON Schema's own
        return [entry.lower() if isinstance(entry, str) else entry for entry in value]
    word = enum_word(value, _TYPES)
    return None if word is None else word.lower()


def _value(name: str, value: Json) -> Json:
    if name in ("properties", "defs", "$defs") and isinstance(value, dict):
        return {key: _converted(inner) if isinstance(inner, dict) else inner for key, inner in value.items()}
    if name in ("items", "additionalProperties") and isinstance(value, dict):
        return _converted(value)
    if name in ("anyOf", "oneOf", "allOf", "prefixItems") and isinstance(value, list):
        return [_converted(inner) if isinstance(inner, dict) else inner for inner in value]
    if name in _COUNTS and isinstance(value, str) and value.isdigit():
        return int(value)
    if name == "ref" and isinstance(value, str):
        return value.replace("#/defs/", "#/$defs/", 1)
    return value


def _nullable(schema: JsonObject) -> JsonObject:
    kind, options, values = schema.get("type"), schema.get("anyOf"), schema.get("enum")
    if isinstance(kind, str) and kind != "null":
        schema["type"] = [kind, "null"]
    elif isinstance(options, list):
        schema["anyOf"] = [*options, {"type": "null"}]
    if isinstance(values, list) and None not in values:
        schema["enum"] = [*values, None]
    return schema
