"""`countTokens`: how large a request is, asked and answered in this dialect. https://ai.google.dev/api/tokens

The Gemini API takes `contents` alone, or a whole request under `generateContentRequest`; Vertex takes the fields of a request as
they are (https://docs.cloud.google.com/vertex-ai/generative-ai/docs/model-reference/count-tokens).
"""

from __future__ import annotations

from typing import Final

import msgspec

from weighbridge.core.codec import JsonError, encode_json
from weighbridge.wire.codecs import RequestContext, TargetContext
from weighbridge.wire.conversation import Conversation
from weighbridge.wire.fields import Fields, read_object
from weighbridge.wire.gemini_generate.chunk import malformed
from weighbridge.wire.gemini_generate.content_writer import Block
from weighbridge.wire.gemini_generate.request_reader import read_fields
from weighbridge.wire.gemini_generate.request_writer import build_body
from weighbridge.wire.gemini_generate.vocabulary import camel, message
from weighbridge.wire.receipt import Receipt
from weighbridge.wire.usage import Count

_WRAPPED: Final = "generateContentRequest"
_COUNTED: Final = ("contents", "systemInstruction", "tools", "toolConfig", "generationConfig", "cachedContent")
_COUNTED_BY_VERTEX: Final = ("contents", "systemInstruction", "tools", "generationConfig")


class _CountReply(msgspec.Struct, rename="camel"):
    total_tokens: Count = None


_decode: Final = msgspec.json.Decoder(_CountReply).decode


def read_count_request(body: bytes, context: RequestContext, receipt: Receipt) -> Conversation:
    """A caller's request to count. Raises `GatewayError` INVALID_REQUEST with the field at fault."""
    outer = read_object(body)
    fields = Fields(camel(outer.rest), "")
    inner = message(fields, _WRAPPED)
    if inner is None:
        return read_fields(fields, context, receipt)
    fields.leftover(receipt, ignored=("model",))
    return read_fields(Fields(inner.rest, ""), context, receipt)


def write_count_request(conversation: Conversation, context: TargetContext, receipt: Receipt) -> bytes:
    """The request to count, for the Gemini API. What does not change the count is left out. Raises as `write_request`."""
    body = _counted(conversation, context, receipt, _COUNTED)
    name = context.model if "/" in context.model else f"models/{context.model}"
    return encode_json({_WRAPPED: {"model": name, **body}})


def write_vertex_count_request(conversation: Conversation, context: TargetContext, receipt: Receipt) -> bytes:
    """As `write_count_request`, for Vertex."""
    return encode_json(_counted(conversation, context, receipt, _COUNTED_BY_VERTEX))


def _counted(conversation: Conversation, context: TargetContext, receipt: Receipt, names: tuple[str, ...]) -> Block:
    body = build_body(conversation, context, receipt)
    return {name: body[name] for name in names if name in body}


def read_count_reply(body: bytes) -> int:
    """The count. Raises `GatewayError` PROVIDER_MALFORMED for what tells none."""
    try:
        count = _decode(body).total_tokens
    except (JsonError, UnicodeDecodeError, RecursionError) as error:
        raise malformed(f"a count that cannot be read: {error}") from None
    if count is None:
        raise malformed("a count without totalTokens")
    return count


def write_count_reply(input_tokens: int) -> bytes:
    """The answer to a caller who asked for a count."""
    return encode_json({"totalTokens": input_tokens})
