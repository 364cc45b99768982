"""The price lists of `genai-prices` as rate cards: dated, with tiers, brackets and hours. https://github.com/pydantic/genai-prices

Converted here, in the control plane, so that workers need neither that package nor its data. It is imported when a list is first
needed (a sixth of a second).
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping
from decimal import Decimal
from functools import cache
from typing import TYPE_CHECKING, Any, Final

from weighbridge.core.clock import NS_PER_S
from weighbridge.core.rates import (
    Bracket,
    DayWindow,
    ListedModel,
    MatchKind,
    ModelFacts,
    ModelMatch,
    Period,
    RateCard,
    Rates,
    RegionFactor,
)

if TYPE_CHECKING:
    from genai_prices.types import ModelInfo, Provider

_PICO_PER_USD: Final = 1_000_000_000_000
_PER_MTOK: Final = Decimal(1_000_000)
"""Dollars per million tokens -> pico-dollars per token."""
_PER_KILO: Final = Decimal(_PICO_PER_USD) / 1000
_EACH: Final = Decimal(_PICO_PER_USD)

_TOKEN_RATES: Final = {
    "input_mtok": "input",
    "cache_read_mtok": "cache_read",
    "cache_audio_read_mtok": "cached_audio",
    "cache_image_read_mtok": "cached_image",
    "cache_write_mtok": "cache_write_5m",
    "cache_write_1h_mtok": "cache_write_1h",
    "output_mtok": "output",
    "output_reasoning_mtok": "reasoning",
    "input_audio_mtok": "input_audio",
    "input_image_mtok": "input_image",
    "output_audio_mtok": "output_audio",
    "output_image_mtok": "output_image",
    "input_mchars": "character",
}
_HOUR_RATES: Final = {"audio_hours": "audio_hour", "input_audio_hours": "audio_hour"}
_PIECE_RATES: Final = {"web_searches_kcount": "tool_call", "storage_searches_kcount": "file_search", "requests_kcount": "request"}
_TIER_KEYS: Final = ("service_tier", "processing", "speed")
"""How the lists name a tier: `{'service_tier': 'flex'}`, `{'processing': 'batch'}`, `{'speed': 'fast'}`."""

_REGIONS: Final = {"anthropic": (RegionFactor("us", 1_100_000),)}
"""What the lists leave out: inference in the US alone costs a tenth more, told by `usage.inference_geo`
(https://platform.claude.com/docs/en/manage-claude/data-residency)."""

_AZURE: Final = ("azure", "openai", "anthropic", "deepseek", "x-ai", "moonshotai")
"""Microsoft sells other vendors' models at their own prices, but for those that its own list has."""

LISTS_OF: Final[dict[str, tuple[str, ...]]] = {
    "gemini": ("google",),
    "vertex": ("google", "anthropic"),
    "bedrock": ("aws",),
    "azure": _AZURE,
    "azure-ai-foundry": _AZURE,
    "azure-ai-inference": _AZURE,
    "azure-deployments": _AZURE,
    "bedrock-mantle": ("aws",),
    "bedrock-openai": ("aws",),
    "vertex-openai": ("google", "anthropic"),
    "xai": ("x-ai",),
    "moonshot": ("moonshotai",),
}
"""By the catalogue's name, where it is not the list's own."""


def lists_for(provider_type: str, known: Iterable[str]) -> tuple[str, ...]:
    """The lists that have a provider's prices, the first to be asked first; empty where none has."""
    named = LISTS_OF.get(provider_type, (provider_type,))
    return tuple(name for name in named if name in known)


@cache
def bundled_lists() -> dict[str, tuple[ListedModel, ...]]:
    """All lists of the package, by their names."""
    from genai_prices import __version__  # noqa: PLC0415 - slow to import, and only the control plane needs it
    from genai_prices.data import providers  # noqa: PLC0415

    source = f"genai-prices {__version__}"
    return {provider.id: _listed(provider, source) for provider in providers}


def _listed(provider: Provider, source: str) -> tuple[ListedModel, ...]:
    urls = ", ".join(provider.pricing_urls or ())
    return tuple(
        ListedModel(_match(model.match), _card(model, f"{source}: {urls}" if urls else source, _REGIONS.get(provider.id, ())))
        for model in provider.models
    )


def _match(clause: Any) -> ModelMatch:
    for field, kind in _CLAUSES.items():
        if (value := getattr(clause, field, None)) is None or callable(value):
            continue
        if isinstance(value, str):
            return ModelMatch(kind, value)
        return ModelMatch(kind, parts=tuple(_match(part) for part in value))
    raise AssertionError(f"the package has a new kind of match: {type(clause).__name__}")


_CLAUSES: Final = {
    "equals": MatchKind.EQUALS,
    "starts_with": MatchKind.STARTS_WITH,
    "ends_with": MatchKind.ENDS_WITH,
    "contains": MatchKind.CONTAINS,
    "regex": MatchKind.REGEX,
    "or_": MatchKind.ANY_OF,
    "and_": MatchKind.ALL_OF,
}


def _card(model: ModelInfo, source: str, regions: tuple[RegionFactor, ...]) -> RateCard:
    entries = model.prices if isinstance(model.prices, list) else [model.prices]
    periods = tuple(_period(entry) for entry in entries)
    tiers: dict[str, tuple[Period, ...]] = {}
    for variant in model.price_variants or ():
        tier = next((str(variant.when[key]) for key in _TIER_KEYS if key in variant.when), None)
        if tier is not None and tier != "default" and len(variant.when) == 1 and _prices(variant.prices):
            tiers[tier] = (*tiers.get(tier, ()), _constrained(_brackets(variant.prices), variant.constraint))
    unmetered = sorted({name for period in entries for name in _prices(_model_prices(period)) if not _is_metered(name)})
    return RateCard(
        model.id,
        tuple(period for period in periods if period.brackets),
        tiers,
        regions=regions,
        unmetered=tuple(unmetered),
        facts=ModelFacts(model.context_window),
        source=source,
    )


def _is_metered(name: str) -> bool:
    return name in _TOKEN_RATES or name in _PIECE_RATES or name in _HOUR_RATES


def _model_prices(entry: Any) -> Any:
    return getattr(entry, "prices", entry)


def _period(entry: Any) -> Period:
    return _constrained(_brackets(_model_prices(entry)), getattr(entry, "constraint", None))


def _constrained(brackets: tuple[Bracket, ...], constraint: Any) -> Period:
    start = getattr(constraint, "start_date", None)
    if start is not None:
        moment = dt.datetime.combine(start, dt.time(), dt.UTC)
        return Period(brackets, int(moment.timestamp()) * NS_PER_S)
    begin, end = getattr(constraint, "start_time", None), getattr(constraint, "end_time", None)
    window = DayWindow(_second_of(begin), _second_of(end)) if begin is not None and end is not None else None
    return Period(brackets, window=window)


def _second_of(time: dt.time) -> int:
    offset = time.utcoffset() or dt.timedelta()
    return (time.hour * 3600 + time.minute * 60 + time.second - int(offset.total_seconds())) % 86_400


def _prices(prices: Any) -> Mapping[str, Any]:
    return {name: value for name, value in vars(prices).items() if value is not None and not name.startswith("_")}


def _brackets(prices: Any) -> tuple[Bracket, ...]:
    given = _prices(prices)
    if not any(_is_metered(name) for name in given):
        return ()
    starts = sorted({tier.start for value in given.values() for tier in getattr(value, "tiers", ())})
    return tuple(Bracket(_rates(given, start), start) for start in (-1, *starts))


def _rates(given: Mapping[str, Any], above: int) -> Rates:
    rates: dict[str, int] = {}
    for names, unit in ((_TOKEN_RATES, _PER_MTOK), (_PIECE_RATES, _PER_KILO), (_HOUR_RATES, _EACH)):
        for name, ours in names.items():
            if name in given:
                rates[ours] = int((_at(given[name], above) * unit).to_integral_value())
    return Rates(**rates)


def _at(value: Any, above: int) -> Decimal:
    """The price in a bracket: of tiers that begin at or below it the last."""
    if isinstance(value, Decimal):
        return value
    price: Decimal = value.base
    for tier in value.tiers:
        if tier.start <= above:
            price = tier.price
    return price
