"""From the bytes of an exchange to what is kept of it: text that people read, without what is not to be kept.

Of a stream it is the text that it wrote, calls of tools among it: events cut words in pieces, between which nothing could be found
that has to be taken out.
"""

from __future__ import annotations

from typing import Final

from weighbridge.control.redactor import Redactor
from weighbridge.core.codec import UNREADABLE, decode_json, encode_json
from weighbridge.core.errors import GatewayError
from weighbridge.core.payloads import Payload
from weighbridge.storage.payload_store import PayloadText
from weighbridge.wire.content_coding import decoder_for
from weighbridge.wire.seen_text import written_text

_STREAMS: Final = frozenset(("text/event-stream", "application/x-ndjson"))
_JSON: Final = "application/json"
_MAX_DECODED: Final = 16_000_000


def kept_payload(payload: Payload, redactor: Redactor) -> PayloadText:
    """What is kept of it. Takes some milliseconds for a megabyte: not for an event loop."""
    request_is_whole = len(payload.request) == payload.request_bytes
    reply_is_whole = len(payload.reply) == payload.reply_bytes
    return PayloadText(
        _document(payload.request, redactor, is_whole=request_is_whole),
        payload.request_bytes,
        request_is_whole,
        _reply(payload, redactor, is_whole=reply_is_whole),
        payload.reply_bytes,
        reply_is_whole,
        payload.reply_type,
    )


def _reply(payload: Payload, redactor: Redactor, *, is_whole: bool) -> str:
    body = _decoded(payload.reply, payload.reply_coding)
    if body is None:
        return f"[a reply in the coding '{redactor.text(payload.reply_coding)}']"
    if payload.reply_type in _STREAMS or _is_array_stream(body):
        return redactor.text(written_text(body).text)
    if payload.reply_type != _JSON and not payload.reply_type.startswith("text/"):
        return f"[{payload.reply_bytes:,} bytes of {payload.reply_type or 'an unknown type'}]" if payload.reply_bytes else ""
    return _document(body, redactor, is_whole=is_whole)


def _is_array_stream(body: bytes) -> bool:
    """Gemini's way to stream without events: an array that grows."""
    return body[:1] == b"[" and b'"candidates"' in body


def _document(body: bytes, redactor: Redactor, *, is_whole: bool) -> str:
    """JSON, as far as it is some: a beginning of it is a text."""
    if is_whole:
        try:
            return encode_json(redactor.json(decode_json(body))).decode()
        except UNREADABLE:
            pass
    return redactor.text(body.decode("utf-8", "replace"))


def _decoded(body: bytes, coding: str) -> bytes | None:
    if coding in ("", "identity"):
        return body
    decoder = decoder_for(coding, limit=_MAX_DECODED)
    if decoder is None:
        return None
    try:
        return decoder.feed(body)  # which may be a beginning
    except GatewayError:
        return None
