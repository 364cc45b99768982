"""Reading and writing of rerank requests and replies."""

from __future__ import annotations

from typing import Final, cast

import msgspec

from weighbridge.core.codec import UNREADABLE, encode_json
from weighbridge.core.errors import ErrorKind, GatewayError
from weighbridge.wire.codecs import RequestContext
from weighbridge.wire.fields import Fields, invalid, read_object
from weighbridge.wire.json_value import JsonObject
from weighbridge.wire.receipt import Receipt
from weighbridge.wire.reply_shapes import RerankMeta
from weighbridge.wire.rerank.terms import Ranked, RerankReply, RerankRequest
from weighbridge.wire.tolerant_decoder import tolerant_decoder
from weighbridge.wire.usage import OpenAiUsage, from_rerank

MAX_DOCUMENTS: Final = 10_000
"""Cohere takes 1,000 and Voyage 1,000; a bound on what is read, far above."""


def read_request(body: bytes, context: RequestContext, receipt: Receipt) -> RerankRequest:
    """A caller's request. Raises `GatewayError` INVALID_REQUEST."""
    fields = read_object(body)
    fields.text("model")
    top_n = fields.integer("top_n")
    request = RerankRequest(
        model=context.model,
        query=fields.required_text("query"),
        documents=_documents(fields),
        top_n=fields.integer("top_k") if top_n is None else top_n,
        return_documents=fields.boolean("return_documents"),
        max_tokens_per_doc=fields.integer("max_tokens_per_doc"),
        rank_fields=fields.texts("rank_fields"),
    )
    fields.leftover(receipt)
    return request


def _documents(fields: Fields) -> tuple[str | JsonObject, ...]:
    documents = fields.array("documents")
    if not documents or len(documents) > MAX_DOCUMENTS:
        raise invalid("documents", f"an array of 1 to {MAX_DOCUMENTS:,} texts or objects")
    if not all(isinstance(document, (str, dict)) for document in documents):
        raise invalid("documents", "an array of texts or objects")
    return tuple(cast("list[str | JsonObject]", documents))


def write_reply(reply: RerankReply, request: RerankRequest) -> bytes:
    """The answer to a caller. Documents are repeated where it asked for them; what the vendor did not count is left out."""
    results: list[dict[str, object]] = []
    for ranked in reply.results:
        result: dict[str, object] = {"index": ranked.index, "relevance_score": ranked.score}
        if request.return_documents and 0 <= ranked.index < len(request.documents):
            document = request.documents[ranked.index]
            result["document"] = {"text": document} if isinstance(document, str) else document
        results.append(result)
    answer: dict[str, object] = {"id": reply.id, "model": reply.model or request.model, "results": results}
    if reply.usage.search_units:
        answer["meta"] = {"billed_units": {"search_units": reply.usage.search_units}}
    if reply.usage.total_input:
        answer["usage"] = {"total_tokens": reply.usage.total_input}
    return encode_json(answer)


def write_cohere(request: RerankRequest, model: str, receipt: Receipt) -> bytes:
    """For Cohere's v2, which takes texts only: objects go as JSON, a well-written form of YAML, which it advises for them."""
    documents = [document if isinstance(document, str) else encode_json(document).decode() for document in request.documents]
    if documents != list(request.documents):
        receipt.mapped("documents", "objects as JSON texts")
    body = _common(request, model, documents, "top_n")
    if request.max_tokens_per_doc is not None:
        body["max_tokens_per_doc"] = request.max_tokens_per_doc
    if request.rank_fields:
        receipt.dropped("rank_fields")
    return encode_json(body)


def write_jina(request: RerankRequest, model: str, receipt: Receipt) -> bytes:
    """For Jina and those who speak as it does. Documents are never asked back: they are here."""
    body = _common(request, model, list(request.documents), "top_n")
    body["return_documents"] = False
    if request.rank_fields:
        body["rank_fields"] = list(request.rank_fields)
    if request.max_tokens_per_doc is not None:
        receipt.dropped("max_tokens_per_doc")
    return encode_json(body)


def write_voyage(request: RerankRequest, model: str, receipt: Receipt) -> bytes:
    """For Voyage AI."""
    documents = [document if isinstance(document, str) else encode_json(document).decode() for document in request.documents]
    if documents != list(request.documents):
        receipt.mapped("documents", "objects as JSON texts")
    for name in ("max_tokens_per_doc", "rank_fields"):
        if getattr(request, name):
            receipt.dropped(name)
    return encode_json(_common(request, model, documents, "top_k"))


def _common(request: RerankRequest, model: str, documents: object, top: str) -> dict[str, object]:
    body: dict[str, object] = {"model": model, "query": request.query, "documents": documents}
    if request.top_n is not None:
        body[top] = request.top_n
    return body


class _Result(msgspec.Struct):
    index: int | None = None
    relevance_score: float | None = None


class _Reply(msgspec.Struct):
    id: str | None = None
    model: str | None = None
    results: list[_Result] | None = None
    data: list[_Result] | None = None
    """Voyage's name for the results."""
    meta: RerankMeta | None = None
    usage: OpenAiUsage | None = None


_decode = tolerant_decoder(_Reply)


def read_reply(body: bytes) -> RerankReply:
    """A provider's answer, in any of the vendors' shapes. Raises `GatewayError` PROVIDER_MALFORMED."""
    try:
        reply = _decode(body)
    except UNREADABLE:
        raise _malformed() from None
    found = reply.results if reply.results is not None else reply.data
    if found is None:
        raise _malformed()
    results = tuple(
        Ranked(result.index, result.relevance_score)
        for result in found
        if result.index is not None and result.relevance_score is not None
    )
    usage = from_rerank(reply.usage, reply.meta.search_units if reply.meta is not None else None)
    return RerankReply(results, reply.id or "", reply.model or "", usage)


def _malformed() -> GatewayError:
    return GatewayError(ErrorKind.PROVIDER_MALFORMED, "The provider's answer holds no ranking.")
