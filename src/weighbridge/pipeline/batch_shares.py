"""What the requests of a batch may take and cost, added up by model: each is looked at as if it had come by itself."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final, NamedTuple

import msgspec

from weighbridge.core.errors import ErrorKind, GatewayError
from weighbridge.core.terms import Endpoint, ModelPlace, Operation
from weighbridge.ledger.pricing import Extent, Kinds
from weighbridge.pipeline.bookkeeper import capped_by_key
from weighbridge.pipeline.bounds import WRITES_TEXT, extent_of, named_cap
from weighbridge.pipeline.compiled_routes import CompiledRoute
from weighbridge.pipeline.exchange import Exchange
from weighbridge.pipeline.receive import missing_model
from weighbridge.pipeline.refusals import price_unknown
from weighbridge.pipeline.target import Target
from weighbridge.pipeline.wanted import cost_beside
from weighbridge.wire.envelope import Envelope

_NOTHING: Final = Extent(0, 0)


class Share(msgspec.Struct, array_like=True):
    """The requests to one model that have the same kinds of input: what all of them may take together."""

    operation: Operation
    model: str
    has_media: bool
    writes_cache: bool
    n_requests: int = 0
    longest: int = 0
    """The most that one of them reads, in tokens."""
    input_tokens: int = 0
    output_tokens: int = 0
    tool_calls: int = 0
    most_output: int = 0
    """The most that one answer may have."""
    beside_nanousd: int = 0
    """What models beside it may cost that the provider may run for them."""

    def add(self, extent: Extent, cap: int | None, beside: int) -> None:
        """One more, each of whose answers has at most `cap` tokens."""
        self.n_requests += 1
        self.longest = max(self.longest, extent.input_tokens)
        self.input_tokens += extent.input_tokens
        self.output_tokens += extent.output_tokens
        self.tool_calls += extent.tool_calls
        self.most_output = max(self.most_output, extent.output_tokens if cap is None else cap)
        self.beside_nanousd += beside

    def bound(self, target: Target, wall_ns: int) -> int:
        """The most that it may cost. Raises `GatewayError` PRICE_UNKNOWN."""
        extent = Extent(self.input_tokens, self.output_tokens, self.tool_calls)
        kinds = Kinds(self.has_media, self.writes_cache)
        for pricer in (target.pricer, target.ceiling):
            if pricer is not None:
                found = pricer.bound_of_batch(extent, kinds, self.n_requests, self.longest, at_wall_ns=wall_ns)
                if found is not None:
                    return found + self.beside_nanousd
        raise price_unknown(target.name)


class Bound(NamedTuple):
    """The most that a batch may take, and what that costs in nano-dollars."""

    extent: Extent
    nanousd: int


class Shares:
    """All requests of a batch, or of a file of them."""

    __slots__ = ("_by_kind", "_exchange", "_provider")

    def __init__(self, exchange: Exchange) -> None:
        self._exchange = exchange
        self._provider = provider_of(exchange)
        self._by_kind: dict[tuple[Operation, str, Kinds], Share] = {}

    @property
    def shares(self) -> list[Share]:
        """What has been added up."""
        return list(self._by_kind.values())

    def alone(self, operation: Operation, params: Envelope) -> Exchange:
        """A request as it would be by itself. Raises `GatewayError` where it names no model."""
        of = self._exchange
        alone = Exchange(of.downstream, of.snapshot, of.request_id, of.start_wall_ns)
        alone.fields, alone.dialect, alone.key = of.fields, of.dialect, of.key
        alone.endpoint = Endpoint(of.dialect, operation, ModelPlace.BODY)
        alone.envelope, alone.body = params, params.body
        alone.request_bytes = len(params.body)
        alone.requested_model = params.string("model") or ""
        if not alone.requested_model:
            raise missing_model()
        return alone

    def add(self, alone: Exchange) -> Target:
        """Count it in; who is asked. Raises `GatewayError` where it may not be asked."""
        operation, key = alone.endpoint.operation, alone.key
        target = served(alone, operation, alone.requested_model, self._provider).first_target
        cap, is_doubtful = named_cap(alone, target)
        if is_doubtful or (key is not None and key.max_output_tokens is not None):
            cap = capped_by_key(alone, cap, is_doubtful=is_doubtful)
        extent, kinds = extent_of(alone, target, cap)
        name = operation, target.deployment.model, kinds
        share = self._by_kind.get(name)
        if share is None:
            share = self._by_kind[name] = Share(operation, target.deployment.model, *kinds)
        share.add(extent, cap, cost_beside(alone, target, extent, kinds))
        return target


def provider_of(exchange: Exchange) -> str:
    """To whom a batch goes. Raises `GatewayError`."""
    found = exchange.match
    assert found is not None
    return exchange.snapshot.home_for(exchange.dialect, found.provider).first_target.provider.name


def served(exchange: Exchange, operation: Operation, model: str, provider: str) -> CompiledRoute:
    """A model of that provider, as far as the caller's key may use it. Raises `GatewayError`."""
    snapshot, key = exchange.snapshot, exchange.key
    compiled = snapshot.route_for(model, Endpoint(exchange.dialect, operation, ModelPlace.BODY), provider)
    return snapshot.permitted(key, model, compiled) if key is not None and key.models else compiled


def bound_of(exchange: Exchange, shares: Iterable[Share]) -> Bound:
    """What all of them may cost now. Raises `GatewayError` PRICE_UNKNOWN, and what `served` does."""
    provider, extent, nanousd = provider_of(exchange), _NOTHING, 0
    for each in shares:
        target = served(exchange, each.operation, each.model, provider).first_target
        nanousd += each.bound(target, exchange.start_wall_ns)
        extent = Extent(
            extent.input_tokens + each.input_tokens,
            extent.output_tokens + each.output_tokens,
            extent.tool_calls + each.tool_calls,
        )
    return Bound(extent, nanousd)


def check_outputs(exchange: Exchange, shares: Iterable[Share] | None) -> None:
    """Whether answers are as short as the key wants them, as far as that is seen (None: not at all). Raises `GatewayError`."""
    most = exchange.key.max_output_tokens if exchange.key is not None else None
    if most is None or (shares is not None and all(each.most_output <= most for each in shares if each.operation in WRITES_TEXT)):
        return
    raise GatewayError(
        ErrorKind.PERMISSION_DENIED,
        f"This key's answers have at most {most} tokens, and nothing shows that all requests of this batch keep to that.",
        code="output_cap_unseen",
    )
