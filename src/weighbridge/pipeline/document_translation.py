"""Step 8 and 9 for requests that are answered by one document and translated: embeddings and reranking."""

from __future__ import annotations

from weighbridge.core.errors import ErrorKind, GatewayError
from weighbridge.core.ports import Clock, UpstreamReply, UpstreamRequest
from weighbridge.core.terms import Usage
from weighbridge.pipeline.exchange import Exchange
from weighbridge.pipeline.held_relay import HeldRelay
from weighbridge.pipeline.target import Target
from weighbridge.pipeline.translation import edits_for, post
from weighbridge.wire.codecs import RequestContext
from weighbridge.wire.embeddings import INBOUND_EMBEDDINGS, OUTBOUND_EMBEDDINGS
from weighbridge.wire.embeddings.terms import EmbeddingRequest, EmbeddingStyle
from weighbridge.wire.receipt import Receipt
from weighbridge.wire.rerank import OUTBOUND_RERANK
from weighbridge.wire.rerank import formats as rerank_formats
from weighbridge.wire.rerank.terms import RerankRequest, RerankStyle
from weighbridge.wire.whole_meter import Meter


def prepare_document(exchange: Exchange, target: Target, turn: int) -> UpstreamRequest:
    """The request to send. Raises `GatewayError` INVALID_REQUEST."""
    if exchange.body is None:
        raise GatewayError(ErrorKind.INVALID_REQUEST, "The request has no body.")
    receipt = Receipt()
    context = RequestContext(exchange.requested_model)
    style, model = target.translated_into, target.deployment.model
    if isinstance(style, RerankStyle):
        ranking = rerank_formats.read_request(exchange.body, context, receipt)
        exchange.document = ranking
        body = OUTBOUND_RERANK[style].write_request(ranking, model, receipt)
    else:
        assert isinstance(style, EmbeddingStyle)
        embedding = INBOUND_EMBEDDINGS[exchange.endpoint.operation].read_request(exchange.body, context, receipt)
        exchange.document = embedding
        body = OUTBOUND_EMBEDDINGS[style].write_request(embedding, model, receipt)
    exchange.edits = edits_for(exchange, receipt.losses, exchange.endpoint.operation.value, style.value)
    return post(exchange, target, turn, body)


class DocumentRelay(HeldRelay):
    """The reply to such a request."""

    def _read_whole(self, body: bytes) -> None:
        exchange = self._exchange
        target, request = exchange.target, exchange.document
        assert target is not None
        style = target.translated_into
        if isinstance(request, RerankRequest) and isinstance(style, RerankStyle):
            ranking = OUTBOUND_RERANK[style].read_reply(body)
            self._note(ranking.usage, ranking.model)
            self._answer(rerank_formats.write_reply(ranking, request))
        elif isinstance(request, EmbeddingRequest) and isinstance(style, EmbeddingStyle):
            reply = OUTBOUND_EMBEDDINGS[style].read_reply(body)
            self._note(reply.usage, reply.model)
            self._answer(INBOUND_EMBEDDINGS[exchange.endpoint.operation].write_reply(reply, request))

    def _note(self, usage: Usage, served_model: str) -> None:
        meter = self._exchange.meter = Meter()
        meter.usage = usage
        meter.served_model = served_model or None


def document_relay(exchange: Exchange, reply: UpstreamReply, clock: Clock) -> DocumentRelay:
    """The relay for an exchange whose target is asked in another style."""
    target = exchange.target
    assert target is not None
    return DocumentRelay(exchange, reply, clock, target.dialect)
