"""A request to sort documents by their relevance to a query, in no dialect, and its reply."""

from __future__ import annotations

from enum import StrEnum

import msgspec

from weighbridge.core.terms import NO_USAGE, Usage
from weighbridge.wire.json_value import JsonObject


class RerankStyle(StrEnum):
    """How a vendor is asked."""

    COHERE = "cohere"
    JINA = "jina"
    """Also Together, OpenRouter, vLLM, LiteLLM and others."""
    VOYAGE = "voyage"


class RerankRequest(msgspec.Struct, frozen=True):
    """Documents are texts, or objects with fields. `None` was not said."""

    model: str
    query: str
    documents: tuple[str | JsonObject, ...]
    top_n: int | None = None
    return_documents: bool | None = None
    max_tokens_per_doc: int | None = None
    rank_fields: tuple[str, ...] = ()


class Ranked(msgspec.Struct, frozen=True):
    """One document's place: `index` counts in the request's order, `score` is the vendor's own."""

    index: int
    score: float


class RerankReply(msgspec.Struct, frozen=True):
    """The documents, most relevant first."""

    results: tuple[Ranked, ...]
    id: str = ""
    model: str = ""
    usage: Usage = NO_USAGE
