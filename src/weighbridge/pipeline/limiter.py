"""Rate limits of requests and attempts: taken from this host's own, or asked of whoever keeps those that hosts share.

Where hosts share them, taking has two halves, with a wait in between that may end in no answer: then this host goes by its part, or
refuses. What was given has to be settled at whoever gave it; who leaves between the halves has taken nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from weighbridge.core.allowances import Measure
from weighbridge.limits.accounts import LimitAccount
from weighbridge.limits.shared import Asked, Outcome, SharedDraw, SharedLimits
from weighbridge.limits.table import Draw, Hold, Table, TableFullError
from weighbridge.pipeline.bounds import WRITES_TEXT, size_of
from weighbridge.pipeline.exchange import Exchange
from weighbridge.pipeline.refusals import limits_unknown, too_many_names
from weighbridge.pipeline.traits import BYTES_A_TOKEN, output_bound

_USUAL_OUTPUT_TOKENS: Final = 500
"""What a rate limit of tokens is drawn at where the request names no bound; what was used is corrected afterwards."""

_INPUT: Final = Measure.INPUT_TOKENS
_OUTPUT: Final = Measure.OUTPUT_TOKENS
_OF_TOKENS: Final = frozenset((Measure.TOKENS, Measure.INPUT_TOKENS, Measure.OUTPUT_TOKENS))

Taken = tuple[Sequence[Draw], Draw | None]
"""What was asked of each limit, and the one that has not enough, if one has not."""


def take(table: Table, exchange: Exchange, limits: Sequence[LimitAccount], now_ns: int) -> Taken:
    """Take a request's part of all of these limits of this host. Raises `GatewayError` where there are too many names."""
    draws = [limit.draw(_expected(exchange, limit.measure) if limit.measure in _OF_TOKENS else 1) for limit in limits]
    try:
        return draws, table.draw(draws, now_ns)
    except TableFullError:
        raise too_many_names() from None


class SharedLimiter:
    """The limits that this host shares, and its own part of them."""

    def __init__(self, table: Table, shared: SharedLimits) -> None:
        self._table = table
        self._shared = shared

    def ask(self, exchange: Exchange, limits: Sequence[LimitAccount]) -> Asked:
        """Ask for a request's part of all of these: wait for the signal, then see what was `given`."""
        return self._shared.ask([limit.shared_draw(_drawn_at(exchange, limit)) for limit in limits])

    def given(self, exchange: Exchange, asked: Asked, limits: Sequence[LimitAccount], now_ns: int) -> Taken:
        """What came of it; where nobody has answered, of this host's part. Raises `GatewayError` GATEWAY_OVERLOADED."""
        shared = self._shared
        if asked.outcome is Outcome.GIVEN:
            self._note(asked.draws, limits, now_ns)
        if asked.outcome is not Outcome.UNKNOWN:
            return asked.draws, asked.short
        if shared.refuses:
            raise limits_unknown()
        draws = [limit.share_draw(_drawn_at(exchange, limit), shared.n_hosts) for limit in limits]
        try:
            short = self._table.draw(draws, now_ns)
        except TableFullError:
            raise too_many_names() from None
        if short is None:
            shared.hold(draws)
        return draws, short

    def _note(self, draws: Sequence[SharedDraw], limits: Sequence[LimitAccount], now_ns: int) -> None:
        """Count what was given in this host's part too: when nobody can be asked any more, it goes on from there."""
        own = [limit.own_draw(draw.amount) for limit, draw in zip(limits, draws, strict=True)]
        try:
            self._table.draw(own, now_ns)
        except TableFullError:
            return  # then its part begins anew
        for draw, each in zip(draws, own, strict=True):
            draw.own = each

    def abandon(self, asked: Asked) -> None:
        """Who asked has left: what was given, or yet will be, goes back."""
        if asked.outcome is Outcome.GIVEN:
            self._shared.settle(asked.draws, [0] * len(asked.draws))
        else:
            asked.abandon()

    def settle(self, holds: Sequence[Hold], spent: Sequence[int], draws: Sequence[Draw], used: Sequence[int]) -> None:
        """`Table.settle`, and the same at whoever keeps what is shared. Requests at a time count there, whoever let them in."""
        if draws:
            theirs = [(draw, n) for draw, n in zip(draws, used, strict=True) if isinstance(draw, SharedDraw) or not draw.per_ns]
            self._shared.settle([draw for draw, _ in theirs], [n for _, n in theirs])
            own = [(draw.own if isinstance(draw, SharedDraw) else draw, n) for draw, n in zip(draws, used, strict=True)]
            draws, used = [draw for draw, _ in own if draw is not None], [n for draw, n in own if draw is not None]
        self._table.settle(holds, spent, draws, used)


def _drawn_at(exchange: Exchange, limit: LimitAccount) -> int:
    """What a request is taken to use until it is known: of dollars, next to nothing."""
    return _expected(exchange, limit.measure) if limit.measure in _OF_TOKENS else 1


def _expected(exchange: Exchange, measure: Measure) -> int:
    """How much a request is likely to use, at least one."""
    into = out = 0
    if measure is not _OUTPUT:
        into = size_of(exchange) // BYTES_A_TOKEN
    if measure is not _INPUT and exchange.endpoint.operation in WRITES_TEXT:
        out = output_bound(exchange) or _USUAL_OUTPUT_TOKENS
    return max(1, into + out)
