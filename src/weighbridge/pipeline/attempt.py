"""Step 8: one attempt at one target, from the prepared request to the head of the reply.

An attempt that ended, however it ended, is noted with what is known of its usage: every one that a provider may bill has
to be in the books.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final

from weighbridge.core.errors import ErrorKind, GatewayError
from weighbridge.core.ports import Authorizer, Clock, Upstream, UpstreamReply, UpstreamRequest
from weighbridge.core.tasks import on_a_task
from weighbridge.core.terms import NO_USAGE, Attempt, WireFormat
from weighbridge.pipeline.document_translation import prepare_document
from weighbridge.pipeline.exchange import Exchange
from weighbridge.pipeline.prepare import prepare
from weighbridge.pipeline.snapshot import Target
from weighbridge.pipeline.translation import prepare_translated

_MAX_TURNS: Final = 10_000
"""Providers whose turns are remembered; names come from the configuration, so this is never reached by callers."""


class Turns:
    """Whose turn it is among the credentials of a provider. Outlives a reload, being keyed by the provider's name."""

    __slots__ = ("_next",)

    def __init__(self) -> None:
        self._next: dict[str, int] = {}

    def take(self, target: Target) -> int:
        """The index of the credential to use."""
        n = len(target.credentials)
        if n <= 1:
            return 0
        name = target.provider.name
        turn = self._next.get(name, 0)
        if len(self._next) > _MAX_TURNS:
            self._next.clear()
        self._next[name] = turn + 1
        return turn % n


FindAuthorizer = Callable[[str], Authorizer | None]
"""By the name of a provider, who signs its requests."""


async def attempt(
    exchange: Exchange, target: Target, upstream: Upstream, turns: Turns, clock: Clock, find_authorizer: FindAuthorizer
) -> UpstreamReply:
    """Send the request and wait for the reply's head. Raises `GatewayError` of kind PROVIDER_*."""
    exchange.target = target
    turn = turns.take(target) if len(target.credentials) > 1 else 0
    request = _prepare(exchange, target, turn)
    begun_ns = clock.now_ns()
    exchange.decided_ns = begun_ns
    try:
        if target.is_signed and (authorizer := find_authorizer(target.deployment.provider)) is not None:
            await _sign(request, target, authorizer)
            reply = await upstream.send(request)
            if reply.status in (401, 403):
                authorizer.invalidate()
        else:
            reply = await upstream.send(request)
    except BaseException as error:
        kind = _kind_of(error).value
        exchange.attempts.append(_noted(exchange, target, turn, status=0, error=kind, begun_ns=begun_ns, end_ns=clock.now_ns()))
        raise
    exchange.reply = reply
    exchange.credential_turn = turn
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


def _prepare(exchange: Exchange, target: Target, turn: int) -> UpstreamRequest:
    if target.translated_into is None:
        return prepare(exchange, target, turn)
    prepare_anew = prepare_translated if isinstance(target.translated_into, WireFormat) else prepare_document
    return prepare_anew(exchange, target, turn)


def _kind_of(error: BaseException) -> ErrorKind:
    if isinstance(error, GatewayError):
        return error.kind
    return ErrorKind.CLIENT_CLOSED if isinstance(error, asyncio.CancelledError) else ErrorKind.INTERNAL


def _noted(exchange: Exchange, target: Target, turn: int, *, status: int, error: str | None, begun_ns: int, end_ns: int) -> Attempt:
    start = exchange.downstream.received_ns
    return Attempt(
        provider=target.provider.name,
        model=target.deployment.model,
        credential=credential_name(target, turn),
        status=status,
        error=error,
        usage=NO_USAGE,
        sent_ns=begun_ns - start,
        first_byte_ns=-1,
        end_ns=end_ns - start,
    )


def credential_name(target: Target, turn: int) -> str:
    """What Records show instead of a provider's key."""
    return target.credentials[turn].name if target.credentials else ""


def answered(exchange: Exchange, target: Target, end_ns: int, error: str | None) -> Attempt:
    """The note of an attempt whose reply has begun."""
    reply = exchange.reply
    assert reply is not None
    start = exchange.downstream.received_ns
    return Attempt(  # by position: see settle.py
        target.deployment.provider,
        target.deployment.model,
        credential_name(target, exchange.credential_turn),
        reply.status,
        error,
        exchange.usage,
        reply.sent_ns - start,
        reply.first_byte_ns - start,
        end_ns - start,
    )
