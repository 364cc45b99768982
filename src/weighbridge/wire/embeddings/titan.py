"""Amazon's Titan models on Bedrock, which take one text a request.

https://docs.aws.amazon.com/bedrock/latest/userguide/model-parameters-titan-embed-text.html
"""

from __future__ import annotations

import msgspec

from weighbridge.core.codec import UNREADABLE, encode_json
from weighbridge.core.errors import ErrorKind, GatewayError
from weighbridge.core.terms import NO_USAGE, Usage
from weighbridge.wire.embeddings.terms import EmbeddingReply, EmbeddingRequest, malformed, texts_of
from weighbridge.wire.receipt import Receipt
from weighbridge.wire.tolerant_decoder import tolerant_decoder


def write_request(request: EmbeddingRequest, model: str, receipt: Receipt) -> bytes:  # noqa: ARG001 - the model is in the path
    """For Bedrock. Raises `GatewayError` INVALID_REQUEST for several texts."""
    texts = texts_of(request)
    if len(texts) > 1:
        raise GatewayError(
            ErrorKind.INVALID_REQUEST,
            "This model embeds one text a request: send each by itself.",
            param="input",
            code="one_input_only",
        )
    body: dict[str, object] = {"inputText": texts[0]}
    if request.dimensions is not None:
        body["dimensions"] = request.dimensions
    for name in ("task", "user", "title", "truncate"):
        if getattr(request, name) is not None:
            receipt.dropped(name)
    return encode_json(body)


class _Reply(msgspec.Struct, rename="camel"):
    embedding: list[float] | None = None
    input_text_token_count: int | None = None


_decode = tolerant_decoder(_Reply)


def read_reply(body: bytes) -> EmbeddingReply:
    """A provider's answer. Raises `GatewayError` PROVIDER_MALFORMED."""
    try:
        reply = _decode(body)
    except UNREADABLE:
        malformed()
    if not reply.embedding:
        malformed()
    count = reply.input_text_token_count
    return EmbeddingReply((reply.embedding,), usage=NO_USAGE if count is None else Usage(count))
