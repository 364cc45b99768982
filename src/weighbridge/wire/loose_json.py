"""Reading decoded JSON of a provider's that may have any shape: what is not of the expected type reads as empty."""

from __future__ import annotations

from typing import cast

from weighbridge.core.codec import JsonError, decode_json
from weighbridge.core.errors import ErrorKind, GatewayError
from weighbridge.wire.json_value import Json, JsonObject


def as_object(value: object) -> JsonObject:
    """The value if it is an object, else an empty one."""
    return cast("JsonObject", value) if isinstance(value, dict) else {}


def as_list(value: object) -> list[Json]:
    """The value if it is an array, else an empty one."""
    return cast("list[Json]", value) if isinstance(value, list) else []


def as_text(value: object) -> str:
    """The value if it is a string, else an empty one."""
    return value if isinstance(value, str) else ""


def as_index(value: object) -> int:
    """The value if it is a whole number, else 0."""
    return value if isinstance(value, int) else 0


def read_any_object(document: bytes) -> JsonObject:
    """A JSON object; another value reads as an empty one. Raises `GatewayError` PROVIDER_MALFORMED for what is no JSON."""
    try:
        return as_object(decode_json(document))
    except (JsonError, UnicodeDecodeError, RecursionError):
        detail = f"{len(document)} bytes are no JSON"
        raise GatewayError(ErrorKind.PROVIDER_MALFORMED, "The provider sent what is not valid JSON.", detail=detail) from None
