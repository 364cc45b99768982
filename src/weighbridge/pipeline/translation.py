"""Step 8 where caller and provider speak different dialects: the request is read once, and written for each target.

What the target cannot say is named in `x-weighbridge-edits`, or, in strict mode, refuses the request. The reply goes back through
`translated_relay.py`.
"""

from __future__ import annotations

from typing import Final

import msgspec

from weighbridge.core.clock import NS_PER_S
from weighbridge.core.codec import encode_json
from weighbridge.core.errors import ErrorKind, GatewayError
from weighbridge.core.ports import UpstreamRequest
from weighbridge.core.terms import Dialect, WireFormat
from weighbridge.pipeline.exchange import Exchange
from weighbridge.pipeline.headers import TRANSLATED_TOO
from weighbridge.pipeline.output_cap import capped, capped_body
from weighbridge.pipeline.parameters import with_parameters
from weighbridge.pipeline.target import Target
from weighbridge.providers.base import CallPath
from weighbridge.wire.codecs import ReplyContext, RequestContext, TargetContext
from weighbridge.wire.conversation import Conversation
from weighbridge.wire.receipt import Entry, Receipt
from weighbridge.wire.translate import FORMAT_OF, INBOUND, OUTBOUND

STRICT_HEADER: Final = b"x-weighbridge-strict"
"""`true`: a translation that would lose something is refused."""

_MAX_EDITS: Final = 32
"""Losses that are named one by one in the header; it must stay far below the 8 kB that common proxies take."""

_ANTHROPIC_VERSION: Final = b"anthropic-version: 2023-06-01\r\n"
"""The only version there is but for the first (https://docs.anthropic.com/en/api/versioning)."""

_members = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode


def caller_format(exchange: Exchange) -> WireFormat:
    """The format in which the caller asked, and is answered."""
    return FORMAT_OF[exchange.endpoint.operation]


def read_conversation(exchange: Exchange) -> Conversation:
    """What the caller wants, read from its body at most once. Raises `GatewayError` INVALID_REQUEST."""
    conversation = exchange.conversation
    if conversation is None:
        if exchange.body is None:
            raise GatewayError(ErrorKind.INVALID_REQUEST, "The request has no body.")
        context = RequestContext(exchange.requested_model, exchange.is_stream)
        receipt = exchange.reading_receipt = Receipt()
        conversation = INBOUND[caller_format(exchange)].read_request(exchange.body, context, receipt)
        exchange.conversation = conversation
    return conversation


