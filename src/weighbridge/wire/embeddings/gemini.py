"""Gemini's `embedContent` and `batchEmbedContents` (https://ai.google.dev/api/embeddings)."""

from __future__ import annotations

from typing import Final

import msgspec

from weighbridge.core.codec import UNREADABLE, encode_json
from weighbridge.core.terms import NO_USAGE, Provenance
from weighbridge.wire.codecs import RequestContext
from weighbridge.wire.embeddings.terms import EmbeddingReply, EmbeddingRequest, Task, malformed, task_named, texts_of
from weighbridge.wire.fields import Fields, read_object
from weighbridge.wire.receipt import Receipt
from weighbridge.wire.tolerant_decoder import tolerant_decoder
from weighbridge.wire.usage import GeminiUsage, from_gemini

TASKS: Final = {
    Task.QUERY: "RETRIEVAL_QUERY",
    Task.DOCUMENT: "RETRIEVAL_DOCUMENT",
    Task.CLASSIFICATION: "CLASSIFICATION",
    Task.CLUSTERING: "CLUSTERING",
    Task.SIMILARITY: "SEMANTIC_SIMILARITY",
    Task.QUESTION: "QUESTION_ANSWERING",
    Task.FACT: "FACT_VERIFICATION",
    Task.CODE: "CODE_RETRIEVAL_QUERY",
}


def read_request(body: bytes, context: RequestContext, receipt: Receipt) -> EmbeddingRequest:
    """A caller's request, single or batched. Options of a batch are those of its first. Raises `GatewayError` INVALID_REQUEST."""
    fields = read_object(body)
    batch = fields.objects("requests")
    singles = [fields] if batch is None else batch
    if not singles:
        fields.missing("requests")
    read = [_single(single, context, receipt) for single in singles]
    if batch is not None:
        fields.text("model")
        fields.leftover(receipt)
    first = read[0]
    if any((other.task, other.dimensions) != (first.task, first.dimensions) for other in read):
        receipt.widened("requests", "all are asked for with the options of the first")
    return msgspec.structs.replace(
        first, inputs=tuple(text for request in read for text in request.inputs), is_batch=batch is not None
    )


def _single(fields: Fields, context: RequestContext, receipt: Receipt) -> EmbeddingRequest:
    fields.text("model")
    content = fields.nested("content")
    if content is None:
        fields.missing("content")
    word = fields.text("taskType") or fields.text("task_type")
    dimensions = fields.integer("outputDimensionality")
    texts: list[str] = []
    for part in content.objects("parts") or []:
        text = part.text("text")
        if text is not None:
            texts.append(text)
        part.leftover(receipt)
    request = EmbeddingRequest(
        model=context.model,
        inputs=("\n".join(texts),),
        dimensions=fields.integer("output_dimensionality") if dimensions is None else dimensions,
        task=task_named(word),
        title=fields.text("title"),
        is_batch=False,
    )
    fields.leftover(receipt)
    return request


def write_reply(reply: EmbeddingReply, request: EmbeddingRequest) -> bytes:
    """The answer to a caller."""
    vectors = [{"values": vector} for vector in reply.vectors]
    body: dict[str, object] = {"embeddings": vectors} if request.is_batch else {"embedding": vectors[0]}
    if reply.usage.provenance is not Provenance.UNKNOWN:
        body["usageMetadata"] = {"promptTokenCount": reply.usage.total_input}
    return encode_json(body)


def write_request(request: EmbeddingRequest, model: str, receipt: Receipt) -> bytes:
    """For the Gemini API; one text is a batch of one."""
    if request.user is not None:
        receipt.dropped("user")
    if request.truncate is not None:
        receipt.dropped("truncate")
    return encode_json({"requests": [_written(text, model, request) for text in texts_of(request)]})


def _written(text: str, model: str, request: EmbeddingRequest) -> dict[str, object]:
    single: dict[str, object] = {"model": f"models/{model}", "content": {"parts": [{"text": text}]}}
    if request.task is not None:
        single["taskType"] = TASKS[request.task]
    if request.title is not None:
        single["title"] = request.title
    if request.dimensions is not None:
        single["outputDimensionality"] = request.dimensions
    return single


class _Values(msgspec.Struct):
    values: list[float] = []


class _Reply(msgspec.Struct, rename="camel"):
    embeddings: list[_Values] | None = None
    embedding: _Values | None = None
    usage_metadata: GeminiUsage | None = None


_decode = tolerant_decoder(_Reply)


def read_reply(body: bytes) -> EmbeddingReply:
    """A provider's answer. Raises `GatewayError` PROVIDER_MALFORMED."""
    try:
        reply = _decode(body)
    except UNREADABLE:
        malformed()
    found = reply.embeddings or ([reply.embedding] if reply.embedding is not None else [])
    if not found:
        malformed()
    usage = NO_USAGE if reply.usage_metadata is None else from_gemini(reply.usage_metadata)
    return EmbeddingReply(tuple(each.values for each in found), usage=usage)
