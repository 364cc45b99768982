from __future__ import annotations

import re
from datetime import UTC, datetime
from decimal import Decimal

from genai_prices import Usage as TheirUsage
from genai_prices import calc_price
from genai_prices.data import providers

from weighbridge.config.price_lists import LISTS_OF, bundled_lists, lists_for
from weighbridge.core.clock import NS_PER_S
from weighbridge.core.rates import PriceBook
from weighbridge.core.terms import Usage
from weighbridge.ledger.price_book import card_for
from weighbridge.ledger.pricing import Pricer
from weighbridge.providers.catalog import load_catalog

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
NOW_NS = int(NOW.timestamp()) * NS_PER_S
OURS = Usage(input=1000, cache_read=300, output=700)
THEIRS = TheirUsage(input_tokens=1300, cache_read_tokens=300, output_tokens=700)


def test_every_model_of_every_list_costs_what_the_package_says():
    lists = bundled_lists()
    book = PriceBook(lists, {name: (name,) for name in lists})
    compared = 0
    for provider in providers:
        for model in provider.models:
            try:
                expected = calc_price(THEIRS, model.id, provider_id=provider.id, genai_request_timestamp=NOW)
            except (LookupError, ValueError):
                continue  # the list does not find it by its own id
            card = card_for(book, provider.id, model.id)
            assert card is not None, model.id
            if card.model != expected.model.id or card.unmetered or expected.model.id != model.id:
                continue
            price = Pricer(card).price(OURS, at_wall_ns=NOW_NS)
            if price.amount is None:
                continue
            exact = (expected.total_price * Decimal(10**9)).quantize(Decimal(1))
            assert abs(price.amount - int(exact)) <= 1, (provider.id, model.id, price, expected.total_price)
            compared += 1
    assert compared > 1500


def test_lists_have_tiers_dates_brackets_and_hours():
    lists = bundled_lists()
    cards = [listed.card for models in lists.values() for listed in models]
    periods = [period for card in cards for period in card.periods]
    assert {tier for card in cards for tier in card.tiers} >= {"batch", "flex", "priority"}
    assert any(period.from_wall_ns for period in periods)
    assert any(len(period.brackets) > 1 for period in periods)
    assert any(period.window for period in periods)
    assert all(re.match("genai-prices ", card.source) for card in cards)


def test_audio_by_the_hour_and_characters_have_prices():
    lists = bundled_lists()
    book = PriceBook(lists, {name: (name,) for name in lists})
    costs = {
        ("openai", "whisper-1", Usage(audio_ms=60_000)): 6_000_000,
        ("groq", "whisper-large-v3", Usage(audio_ms=3_600_000)): 111_000_000,
        ("mistral", "voxtral-mini-transcribe-3-0", Usage(audio_ms=1_000)): 58_333,
        ("openai", "tts-1-hd", Usage(characters=1_000)): 30_000_000,
    }
    for (provider, model, usage), nanousd in costs.items():
        assert Pricer(card_for(book, provider, model)).price(usage, at_wall_ns=NOW_NS).amount == nanousd, model
    cards = [listed.card for models in lists.values() for listed in models]
    assert {name for card in cards for name in card.unmetered} >= {"input_document_kpages"}


def test_the_catalogues_providers_find_their_lists():
    lists = bundled_lists()
    for name in (
        "openai",
        "anthropic",
        "gemini",
        "vertex",
        "bedrock",
        "mistral",
        "groq",
        "deepseek",
        "xai",
        "openrouter",
        "cohere",
    ):
        assert lists_for(name, lists), name
    assert lists_for("unheard-of", lists) == ()
    assert set(LISTS_OF) <= set(load_catalog())
