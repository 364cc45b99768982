"""Rate cards: what each model costs, as data that travels in the `Plan` to the workers.

Rates are whole pico-dollars (1e-12 USD) a token, a tool call or a request: $1 a million tokens is 1,000,000 of them. Nothing is
rounded before an amount is complete. None is "the list does not say", which is never zero: `ledger/pricing.py` has the
fall-backs. Factors are parts per million (`UNIT` is ×1).
"""

from __future__ import annotations

from enum import Enum
from typing import Final

import msgspec

from weighbridge.core.money import Nanousd

UNIT: Final = 1_000_000
"""A factor of one."""
PICO_PER_USD_PER_MTOK: Final = 1_000_000
"""$1 a million tokens, as a rate."""
PICO_PER_USD: Final = 1_000_000_000_000
"""$1 a piece (a tool call, a request), as a rate."""


BATCH: Final = "batch"
"""The service tier of all that runs in a batch."""


class PriceState(Enum):
    """How sure an amount is."""

    KNOWN = "known"
    """Every count was told, and every rate is on a list or the operator's own."""
    ESTIMATED = "estimated"
    """A count is our bound, or a rate is a neighbour's."""
    UNKNOWN = "unknown"
    """No price can be told. It is not zero."""


class Rates(msgspec.Struct, frozen=True, gc=False, omit_defaults=True):
    """One row of a price list, by the dimensions of `Usage`. `tool_call`, `file_search` and `request` are for one each,
    `audio_hour` for an hour."""

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
    file_search: int | None = None
    cached_audio: int | None = None
    cached_image: int | None = None
    request: int | None = None
    audio_hour: int | None = None
    character: int | None = None


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
    """What a list says of a model beside its prices; None is not known."""

    context_window: int | None = None
    """Tokens that may go in."""


class RateCard(msgspec.Struct, frozen=True, omit_defaults=True):
    """All prices of one model at one provider. Of several active periods the last counts.

    `tiers` has service tiers (`batch`, `flex`, `priority`, `fast`) with prices of their own. `unmetered` names what the list
    charges and `Usage` does not count (pages, frames of video). A card without periods says nothing: its price is unknown.
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
    is_operators: bool = False
    """The operator has said what it costs, which counts even where the provider tells otherwise."""


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
    """What service tiers cost, as factors of the standard rates."""
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


class Tariff(msgspec.Struct, frozen=True, gc=False, omit_defaults=True):
    """What a customer pays on top of the provider's price, in millionths: 50,000 is 5%.

    The discount is taken from the marked-up amount.
    """

    markup_ppm: int = 0
    discount_ppm: int = 0
    charges_estimates: bool = False
    """Whether an attempt whose usage nobody told (its stream broke off, its caller left) is charged at the estimate of it."""
    own_key_ppm: int = 0
    """What is charged for an attempt with the customer's own key, as a share of the price that its provider bills to the customer:
    neither markup nor discount concern it."""


NO_TARIFF: Final = Tariff()
"""The provider's price."""


def charged(cost: int, tariff: Tariff, own_cost: int = 0) -> Nanousd:
    """What a customer pays for a cost in nano-dollars, and for an `own_cost` that a provider bills to him; rounded once, half to
    even. Raises `ValueError` for a tariff that would pay the customer."""
    numerator, denominator = _factor(tariff)
    if numerator == denominator and not own_cost:
        return Nanousd(cost)
    quotient, rest = divmod(cost * numerator + own_cost * _own_factor(tariff), denominator)
    twice = rest * 2
    return Nanousd(quotient + (twice > denominator or (twice == denominator and quotient % 2 == 1)))


def most_charged(cost: int, tariff: Tariff, *, is_own: bool = False) -> int:
    """What one attempt of at most this cost (`is_own`: with the customer's own key) can add to the charge of an exchange, however
    the others round."""
    numerator, denominator = _factor(tariff)
    if is_own:
        numerator = _own_factor(tariff)
    return -(-cost * numerator // denominator) + 1 if numerator else 0


def cost_within(amount: int, tariff: Tariff, *, is_own: bool = False) -> int:
    """The highest cost for which `most_charged` is no more than an amount; `UNBOUNDED` where nothing is charged."""
    numerator, denominator = _factor(tariff)
    if is_own:
        numerator = _own_factor(tariff)
    return (amount - 1) * denominator // numerator if numerator else UNBOUNDED


UNBOUNDED: Final = 2**62
"""Nano-dollars: no request costs as much."""


def _own_factor(tariff: Tariff) -> int:
    """Over the same denominator as `_factor`."""
    if tariff.own_key_ppm < 0:
        raise ValueError("a tariff's fee for own keys is not negative")
    return tariff.own_key_ppm * UNIT


def _factor(tariff: Tariff) -> tuple[int, int]:
    markup, discount = tariff.markup_ppm, tariff.discount_ppm
    if markup < -UNIT or not 0 <= discount <= UNIT:
        raise ValueError("a tariff's markup is at least -100%, its discount between 0 and 100%")
    return (UNIT + markup) * (UNIT - discount), UNIT * UNIT
