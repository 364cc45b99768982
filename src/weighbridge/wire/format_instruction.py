"""Structured output for targets that have none: the wish as a sentence in the instructions."""

from __future__ import annotations

from weighbridge.core.codec import encode_json
from weighbridge.wire.conversation import AnswerFormat, FormatKind
from weighbridge.wire.json_value import JsonObject


def described_schema(wish: AnswerFormat) -> JsonObject | None:
    """The schema, with what the caller said of the whole format (OpenAI's `json_schema.description`) where targets read it."""
    if wish.schema is None or wish.description is None or "description" in wish.schema:
        return wish.schema
    return {"description": wish.description, **wish.schema}


def format_instruction(wish: AnswerFormat) -> str | None:
    """What to tell the model; None where plain text is wanted."""
    if wish.kind is FormatKind.TEXT:
        return None
    if wish.kind is FormatKind.JSON or wish.schema is None:
        return "Answer with one valid JSON object and nothing else: no explanation and no code fence."
    schema = encode_json(described_schema(wish)).decode()
    return (
        "Answer with one JSON value that is valid against the following JSON Schema, and with nothing else: no explanation and "
        f"no code fence.\n{schema}"
    )
