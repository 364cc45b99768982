"""What an attempt costs: usage times rates, in whole pico-dollars, rounded once to nano-dollars.

A count for which the list has no rate takes its neighbour's (cached tokens the input's, audio the text's), and the amount is then
an estimate; it is never free. What the *served* tier costs is what counts. A price that nobody knows is None and never zero.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from fnmatch import fnmatchcase
from typing import Final, NamedTuple

import msgspec

from weighbridge.core.clock import NS_PER_S
from weighbridge.core.money import PICO_PER_NANO, Nanousd, from_pico, from_pico_difference
from weighbridge.core.rates import BATCH, HIGH_RATES, UNIT, Bracket, DayWindow, Period, PriceState, RateCard, Rates
from weighbridge.core.terms import Provenance, Usage

_KNOWN: Final = PriceState.KNOWN
_ESTIMATED: Final = PriceState.ESTIMATED
_UNKNOWN_USAGE: Final = Provenance.UNKNOWN
_REPORTED: Final = Provenance.REPORTED
_SECONDS_A_DAY: Final = 86_400


class Price(NamedTuple):
    """An amount, and how sure it is. None with UNKNOWN."""

    amount: Nanousd | None
    state: PriceState


class Line(NamedTuple):
    """One line of a bill: so many at so much each. `rate` is pico-dollars."""

    what: str
    number: int
    rate: int
    amount_pico: int


UNKNOWN: Final = Price(None, PriceState.UNKNOWN)
_MS_AN_HOUR: Final = 3_600_000
AUDIO_HOUR: Final = "audio_hour"
"""The line of a bill for audio by time: so many milliseconds, at so much an hour."""
TOLD: Final = "told"
"""The one line of a bill that the provider has made."""


class Pieces(NamedTuple):
    """What of a request may be charged by the piece: the time of audio, characters that are spoken, rankings, each of which costs a
    request's fee."""

    audio_ms: int = 0
    characters: int = 0
    search_units: int = 0


NO_PIECES: Final = Pieces()


class Extent(NamedTuple):
    """The most that a request may use: tokens that go in and come out, calls of tools that the provider runs, and what is charged
    by the piece."""

    input_tokens: int
    output_tokens: int
    tool_calls: int = 0
    pieces: Pieces = NO_PIECES

    @property
    def tokens(self) -> int:
        """In and out together."""
        return self.input_tokens + self.output_tokens


class Kinds(NamedTuple):
    """Which kinds of input a request may have beside plain text."""

    has_media: bool
    writes_cache: bool


ALL_KINDS: Final = Kinds(has_media=True, writes_cache=True)

_NEIGHBOURS: Final[dict[str, tuple[str, ...]]] = {
    "cache_read": ("input",),
    "cache_write_5m": ("input",),
    "cache_write_1h": ("cache_write_5m", "input"),
    "reasoning": ("output",),
    "input_audio": ("input",),
    "input_image": ("input",),
    "output_audio": ("output",),
    "output_image": ("output",),
    "file_search": ("tool_call",),
    "cached_audio": ("cache_read", "input"),
    "cached_image": ("cache_read", "input"),
}
"""Whose rate stands in for one that the list does not have."""

_COUNTED: Final = (
    "input",
    "cache_read",
    "cache_write_5m",
    "cache_write_1h",
    "output",
    "reasoning",
    "input_audio",
    "input_image",
    "output_audio",
    "output_image",
    "tool_call",
    "file_search",
    "cached_audio",
    "cached_image",
)
_CALLS: Final = frozenset(("tool_call", "file_search"))
_FIELDS: Final = {name: {"tool_call": "tool_calls", "file_search": "file_searches"}.get(name, name) for name in _COUNTED}
"""As `Usage` calls them."""


