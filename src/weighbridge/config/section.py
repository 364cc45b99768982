"""What all sections of the configuration have in common."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict, Field, GetJsonSchemaHandler, model_validator
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, PydanticCustomError

from weighbridge.config.fields import Duration
from weighbridge.config.meanings import meanings_of


class Section(BaseModel):
    """Strict, closed and unchangeable. A section without contents (`demo:`) is an empty one."""

    model_config = ConfigDict(
        extra="forbid",
        strict=True,
        frozen=True,
        validate_default=True,
        arbitrary_types_allowed=True,
        hide_input_in_errors=True,
    )

    @model_validator(mode="before")
    @classmethod
    def _empty_is_a_mapping(cls, value: object) -> object:
        return {} if value is None else value

    @classmethod
    def __get_pydantic_json_schema__(cls, core_schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        schema = handler(core_schema)
        properties = handler.resolve_ref_schema(schema).get("properties", {})
        for name, meaning in meanings_of(cls).items():
            properties[cls.model_fields[name].alias or name].setdefault("description", meaning)
        return schema


def written(default: str) -> Any:
    """A default in the operator's own spelling, which the reference page and editors show. It is read like any value."""
    return Field(default)


def fault(field: str, message: str) -> PydanticCustomError:
    """A problem that a whole section has, shown at one of its fields."""
    return PydanticCustomError("section", "{message}", {"message": message, "field": field})


class Timeouts(Section):
    """Bounds on one attempt at a provider."""

    connect: Duration = written("10s")
    """To connect, TLS included."""
    first_byte: Duration = written("5m")
    """From the end of the request to the first byte of the reply."""
    between_bytes: Duration = written("2m")
    """Longest pause within a reply."""
    total: Duration = written("30m")
    """The whole attempt."""
