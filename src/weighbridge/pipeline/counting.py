"""How large a request is, asked of a target that cannot tell: answered here, by a bound of our own that is named as one.

A client that asks its own vendor is forwarded and gets the vendor's count. `x-weighbridge-edits: estimated:input_tokens` says that
a number is ours.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from weighbridge.core.codec import encode_json
from weighbridge.core.errors import ErrorKind, GatewayError
from weighbridge.core.terms import Dialect
from weighbridge.pipeline.exchange import Exchange
from weighbridge.wire import anthropic_messages, gemini_generate, openai_responses
from weighbridge.wire.anthropic_messages import estimate_input_tokens
from weighbridge.wire.codecs import RequestContext
from weighbridge.wire.conversation import Conversation
from weighbridge.wire.receipt import Receipt

_EDIT: Final = "estimated:input_tokens"


def _responses_reply(tokens: int) -> bytes:
    # https://platform.openai.com/docs/api-reference/responses/input-tokens
    return encode_json({"object": "response.input_tokens", "input_tokens": tokens})


_Read = Callable[[bytes, RequestContext, Receipt], Conversation]
_FORMATS: Final[dict[Dialect, tuple[_Read, Callable[[int], bytes]]]] = {
    Dialect.OPENAI: (openai_responses.INBOUND.read_request, _responses_reply),
    Dialect.ANTHROPIC: (anthropic_messages.read_count_request, anthropic_messages.write_count_reply),
    Dialect.GEMINI: (gemini_generate.read_count_request, gemini_generate.write_count_reply),
}


def estimated_count(exchange: Exchange) -> bytes:
    """The answer's body. Raises `GatewayError` INVALID_REQUEST."""
    if exchange.body is None:
        raise GatewayError(ErrorKind.INVALID_REQUEST, "The request has no body.")
    read, write = _FORMATS[exchange.dialect]
    conversation = read(exchange.body, RequestContext(exchange.requested_model), Receipt())
    body = write(estimate_input_tokens(conversation))
    exchange.edits = [_EDIT]
    exchange.status, exchange.reply_bytes = 200, len(body)
    return body


def send_count(exchange: Exchange, body: bytes) -> None:
    """Answer with it; called once the exchange is settled."""
    target = exchange.target
    assert target is not None
    own = (exchange.request_id.encode(), _EDIT.encode(), target.reply_lines)
    lines = b"content-type: application/json\r\nx-weighbridge-request-id: %b\r\nx-weighbridge-edits: %b\r\n%b" % own
    exchange.downstream.start(200, lines, len(body))
    exchange.downstream.end(body)
