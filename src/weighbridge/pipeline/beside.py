"""Other models of the provider's that a request allows it to run, and how much of each: they are billed besides."""

from __future__ import annotations

import re
from typing import Final, NamedTuple

from weighbridge.core.codec import JsonError, decode_json
from weighbridge.core.terms import Operation
from weighbridge.pipeline.bounds import whole_number
from weighbridge.wire.envelope import Envelope
from weighbridge.wire.json_value import Json, JsonObject
from weighbridge.wire.loose_json import as_list, as_object, as_text
from weighbridge.wire.response_tools import IMAGE_MODEL, most_of_a_picture

_ADVISOR: Final = "advisor_"
_PICTURES: Final = "image_generation"
_NAMED: Final = re.compile(rb'"(?:advisor_|image_generation")')
_ESCAPED: Final = re.compile(rb"\\u00")
_ASSUMED_USES: Final = 4
_ASSUMED_ADVICE_TOKENS: Final = 8_192
"""Some four times what advice usually takes (https://platform.claude.com/docs/en/agents-and-tools/tool-use/advisor-tool)."""
_READ_FOR_A_PICTURE: Final = 32_000
"""A prompt's characters, which is the most that the API takes, and more than most pictures that are edited."""
_MAX_BOUND: Final = 10_000_000


class ModelBeside(NamedTuple):
    """Leave to run another model so often, for so many tokens out each time. `input_tokens` go in; None: all that there is."""

    model: str
    uses: int
    output_tokens: int
    input_tokens: int | None = None


def models_beside(envelope: Envelope, operation: Operation) -> list[ModelBeside]:
    """Anthropic's advisors and OpenAI's makers of pictures among a request's tools. What names no bound is assumed."""
    raw = envelope.raw("tools")
    if raw is None or not (_NAMED.search(raw) or _ESCAPED.search(raw)):
        return []
    try:
        tools = [as_object(tool) for tool in as_list(decode_json(bytes(raw)))]
    except (JsonError, RecursionError, UnicodeDecodeError):  # the provider will say so
        return []
    if operation is Operation.MESSAGES:
        return [_advice(tool) for tool in tools if as_text(tool.get("type")).startswith(_ADVISOR)]
    most = _bound_or(whole_number(envelope, "max_tool_calls"), _ASSUMED_USES)
    return [_pictures(tool, most) for tool in tools if tool.get("type") == _PICTURES]


def _advice(tool: JsonObject) -> ModelBeside:
    uses = _bound_or(tool.get("max_uses"), _ASSUMED_USES)
    return ModelBeside(as_text(tool.get("model")), uses, _bound_or(tool.get("max_tokens"), _ASSUMED_ADVICE_TOKENS))


def _pictures(tool: JsonObject, uses: int) -> ModelBeside:
    model = as_text(tool.get("model")) or IMAGE_MODEL
    most = most_of_a_picture(model, as_text(tool.get("quality")), as_text(tool.get("size")))
    return ModelBeside(model, uses, most, _READ_FOR_A_PICTURE)


def _bound_or(value: Json, assumed: int) -> int:
    return value if isinstance(value, int) and 0 < value < _MAX_BOUND else assumed
