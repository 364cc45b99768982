"""Ollama's `/api/embed` (https://github.com/ollama/ollama/blob/main/docs/api.md#generate-embeddings)."""

from __future__ import annotations

import msgspec

from weighbridge.core.codec import UNREADABLE, encode_json
from weighbridge.core.terms import NO_USAGE, Usage
from weighbridge.wire.embeddings.terms import EmbeddingReply, EmbeddingRequest, malformed, texts_of
from weighbridge.wire.receipt import Receipt
from weighbridge.wire.tolerant_decoder import tolerant_decoder


def write_request(request: EmbeddingRequest, model: str, receipt: Receipt) -> bytes:
    """For an Ollama server."""
    body: dict[str, object] = {"model": model, "input": texts_of(request)}
    if request.dimensions is not None:
        body["dimensions"] = request.dimensions
    if request.truncate is not None:
        body["truncate"] = request.truncate
    for name in ("task", "user", "title"):
        if getattr(request, name) is not None:
            receipt.dropped(name)
    return encode_json(body)


class _Reply(msgspec.Struct):
    embeddings: list[list[float]] | None = None
    embedding: list[float] | None = None
    model: str | None = None
    prompt_eval_count: int | None = None


_decode = tolerant_decoder(_Reply)


def read_reply(body: bytes) -> EmbeddingReply:
    """A provider's answer; the older `/api/embeddings` gives one vector. Raises `GatewayError` PROVIDER_MALFORMED."""
    try:
        reply = _decode(body)
    except UNREADABLE:
        malformed()
    vectors = reply.embeddings or ([reply.embedding] if reply.embedding else [])
    if not vectors:
        malformed()
    usage = NO_USAGE if reply.prompt_eval_count is None else Usage(reply.prompt_eval_count)
    return EmbeddingReply(tuple(vectors), reply.model or "", usage)