def reply_context(exchange: Exchange) -> ReplyContext:
    """What the writer of the reply has to know."""
    conversation = read_conversation(exchange)
    if exchange.previous_response_id is not None:
        conversation = msgspec.structs.replace(conversation, previous_response_id=exchange.previous_response_id)
    return ReplyContext(exchange.request_id, exchange.requested_model, exchange.start_wall_ns // NS_PER_S, conversation)


def prepare_translated(exchange: Exchange, target: Target, turn: int) -> UpstreamRequest:
    """The request to send to a target of another format. Raises `GatewayError` INVALID_REQUEST."""
    into, call = target.translated_into, target.call
    assert isinstance(into, WireFormat)
    assert call is not None
    caller = caller_format(exchange)
    if into is caller:
        assert exchange.body is not None
        exchange.edits = ["model"]
        body = reshaped(capped_body(exchange, target, exchange.body), call, target)
    else:
        body = _written(exchange, target, caller, into)
        if not (call.model_in_body and call.stream_in_body and not call.body_fields):
            body = reshaped(body, call, target)
    return post(exchange, target, turn, with_parameters(exchange, target, body))


def post(exchange: Exchange, target: Target, turn: int, body: bytes) -> UpstreamRequest:
    """A translated body, addressed to its target."""
    assert target.call is not None
    path = _path(target.call, target, exchange)
    head = b"POST %b HTTP/1.1\r\n%b%b" % (path, target.heads[turn], _header_lines(exchange, target))
    return UpstreamRequest(b"POST", target.origin, head, [body], len(body), target.deadlines)


def _written(exchange: Exchange, target: Target, caller: WireFormat, into: WireFormat) -> bytes:
    conversation = read_conversation(exchange)
    if caller is WireFormat.OPENAI_RESPONSES:
        # The gateway keeps Responses itself where the target does not (`stored_responses.py`), so that nothing is lost with this.
        conversation = msgspec.structs.replace(conversation, store=None)
    receipt = Receipt()
    context = TargetContext(target.deployment.model, target.provider.quirks)
    body = OUTBOUND[into].write_request(capped(exchange, conversation), context, receipt)
    read_losses = exchange.reading_receipt.losses if exchange.reading_receipt is not None else []
    losses = [*read_losses, *receipt.losses]
    exchange.edits = edits_for(exchange, losses, caller.value, into.value)
    if exchange.output_cap:
        exchange.edits.append(f"capped:max_output_tokens={exchange.output_cap}")
    return body


def edits_for(exchange: Exchange, losses: list[Entry], caller: str, into: str) -> list[str]:
    """What the header says of a translation. Raises `GatewayError` INVALID_REQUEST in strict mode, if anything is lost."""
    if losses and _is_strict(exchange):
        raise _lossy(losses, into)
    return [f"translated:{caller}>{into}", *_named(losses)]


def _is_strict(exchange: Exchange) -> bool:
    return exchange.is_strict or exchange.header(STRICT_HEADER).lower() in (b"true", b"1")


def _named(losses: list[Entry]) -> list[str]:
    names = [f"{loss.fate}:{loss.field}" for loss in losses[:_MAX_EDITS]]
    # A caller's own names of unknown fields are among them: nothing but plain words may stand in a header.
    safe = ["".join(c if c.isascii() and (c.isalnum() or c in ":._-[]>$") else "?" for c in name)[:96] for name in names]
    return safe if len(losses) <= _MAX_EDITS else [*safe, f"and:{len(losses) - _MAX_EDITS}-more"]


def _lossy(losses: list[Entry], into: str) -> GatewayError:
    named = "; ".join(
        f"{loss.field} would be {loss.fate}" + (f" ({loss.note})" if loss.note else "") for loss in losses[:_MAX_EDITS]
    )
    return GatewayError(
        ErrorKind.INVALID_REQUEST,
        f"Strict mode: the request cannot be translated into {into} without loss: {named}.",
        param=losses[0].field,
        code="lossy_translation",
    )


def reshaped(body: bytes, call: CallPath, target: Target) -> bytes:
    """The same request for a provider that takes the vendor's body at a path of its own: every value stays as it was spelled."""
    members: dict[str, object] = dict(_members(body))
    if call.model_in_body:
        members["model"] = target.deployment.model
    else:
        members.pop("model", None)
    if not call.stream_in_body:
        members.pop("stream", None)
    for name, value in call.body_fields.items():
        members.setdefault(name, value)
    return encode_json(members)


def _path(call: CallPath, target: Target, exchange: Exchange) -> bytes:
    path = call.stream if exchange.is_stream and call.stream else call.whole
    base = target.unversioned_path if call.from_root else target.base_path
    full = base + path.encode().replace(b"{model}", target.model_quoted)
    if not call.query:
        return full
    return full + (b"&" if b"?" in full else b"?") + call.query.encode()


def _header_lines(exchange: Exchange, target: Target) -> bytes:
    """Headers of a translated request: what is no dialect's passes, the rest is the target's own."""
    overridden = target.override_names
    kept = [
        b"%b: %b\r\n" % (name, value)
        for name, value in exchange.downstream.headers
        if name in TRANSLATED_TOO and name not in overridden
    ]
    # Compressed replies would have to be unpacked to be read.
    kept.append(b"content-type: application/json\r\naccept-encoding: identity\r\n")
    if target.translated_into is WireFormat.ANTHROPIC_MESSAGES and b"anthropic-version" not in overridden:
        kept.append(_ANTHROPIC_VERSION)
    return b"".join(kept)


def is_sse_asked(exchange: Exchange) -> bool:
    """Whether a stream is to be server-sent events: Gemini's is a JSON array unless `alt=sse` is given."""
    return exchange.dialect is not Dialect.GEMINI or b"alt=sse" in exchange.query.split(b"&")