class _Compiled:
    """One bracket, ready to multiply: a rate for each count, and which of them are neighbours'."""

    __slots__ = (
        "above",
        "audio_hour",
        "borrowed",
        "by_character",
        "by_time",
        "cached",
        "character",
        "counts_pieces",
        "dearest_input",
        "dearest_media",
        "dearest_output",
        "dearest_write",
        "has_tokens",
        "input",
        "output",
        "rates",
        "reasoning",
        "request",
    )

    def __init__(self, bracket: Bracket, factor: int) -> None:
        rates = {name: _rate(bracket.rates, name, factor) for name in _COUNTED}
        self.above = bracket.above
        self.rates: dict[str, int] = {name: rate if rate is not None else 0 for name, rate in rates.items()}
        self.borrowed = frozenset(name for name in _COUNTED if getattr(bracket.rates, name) is None)
        self.input, self.output, self.cached = self.rates["input"], self.rates["output"], self.rates["cache_read"]
        self.reasoning = self.rates["reasoning"] - self.output
        """What a reasoning token costs beyond an output token, of which it is one."""
        self.request = _scaled(bracket.rates.request or 0, factor)
        self.audio_hour = _scaled(bracket.rates.audio_hour or 0, factor)
        self.character = _scaled(bracket.rates.character or 0, factor)
        self.by_time = bracket.rates.audio_hour is not None
        self.by_character = bracket.rates.character is not None
        self.counts_pieces = self.by_time or self.by_character
        """Whether it has a price of audio by time, or of characters."""
        self.has_tokens = bracket.rates.input is not None or bracket.rates.output is not None
        named = self.rates
        self.dearest_input = max(named["input"], named["cache_read"])
        media = ("input_audio", "input_image", "cached_audio", "cached_image")
        self.dearest_media = max(self.dearest_input, *(named[name] for name in media))
        self.dearest_write = max(self.dearest_input, named["cache_write_5m"], named["cache_write_1h"])
        self.dearest_output = max(named[name] for name in ("output", "reasoning", "output_audio", "output_image"))

    def bound(self, extent: Extent, kinds: Kinds) -> int:
        """The most that this may cost here, in pico-dollars."""
        rate = self.dearest_media if kinds.has_media else self.dearest_input
        if kinds.writes_cache and self.dearest_write > rate:
            rate = self.dearest_write
        tools = extent.tool_calls * max(self.rates["tool_call"], self.rates["file_search"]) if extent.tool_calls else 0
        pieces = self.of_pieces(extent.pieces.audio_ms, extent.pieces.characters) if self.counts_pieces else 0
        fees = self.request * (extent.pieces.search_units or 1) if self.request else 0
        return extent.input_tokens * rate + extent.output_tokens * self.dearest_output + fees + tools + pieces

    def of_pieces(self, audio_ms: int, characters: int) -> int:
        """What audio by time and characters cost, in pico-dollars."""
        return (audio_ms * self.audio_hour + _MS_AN_HOUR // 2) // _MS_AN_HOUR + characters * self.character


def _distinguishes(brackets: Iterable[_Compiled]) -> Kinds:
    """Which kinds of input cost more than plain text somewhere, so that it pays to look for them."""
    each = list(brackets)
    return Kinds(
        has_media=any(bracket.dearest_media > bracket.dearest_input for bracket in each),
        writes_cache=any(bracket.dearest_write > bracket.dearest_input for bracket in each),
    )


def _rate(rates: Rates, name: str, factor: int) -> int | None:
    for each in (name, *_NEIGHBOURS.get(name, ())):
        rate: int | None = getattr(rates, each)
        if rate is not None:
            return _scaled(rate, factor)
    return None


def _scaled(rate: int, factor: int) -> int:
    return rate if factor == UNIT else (rate * factor + UNIT // 2) // UNIT


class _Period:
    """Prices for a time: when they count, and their brackets from the highest down."""

    __slots__ = ("brackets", "from_wall_ns", "state", "window")

    def __init__(self, period: Period) -> None:
        self.from_wall_ns = period.from_wall_ns
        self.window = period.window
        self.state = period.state
        self.brackets = sorted((_Compiled(each, period.factor) for each in period.brackets), key=lambda each: -each.above)

    def is_active(self, wall_ns: int) -> bool:
        if self.from_wall_ns is not None and wall_ns < self.from_wall_ns:
            return False
        return self.window is None or _is_within(self.window, wall_ns)


def _is_within(window: DayWindow, wall_ns: int) -> bool:
    second = wall_ns // NS_PER_S % _SECONDS_A_DAY
    if window.start_s <= window.end_s:
        return window.start_s <= second < window.end_s
    return second >= window.start_s or second < window.end_s


class Pricer:
    """One rate card, ready for the hot path."""

    __slots__ = (
        "_brackets",
        "_dearest_region",
        "_only",
        "_periods",
        "_tiers",
        "card",
        "counts_pieces",
        "distinguishes",
        "has_fees",
        "has_tokens",
    )

    def __init__(self, card: RateCard) -> None:
        self.card = card
        self._periods = [_Period(period) for period in card.periods]
        self._tiers = {tier: [_Period(period) for period in periods] for tier, periods in card.tiers.items()}
        every = [*self._periods, *(period for periods in self._tiers.values() for period in periods)]
        self._brackets = [bracket for period in every for bracket in period.brackets]
        self.distinguishes = _distinguishes(self._brackets)
        """Which kinds of input are dearer than plain text."""
        self.counts_pieces = any(bracket.counts_pieces for bracket in self._brackets)
        """Whether audio by time, or characters, have a price."""
        self.has_fees = any(bracket.request for bracket in self._brackets)
        """Whether requests have one."""
        self.has_tokens = any(bracket.has_tokens for bracket in self._brackets)
        """Whether tokens have one."""
        only = self._periods[0] if len(self._periods) == 1 else None
        is_simple = only is not None and only.from_wall_ns is None and only.window is None and len(only.brackets) == 1
        self._dearest_region = max((each.factor for each in card.regions), default=UNIT)
        self._only = only.brackets[0] if only is not None and is_simple and only.state is _KNOWN and not card.regions else None

    def price(self, usage: Usage, *, tier: str | None = None, at_wall_ns: int = 0, region: str = "", n_requests: int = 1) -> Price:
        """What this usage costs: what the provider tells, unless the operator has said otherwise; else by the list.

        `tier` is the one that was served, `at_wall_ns` when, `region` where. It is what `n_requests` used together, each about as
        much as the others.
        """
        if usage.told_nanousd is not None and not self.card.is_operators:
            return Price(Nanousd(usage.told_nanousd), _KNOWN)
        only = self._only
        if only is not None and (tier is None or tier not in self._tiers):
            return _priced(usage, only, _KNOWN, UNIT, n_requests)
        found = self._bracket(usage.total_input // n_requests, tier, at_wall_ns)
        if found is None:
            return UNKNOWN
        bracket, state = found
        return _priced(usage, bracket, state, self._region_factor(region), n_requests)

    def cache_saved(
        self, usage: Usage, *, tier: str | None = None, at_wall_ns: int = 0, region: str = "", n_requests: int = 1
    ) -> int:
        """How many nano-dollars less this usage costs than it would without a prompt cache: what was read and what was written
        would have been plain input. Negative where writing cost more. 0 where nobody knows the price."""
        found = self._bracket(usage.total_input // n_requests, tier, at_wall_ns)
        if found is None:
            return 0
        rates, plain = found[0].rates, found[0].input
        pico = (
            usage.cache_read * (plain - rates["cache_read"])
            + usage.cache_write_5m * (plain - rates["cache_write_5m"])
            + usage.cache_write_1h * (plain - rates["cache_write_1h"])
            + usage.cached_audio * (rates["input_audio"] - rates["cached_audio"] - plain + rates["cache_read"])
            + usage.cached_image * (rates["input_image"] - rates["cached_image"] - plain + rates["cache_read"])
        )
        factor = self._region_factor(region)
        return from_pico_difference(pico if factor == UNIT else _scaled(pico, factor))

    def lines(
        self, usage: Usage, *, tier: str | None = None, at_wall_ns: int = 0, region: str = "", n_requests: int = 1
    ) -> list[Line]:
        """The same, line by line; their sum, rounded once, is the amount."""
        if usage.told_nanousd is not None and not self.card.is_operators:
            pico = usage.told_nanousd * PICO_PER_NANO
            return [Line(TOLD, 1, pico, pico)]
        found = self._bracket(usage.total_input // n_requests, tier, at_wall_ns)
        if found is None:
            return []
        bracket, factor = found[0], self._region_factor(region)
        pieces: list[Line] = []
        if bracket.counts_pieces:
            if usage.audio_ms and bracket.by_time:
                amount = _scaled(bracket.of_pieces(usage.audio_ms, 0), factor)
                pieces.append(Line(AUDIO_HOUR, usage.audio_ms, _scaled(bracket.audio_hour, factor), amount))
            if usage.characters and bracket.by_character:
                rate = _scaled(bracket.character, factor)
                pieces.append(Line("character", usage.characters, rate, usage.characters * rate))
            usage = _without_heard(usage, bracket)
        counts = {name: getattr(usage, field) for name, field in _FIELDS.items()}
        counts["output"] -= usage.reasoning
        counts["cache_read"] -= usage.cached_audio + usage.cached_image
        lines = [
            Line(name, count, _scaled(bracket.rates[name], factor), count * _scaled(bracket.rates[name], factor))
            for name, count in counts.items()
            if count and (bracket.has_tokens or name in _CALLS)
        ]
        if bracket.request:
            rate, n_fees = _scaled(bracket.request, factor), usage.search_units or n_requests
            lines.append(Line("request", n_fees, rate, n_fees * rate))
        return lines + pieces

    def rates_now(self, wall_ns: int) -> tuple[float, float]:
        """Nano-dollars per token of input and of output, for comparing; infinite where not known."""
        found = self._bracket(0, None, wall_ns)
        if found is None:
            return float("inf"), float("inf")
        return found[0].input / PICO_PER_NANO, found[0].output / PICO_PER_NANO

    def bound(
        self, extent: Extent, kinds: Kinds = ALL_KINDS, *, tier: str | None = None, at_wall_ns: int = 0, region: str = ""
    ) -> Nanousd | None:
        """The most that a request of this extent may cost: each token at the dearest rate that it could have, in the dearest of the
        brackets that it could fall into. None where nobody knows.

        `tier` is the one that was asked for: what is served may also be the standard one. Where no `region` is known it may be
        served in the dearest (Anthropic's is a workspace's default where a request names none).
        """
        only = self._only
        if only is not None and (tier is None or tier not in self._tiers):
            return from_pico(only.bound(extent, kinds))
        dearest = -1
        for periods in (self._tiers.get(tier, ()) if tier is not None else (), self._periods):
            if (period := _active(periods, at_wall_ns)) is not None:
                for bracket in period.brackets:
                    if extent.input_tokens > bracket.above:
                        dearest = max(dearest, bracket.bound(extent, kinds))
        if dearest < 0:
            return None
        factor = self._region_factor(region) if region else self._dearest_region
        return from_pico(dearest if factor == UNIT else _scaled(dearest, factor))

    def bound_of_batch(self, extent: Extent, kinds: Kinds, n_requests: int, longest: int, *, at_wall_ns: int) -> Nanousd | None:
        """The most that this may cost as a batch of so many requests, none of which reads more than `longest` tokens. A batch is
        served as one, so that where it has prices of its own no other ones count."""
        for periods in (self._tiers.get(BATCH, ()), self._periods):
            if (period := _active(periods, at_wall_ns)) is not None:
                each = [bracket for bracket in period.brackets if longest > bracket.above]
                pico = max((bracket.bound(extent, kinds) + (n_requests - 1) * bracket.request for bracket in each), default=None)
                return None if pico is None else from_pico(_scaled(pico, self._dearest_region))
        return None

    def bound_of(self, pieces: Pieces) -> int:
        """The most that these may cost at any time, in pico-dollars."""
        return max((bracket.of_pieces(pieces.audio_ms, pieces.characters) for bracket in self._brackets), default=0)

    def dearest(self, region: str) -> tuple[int, int, int] | None:
        """The highest rates of a token in, a token out and a request that it has for anything at any time, in pico-dollars. None
        where it has no price."""
        if not self._brackets:
            return None
        factor = self._region_factor(region) if region else self._dearest_region
        highest = (
            max(max(bracket.dearest_media, bracket.dearest_write) for bracket in self._brackets),
            max(bracket.dearest_output for bracket in self._brackets),
            max(bracket.request for bracket in self._brackets),
        )
        into, out, request = (_scaled(rate, factor) for rate in highest)
        return into, out, request

    def _bracket(self, total_input: int, tier: str | None, wall_ns: int) -> tuple[_Compiled, PriceState] | None:
        for periods in (self._tiers.get(tier, ()) if tier is not None else (), self._periods):
            if (period := _active(periods, wall_ns)) is not None:
                for bracket in period.brackets:
                    if total_input > bracket.above:
                        return bracket, period.state
        return None

    def _region_factor(self, region: str) -> int:
        if not region:
            return UNIT
        return next((each.factor for each in self.card.regions if fnmatchcase(region, each.region)), UNIT)


def _active(periods: Sequence[_Period], wall_ns: int) -> _Period | None:
    """Of several active periods the last counts."""
    return next((period for period in reversed(periods) if period.is_active(wall_ns)), None)


def _priced(usage: Usage, bracket: _Compiled, state: PriceState, factor: int, n_requests: int) -> Price:
    if usage.provenance is _UNKNOWN_USAGE:
        return UNKNOWN
    pieces = 0
    if bracket.counts_pieces:
        if not bracket.has_tokens and not (usage.audio_ms and bracket.by_time) and not (usage.characters and bracket.by_character):
            return UNKNOWN  # nobody has told what it is that has a price
        pieces = bracket.of_pieces(usage.audio_ms, usage.characters)
        usage = _without_heard(usage, bracket)
    pico = (
        usage.input * bracket.input
        + usage.output * bracket.output
        + usage.cache_read * bracket.cached
        + usage.reasoning * bracket.reasoning
        + pieces
    )
    if bracket.request:
        pico += bracket.request * (usage.search_units or n_requests)
    others = (
        usage.cache_write_5m
        + usage.cache_write_1h
        + usage.input_audio
        + usage.input_image
        + usage.output_audio
        + usage.output_image
        + usage.tool_calls
        + usage.file_searches
    )
    if others:
        rates = bracket.rates
        pico += (
            usage.cache_write_5m * rates["cache_write_5m"]
            + usage.cache_write_1h * rates["cache_write_1h"]
            + usage.input_audio * rates["input_audio"]
            + usage.input_image * rates["input_image"]
            + usage.output_audio * rates["output_audio"]
            + usage.output_image * rates["output_image"]
            + usage.tool_calls * rates["tool_call"]
            + usage.file_searches * rates["file_search"]
        )
    if usage.cache_read and (usage.cached_audio or usage.cached_image):
        pico += usage.cached_audio * (bracket.rates["cached_audio"] - bracket.cached)
        pico += usage.cached_image * (bracket.rates["cached_image"] - bracket.cached)
    if not pico and (usage.audio_ms or usage.characters or usage.search_units) and (bracket.input or bracket.output):
        return UNKNOWN  # what was told has no price here
    if bracket.borrowed and (others or usage.cache_read) and _borrows(usage, bracket.borrowed):
        state = _ESTIMATED
    if usage.provenance is not _REPORTED and usage.provenance is not Provenance.DERIVED:
        state = _ESTIMATED
    return Price(from_pico(pico if factor == UNIT else _scaled(pico, factor)), state)


def _without_heard(usage: Usage, bracket: _Compiled) -> Usage:
    """Without the tokens of audio that is charged by time, where the list has no price of theirs."""
    if not usage.audio_ms or not bracket.by_time or not usage.input_audio or "input_audio" not in bracket.borrowed:
        return usage
    return msgspec.structs.replace(usage, input_audio=0)


def _borrows(usage: Usage, borrowed: frozenset[str]) -> bool:
    names = borrowed - {"input", "output", "reasoning"}
    return any(getattr(usage, _FIELDS[name]) for name in names)


def flat_pricer(rates: Rates, model: str, source: str) -> Pricer:
    """A pricer that knows nothing but these rates, so that whatever it says is an estimate."""
    return Pricer(RateCard(model, (Period((Bracket(rates),), state=PriceState.ESTIMATED),), source=source))


HIGH_PRICER: Final = flat_pricer(HIGH_RATES, "*", "the dearest model there is")
"""What a model of unknown price is reckoned at."""
