"""One chunk of a stream as its provider sent it: the fields that are read, and nothing else.

The decoder is exact and fast; a chunk in which a field has another type than OpenAI's is read again, field by field, so that one
oddity costs that field alone and not the text beside it.
"""

from __future__ import annotations

from types import UnionType
from typing import Any, Final, TypeGuard, get_args

import msgspec

from weighbridge.core.codec import JsonError, decode_json, encode_json
from weighbridge.core.errors import ErrorKind, GatewayError
from weighbridge.wire.tolerant_decoder import tolerant_decoder
from weighbridge.wire.usage import OpenAiUsage


class ChunkFunction(msgspec.Struct, gc=False):
    """A piece of a call: `arguments` is text, or the object itself at some servers; `input` that of a custom tool."""

    name: str | None = None
    arguments: Any = None
    input: str | None = None


class ChunkCall(msgspec.Struct, gc=False):
    """More of a call of a tool."""

    index: int | None = None
    id: str | None = None
    type: str | None = None
    function: ChunkFunction | None = None
    custom: ChunkFunction | None = None
    extra_content: Any = None

    @property
    def is_custom(self) -> bool:
        """Whether it calls a custom tool. Snowflake sends an empty `custom` beside the `function`."""
        return self.type == "custom" or (self.custom is not None and self.function is None)

    @property
    def inner(self) -> ChunkFunction | None:
        """Its name and arguments."""
        return self.custom if self.is_custom else self.function


class ChunkAudio(msgspec.Struct, gc=False):
    """More sound."""

    id: str | None = None
    data: str | None = None
    transcript: str | None = None
    expires_at: int | None = None


class ChunkDelta(msgspec.Struct, gc=False):
    """What is new of a message."""

    content: str | list[Any] | None = None
    reasoning_content: str | None = None
    reasoning: Any = None
    reasoning_details: list[Any] | None = None
    thinking_blocks: list[Any] | None = None
    refusal: str | None = None
    tool_calls: list[ChunkCall] | None = None
    function_call: ChunkFunction | None = None
    audio: ChunkAudio | None = None
    images: list[Any] | None = None
    annotations: list[Any] | None = None
    extra_content: Any = None


class ChunkChoice(msgspec.Struct, gc=False):
    """What is new of a choice. `text` is that of legacy completions."""

    index: int | None = None
    delta: ChunkDelta | None = None
    message: ChunkDelta | None = None
    text: str | None = None
    finish_reason: str | None = None
    logprobs: Any = None
    error: Any = None


class GroqExtension(msgspec.Struct, gc=False):
    """What Groq says in a place of its own."""

    usage: OpenAiUsage | None = None
    error: Any = None


class Chunk(msgspec.Struct, gc=False):
    """The whole of it. `object` is `error` in errors of vLLM's and Mistral's."""

    id: str | None = None
    object: str | None = None
    model: str | None = None
    created: int | None = None
    choices: list[ChunkChoice] | None = None
    usage: OpenAiUsage | None = None
    x_groq: GroqExtension | None = None
    service_tier: str | None = None
    error: Any = None
    citations: list[Any] | None = None
    search_results: list[Any] | None = None


_decode: Final = msgspec.json.Decoder(Chunk).decode
_decode_usage: Final = tolerant_decoder(OpenAiUsage)
NO_DELTA: Final = ChunkDelta()


def read_chunk(payload: bytes) -> Chunk:
    """The chunk. Raises `GatewayError` PROVIDER_MALFORMED for what is no JSON object."""
    try:
        return _decode(payload)
    except (JsonError, UnicodeDecodeError, RecursionError):
        pass  # another type than expected, or no JSON at all: the next line tells
    try:
        document = decode_json(payload)
    except (JsonError, UnicodeDecodeError, RecursionError):
        raise _malformed(payload) from None
    if not isinstance(document, dict):
        raise _malformed(payload)
    chunk: Chunk = _salvage(document, Chunk)
    return chunk


def _malformed(payload: bytes) -> GatewayError:
    detail = f"{len(payload)} bytes are no JSON object"
    return GatewayError(ErrorKind.PROVIDER_MALFORMED, "The provider sent a stream event that is not valid JSON.", detail=detail)


def _salvage(value: dict[str, Any], kind: type[Any]) -> Any:
    """A Struct of those fields that fit, at every depth."""
    fields = {field.name: _fitting(value[field.name], field.type) for field in msgspec.structs.fields(kind) if field.name in value}
    return kind(**{name: fitting for name, fitting in fields.items() if fitting is not None})


def _fitting(value: Any, kind: Any) -> Any:
    options = get_args(kind) if isinstance(kind, UnionType) else (kind,)
    if isinstance(value, dict):
        struct = next((option for option in options if _is_struct(option)), None)
        if struct is OpenAiUsage:
            return _decode_usage(encode_json(value))
        if struct is not None:
            return _salvage(value, struct)
    if isinstance(value, list):
        inner = next((args[0] for option in options if (args := get_args(option))), None)
        if _is_struct(inner):
            return [_salvage(item, inner) for item in value if isinstance(item, dict)]
    if str in options and isinstance(value, int):
        return str(value)
    try:
        return msgspec.convert(value, kind, strict=False)  # a number in quotes is a number
    except msgspec.ValidationError:
        return None


def _is_struct(kind: Any) -> TypeGuard[type[msgspec.Struct]]:
    return isinstance(kind, type) and issubclass(kind, msgspec.Struct)
