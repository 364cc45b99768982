"""The price book of a configuration: the lists that its providers need, and the operator's rules."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Decimal
from typing import Final

from weighbridge.config import schema
from weighbridge.config.price_fields import PriceRule as WrittenRule
from weighbridge.config.price_lists import bundled_lists, lists_for
from weighbridge.core.clock import NS_PER_S
from weighbridge.core.rates import (
    UNIT,
    Bracket,
    ListedModel,
    PriceBook,
    PriceRule,
    Rates,
    RegionFactor,
    UnknownAction,
    UnknownPolicy,
)

_PICO_PER_TOKEN: Final = 1_000_000
"""Of a dollar per million tokens."""
_PICO_PER_USD: Final = 1_000_000_000_000
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_FREE_PROVIDER: Final = "demo"
"""Built in, and costs nothing."""

Lists = Mapping[str, tuple[ListedModel, ...]]


def compile_prices(config: schema.Config, lists: Lists | None = None) -> PriceBook:
    """Every price that the configured providers need. `lists` are those of the package, if not given."""
    known = bundled_lists() if lists is None and _needs_lists(config) else lists or {}
    sources = {name: lists_for(entry.type or name, known) for name, entry in config.providers.items()}
    needed = {name for names in sources.values() for name in names} | {_provider(rule.same_as) for rule in config.prices}
    rules = tuple(map(_rule, config.prices))
    return PriceBook(
        {name: models for name, models in known.items() if name in needed},
        sources,
        (_FREE, *rules) if _FREE_PROVIDER in config.providers else rules,
        _unknown(config.unknown_prices),
    )


def _unknown(written: schema.UnknownPrices) -> UnknownPolicy:
    ceiling = written.ceiling
    rates = None if ceiling is None else Rates(input=_token_rate(ceiling.input), output=_token_rate(ceiling.output))
    return UnknownPolicy(UnknownAction(written.action), rates)


def _needs_lists(config: schema.Config) -> bool:
    return any(name != _FREE_PROVIDER for name in config.providers) or any(rule.same_as for rule in config.prices)


def _provider(same_as: str | None) -> str:
    return (same_as or "").partition("/")[0]


_FREE: Final = PriceRule(f"{_FREE_PROVIDER}/*", own=(Bracket(Rates(input=0, output=0)),), source="built in, and free")


def _rule(rule: WrittenRule) -> PriceRule:
    rates = Rates(
        input=_token_rate(rule.input),
        cache_read=_token_rate(rule.cache_read),
        cache_write_5m=_token_rate(rule.cache_write),
        cache_write_1h=_token_rate(rule.cache_write_1h),
        output=_token_rate(rule.output),
        request=_rate_each(rule.request),
        audio_hour=_rate_each(rule.audio_hour),
        character=_token_rate(rule.characters),
    )
    starts = None if rule.starting is None else int((rule.starting - _EPOCH).total_seconds()) * NS_PER_S
    return PriceRule(
        rule.match,
        same_as=rule.same_as or "",
        own=(Bracket(rates),) if rates != Rates() else (),
        factor=UNIT if rule.discount is None else int((1 - rule.discount) * UNIT),
        tiers={tier: int(multiple * UNIT) for tier, multiple in rule.tiers.items()},
        from_wall_ns=starts,
        regions=tuple(RegionFactor(name, int((1 + more) * UNIT)) for name, more in rule.regions.items()),
        source="the configuration",
    )


def _rate_each(dollars: Decimal | None) -> int | None:
    return None if dollars is None else int(dollars * _PICO_PER_USD)


def _token_rate(dollars: Decimal | None) -> int | None:
    return None if dollars is None else int(dollars * _PICO_PER_TOKEN)
