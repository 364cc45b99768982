"""What an attempt costs of which parts have prices of their own (`UsageApart`): other models' runs within a reply, and runs whose
length counts by itself."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import msgspec

from weighbridge.core.money import Nanousd
from weighbridge.core.rates import BATCH, PriceState
from weighbridge.core.terms import COUNTS, Usage, UsageApart
from weighbridge.ledger.pricing import TOLD, UNKNOWN, Price, Pricer


class Circumstances(NamedTuple):
    """What a price depends on besides: the served tier, when, and where."""

    tier: str | None
    at_wall_ns: int
    region: str


def price_with_parts(
    usage: Usage,
    apart: Sequence[UsageApart],
    pricer: Pricer,
    pricer_of: Callable[[str], Pricer | None],
    circumstances: Circumstances,
) -> Price:
    """The whole, each part at its own price: UNKNOWN where nobody knows that of one, an estimate where one is. `pricer_of` knows
    the other models of the provider."""
    amount, state = 0, PriceState.KNOWN
    for each, part, where in _shares(usage, apart, pricer, pricer_of, circumstances):
        tier, at_wall_ns, region = where
        price = UNKNOWN
        if each is not None:
            price = each.price(part.usage, tier=tier, at_wall_ns=at_wall_ns, region=region, n_requests=part.n_requests)
        if price.amount is None:
            return UNKNOWN
        amount += price.amount
        if price.state is not PriceState.KNOWN:
            state = price.state
    return Price(Nanousd(amount), state)


def saved_with_parts(
    usage: Usage,
    apart: Sequence[UsageApart],
    pricer: Pricer,
    pricer_of: Callable[[str], Pricer | None],
    circumstances: Circumstances,
) -> int:
    """What the provider's prompt cache has saved of it, in nano-dollars; nothing of a part whose price nobody knows."""
    return sum(
        each.cache_saved(part.usage, tier=where.tier, at_wall_ns=where.at_wall_ns, region=where.region, n_requests=part.n_requests)
        for each, part, where in _shares(usage, apart, pricer, pricer_of, circumstances)
        if each is not None
    )


class BilledLine(NamedTuple):
    """One line of an attempt's bill, and which model's price list it is from. Amounts are pico-dollars."""

    model: str
    what: str
    number: int
    rate: int
    amount_pico: int


class Bill(NamedTuple):
    """How an attempt's cost is made up. `amount` is what the lines come to, rounded as it is booked: once for each model's run."""

    amount: Nanousd
    lines: tuple[BilledLine, ...]
    sources: tuple[str, ...]


def bill_with_parts(
    model: str,
    usage: Usage,
    apart: Sequence[UsageApart],
    pricer: Pricer,
    pricer_of: Callable[[str], Pricer | None],
    circumstances: Circumstances,
) -> Bill | None:
    """Line by line what `price_with_parts` says of an attempt at `model`; None where nobody knows."""
    price = price_with_parts(usage, apart, pricer, pricer_of, circumstances)
    if price.amount is None:
        return None
    lines: list[BilledLine] = []
    sources: dict[str, None] = {}
    for each, part, where in _shares(usage, apart, pricer, pricer_of, circumstances):
        assert each is not None
        name = model if each is pricer else each.card.model
        tier, at_wall_ns, region = where
        told = each.lines(part.usage, tier=tier, at_wall_ns=at_wall_ns, region=region, n_requests=part.n_requests)
        lines += [BilledLine(name, *line) for line in told]
        sources["the provider's own reply" if told and told[0].what == TOLD else each.card.source] = None
    return Bill(price.amount, tuple(lines), tuple(sources))


def _shares(
    usage: Usage,
    apart: Sequence[UsageApart],
    pricer: Pricer,
    pricer_of: Callable[[str], Pricer | None],
    circumstances: Circumstances,
) -> list[tuple[Pricer | None, UsageApart, Circumstances]]:
    """Who prices how much. A tier is the attempt's own model's: what another one costs in it is nowhere said, but for a batch,
    which is one for all of its models."""
    shares: list[tuple[Pricer | None, UsageApart, Circumstances]] = []
    rest = usage
    of_others = circumstances if circumstances.tier == BATCH else circumstances._replace(tier=None)
    for part in apart:
        rest = _less(rest, part.usage)
        if part.model:
            shares.append((pricer_of(part.model), part, of_others))
        else:
            shares.append((pricer, part, circumstances))
    return [(pricer, UsageApart("", rest), circumstances), *shares] if _is_anything(rest) or not shares else shares


def _less(usage: Usage, part: Usage) -> Usage:
    """Never below nothing: an estimate may be less than what was told of a part."""
    counts = {name: max(getattr(usage, name) - getattr(part, name), 0) for name in COUNTS}
    return msgspec.structs.replace(usage, **counts)


def _is_anything(usage: Usage) -> bool:
    return any(getattr(usage, name) for name in COUNTS)
