"""Whose price a model has: its list's, by the list's own way of recognising names, and what the operator says of it."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from fnmatch import fnmatchcase
from typing import Final

import msgspec

from weighbridge.core.rates import UNIT, MatchKind, ModelFacts, ModelMatch, Period, PriceBook, PriceRule, PriceState, RateCard


def card_for(book: PriceBook, provider: str, model: str) -> RateCard | None:
    """The rate card of a model at one of the configured providers, the operator's rules applied; None: nobody knows its price."""
    card = _listed(book, book.sources.get(provider, ()), model)
    name = f"{provider}/{model}"
    for rule in book.rules:
        if fnmatchcase(name, rule.match):
            card = _ruled(book, rule, card, model)
    return card


def _listed(book: PriceBook, lists: Iterable[str], model: str) -> RateCard | None:
    for name in lists:
        for listed in book.lists.get(name, ()):
            if matches(listed.match, model):
                return listed.card
    return None


def matches(match: ModelMatch, model: str) -> bool:
    """Whether a list's entry is for a model of this name."""
    return _MATCHERS[match.kind](match, model)


_MATCHERS: Final[dict[MatchKind, Callable[[ModelMatch, str], bool]]] = {
    MatchKind.EQUALS: lambda match, model: model.lower() == match.text.lower(),
    MatchKind.STARTS_WITH: lambda match, model: model.lower().startswith(match.text.lower()),
    MatchKind.ENDS_WITH: lambda match, model: model.lower().endswith(match.text.lower()),
    MatchKind.CONTAINS: lambda match, model: match.text.lower() in model.lower(),
    MatchKind.REGEX: lambda match, model: re.search(match.text, model) is not None,
    MatchKind.ANY_OF: lambda match, model: any(matches(part, model) for part in match.parts),
    MatchKind.ALL_OF: lambda match, model: all(matches(part, model) for part in match.parts),
}


def _ruled(book: PriceBook, rule: PriceRule, card: RateCard | None, model: str) -> RateCard | None:
    if rule.same_as:
        provider, _, other = rule.same_as.partition("/")
        card = _listed(book, book.sources.get(provider, (provider,)), other or model)
        card = card and msgspec.structs.replace(card, is_operators=True)
    if rule.own:
        own = Period(rule.own, rule.from_wall_ns, factor=rule.factor, state=PriceState.KNOWN)
        before = card.periods if card is not None and rule.from_wall_ns is not None else ()
        facts = card.facts if card is not None else ModelFacts()
        card = RateCard(model, (*before, own), facts=facts, source=rule.source, is_operators=True)
    elif card is not None and rule.factor != UNIT:
        card = _discounted(card, rule)
    if card is not None and rule.tiers:
        tiers = {tier: tuple(_by_factor(period, factor) for period in card.periods) for tier, factor in rule.tiers.items()}
        card = msgspec.structs.replace(card, tiers={**card.tiers, **tiers}, is_operators=True)
    return card if card is None or not rule.regions else msgspec.structs.replace(card, regions=rule.regions)


def _discounted(card: RateCard, rule: PriceRule) -> RateCard:
    periods = tuple(_by_factor(period, rule.factor) for period in card.periods)
    if rule.from_wall_ns is not None:
        starting = tuple(msgspec.structs.replace(p, from_wall_ns=max(p.from_wall_ns or 0, rule.from_wall_ns)) for p in periods)
        periods = (*card.periods, *starting)
    tiers = {tier: tuple(_by_factor(period, rule.factor) for period in each) for tier, each in card.tiers.items()}
    return msgspec.structs.replace(card, periods=periods, tiers=tiers, source=f"{card.source}, {rule.source}", is_operators=True)


def _by_factor(period: Period, factor: int) -> Period:
    return msgspec.structs.replace(period, factor=period.factor * factor // UNIT)
