"""Embeddings across vendors: one neutral request and reply, and each vendor's way to say them.

Inbound are OpenAI's `/v1/embeddings` and Gemini's `embedContent` and `batchEmbedContents`; the rest are outbound.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, NamedTuple

from weighbridge.core.terms import Operation
from weighbridge.wire.codecs import RequestContext
from weighbridge.wire.embeddings import cohere, gemini, ollama, openai, titan, vertex
from weighbridge.wire.embeddings.terms import EmbeddingReply, EmbeddingRequest, EmbeddingStyle
from weighbridge.wire.receipt import Receipt


class InboundEmbedding(NamedTuple):
    """How callers ask and are answered."""

    read_request: Callable[[bytes, RequestContext, Receipt], EmbeddingRequest]
    """Raises `GatewayError` INVALID_REQUEST."""
    write_reply: Callable[[EmbeddingReply, EmbeddingRequest], bytes]


class OutboundEmbedding(NamedTuple):
    """How a vendor is asked and answers."""

    path: str
    """Relative to the dialect's base; `{model}` stands for the model."""
    write_request: Callable[[EmbeddingRequest, str, Receipt], bytes]
    """The request for the provider's own name of the model. Raises `GatewayError` INVALID_REQUEST."""
    read_reply: Callable[[bytes], EmbeddingReply]
    """Raises `GatewayError` PROVIDER_MALFORMED."""


INBOUND_EMBEDDINGS: Final[dict[Operation, InboundEmbedding]] = {
    Operation.EMBEDDINGS: InboundEmbedding(openai.read_request, openai.write_reply),
    Operation.EMBED: InboundEmbedding(gemini.read_request, gemini.write_reply),
}

OUTBOUND_EMBEDDINGS: Final[dict[EmbeddingStyle, OutboundEmbedding]] = {
    EmbeddingStyle.OPENAI: OutboundEmbedding("/embeddings", openai.write_openai, openai.read_reply),
    EmbeddingStyle.MISTRAL: OutboundEmbedding("/embeddings", openai.write_mistral, openai.read_reply),
    EmbeddingStyle.VOYAGE: OutboundEmbedding("/embeddings", openai.write_voyage, openai.read_reply),
    EmbeddingStyle.JINA: OutboundEmbedding("/embeddings", openai.write_jina, openai.read_reply),
    EmbeddingStyle.GEMINI: OutboundEmbedding("/models/{model}:batchEmbedContents", gemini.write_request, gemini.read_reply),
    EmbeddingStyle.VERTEX: OutboundEmbedding("/models/{model}:predict", vertex.write_request, vertex.read_reply),
    EmbeddingStyle.COHERE: OutboundEmbedding("/v2/embed", cohere.write_request, cohere.read_reply),
    EmbeddingStyle.BEDROCK_COHERE: OutboundEmbedding("/model/{model}/invoke", cohere.write_bedrock, cohere.read_reply),
    EmbeddingStyle.TITAN: OutboundEmbedding("/model/{model}/invoke", titan.write_request, titan.read_reply),
    EmbeddingStyle.OLLAMA: OutboundEmbedding("/api/embed", ollama.write_request, ollama.read_reply),
}
