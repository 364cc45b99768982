"""Step 8: one attempt at one target, from the prepared request to the head of the reply.

An attempt that ended, however it ended, is noted with what is known of its usage: every one that a provider may bill has
to be in the books.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from weighbridge.core.errors import ErrorKind
from weighbridge.core.money import Nanousd
from weighbridge.core.ports import Authorizer, Upstream, UpstreamReply, UpstreamRequest
from weighbridge.core.rates import PriceState
from weighbridge.core.tasks import on_a_task
from weighbridge.core.terms import Attempt, WireFormat
from weighbridge.ledger.pricing import UNKNOWN, Price
from weighbridge.pipeline.document_translation import prepare_document
from weighbridge.pipeline.exchange import Exchange
from weighbridge.pipeline.prepare import prepare
from weighbridge.pipeline.target import Target
from weighbridge.pipeline.translation import prepare_translated

FindAuthorizer = Callable[[str], Authorizer | None]
"""By the name of a provider, who signs its requests."""


_NOTHING: Final = Price(Nanousd(0), PriceState.KNOWN)
_NEVER_SENT: Final = frozenset((ErrorKind.PROVIDER_UNREACHABLE.value,))


def prepare_for(exchange: Exchange, target: Target, turn: int) -> UpstreamRequest:
    """The request to send to a target with one of its credentials. Raises `GatewayError` where the target cannot be asked it."""
    if target.translated_into is None:
        return prepare(exchange, target, turn)
    prepare_anew = prepare_translated if isinstance(target.translated_into, WireFormat) else prepare_document
    return prepare_anew(exchange, target, turn)


async def send_signed(
    request: UpstreamRequest, target: Target, upstream: Upstream, find_authorizer: FindAuthorizer
) -> UpstreamReply:
    """Sign the request, send it and wait for the reply's head. Raises `GatewayError` of kind PROVIDER_*."""
    authorizer = find_authorizer(target.deployment.provider)
    if authorizer is None:
        return await upstream.send(request)
    await _sign(request, target, authorizer)
    reply = await upstream.send(request)
    if reply.status in (401, 403):
        authorizer.invalidate()
    return reply


async def _sign(request: UpstreamRequest, target: Target, authorizer: Authorizer) -> None:
    """Add what proves who we are; what expires was fetched beforehand, but for the first time."""
    if not authorizer.ready():
        await on_a_task()
        await authorizer.refresh()
    start = len(request.method) + 1
    path_and_query = request.head[start : request.head.index(b" HTTP/1.1\r\n")]
    pieces = request.body if isinstance(request.body, list) else []
    request.head += authorizer.header_lines(request.method, target.host, path_and_query, pieces)


def note_attempt(exchange: Exchange, error: str | None, end_ns: int) -> str | None:
    """Put the attempt that is over into the account, if one was made: with what its meter has counted, failed or not.

    The error's word: the one that is given, else the one that the meter has seen in the reply, if any.
    """
    target, reply = exchange.target, exchange.reply
    meter = exchange.meter
    if meter is not None:
        meter.finish()
        exchange.usage = meter.usage
        exchange.finish_reason = meter.finish_reason
        error = error or meter.stream_error
    if target is None or not exchange.decided_ns:
        return error
    start = exchange.downstream.received_ns
    cost = _cost(exchange, target, error)
    exchange.attempts.append(
        Attempt(  # by position: see settle.py
            target.deployment.provider,
            target.deployment.model,
            credential_name(target, exchange.credential_turn),
            reply.status if reply is not None else 0,
            error,
            exchange.usage,
            (reply.sent_ns if reply is not None else exchange.decided_ns) - start,
            reply.first_byte_ns - start if reply is not None else -1,
            end_ns - start,
            cost.amount,
            cost.state,
        )
    )
    return error


def _cost(exchange: Exchange, target: Target, error: str | None) -> Price:
    """What the provider charges for an attempt: nothing for a refusal, and for what never reached it."""
    reply = exchange.reply
    if reply is None:
        return _NOTHING if error in _NEVER_SENT else UNKNOWN
    if reply.status >= 400:
        return _NOTHING
    if target.pricer is None:
        return UNKNOWN
    meter = exchange.meter
    tier = meter.service_tier if meter is not None else None
    region = target.provider.variables.get("region", "") if target.provider.variables else ""
    return target.pricer.price(exchange.usage, tier=tier, at_wall_ns=exchange.start_wall_ns, region=region)


def credential_name(target: Target, turn: int) -> str:
    """What Records show instead of a provider's key."""
    return target.credentials[turn].name if target.credentials else ""
