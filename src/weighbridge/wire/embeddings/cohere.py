"""Cohere's `/v2/embed` (https://docs.cohere.com/reference/embed), and the same models on Bedrock."""

from __future__ import annotations

from typing import Final

import msgspec

from weighbridge.core.codec import UNREADABLE, encode_json
from weighbridge.core.terms import NO_USAGE, Usage
from weighbridge.wire.embeddings.terms import EmbeddingReply, EmbeddingRequest, Task, malformed, texts_of
from weighbridge.wire.receipt import Receipt
from weighbridge.wire.tolerant_decoder import tolerant_decoder

_TASKS: Final = {
    Task.QUERY: "search_query",
    Task.DOCUMENT: "search_document",
    Task.CLASSIFICATION: "classification",
    Task.CLUSTERING: "clustering",
}
_DEFAULT_TASK: Final = "search_document"
"""The field is required. What is embedded without a word about its use is mostly what will be searched."""


def write_request(request: EmbeddingRequest, model: str, receipt: Receipt) -> bytes:
    """For Cohere."""
    return encode_json({"model": model, **_body(request, receipt)})


def write_bedrock(request: EmbeddingRequest, model: str, receipt: Receipt) -> bytes:  # noqa: ARG001 - the model is in the path
    """For Cohere's models on Bedrock
    (https://docs.aws.amazon.com/bedrock/latest/userguide/model-parameters-embed.html)."""
    return encode_json(_body(request, receipt))


def _body(request: EmbeddingRequest, receipt: Receipt) -> dict[str, object]:
    task = _TASKS.get(request.task) if request.task is not None else None
    if request.task is None:
        receipt.mapped("task", f"{_DEFAULT_TASK}, since one is required")
    elif task is None:
        receipt.widened("task", f"{_DEFAULT_TASK}, since it is not known there")
    body: dict[str, object] = {
        "texts": texts_of(request),
        "input_type": task or _DEFAULT_TASK,
        "embedding_types": ["float"],
    }
    if request.dimensions is not None:
        body["output_dimension"] = request.dimensions
    if request.truncate is not None:
        body["truncate"] = "END" if request.truncate else "NONE"
    for name in ("user", "title"):
        if getattr(request, name) is not None:
            receipt.dropped(name)
    return body


class _Billed(msgspec.Struct):
    input_tokens: int | float | None = None


class _Meta(msgspec.Struct):
    billed_units: _Billed | None = None


class _Typed(msgspec.Struct):
    float_: list[list[float]] | None = msgspec.field(name="float", default=None)


class _Reply(msgspec.Struct):
    embeddings: _Typed | list[list[float]] | None = None
    meta: _Meta | None = None


_decode = tolerant_decoder(_Reply)


def read_reply(body: bytes) -> EmbeddingReply:
    """A provider's answer; v1 and Bedrock give plain lists. Raises `GatewayError` PROVIDER_MALFORMED."""
    try:
        reply = _decode(body)
    except UNREADABLE:
        malformed()
    vectors = reply.embeddings.float_ if isinstance(reply.embeddings, _Typed) else reply.embeddings
    if not vectors:
        malformed()
    billed = reply.meta.billed_units if reply.meta is not None else None
    tokens = billed.input_tokens if billed is not None else None
    return EmbeddingReply(tuple(vectors), usage=NO_USAGE if tokens is None else Usage(int(tokens)))
