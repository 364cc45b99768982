"""Step 8: one attempt at one target, from the prepared request to the head of the reply.

An attempt that ended, however it ended, is noted with what is known of its usage: every one that a provider may bill has
to be in the books.
"""

from __future__ import annotations

import asyncio
from typing import Final

from weighbridge.core.errors import ErrorKind, GatewayError
from weighbridge.core.ports import Clock, Upstream, UpstreamReply
from weighbridge.core.terms import NO_USAGE, Attempt
from weighbridge.pipeline.exchange import Exchange
from weighbridge.pipeline.prepare import prepare
from weighbridge.pipeline.snapshot import Target

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


async def attempt(exchange: Exchange, target: Target, upstream: Upstream, turns: Turns, clock: Clock) -> UpstreamReply:
    """Send the request and wait for the reply's head. Raises `GatewayError` of kind PROVIDER_*."""
    exchange.target = target
    turn = turns.take(target) if len(target.credentials) > 1 else 0
    request = prepare(exchange, target, turn)
    begun_ns = clock.now_ns()
    exchange.decided_ns = begun_ns
    try:
        reply = await upstream.send(request)
    except BaseException as error:
        kind = _kind_of(error).value
        exchange.attempts.append(_noted(exchange, target, turn, status=0, error=kind, begun_ns=begun_ns, end_ns=clock.now_ns()))
        raise
    exchange.reply = reply
    exchange.credential_turn = turn
    return reply


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
