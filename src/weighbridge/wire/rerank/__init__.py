"""Reranking: one `/v1/rerank` for callers, in the shape that Cohere and Jina share, and each vendor's way to be asked.

https://docs.cohere.com/reference/rerank, https://jina.ai/reranker, https://docs.voyageai.com/reference/reranker-api
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, NamedTuple

from weighbridge.wire.receipt import Receipt
from weighbridge.wire.rerank.formats import read_reply, write_cohere, write_jina, write_voyage
from weighbridge.wire.rerank.terms import RerankReply, RerankRequest, RerankStyle


class OutboundRerank(NamedTuple):
    """How a vendor is asked and answers."""

    path: str
    """Relative to the dialect's base."""
    write_request: Callable[[RerankRequest, str, Receipt], bytes]
    read_reply: Callable[[bytes], RerankReply]
    """Raises `GatewayError` PROVIDER_MALFORMED."""


OUTBOUND_RERANK: Final[dict[RerankStyle, OutboundRerank]] = {
    RerankStyle.COHERE: OutboundRerank("/v2/rerank", write_cohere, read_reply),
    RerankStyle.JINA: OutboundRerank("/rerank", write_jina, read_reply),
    RerankStyle.VOYAGE: OutboundRerank("/rerank", write_voyage, read_reply),
}
