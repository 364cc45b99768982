"""Rate cards: what each model costs, as data that travels in the `Plan` to the workers.

Rates are whole pico-dollars (1e-12 USD) a token, a tool call or a request: $1 a million tokens is 1,000,000 of them. Nothing is
rounded before an amount is complete. None is "the list does not say", which is never zero: `ledger/pricing.py` has the
fall-backs. Factors are parts per million (`UNIT` is ×1).
"""

from __future__ import annotations

from enum import Enum
from typing import Final

import msgspec

UNIT: Final = 1_000_000
"""A factor of one."""
PICO_PER_USD_PER_MTOK: Final = 1_000_000
"""$1 a million tokens, as a rate."""
PICO_PER_USD: Final = 1_000_000_000_000
"""$1 a piece (a tool call, a request), as a rate."""


class PriceState(Enum):
    """How sure an amount is."""

    KNOWN = "known"
    """Every count was told, and every rate is on a list or the operator's own."""
    ESTIMATED = "estimated"
    """A count is our bound, or a rate is a neighbour's."""
    UNKNOWN = "unknown"
    """No price can be told. It is not zero."""


class Rates(msgspec.Struct, frozen=True, gc=False, omit_defaults=True):
    """One row of a price list, by the dimensions of `Usage`. `tool_call` and `request` are for one each."""

    input: int | None = None
    cache_read: int | None = None
    cache_write_5m: int | None = None
    cache_write_1h: int | None = None
    output: int | None = None
    reasoning: int | None = None
    input_audio: int | None = None
    input_image: int | None = None
    output_audio: int | None = None
    output_image: int | None = None
    tool_call: int | None = None
    request: int | None = None


class Bracket(msgspec.Struct, frozen=True):
    """Rates for requests with more than `above` input tokens in all: the whole request is charged at them."""

    rates: Rates
    above: int = -1


class DayWindow(msgspec.Struct, frozen=True):
    """Hours of each day in UTC, as seconds since midnight; the end is outside. One that ends before it starts spans midnight."""

    start_s: int
    end_s: int


class Period(msgspec.Struct, frozen=True, omit_defaults=True):
    """Prices and when they count. `brackets` ascend by `above`; `from_wall_ns` is the first moment (None: always)."""

    brackets: tuple[Bracket, ...]
    from_wall_ns: int | None = None
    window: DayWindow | None = None
    factor: int = UNIT
    """A discount, or a tier that is priced as a part of the standard rates."""
    state: PriceState = PriceState.KNOWN


class RegionFactor(msgspec.Struct, frozen=True):
    """What serving in a region costs more. `region` is a glob (`us`, `eu-*`)."""

    region: str
    factor: int


class ModelFacts(msgspec.Struct, frozen=True):
    """Sizes of a model in tokens; None is not known."""

    context_window: int | None = None
    max_output_tokens: int | None = None


class RateCard(msgspec.Struct, frozen=True, omit_defaults=True):
    """All prices of one model at one provider. Of several active periods the last counts.

    `tiers` has service tiers (`batch`, `flex`, `priority`, `fast`) with prices of their own. `unmetered` names what the list
    charges and `Usage` does not count (hours of audio, pages). A card without periods says nothing: its price is unknown.
    """

    model: str
    """The model's name on the list."""
    periods: tuple[Period, ...] = ()
    tiers: dict[str, tuple[Period, ...]] = {}
    regions: tuple[RegionFactor, ...] = ()
    unmetered: tuple[str, ...] = ()
    facts: ModelFacts = ModelFacts()
    source: str = ""
    """Where the prices come from, for people: a list and its version, or the operator's file."""


class MatchKind(Enum):
    """How a list recognises a model's name. All but `REGEX` ignore case."""

    EQUALS = "equals"
    STARTS_WITH = "starts_with"
    ENDS_WITH = "ends_with"
    CONTAINS = "contains"
    REGEX = "regex"
    ANY_OF = "any_of"
    ALL_OF = "all_of"


class ModelMatch(msgspec.Struct, frozen=True, omit_defaults=True):
    """A condition on a model's name: `text`, or for `ANY_OF` and `ALL_OF` the `parts`."""

    kind: MatchKind
    text: str = ""
    parts: tuple[ModelMatch, ...] = ()


class ListedModel(msgspec.Struct, frozen=True):
    """An entry of a price list: the names it is for, and its card."""

    match: ModelMatch
    card: RateCard


class PriceRule(msgspec.Struct, frozen=True, omit_defaults=True):
    """An operator's word on prices: `own` rates in place of the list's, a `factor` on either, `regions` on top.

    `match` is a glob of `provider/model`. `same_as` (`provider/model`, or a provider alone) takes the list's card of another.
    """

    match: str
    same_as: str = ""
    own: tuple[Bracket, ...] = ()
    factor: int = UNIT
    tiers: dict[str, int] = {}
    """Factors on the standard rates, for tiers that are priced so."""
    off_peak: DayWindow | None = None
    off_peak_factor: int = UNIT
    regions: tuple[RegionFactor, ...] = ()
    from_wall_ns: int | None = None
    source: str = ""


class UnknownAction(Enum):
    """What becomes of a request whose price nobody knows."""

    REFUSE = "refuse"
    RESERVE_HIGH = "reserve_high"
    """Serve it, reserve by `HIGH_RATES`, and raise an alert."""
    CEILING = "ceiling"
    """Serve it, and take the declared rates for its price."""


class UnknownPolicy(msgspec.Struct, frozen=True):
    """`ceiling` is set where the action is `CEILING`."""

    action: UnknownAction = UnknownAction.RESERVE_HIGH
    ceiling: Rates | None = None


HIGH_RATES: Final = Rates(input=150 * PICO_PER_USD_PER_MTOK, output=600 * PICO_PER_USD_PER_MTOK)
"""o1-pro, the dearest model on OpenAI's list ($150 and $600 a million tokens): whatever it is, it will cost less."""


class PriceBook(msgspec.Struct, frozen=True):
    """Every price that the configured providers need.

    `lists` are whole price lists by name; `sources` says for each of our providers which lists are asked, in order. `rules`
    are applied in order, `unknown_by_route` has the policy of routes that have one of their own.
    """

    lists: dict[str, tuple[ListedModel, ...]] = {}
    sources: dict[str, tuple[str, ...]] = {}
    rules: tuple[PriceRule, ...] = ()
    unknown: UnknownPolicy = UnknownPolicy()
    unknown_by_route: dict[str, UnknownPolicy] = {}
