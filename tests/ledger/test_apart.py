from __future__ import annotations

from weighbridge.core.rates import Bracket, Period, PriceState, RateCard, Rates
from weighbridge.core.terms import Usage, UsageApart
from weighbridge.ledger.apart import Circumstances, bill_with_parts, price_with_parts, saved_with_parts
from weighbridge.ledger.pricing import UNKNOWN, Pricer

NOW = Circumstances(None, 0, "")


def pricer(input_: int, output: int, *, above: int | None = None, **tiers: int) -> Pricer:
    """So many nano-dollars for a token; `above` so many tokens of input twice as many."""
    brackets = [Bracket(Rates(input=input_ * 1_000, output=output * 1_000, cache_read=input_ * 100))]
    if above is not None:
        brackets.append(Bracket(Rates(input=input_ * 2_000, output=output * 2_000), above=above))
    faster = {name: (Period((Bracket(Rates(input=rate * 1_000, output=rate * 1_000)),)),) for name, rate in tiers.items()}
    return Pricer(RateCard("m", (Period(tuple(brackets)),), faster))


def nobody(_model: str) -> None:
    return None


def test_without_parts_it_is_the_plain_price():
    usage = Usage(input=10, output=2)
    assert price_with_parts(usage, (), pricer(3, 15), nobody, NOW) == pricer(3, 15).price(usage)


def test_a_long_context_that_was_summed_up_makes_the_answer_no_dearer():
    """180 tokens summed up and 30 answered with are no request of 210, which would cost twice as much."""
    usage = Usage(input=210, output=5)
    apart = (UsageApart("", Usage(input=180, output=4)),)
    assert price_with_parts(usage, apart, pricer(3, 15, above=200), nobody, NOW).amount == 210 * 3 + 5 * 15


def test_advice_costs_what_the_adviser_costs():
    usage = Usage(input=110, output=11)
    apart = (UsageApart("wise", Usage(input=100, output=10)),)
    others = {"wise": pricer(5, 25)}
    assert price_with_parts(usage, apart, pricer(1, 5), others.get, NOW).amount == 10 * 1 + 1 * 5 + 100 * 5 + 10 * 25


def test_an_answer_of_another_model_is_not_charged_at_the_price_of_the_one_that_refused():
    usage = Usage(input=412, output=264)
    price = price_with_parts(usage, (UsageApart("other", usage),), pricer(10, 50), {"other": pricer(5, 25)}.get, NOW)
    assert (price.amount, price.state) == (412 * 5 + 264 * 25, PriceState.KNOWN)


def test_where_nobody_knows_the_price_of_a_part_nobody_knows_that_of_the_whole():
    apart = (UsageApart("unheard-of", Usage(input=1)),)
    assert price_with_parts(Usage(input=2), apart, pricer(1, 1), nobody, NOW) == UNKNOWN


def test_a_tier_is_of_the_model_that_was_asked():
    fast = NOW._replace(tier="fast")
    usage = Usage(input=30)
    apart = (UsageApart("", Usage(input=10)), UsageApart("wise", Usage(input=10)))
    others = {"wise": pricer(2, 2, fast=100)}
    assert price_with_parts(usage, apart, pricer(1, 1, fast=6), others.get, fast).amount == 20 * 6 + 10 * 2


def test_what_a_cache_saved_is_told_by_each_parts_price():
    usage = Usage(input=1, cache_read=30)
    apart = (UsageApart("wise", Usage(cache_read=10)), UsageApart("unheard-of", Usage(cache_read=5)))
    others = {"wise": pricer(10, 10)}
    saved = pricer(1, 1).cache_saved(Usage(cache_read=15)) + pricer(10, 10).cache_saved(Usage(cache_read=10))
    assert saved_with_parts(usage, apart, pricer(1, 1), others.get, NOW) == saved > 0


def test_an_estimate_below_its_parts_takes_nothing_off():
    apart = (UsageApart("", Usage(input=50)),)
    assert price_with_parts(Usage(input=20, output=1), apart, pricer(1, 5), nobody, NOW).amount == 50 + 5


def test_a_bill_tells_every_line_and_comes_to_the_price():
    usage = Usage(input=110, cache_read=10, output=11, reasoning=1)
    apart = (UsageApart("wise", Usage(input=100, output=10)),)
    others = {"wise": pricer(5, 25)}
    bill = bill_with_parts("swift", usage, apart, pricer(1, 5), others.get, NOW)
    assert bill is not None
    assert bill.amount == price_with_parts(usage, apart, pricer(1, 5), others.get, NOW).amount
    assert sum(line.amount_pico for line in bill.lines) == bill.amount * 1_000
    assert [(line.model, line.what) for line in bill.lines] == [
        ("swift", "input"),
        ("swift", "cache_read"),
        ("swift", "reasoning"),
        ("m", "input"),
        ("m", "output"),
    ]


def test_what_nobody_knows_has_no_bill():
    assert bill_with_parts("m", Usage(input=2), (UsageApart("x", Usage(input=1)),), pricer(1, 1), nobody, NOW) is None
