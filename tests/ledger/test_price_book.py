from __future__ import annotations

import msgspec
import pytest

from weighbridge.core.rates import (
    UNIT,
    Bracket,
    ListedModel,
    MatchKind,
    ModelFacts,
    ModelMatch,
    Period,
    PriceBook,
    PriceRule,
    RateCard,
    Rates,
)
from weighbridge.core.terms import Usage
from weighbridge.ledger.price_book import card_for, matches
from weighbridge.ledger.pricing import Pricer


def listed(name, rate):
    return ListedModel(ModelMatch(MatchKind.EQUALS, name), RateCard(name, (Period((Bracket(Rates(input=rate, output=rate)),)),)))


LISTS = {"openai": (listed("gpt-5", 1000), listed("gpt-4o", 2000)), "azure": (listed("gpt-5", 3000),)}
SOURCES = {"openai": ("openai",), "azure": ("azure", "openai"), "local": ()}


def cost(rules=(), provider="openai", model="gpt-5", at_wall_ns=0):
    card = card_for(PriceBook(LISTS, SOURCES, tuple(rules)), provider, model)
    return None if card is None else Pricer(card).price(Usage(input=1000), at_wall_ns=at_wall_ns).amount


@pytest.mark.parametrize(
    ("match", "model", "does"),
    [
        (ModelMatch(MatchKind.EQUALS, "GPT-5"), "gpt-5", True),
        (ModelMatch(MatchKind.STARTS_WITH, "gpt-5"), "gpt-5-mini", True),
        (ModelMatch(MatchKind.ENDS_WITH, "mini"), "gpt-5-mini", True),
        (ModelMatch(MatchKind.CONTAINS, "5"), "gpt-5-mini", True),
        (ModelMatch(MatchKind.REGEX, r"^gpt-\d$"), "gpt-5-mini", False),
        (ModelMatch(MatchKind.ANY_OF, parts=(ModelMatch(MatchKind.EQUALS, "a"), ModelMatch(MatchKind.EQUALS, "b"))), "b", True),
        (
            ModelMatch(MatchKind.ALL_OF, parts=(ModelMatch(MatchKind.CONTAINS, "a"), ModelMatch(MatchKind.CONTAINS, "b"))),
            "b",
            False,
        ),
    ],
)
def test_a_list_recognises_names_in_its_own_way(match, model, does):
    assert matches(match, model) is does


def test_lists_are_asked_in_their_order():
    assert cost(provider="azure") == 3000
    assert cost(provider="azure", model="gpt-4o") == 2000
    assert cost(provider="local") is None
    assert cost(model="unheard-of") is None


def test_the_operators_price_goes_before_the_lists():
    own = PriceRule("openai/gpt-*", own=(Bracket(Rates(input=7000, output=1)),))
    assert cost([own]) == 7000
    assert cost([own], provider="azure") == 3000
    assert cost([PriceRule("local/*", own=(Bracket(Rates(input=0, output=0)),))], provider="local") == 0


def test_a_price_of_the_operators_forgets_nothing_else_of_the_model():
    listed_with_window = msgspec.structs.replace(listed("gpt-5", 1000).card, facts=ModelFacts(400_000))
    lists = {"openai": (ListedModel(ModelMatch(MatchKind.EQUALS, "gpt-5"), listed_with_window),)}
    own = PriceRule("openai/*", own=(Bracket(Rates(input=7000, output=1)),))
    card = card_for(PriceBook(lists, SOURCES, (own,)), "openai", "gpt-5")
    assert card.facts.context_window == 400_000


def test_a_discount_is_off_whatever_is_listed():
    assert cost([PriceRule("openai/*", factor=UNIT * 9 // 10)]) == 900
    assert cost([PriceRule("*", factor=UNIT // 2), PriceRule("openai/*", factor=UNIT // 2)]) == 250
    assert cost([PriceRule("local/*", factor=UNIT // 2)], provider="local") is None


def test_a_model_may_be_priced_like_another():
    assert cost([PriceRule("local/*", same_as="openai/gpt-4o")], provider="local", model="mine") == 2000
    assert cost([PriceRule("local/*", same_as="openai")], provider="local", model="gpt-5") == 1000


def test_a_rule_counts_from_its_day_on():
    for rule, after in (
        (PriceRule("openai/*", own=(Bracket(Rates(input=5, output=5)),), from_wall_ns=100), 5),
        (PriceRule("openai/*", factor=UNIT // 2, from_wall_ns=100), 500),
    ):
        assert cost([rule], at_wall_ns=99) == 1000
        assert cost([rule], at_wall_ns=100) == after
