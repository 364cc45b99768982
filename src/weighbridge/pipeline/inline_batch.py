"""A batch whose requests are in the request that makes it: each of them is looked at as if it had come by itself.

So a key's models and its bound on outputs hold in a batch, a model may have its provider's name before it, and budgets know the
most that the batch may cost. https://platform.claude.com/docs/en/build-with-claude/batch-processing
"""

from __future__ import annotations

import asyncio
from typing import Final

from weighbridge.core.errors import ErrorKind, GatewayError
from weighbridge.core.tasks import on_a_task
from weighbridge.core.terms import Endpoint, ModelPlace, Operation
from weighbridge.ledger.pricing import Extent, Kinds
from weighbridge.pipeline.bookkeeper import capped_by_key
from weighbridge.pipeline.bounds import extent_of, named_cap
from weighbridge.pipeline.exchange import Batch, Exchange
from weighbridge.pipeline.prepare import splices_of
from weighbridge.pipeline.receive import missing_model, take_body
from weighbridge.pipeline.refusals import price_unknown
from weighbridge.pipeline.target import Target
from weighbridge.pipeline.wanted import cost_beside
from weighbridge.wire.envelope import Envelope, Splice

_A_TURN: Final = 50
"""Requests that are looked at before others have their turn: 30 µs each."""
_NOTHING: Final = Extent(0, 0)


async def read_batch(exchange: Exchange) -> None:
    """Take in a batch. One that is too large to be held, or does not tell its size, passes unread, and one that shows no requests
    is as unknown: nothing bounds its cost then.

    Raises `GatewayError` for a request that could not be sent by itself, naming it.
    """
    downstream, limit = exchange.downstream, exchange.snapshot.limits.max_body_bytes
    if downstream.content_length is None or downstream.content_length > limit:
        return
    await on_a_task()
    envelope = Envelope.read(take_body(exchange, await downstream.read_body(limit)))
    _check_sole(envelope, "requests")
    tally = _Tally(exchange)
    for number, item in enumerate(envelope.objects("requests")):
        _check_sole(item, "params")
        params = item.nested("params")
        if params is not None:
            tally.add(number, params)
        if not number % _A_TURN:
            await asyncio.sleep(0)
    exchange.batch = tally.batch()


class _Share:
    """What the requests to one model come to that have the same kinds of input."""

    __slots__ = ("extent", "kinds", "longest", "n_requests", "target")

    def __init__(self, target: Target, kinds: Kinds) -> None:
        self.target = target
        self.kinds = kinds
        self.extent = _NOTHING
        self.longest = self.n_requests = 0

    def add(self, extent: Extent) -> None:
        self.extent = _sum(self.extent, extent)
        self.longest = max(self.longest, extent.input_tokens)
        self.n_requests += 1

    def bound(self, wall_ns: int) -> int:
        """The most that it may cost. Raises `GatewayError` PRICE_UNKNOWN."""
        for pricer in (self.target.pricer, self.target.ceiling):
            if pricer is not None:
                found = pricer.bound_of_batch(self.extent, self.kinds, self.n_requests, self.longest, at_wall_ns=wall_ns)
                if found is not None:
                    return found
        raise price_unknown(self.target.name)


class _Tally:
    """All requests of a batch."""

    def __init__(self, exchange: Exchange) -> None:
        found = exchange.match
        assert found is not None
        self._exchange = exchange
        self._provider = exchange.snapshot.home_for(exchange.dialect, found.provider).first_target.provider.name
        self._endpoint = Endpoint(exchange.dialect, Operation.MESSAGES, ModelPlace.BODY)
        self._shares: dict[tuple[str, Kinds], _Share] = {}
        self._beside = 0
        self._splices: list[Splice] = []
        self._edits: dict[str, None] = {}

    def add(self, number: int, params: Envelope) -> None:
        """One more. Raises `GatewayError`."""
        try:
            self._add(self._alone(params))
        except GatewayError as error:
            raise _of_request(number, error) from None

    def batch(self) -> Batch | None:
        """What all of them come to; None of none."""
        shares, wall_ns = self._shares.values(), self._exchange.start_wall_ns
        if not shares:
            return None
        extent = _NOTHING
        for each in shares:
            extent = _sum(extent, each.extent)
        nanousd = sum(each.bound(wall_ns) for each in shares) + self._beside
        return Batch(extent, nanousd, self._splices, list(self._edits))

    def _alone(self, params: Envelope) -> Exchange:
        """The request as it would be by itself."""
        of = self._exchange
        alone = Exchange(of.downstream, of.snapshot, of.request_id, of.start_wall_ns)
        alone.fields, alone.dialect, alone.endpoint, alone.key = of.fields, of.dialect, self._endpoint, of.key
        alone.envelope, alone.body = params, params.body
        alone.request_bytes = len(params.body)
        return alone

    def _add(self, alone: Exchange) -> None:
        assert alone.envelope is not None
        model = alone.requested_model = alone.envelope.string("model") or ""
        if not model:
            raise missing_model()
        snapshot, key = alone.snapshot, alone.key
        compiled = snapshot.route_for(model, self._endpoint, self._provider)
        if key is not None and key.models:
            compiled = snapshot.permitted(key, model, compiled)
        target = compiled.first_target
        cap, is_doubtful = named_cap(alone, target)
        if is_doubtful or (key is not None and key.max_output_tokens is not None):
            cap = capped_by_key(alone, cap, is_doubtful=is_doubtful)
        extent, kinds = extent_of(alone, target, cap)
        share = self._shares.get((target.name, kinds))
        if share is None:
            share = self._shares[target.name, kinds] = _Share(target, kinds)
        share.add(extent)
        self._beside += cost_beside(alone, target, extent, kinds)
        self._splices += splices_of(alone, target)
        self._edits.update(dict.fromkeys(alone.edits))


def _sum(one: Extent, other: Extent) -> Extent:
    return Extent(one.input_tokens + other.input_tokens, one.output_tokens + other.output_tokens, one.tool_calls + other.tool_calls)


def _check_sole(envelope: Envelope, name: str) -> None:
    """Of two, a provider could read the other."""
    if not envelope.occurs_once(name) and len(envelope.locate(name)) > 1:
        raise GatewayError(ErrorKind.INVALID_REQUEST, f"The field '{name}' is there more than once.", param=name)


def _of_request(number: int, error: GatewayError) -> GatewayError:
    """The same refusal, with the request that it is about."""
    param = f"requests.{number}.params" + (f".{error.param.rpartition('.')[2]}" if error.param else "")
    return GatewayError(
        error.kind, f"Request {number} of the batch: {error.public}", detail=error.detail, param=param, code=error.code
    )
