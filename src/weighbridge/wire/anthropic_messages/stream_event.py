"""One event of a provider's stream: the few fields that are read, and their decoding."""

from __future__ import annotations

from typing import Any, Final

import msgspec

from weighbridge.core.codec import JsonError, decode_json
from weighbridge.wire.anthropic_messages.reply_reader import malformed
from weighbridge.wire.json_value import JsonObject
from weighbridge.wire.tolerant_decoder import tolerant_decoder
from weighbridge.wire.usage import AnthropicUsage

ERROR_STATUSES: Final = {
    "invalid_request_error": 400,
    "authentication_error": 401,
    "billing_error": 402,
    "permission_error": 403,
    "not_found_error": 404,
    "request_too_large": 413,
    "rate_limit_error": 429,
    "api_error": 500,
    "timeout_error": 504,
    "overloaded_error": 529,
}
"""The status of an error that is told within a stream, by its type (https://docs.anthropic.com/en/api/errors)."""


class Start(msgspec.Struct, gc=False):
    """The message of `message_start`."""

    id: str | None = None
    model: str | None = None
    usage: AnthropicUsage | None = None


class Delta(msgspec.Struct, gc=False):
    """What is new, of any kind."""

    type: str | None = None
    text: str | None = None
    partial_json: str | None = None
    thinking: str | None = None
    signature: str | None = None
    citation: dict[str, Any] | None = None
    stop_reason: str | None = None
    stop_sequence: str | None = None
    stop_details: dict[str, Any] | None = None


class StreamEvent(msgspec.Struct, gc=False):
    """An event of any type."""

    type: str | None = None
    index: int | None = None
    delta: Delta | None = None
    content_block: dict[str, Any] | None = None
    message: Start | None = None
    usage: AnthropicUsage | None = None


_decode: Final = msgspec.json.Decoder(StreamEvent).decode
_decode_tolerantly: Final = tolerant_decoder(StreamEvent)


def read_stream_event(document: bytes) -> StreamEvent:
    """The event. Raises `GatewayError` PROVIDER_MALFORMED for what is no JSON object."""
    try:
        return _decode(document)
    except msgspec.ValidationError:
        return _read_tolerantly(document)
    except (JsonError, UnicodeDecodeError, RecursionError) as error:
        raise malformed(f"a stream event that is no JSON: {error}") from None


def _read_tolerantly(document: bytes) -> StreamEvent:
    """One odd field costs itself and no other; a block and a delta are kept as they came."""
    try:
        event = _decode_tolerantly(document)
        whole = decode_json(document)
    except (JsonError, UnicodeDecodeError, RecursionError) as error:
        raise malformed(f"a stream event that is no JSON object: {error}") from None
    block, delta = whole.get("content_block"), whole.get("delta")
    event.content_block = block if isinstance(block, dict) else None
    if isinstance(delta, dict):
        event.delta = _tolerant_delta(delta)
    return event


def _tolerant_delta(delta: JsonObject) -> Delta:
    read = Delta()
    for name in Delta.__struct_fields__:
        value = delta.get(name)
        if isinstance(value, dict if name in ("citation", "stop_details") else str):
            setattr(read, name, value)
    return read
