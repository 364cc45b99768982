"""Vertex AI's `predict` for its text embedding models.

https://cloud.google.com/vertex-ai/generative-ai/docs/model-reference/text-embeddings-api
"""

from __future__ import annotations

import msgspec

from weighbridge.core.codec import UNREADABLE, encode_json
from weighbridge.core.terms import NO_USAGE, Usage
from weighbridge.wire.embeddings.gemini import TASKS
from weighbridge.wire.embeddings.terms import EmbeddingReply, EmbeddingRequest, malformed, texts_of
from weighbridge.wire.receipt import Receipt
from weighbridge.wire.tolerant_decoder import tolerant_decoder


def write_request(request: EmbeddingRequest, model: str, receipt: Receipt) -> bytes:  # noqa: ARG001 - the model is in the path
    """For Vertex AI."""
    if request.user is not None:
        receipt.dropped("user")
    options = {"task_type": TASKS[request.task] if request.task is not None else None, "title": request.title}
    shared = {name: value for name, value in options.items() if value is not None}
    body: dict[str, object] = {"instances": [{"content": text, **shared} for text in texts_of(request)]}
    parameters: dict[str, object] = {}
    if request.dimensions is not None:
        parameters["outputDimensionality"] = request.dimensions
    if request.truncate is not None:
        parameters["autoTruncate"] = request.truncate
    if parameters:
        body["parameters"] = parameters
    return encode_json(body)


class _Statistics(msgspec.Struct):
    token_count: int | float | None = None


class _Embedding(msgspec.Struct):
    values: list[float] = []
    statistics: _Statistics | None = None


class _Prediction(msgspec.Struct):
    embeddings: _Embedding | None = None


class _Reply(msgspec.Struct):
    predictions: list[_Prediction] | None = None


_decode = tolerant_decoder(_Reply)


def read_reply(body: bytes) -> EmbeddingReply:
    """A provider's answer. Raises `GatewayError` PROVIDER_MALFORMED."""
    try:
        reply = _decode(body)
    except UNREADABLE:
        malformed()
    found = [prediction.embeddings for prediction in reply.predictions or () if prediction.embeddings is not None]
    if not found:
        malformed()
    counts = [each.statistics.token_count for each in found if each.statistics is not None]
    known = [int(count) for count in counts if count is not None]
    usage = Usage(sum(known)) if len(known) == len(found) else NO_USAGE
    return EmbeddingReply(tuple(each.values for each in found), usage=usage)
