"""A whole message of a provider's -> `Reply`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import msgspec

from weighbridge.core.codec import JsonError, decode_json
from weighbridge.core.errors import ErrorKind, GatewayError
from weighbridge.core.terms import NO_USAGE
from weighbridge.wire.anthropic_messages.vocabulary import ORIGIN, json_text, read_citations, read_server_tool
from weighbridge.wire.conversation import Part, Reasoning, Refusal, Seal, SealKind, Text, ToolCall
from weighbridge.wire.events import Choice, FinishReason, Reply, UsageReported
from weighbridge.wire.finish_reasons import READ_ANTHROPIC
from weighbridge.wire.json_value import JsonObject
from weighbridge.wire.tolerant_decoder import tolerant_decoder
from weighbridge.wire.usage import AnthropicUsage, apart_by_anthropic, from_anthropic


class _Head(msgspec.Struct, gc=False):
    """A message without its content."""

    id: str | None = None
    model: str | None = None
    stop_reason: str | None = None
    stop_sequence: str | None = None
    stop_details: dict[str, Any] | None = None
    usage: AnthropicUsage | None = None


class _Message(_Head):
    content: list[dict[str, Any]] | None = None
    type: str | None = None


_decode: Final = msgspec.json.Decoder(_Message).decode
_decode_head: Final = tolerant_decoder(_Head)


def read_reply(body: bytes) -> Reply:
    """The reply. Raises `GatewayError` PROVIDER_MALFORMED for what is no message."""
    message = _read_message(body)
    content = message.content
    if content is None and message.stop_reason is None:
        raise malformed("a reply without content")
    parts = [read_block(block) for block in content or ()]
    if (said := explanation(message.stop_details)) is not None:
        parts.append(Refusal(said))
    native = message.stop_reason or ""
    choice = Choice(tuple(parts), READ_ANTHROPIC.get(native, FinishReason.OTHER), native, message.stop_sequence)
    told = UsageReported(NO_USAGE) if message.usage is None else report(message.usage)
    return Reply((choice,), message.id or "", message.model or "", 0, told.usage, told.service_tier, told.region, told.apart)


def report(usage: AnthropicUsage) -> UsageReported:
    """What has been counted, with all that its price hangs on."""
    return UsageReported(from_anthropic(usage), usage.tier, usage.inference_geo or "", apart_by_anthropic(usage))


def read_block(block: JsonObject) -> Part:
    """One content block, whatever it is."""
    kind = block.get("type")
    read = _READERS.get(kind) if isinstance(kind, str) else None
    return read_server_tool(block) if read is None else read(block)


def explanation(stop_details: JsonObject | None) -> str | None:
    """Why the model declined, where it says so (`stop_details.explanation`)."""
    return None if stop_details is None else _text(stop_details, "explanation") or None


def malformed(detail: str) -> GatewayError:
    """The failure of a provider that does not speak the Messages API."""
    return GatewayError(ErrorKind.PROVIDER_MALFORMED, "The provider's reply makes no sense.", detail=detail)


def _read_message(body: bytes) -> _Message:
    try:
        return _decode(body)
    except msgspec.ValidationError:
        pass  # one odd field must not cost all others
    except (JsonError, UnicodeDecodeError, RecursionError) as error:
        raise malformed(f"a reply that is no JSON: {error}") from None
    try:
        head, whole = _decode_head(body), decode_json(body)
    except (JsonError, UnicodeDecodeError, RecursionError) as error:
        raise malformed(f"a reply that is no JSON object: {error}") from None
    content = whole.get("content")
    blocks = [block for block in content if isinstance(block, dict)] if isinstance(content, list) else None
    if isinstance(content, str):
        blocks = [{"type": "text", "text": content}]
    return _Message(**{name: getattr(head, name) for name in head.__struct_fields__}, content=blocks)


def _read_text(block: JsonObject) -> Part:
    citations = block.get("citations")
    return Text(_text(block, "text"), citations=read_citations(citations) if citations else ())


def _read_thinking(block: JsonObject) -> Part:
    signature = _text(block, "signature")
    return Reasoning(_text(block, "thinking"), seal=Seal(ORIGIN, SealKind.SIGNATURE, signature) if signature else None)


def _read_redacted(block: JsonObject) -> Part:
    data = _text(block, "data")
    return Reasoning(seal=Seal(ORIGIN, SealKind.REDACTED, data) if data else None)


def _read_tool_use(block: JsonObject) -> Part:
    given = block.get("input")
    return ToolCall(_text(block, "id"), _text(block, "name"), "{}" if given is None else json_text(given))


def _text(block: JsonObject, name: str) -> str:
    value = block.get(name)
    return value if isinstance(value, str) else ""


_READERS: Final[dict[str, Callable[[JsonObject], Part]]] = {
    "text": _read_text,
    "thinking": _read_thinking,
    "redacted_thinking": _read_redacted,
    "tool_use": _read_tool_use,
}
