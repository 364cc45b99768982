"""What an attempt asks budgets for: how many tokens it may use, and what these may cost, in each unit that budgets count."""

from __future__ import annotations

from typing import Final

from weighbridge.core.errors import GatewayError
from weighbridge.core.money import Nanousd
from weighbridge.core.rates import Tariff, cost_within, most_charged
from weighbridge.core.terms import Operation, Provenance, Usage
from weighbridge.ledger.pricing import Extent, Kinds, Pricer
from weighbridge.limits.accounts import Amounts
from weighbridge.limits.table import clamped
from weighbridge.pipeline.attempt import region_of
from weighbridge.pipeline.beside import models_beside
from weighbridge.pipeline.exchange import Exchange
from weighbridge.pipeline.refusals import price_unknown
from weighbridge.pipeline.target import Target
from weighbridge.wire.envelope import Envelope

_TOKENS: Final = 1
_CHARGED: Final = 2
"""Places in `Amounts`."""
_TIERED: Final = frozenset((Operation.CHAT, Operation.RESPONSES))
_RUNS_OTHERS: Final = frozenset((Operation.MESSAGES, Operation.RESPONSES))
_CHOOSES_A_PRICE: Final = frozenset(("service_tier", "speed", "inference_geo", "tools"))


class Need:
    """What is asked of budgets, where its cost is known."""

    __slots__ = ("_tariff", "extent", "nanousd", "target")

    def __init__(self, target: Target, extent: Extent, nanousd: int, tariff: Tariff | None) -> None:
        self.target = target
        self.extent = extent
        self.nanousd = nanousd
        self._tariff = tariff

    def amounts(self) -> Amounts:
        """What it asks of budgets of each unit."""
        if self._tariff is None:  # as nearly always, without another call
            return clamped(self.nanousd), clamped(self.extent[0] + self.extent[1]), 0
        return self.amounts_of(self.nanousd, self.extent)

    def amounts_of(self, nanousd: int, tokens: Extent) -> Amounts:
        """The same of something else."""
        return amounts_of(nanousd, tokens, self._tariff, is_own=self.target.own is not None)


class Wanted(Need):
    """What an attempt asks budgets for: its extent, and what that may cost. Raises `GatewayError` PRICE_UNKNOWN."""

    __slots__ = ("_beside", "_pricer", "_region", "_tier", "_wall_ns", "cap", "kinds")

    def __init__(self, exchange: Exchange, target: Target, cap: int | None, extent: Extent, kinds: Kinds) -> None:
        self.target = target
        self.cap = cap
        """The bound on each answer that the provider is told; None: none."""
        self.extent = extent
        self.kinds = kinds
        self._wall_ns = exchange.start_wall_ns
        self._region = region_of(target)
        self._tier: str | None = None
        self._beside = 0
        envelope = exchange.envelope
        if envelope is not None and envelope.has_any(_CHOOSES_A_PRICE):
            self._choose(envelope, exchange.endpoint.operation)
            self._beside = cost_beside(exchange, target, extent, kinds, self._region)
        self._tariff = exchange.account.accounts.tariff
        for pricer in (target.pricer, target.ceiling):
            if pricer is not None and (bound := self._bound(pricer, extent)) is not None:
                self._pricer, self.nanousd = pricer, bound
                return
        raise price_unknown(target.name)

    def _choose(self, envelope: Envelope, operation: Operation) -> None:
        """OpenAI's `service_tier`; Anthropic's `speed`, which has a price list of its own, and the place of its inference."""
        if operation is Operation.MESSAGES:
            self._tier = _text(envelope, "speed")
            self._region = _text(envelope, "inference_geo") or self._region
        elif operation in _TIERED:
            self._tier = _text(envelope, "service_tier")

    def _bound(self, pricer: Pricer, extent: Extent) -> Nanousd | None:
        found = pricer.bound(extent, self.kinds, tier=self._tier, at_wall_ns=self._wall_ns, region=self._region)
        return found if found is None or not self._beside else Nanousd(found + self._beside)

    def cost_of(self, usage: Usage) -> int:
        """What was used, in nano-dollars."""
        if usage.provenance is Provenance.UNKNOWN:
            return 0
        return self._pricer.price(usage, at_wall_ns=self._wall_ns, region=self._region).amount or 0

    def output_for(self, amount: int, unit: int) -> int:
        """How many tokens may come out for so much of a unit (see `Amounts`); negative where what goes in costs more."""
        if unit == _TOKENS:
            return amount - self.extent.input_tokens
        if unit == _CHARGED and self._tariff is not None:
            amount = cost_within(amount, self._tariff, is_own=self.target.own is not None)
        least, many = self._cost(0), 1_000_000
        rest = amount - least
        rate = self._cost(many) - least  # so many nano-dollars for a million tokens
        if rest < 0:
            return -1
        tokens = rest * many // rate if rate else many
        return tokens - 1 if self._cost(tokens) > amount else tokens

    def _cost(self, output_tokens: int) -> int:
        return self._bound(self._pricer, self.extent._replace(output_tokens=output_tokens)) or 0

    def cap_at(self, output_tokens: int) -> None:
        """Ask for less: so many tokens in all."""
        self.extent = self.extent._replace(output_tokens=output_tokens)
        self.nanousd = Nanousd(self._cost(output_tokens))


def cost_beside(exchange: Exchange, target: Target, extent: Extent, kinds: Kinds, region: str = "") -> int:
    """What other models may cost that the provider may run for a request of this extent. Where nobody knows their prices, nothing;
    then the attempt's cost will be unknown as well."""
    envelope, operation = exchange.envelope, exchange.endpoint.operation
    if envelope is None or operation not in _RUNS_OTHERS or not envelope.has("tools"):
        return 0
    amount = 0
    for model, uses, output, read in models_beside(envelope, operation):
        pricer = exchange.snapshot.pricer_of(target.deployment.provider, model)
        of = Extent(extent.input_tokens + extent.output_tokens if read is None else read, output)
        once = pricer.bound(of, kinds, at_wall_ns=exchange.start_wall_ns, region=region) if pricer is not None else None
        amount += uses * (once or 0)
    return amount


def amounts_of(nanousd: int, tokens: Extent, tariff: Tariff | None, *, is_own: bool) -> Amounts:
    """What budgets of each unit count for a cost and what was used for it. `is_own`: with the customer's own key."""
    charge = 0 if tariff is None else clamped(most_charged(nanousd, tariff, is_own=is_own))
    return clamped(nanousd), clamped(tokens[0] + tokens[1]), charge


def _text(envelope: Envelope, name: str) -> str | None:
    try:
        return envelope.string(name)
    except GatewayError:  # no text: the provider will say so
        return None
