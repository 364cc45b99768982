from __future__ import annotations

from weighbridge.core.codec import encode_private, private_decoder
from weighbridge.core.rates import (
    Bracket,
    DayWindow,
    ListedModel,
    MatchKind,
    ModelMatch,
    Period,
    PriceBook,
    PriceRule,
    RateCard,
    Rates,
)


def test_a_price_book_travels_to_the_workers_as_it_is():
    card = RateCard(
        "m", (Period((Bracket(Rates(input=1)),), 5, DayWindow(1, 2)),), {"flex": (Period((Bracket(Rates(output=2)),)),)}
    )
    match = ModelMatch(MatchKind.ANY_OF, parts=(ModelMatch(MatchKind.EQUALS, "m"),))
    book = PriceBook({"openai": (ListedModel(match, card),)}, {"openai": ("openai",)}, (PriceRule("a/*", same_as="openai"),))
    assert private_decoder(PriceBook)(encode_private(book)) == book


def test_what_a_list_does_not_say_is_not_zero():
    assert Rates().input is None
