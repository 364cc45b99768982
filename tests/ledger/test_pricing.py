from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from weighbridge.core.clock import NS_PER_S
from weighbridge.core.money import from_pico
from weighbridge.core.rates import UNIT, Bracket, DayWindow, Period, PriceState, RateCard, Rates, RegionFactor
from weighbridge.core.terms import COUNTS as USAGE_COUNTS
from weighbridge.core.terms import NO_USAGE, Provenance, Usage
from weighbridge.ledger.pricing import UNKNOWN, Extent, Kinds, Pieces, Pricer

MTOK = 1_000_000
FULL = Rates(
    input=1_250_000,
    cache_read=125_000,
    cache_write_5m=1_562_500,
    cache_write_1h=2_500_000,
    output=10_000_000,
    reasoning=12_000_000,
    input_audio=40_000_000,
    input_image=5_000_000,
    output_audio=80_000_000,
    output_image=40_000_000,
    cached_audio=400_000,
    cached_image=250_000,
    tool_call=10_000_000_000,
    request=5_000_000_000,
)
SIMPLE = Rates(input=1_250_000, output=10_000_000)
COUNTS = st.integers(0, 10**7)


def pricer(*periods, **facts):
    return Pricer(RateCard("m", periods, **facts))


def of(rates, **facts):
    return pricer(Period((Bracket(rates),)), **facts)


@st.composite
def usages(draw):
    output, cached = draw(COUNTS), draw(COUNTS)
    cached_audio = draw(st.integers(0, cached))
    return Usage(
        draw(COUNTS),
        cached,
        draw(COUNTS),
        draw(COUNTS),
        output,
        draw(st.integers(0, output)),
        *(draw(st.integers(0, 10**5)) for _ in range(4)),
        draw(st.integers(0, 50)),
        cached_audio=cached_audio,
        cached_image=draw(st.integers(0, cached - cached_audio)),
    )


def test_tokens_times_rates_rounded_once():
    assert of(SIMPLE).price(Usage(input=1, output=1)) == (11_250, PriceState.KNOWN)
    assert of(Rates(input=75, output=1)).price(Usage(input=7)).amount == 1  # 0.525 nano-dollars, half up
    assert of(Rates(input=1, output=1)).price(Usage(input=1)).amount == 0


def test_each_dimension_has_its_own_rate():
    usage = Usage(1, 1, 1, 1, 2, 1, 1, 1, 1, 1, 1)
    pico = 1_250_000 + 125_000 + 1_562_500 + 2_500_000 + 10_000_000 + 12_000_000 + 40_000_000 + 5_000_000 + 80_000_000 + 40_000_000
    assert of(FULL).price(usage).amount == from_pico(pico + 10_000_000_000 + 5_000_000_000)


@given(usages())
def test_the_lines_of_a_bill_add_up_to_its_amount(usage):
    lines = of(FULL).lines(usage)
    assert from_pico(sum(line.amount_pico for line in lines)) == of(FULL).price(usage).amount
    assert all(line.amount_pico == line.number * line.rate for line in lines)


@given(usages())
def test_what_caches_save_is_the_difference_to_all_of_it_being_plain_input(usage):
    audio, image = usage.cached_audio, usage.cached_image
    cached = usage.cache_read - audio - image + usage.cache_write_5m + usage.cache_write_1h
    nothing = {"cache_read": 0, "cache_write_5m": 0, "cache_write_1h": 0, "cached_audio": 0, "cached_image": 0}
    media = {"input_audio": usage.input_audio + audio, "input_image": usage.input_image + image}
    plain = msgspec.structs.replace(usage, input=usage.input + cached, **media, **nothing)
    saved = of(FULL).cache_saved(usage)
    assert abs(of(FULL).price(plain).amount - of(FULL).price(usage).amount - saved) <= 1  # each is rounded once
    assert of(FULL).cache_saved(plain) == 0


