"""The configuration's JSON Schema, for editors: completion, descriptions, and errors while typing.

It allows a little more than the loader, which also knows the environment and the catalogue, and never less.
"""

from __future__ import annotations

from typing import Any, Final

from weighbridge.config.schema import Config
from weighbridge.core.codec import pretty_json
from weighbridge.providers.catalog import load_catalog

_DIALECT: Final = "https://json-schema.org/draft/2020-12/schema"


def config_json_schema() -> str:
    """JSON text, indented."""
    schema: dict[str, Any] = Config.model_json_schema()
    definitions = schema["$defs"]
    route, target = definitions["Route"], definitions["RouteTarget"]
    # Short forms: a route may be a plain list or text, a target a plain text, and hedging a plain yes or no.
    text = {"type": "string", "minLength": 1}
    targets = {key: value for key, value in route["properties"]["targets"].items() if key != "description"}
    definitions["Route"] = {"anyOf": [text, targets, route], "description": route["description"]}
    definitions["RouteTarget"] = {"anyOf": [text, target], "description": target["description"]}
    route["properties"]["hedge"]["anyOf"].append({"type": "boolean"})
    definitions["Provider"]["properties"]["type"]["examples"] = list(load_catalog())
    for definition in (schema, route, target, *definitions.values()):
        if definition.get("type") == "object":
            # An empty section is written as nothing at all.
            definition["type"] = ["object", "null"]
    schema["patternProperties"] = {"^x-": {"description": "Ignored: a place for YAML anchors."}}
    return pretty_json({"$schema": _DIALECT, **schema, "title": "Weighbridge configuration"}) + "\n"
