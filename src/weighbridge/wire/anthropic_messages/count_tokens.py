"""`count_tokens`: how large a request is, asked and answered in this dialect, and our own bound where nobody can say.

https://docs.anthropic.com/en/api/messages-count-tokens
"""

from __future__ import annotations

from math import ceil
from typing import Any, Final

import msgspec

from weighbridge.core.codec import JsonError, encode_json
from weighbridge.wire.anthropic_messages.reply_reader import malformed
from weighbridge.wire.anthropic_messages.request_reader import read_request
from weighbridge.wire.anthropic_messages.request_writer import build_body
from weighbridge.wire.codecs import RequestContext, TargetContext
from weighbridge.wire.conversation import (
    Audio,
    Conversation,
    Document,
    FunctionTool,
    Image,
    MediaBytes,
    Part,
    Reasoning,
    Refusal,
    ServerTool,
    ServerToolUse,
    Text,
    Tool,
    ToolCall,
    ToolResult,
    Video,
)
from weighbridge.wire.json_value import JsonObject
from weighbridge.wire.reasoning import is_off
from weighbridge.wire.receipt import Receipt
from weighbridge.wire.usage import Count

_COUNTED: Final = frozenset(
    (
        "cache_control", "context_management", "mcp_servers", "messages", "model", "output_config", "speed", "system", "thinking",
        "tool_choice", "tools",
    )
)  # fmt: skip
"""What a request to count may hold (CountMessageTokensParams and its beta)."""

BYTES_PER_TOKEN: Final = 3.5
"""English prose has about four bytes a token in every vendor's vocabulary, code and JSON about three; other scripts have more bytes
a character and so come out high."""
_REQUEST_TOKENS: Final = 10
_TURN_TOKENS: Final = 4
"""Marks around a message."""
_TOOL_TOKENS: Final = 30
"""Marks around a tool."""
# What the vendors add to the prompt for a feature, measured on recorded requests to Claude 4.5 to 5, rounded up.
_TOOLS_TOKENS: Final = 550
_SERVER_TOOL_TOKENS: Final = 1_500
"""What the tool finds comes on top: nobody can know that before."""
_SCHEMA_TOKENS: Final = 200
_CITATIONS_TOKENS: Final = 600
_THINKING_TOKENS: Final = 40
_IMAGE_TOKENS: Final = 1_600
"""A picture of the largest size that is not scaled down (https://docs.anthropic.com/en/docs/build-with-claude/vision)."""
_PDF_BYTES_PER_TOKEN: Final = 20
"""1,500 to 3,000 tokens a page (https://docs.anthropic.com/en/docs/build-with-claude/pdf-support), of 40 kB or so."""
_UNSEEN_DOCUMENT_TOKENS: Final = 3_000
"""A document that is known by its address only: a page."""
_SECOND_OF_MEDIA_BYTES: Final = 500
"""Bytes of sound or film per token: 32 tokens a second of 16 kB (https://ai.google.dev/gemini-api/docs/tokens)."""


class _CountReply(msgspec.Struct):
    input_tokens: Count = None


_decode: Final = msgspec.json.Decoder(_CountReply).decode


def read_count_request(body: bytes, context: RequestContext, receipt: Receipt) -> Conversation:
    """A caller's request to count: a request for a message without its bound. Raises `GatewayError` INVALID_REQUEST."""
    return read_request(body, context, receipt)


def write_count_request(conversation: Conversation, context: TargetContext, receipt: Receipt) -> bytes:
    """The request to count. What does not change the count is left out without an entry. Raises as `write_request`."""
    body = build_body(conversation, context, receipt)
    return encode_json({name: value for name, value in body.items() if name in _COUNTED})


def read_count_reply(body: bytes) -> int:
    """The count. Raises `GatewayError` PROVIDER_MALFORMED for what tells none."""
    try:
        count = _decode(body).input_tokens
    except (JsonError, UnicodeDecodeError, RecursionError) as error:
        raise malformed(f"a count that cannot be read: {error}") from None
    if count is None:
        raise malformed("a count without input_tokens")
    return count


def write_count_reply(input_tokens: int) -> bytes:
    """The answer to a caller who asked for a count."""
    return encode_json({"input_tokens": input_tokens})


def estimate_input_tokens(conversation: Conversation) -> int:
    """Our own count, made to be rather high than low: bytes of everything the model reads by `BYTES_PER_TOKEN`, and media by size.

    Used where a target cannot count, and marked `estimated` then. Nothing is fetched or decoded.
    """
    tokens = _REQUEST_TOKENS + sum(_TURN_TOKENS + sum(_part_tokens(part) for part in turn.parts) for turn in conversation.turns)
    if conversation.tools:
        tokens += _TOOLS_TOKENS + sum(_tool_tokens(tool) for tool in conversation.tools)
    shape = conversation.answer_format
    if shape is not None and shape.schema is not None:
        tokens += _SCHEMA_TOKENS + _json_tokens(shape.schema)
    if conversation.reasoning is not None and not is_off(conversation.reasoning):
        tokens += _THINKING_TOKENS
    return ceil(tokens)


def _text_tokens(*texts: str | None) -> float:
    return sum(len(text.encode("utf-8", "replace")) for text in texts if text) / BYTES_PER_TOKEN


def _json_tokens(value: JsonObject) -> float:
    return len(encode_json(value)) / BYTES_PER_TOKEN


def _tool_tokens(tool: Tool) -> float:
    if isinstance(tool, ServerToolUse):
        return _SERVER_TOOL_TOKENS
    schema = tool.schema if isinstance(tool, FunctionTool) else tool.format
    return _TOOL_TOKENS + _text_tokens(tool.name, tool.description) + (0 if schema is None else _json_tokens(schema))


def _document_tokens(part: Document) -> float:
    described = _text_tokens(part.name, part.context, part.plain_text) + (_CITATIONS_TOKENS if part.cites else 0)
    source = part.source
    if isinstance(source, MediaBytes):
        size = len(source.base64) * 3 / 4
        return described + size / (BYTES_PER_TOKEN if source.media_type.startswith("text/") else _PDF_BYTES_PER_TOKEN)
    return described if source is None else described + _UNSEEN_DOCUMENT_TOKENS


def _media_tokens(part: Audio | Video) -> float:
    said = _text_tokens(part.transcript) if isinstance(part, Audio) else 0
    source = part.source
    return said + (len(source.base64) * 3 / 4 / _SECOND_OF_MEDIA_BYTES if isinstance(source, MediaBytes) else 0)


def _reasoning_tokens(part: Reasoning) -> float:
    return _text_tokens(part.text, *part.summary)


def _result_tokens(part: ToolResult) -> float:
    return _TURN_TOKENS + _text_tokens(part.call_id) + sum(_part_tokens(inner) for inner in part.parts)


_COUNTERS: Final[dict[type[msgspec.Struct], Any]] = {
    Text: lambda part: _text_tokens(part.text),
    Refusal: lambda part: _text_tokens(part.text),
    Image: lambda _part: _IMAGE_TOKENS,
    Document: _document_tokens,
    Audio: _media_tokens,
    Video: _media_tokens,
    ToolCall: lambda part: _TURN_TOKENS + _text_tokens(part.id, part.name, part.arguments),
    ToolResult: _result_tokens,
    Reasoning: _reasoning_tokens,
    ServerTool: lambda part: _json_tokens(part.raw),
}


def _part_tokens(part: Part) -> float:
    tokens: float = _COUNTERS[type(part)](part)
    return tokens
