"""A JSON value whose meaning is not ours: a tool's schema, a tool's arguments, what one vendor alone understands."""

from __future__ import annotations

from typing import TypeAlias

Json: TypeAlias = "bool | int | float | str | list[Json] | dict[str, Json] | None"
JsonObject: TypeAlias = "dict[str, Json]"
