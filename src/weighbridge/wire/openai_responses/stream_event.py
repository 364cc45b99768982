"""One event of a provider's stream, decoded: only the fields that are read, whatever their types turn out to be."""

from __future__ import annotations

from typing import Any, Final

import msgspec

from weighbridge.core.codec import JsonError, decode_json, encode_json
from weighbridge.wire.loose_json import as_list, as_object
from weighbridge.wire.openai_responses.reply_reader import malformed
from weighbridge.wire.tolerant_decoder import tolerant_decoder


class StreamEvent(msgspec.Struct, gc=False):
    """What the events have in common. `response` is left undecoded: three events carry it, and only the last one is read."""

    type: str | None = None
    output_index: int | None = None
    content_index: int | None = None
    summary_index: int | None = None
    delta: str | None = None
    text: str | None = None
    logprobs: list[dict[str, Any]] | None = None
    item: dict[str, Any] | None = None
    part: dict[str, Any] | None = None
    annotation: dict[str, Any] | None = None
    response: msgspec.Raw | None = None


_decode: Final = msgspec.json.Decoder(StreamEvent).decode
_decode_tolerantly: Final = tolerant_decoder(StreamEvent)


def read_event(document: bytes) -> StreamEvent:
    """The event. Raises `GatewayError` PROVIDER_MALFORMED for what is no JSON object."""
    try:
        return _decode(document)
    except msgspec.ValidationError:
        return _read_tolerantly(document)
    except (JsonError, UnicodeDecodeError, RecursionError) as error:
        raise malformed(f"a stream event that is no JSON: {error}") from None


def _read_tolerantly(document: bytes) -> StreamEvent:
    """One odd field costs itself and no other; objects are kept as they came."""
    try:
        event = _decode_tolerantly(document)
        whole = as_object(decode_json(document))
    except (JsonError, UnicodeDecodeError, RecursionError) as error:
        raise malformed(f"a stream event that is no JSON object: {error}") from None
    for name in ("item", "part", "annotation"):
        value = whole.get(name)
        setattr(event, name, value if isinstance(value, dict) else None)
    event.logprobs = [token for token in as_list(whole.get("logprobs")) if isinstance(token, dict)]
    response = whole.get("response")
    event.response = msgspec.Raw(encode_json(response)) if isinstance(response, dict) else None
    return event
