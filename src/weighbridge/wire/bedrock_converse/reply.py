"""A whole reply of Converse."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from weighbridge.core.codec import encode_json
from weighbridge.core.errors import ErrorKind, GatewayError
from weighbridge.wire.bedrock_converse.blocks import (
    SERVER_TOOL_USE,
    citation_of,
    picture,
    redacted_seal,
    server_call,
    server_result,
    signature_seal,
)
from weighbridge.wire.conversation import Part, Reasoning, Text, ToolCall
from weighbridge.wire.events import Choice, FinishReason, Reply
from weighbridge.wire.finish_reasons import READ_BEDROCK
from weighbridge.wire.json_value import JsonObject
from weighbridge.wire.loose_json import as_list, as_object, as_text, read_any_object
from weighbridge.wire.usage_bedrock import read_bedrock_usage


def read_reply(body: bytes) -> Reply:
    """The reply. Blocks of an unknown kind are passed over. Raises `GatewayError` PROVIDER_MALFORMED for what is no reply."""
    document = read_any_object(body)
    output = document.get("output")
    if not isinstance(output, dict):
        raise GatewayError(ErrorKind.PROVIDER_MALFORMED, "The provider's answer is no message of Bedrock's.")
    content = as_list(as_object(output.get("message")).get("content"))
    parts = [part for block in content if isinstance(block, dict) and (part := _part(block)) is not None]
    native = as_text(document.get("stopReason"))
    choice = Choice(tuple(parts), READ_BEDROCK.get(native, FinishReason.OTHER), native)
    tier = as_text(as_object(document.get("serviceTier")).get("type")) or None
    return Reply((choice,), usage=read_bedrock_usage(document.get("usage")), service_tier=tier)


def _part(block: JsonObject) -> Part | None:
    for name, read in _READERS.items():
        if block.get(name) is not None:
            return read(block)
    return None


def _text(block: JsonObject) -> Part | None:
    text = as_text(block["text"])
    return Text(text) if text else None


def _tool_use(block: JsonObject) -> Part | None:
    use = as_object(block["toolUse"])
    if use.get("type") == SERVER_TOOL_USE:
        return server_call(block)
    arguments = use.get("input")
    written = encode_json({} if arguments is None else arguments).decode()
    return ToolCall(as_text(use.get("toolUseId")), as_text(use.get("name")), written)


def _reasoning(block: JsonObject) -> Part | None:
    content = as_object(block["reasoningContent"])
    redacted = as_text(content.get("redactedContent"))
    if redacted:
        return Reasoning(seal=redacted_seal(redacted))
    thought = as_object(content.get("reasoningText"))
    text, seal = as_text(thought.get("text")), signature_seal(as_text(thought.get("signature")))
    return Reasoning(text, seal=seal) if text or seal else None


def _cited(block: JsonObject) -> Part | None:
    cited = as_object(block["citationsContent"])
    text = "".join(as_text(as_object(piece).get("text")) for piece in as_list(cited.get("content")))
    citations = tuple(citation_of(raw) for raw in as_list(cited.get("citations")) if isinstance(raw, dict))
    return Text(text, citations=citations) if text or citations else None


def _image(block: JsonObject) -> Part | None:
    image = as_object(block["image"])
    return picture(as_text(image.get("format")), as_object(image.get("source")))


_READERS: Final[dict[str, Callable[[JsonObject], Part | None]]] = {
    "text": _text,
    "toolUse": _tool_use,
    "reasoningContent": _reasoning,
    "citationsContent": _cited,
    "toolResult": server_result,
    "image": _image,
}
