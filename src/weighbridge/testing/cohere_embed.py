"""Cohere's embeddings and reranking."""

from __future__ import annotations

import re
from typing import Annotated, Any, Final, Literal

import msgspec

from weighbridge.core.terms import Usage
from weighbridge.testing.cohere_chat import invalid
from weighbridge.testing.generation import count_tokens, vector
from weighbridge.testing.invoice import Bill
from weighbridge.testing.provider import Call
from weighbridge.testing.reply import Reply, json_reply

DIMENSIONS: Final = 16
"""Of an embedding, unless asked otherwise."""
_DOCUMENTS_PER_UNIT: Final = 100
"""A search unit is a query with up to so many documents (https://cohere.com/pricing)."""
_WORD: Final = re.compile(r"\w+")


class EmbedRequest(msgspec.Struct):
    """The documented fields of `POST /v2/embed`."""

    model: str
    input_type: Literal["search_document", "search_query", "classification", "clustering", "image"]
    texts: Annotated[list[str], msgspec.Meta(max_length=96)] | None = None
    images: list[str] | None = None
    inputs: list[Any] | None = None
    max_tokens: int | None = None
    output_dimension: int | None = None
    embedding_types: list[Literal["float", "int8", "uint8", "binary", "ubinary", "base64"]] | None = None
    truncate: Literal["NONE", "START", "END"] | None = None
    priority: int | None = None


class RerankRequest(msgspec.Struct):
    """The documented fields of `POST /v2/rerank`."""

    model: str
    query: str
    documents: Annotated[list[str], msgspec.Meta(min_length=1, max_length=10_000)]
    top_n: Annotated[int, msgspec.Meta(ge=1)] | None = None
    max_tokens_per_doc: int | None = None
    priority: int | None = None


def embed(call: Call) -> Reply:
    """`POST /v2/embed`, of texts."""
    request = call.read(EmbedRequest)
    call.check_model(request.model)
    if not request.texts:
        raise invalid("at least one of texts, images or inputs must be provided; the simulator takes texts")
    vectors = [vector(text, request.output_dimension or DIMENSIONS) for text in request.texts]
    usage = Usage(sum(count_tokens(text) for text in request.texts))
    body = {
        "id": call.id(""),
        "texts": request.texts,
        "embeddings": dict.fromkeys(request.embedding_types or ("float",), vectors),
        "meta": {"api_version": {"version": "2"}, "billed_units": {"input_tokens": usage.input, "image_tokens": 0}},
        "response_type": "embeddings_by_type",
    }
    return json_reply(body, bills=(Bill("embed", request.model, usage),))


def rerank(call: Call) -> Reply:
    """`POST /v2/rerank`: the more words of the query a document has, the more relevant it is.

    A search unit is billed as a fee, as server-side tools are (`Usage.tool_calls`).
    """
    request = call.read(RerankRequest)
    call.check_model(request.model)
    wanted = _words(request.query)
    scores = [(len(wanted & _words(document)) / max(len(wanted), 1), index) for index, document in enumerate(request.documents)]
    ranked = sorted(scores, key=lambda scored: (-scored[0], scored[1]))[: request.top_n]
    units = -(-len(request.documents) // _DOCUMENTS_PER_UNIT)
    body = {
        "id": call.id(""),
        "results": [{"index": index, "relevance_score": round(score, 7)} for score, index in ranked],
        "meta": {"api_version": {"version": "2"}, "billed_units": {"search_units": units}},
    }
    return json_reply(body, bills=(Bill("rerank", request.model, Usage(tool_calls=units)),))


def _words(text: str) -> set[str]:
    return {word.lower() for word in _WORD.findall(text)}