def test_a_prefix_that_is_written_and_never_read_is_a_loss_and_read_twice_a_gain():
    assert of(FULL).cache_saved(Usage(cache_write_1h=1000)) == -1_250_000
    assert of(FULL).cache_saved(Usage(cache_write_1h=1000, cache_read=2000)) == 1_000_000
    assert (
        of(FULL, regions=(RegionFactor("eu-*", UNIT * 11 // 10),)).cache_saved(Usage(cache_read=1000), region="eu-1") == 1_237_500
    )
    assert pricer(Period((Bracket(FULL),), from_wall_ns=10)).cache_saved(Usage(cache_read=1000), at_wall_ns=5) == 0


@given(
    usages(),
    st.sampled_from([name for name in Usage.__struct_fields__ if name not in ("provenance", "reasoning", "told_nanousd")]),
    COUNTS,
)
def test_more_of_anything_never_costs_less(usage, name, more):
    greater = msgspec.structs.replace(usage, **{name: getattr(usage, name) + more})
    assert of(FULL).price(greater).amount >= of(FULL).price(usage).amount


@given(usages(), usages())
def test_two_requests_cost_what_each_does_but_for_rounding(one, other):
    both = Usage(**{name: getattr(one, name) + getattr(other, name) for name in USAGE_COUNTS})
    apart = of(FULL).price(one).amount + of(FULL).price(other).amount
    assert abs(of(FULL).price(both).amount + 5_000_000 - apart) <= 1  # the fee for a request comes once


@given(usages())
def test_the_bound_of_an_extent_is_never_exceeded(usage):
    extent = Extent(usage.total_input, usage.total_output, usage.tool_calls)
    assert of(FULL).bound(extent) >= of(FULL).price(usage).amount


@given(usages(), st.integers(0, 300_000), st.sampled_from([None, "flex", "fast"]), st.sampled_from(["", "us", "eu-west"]))
def test_the_bound_holds_for_every_bracket_tier_and_region(usage, slack, tier, region):
    periods = (Period((Bracket(FULL), Bracket(SIMPLE, 1_000), Bracket(Rates(input=9_000_000, output=1), 100_000))),)
    card = RateCard("m", periods, {"fast": (Period((Bracket(FULL),), factor=2 * UNIT),)}, (RegionFactor("us", 1_100_000),))
    extent = Extent(usage.total_input + slack, usage.total_output + slack, usage.tool_calls)
    bound = Pricer(card).bound(extent, tier=tier, region=region)
    assert bound >= Pricer(card).price(usage, tier=tier, region=region).amount
    assert bound >= Pricer(card).price(usage, region=region).amount


def test_kinds_of_input_that_a_request_has_not_make_no_bound_dearer():
    rates = Rates(input=1_000_000, output=1_000_000, cache_write_1h=2_000_000, input_audio=5_000_000)
    card = of(rates)
    assert card.distinguishes == (True, True)
    bounds = [card.bound(Extent(1_000, 0), kinds=Kinds(media, writes)) for media in (False, True) for writes in (False, True)]
    assert bounds == [1_000_000, 2_000_000, 5_000_000, 5_000_000]
    assert of(SIMPLE).distinguishes == (False, False)


@pytest.mark.parametrize("name", ["cache_read", "cache_write_5m", "cache_write_1h", "input_audio", "output_image"])
def test_a_count_without_a_rate_takes_its_neighbours_and_is_an_estimate(name):
    price = of(SIMPLE).price(Usage(**{name: 10}))
    neighbour = 10_000_000 if name.startswith("output") else 1_250_000
    assert price == (from_pico(10 * neighbour), PriceState.ESTIMATED)


def test_what_nobody_said_or_priced_is_unknown_and_not_free():
    assert of(SIMPLE).price(NO_USAGE) == UNKNOWN
    assert pricer().price(Usage(input=5)) == UNKNOWN
    assert pricer().rates_now(0) == (float("inf"), float("inf"))
    assert pricer().bound(Extent(1, 1)) is None
    assert UNKNOWN.amount is None


WHISPER = Rates(audio_hour=111_000_000_000)
VOXTRAL = Rates(input=100_000, output=400_000, audio_hour=240_000_000_000)


def test_audio_by_time_is_charged_to_the_nano_dollar():
    assert of(WHISPER).price(Usage(audio_ms=3_600_000)) == (111_000_000, PriceState.KNOWN)
    assert of(WHISPER).price(Usage(audio_ms=1)).amount == 31  # 30.83
    assert of(WHISPER).bound(Extent(0, 0, 0, Pieces(audio_ms=7_200_000))) == 222_000_000
    assert of(WHISPER).counts_pieces
    assert not of(SIMPLE).counts_pieces


def test_characters_are_charged_each():
    assert of(Rates(character=15_000_000)).price(Usage(characters=4_096)) == (61_440_000, PriceState.KNOWN)
    assert of(Rates(character=15_000_000)).bound(Extent(0, 0, 0, Pieces(characters=4_096))) == 61_440_000


def test_tokens_of_audio_that_is_charged_by_time_are_not_charged_again():
    usage = Usage(9, output=201, input_audio=375, audio_ms=4_000)
    assert of(VOXTRAL).price(usage) == (from_pico(900_000 + 80_400_000 + 266_666_667), PriceState.KNOWN)
    both = msgspec.structs.replace(VOXTRAL, input_audio=1_000_000)
    assert of(both).price(usage).amount == from_pico(900_000 + 80_400_000 + 266_666_667 + 375_000_000)
    assert of(VOXTRAL).price(Usage(9, output=201)) == (81_300, PriceState.KNOWN)


def test_what_is_told_in_a_unit_that_has_no_price_is_unknown_and_not_free():
    assert of(WHISPER).price(Usage(100, output=10)) == UNKNOWN
    assert of(WHISPER).price(Usage(characters=10)) == UNKNOWN
    assert of(SIMPLE).price(Usage(audio_ms=5_000)) == UNKNOWN
    assert of(SIMPLE).price(Usage(100, audio_ms=5_000)).state is PriceState.KNOWN
    assert of(Rates(input=0, output=0)).price(Usage(audio_ms=5_000)) == (0, PriceState.KNOWN)  # an own model
    assert of(Rates(audio_hour=0)).price(Usage(audio_ms=5_000)) == (0, PriceState.KNOWN)


@given(usages(), st.integers(0, 10**8), st.integers(0, 10**5))
def test_lines_of_audio_and_characters_add_up_too(usage, audio_ms, characters):
    usage = msgspec.structs.replace(usage, audio_ms=audio_ms, characters=characters)
    for rates in (FULL, VOXTRAL, msgspec.structs.replace(FULL, audio_hour=111_000_000_001, character=15_000_000)):
        lines = of(rates).lines(usage)
        assert from_pico(sum(line.amount_pico for line in lines)) == of(rates).price(usage).amount
        assert {line.what for line in lines} & {"audio_hour"} == ({"audio_hour"} if audio_ms and rates.audio_hour else set())
    assert [line.what for line in of(WHISPER).lines(Usage(5, audio_ms=5))] == ["audio_hour"]


def test_an_estimated_count_makes_an_estimated_price():
    for provenance, state in ((Provenance.ESTIMATED, PriceState.ESTIMATED), (Provenance.DERIVED, PriceState.KNOWN)):
        assert of(SIMPLE).price(Usage(input=5, provenance=provenance)).state is state


def test_a_long_prompt_is_charged_whole_at_its_brackets_rates():
    card = pricer(Period((Bracket(SIMPLE), Bracket(Rates(input=2_500_000, output=15_000_000), 200_000))))
    assert card.price(Usage(input=200_000)).amount == 250_000_000
    assert card.price(Usage(input=150_000, cache_read=50_001)).amount == from_pico(200_001 * 2_500_000)


def test_many_requests_together_are_each_as_long_as_they_are_on_average():
    rates = Rates(input=1_000_000, output=1_000_000, request=5_000_000_000)
    card = pricer(Period((Bracket(rates), Bracket(Rates(input=2_000_000, output=1_000_000), 200_000))))
    usage = Usage(input=1_000_000)
    assert card.price(usage, n_requests=1_000).amount == 1_000_000_000 + 1_000 * 5_000_000
    assert card.price(usage, n_requests=4).amount == 2_000_000_000
    assert card.price(usage).amount == 2_000_000_000
    assert sum(line.amount_pico for line in card.lines(usage, n_requests=1_000)) == 6 * 10**12
    assert card.cache_saved(Usage(cache_read=1_000_000), n_requests=1_000) == 0


def test_a_ranking_costs_a_fee_for_each_unit_that_was_billed():
    by_fee = of(Rates(request=2_000_000_000))
    assert by_fee.price(Usage(search_units=3)) == (6_000_000, PriceState.KNOWN)
    assert [(line.what, line.number) for line in by_fee.lines(Usage(search_units=3))] == [("request", 3)]
    assert by_fee.bound(Extent(50, 0, pieces=Pieces(search_units=3))) == 6_000_000
    assert by_fee.bound(Extent(50, 0)) == 2_000_000
    assert by_fee.has_fees
    assert not of(SIMPLE).has_fees
    assert of(SIMPLE).price(Usage(search_units=3)) == UNKNOWN  # which has no price of them


def test_the_tier_that_was_served_is_what_counts():
    flex = (Period((Bracket(Rates(input=625_000, output=5_000_000)),)),)
    card = of(SIMPLE, tiers={"flex": flex})
    assert card.price(Usage(input=10), tier="flex").amount == 6_250
    assert card.price(Usage(input=10), tier="default").amount == card.price(Usage(input=10)).amount == 12_500


def test_a_price_counts_from_its_day_on():
    later = Period((Bracket(Rates(input=2, output=2)),), from_wall_ns=1_000 * NS_PER_S)
    card = pricer(Period((Bracket(Rates(input=1_000_000, output=1)),)), later)
    assert card.price(Usage(input=1_000), at_wall_ns=999 * NS_PER_S).amount == 1_000_000
    assert card.price(Usage(input=1_000), at_wall_ns=1_000 * NS_PER_S).amount == 2


@pytest.mark.parametrize(("hour", "amount"), [(0, 1000), (15, 1000), (16, 500), (23, 500)])
def test_hours_of_the_day_have_their_own_prices(hour, amount):
    night = Period((Bracket(Rates(input=500, output=1)),), window=DayWindow(int(16.5 * 3600), 30 * 60))
    card = pricer(Period((Bracket(Rates(input=1000, output=1)),)), night)
    price = card.price(Usage(input=1000), at_wall_ns=(hour * 3600 + 1800) * NS_PER_S)
    assert price.amount == amount


def test_a_region_may_cost_more():
    card = of(SIMPLE, regions=(RegionFactor("eu-*", UNIT * 11 // 10),))
    assert card.price(Usage(input=100), region="eu-west-1").amount == 137_500
    assert card.price(Usage(input=100), region="us-east-1").amount == 125_000


def test_what_the_provider_says_that_it_charges_counts_and_not_its_list():
    usage = Usage(input=1_000, output=10, told_nanousd=7_637_029)
    assert of(SIMPLE).price(usage) == (7_637_029, PriceState.KNOWN)
    assert of(SIMPLE).lines(usage) == [("told", 1, 7_637_029_000, 7_637_029_000)]


def test_the_operators_word_counts_for_more_than_the_providers():
    usage = Usage(input=1_000, told_nanousd=1)
    own = of(SIMPLE, is_operators=True)
    assert own.price(usage).amount == of(SIMPLE).price(Usage(input=1_000)).amount
    assert [line.what for line in own.lines(usage)] == ["input"]


def test_audio_and_pictures_from_a_cache_cost_more_than_text_from_it():
    rates = Rates(input=600_000, cache_read=60_000, output=1, input_audio=10_000_000, cached_audio=300_000, cached_image=80_000)
    usage = Usage(cache_read=1_000, cached_audio=600, cached_image=100)
    assert of(rates).price(usage) == (from_pico(300 * 60_000 + 600 * 300_000 + 100 * 80_000), PriceState.KNOWN)
    assert [(line.what, line.number) for line in of(rates).lines(usage)] == [
        ("cache_read", 300),
        ("cached_audio", 600),
        ("cached_image", 100),
    ]
    lent = of(Rates(input=600_000, cache_read=60_000, output=1)).price(usage)
    assert lent == (60_000, PriceState.ESTIMATED)


def test_a_search_of_files_has_its_own_price_or_that_of_a_search():
    own = of(Rates(input=1, output=1, tool_call=10_000_000, file_search=2_500_000))
    assert own.price(Usage(tool_calls=2, file_searches=3)).amount == 2 * 10_000 + 3 * 2_500
    lent = of(Rates(input=1, output=1, tool_call=10_000_000)).price(Usage(file_searches=3))
    assert (lent.amount, lent.state) == (30_000, PriceState.ESTIMATED)


def test_where_the_region_is_not_known_the_dearest_is_held():
    card = of(SIMPLE, regions=(RegionFactor("us", UNIT * 11 // 10),))
    extent = Extent(1_000, 100)
    assert card.bound(extent) == card.bound(extent, region="us") == of(SIMPLE).bound(extent) * 11 // 10
    assert card.bound(extent, region="global") == of(SIMPLE).bound(extent)


def test_rates_for_comparing_are_nano_dollars_per_token():
    assert of(SIMPLE).rates_now(0) == (1250.0, 10_000.0)
