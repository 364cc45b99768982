from __future__ import annotations

from fnmatch import fnmatchcase
from urllib.parse import urlsplit

import pytest

from weighbridge.core.model_sizes import ASSUMED_OUTPUT, sizes_of
from weighbridge.core.rates import ModelFacts
from weighbridge.providers.catalog import load_catalog
from weighbridge.providers.output_limits import load_output_limits, vendor_rules

LIMITS = load_output_limits()


def limit_of(provider_type, model):
    return sizes_of(vendor_rules(LIMITS, "mine", provider_type), f"mine/{model}", ModelFacts()).output_bound


@pytest.mark.parametrize("limit", LIMITS, ids=lambda limit: limit.models[0])
def test_every_row_names_providers_that_there_are_and_the_page_on_which_it_stands(limit):
    assert set(limit.at) <= set(load_catalog())
    assert limit.models
    assert urlsplit(limit.source).scheme == "https"
    assert 1_000 < limit.tokens <= 2_000_000


def test_a_glob_that_takes_models_to_come_is_not_below_what_is_assumed_of_them():
    coming = {"gpt-5.9", "gpt-6-nova", "o3-ultra", "o4-mini-next", "gemini-3.9-flash", "claude-opus-5-9", "deepseek-v4-next"}
    for limit in LIMITS:
        if any(fnmatchcase(model, glob) for model in coming for glob in limit.models):
            assert limit.tokens >= ASSUMED_OUTPUT


@pytest.mark.parametrize(
    ("provider_type", "model", "tokens"),
    [
        ("openai", "gpt-5.6-terra", 128_000),
        ("openai", "gpt-5-pro-2025-10-06", 272_000),
        ("azure", "gpt-4o-mini", 16_384),
        ("openai", "o3-mini", 100_000),
        ("anthropic", "claude-opus-4-1-20250805", 32_000),
        ("anthropic", "claude-opus-4-20250514", 32_000),
        ("anthropic", "claude-opus-4-6", 128_000),
        ("bedrock", "us.anthropic.claude-sonnet-4-5-20250929-v1:0", 64_000),
        ("vertex", "claude-haiku-4-5@20251001", 64_000),
        ("vertex", "claude-sonnet-4@20250514", 64_000),
        ("anthropic", "claude-3-5-sonnet-20241022", 8_192),
        ("gemini", "models/gemini-2.5-pro", 65_536),
        ("gemini", "gemini-3.1-pro-preview", 65_536),
        ("gemini", "gemini-2.0-flash-thinking-exp", ASSUMED_OUTPUT),
        ("vertex", "gemini-4-argon", 1_048_576),
        ("deepseek", "deepseek-reasoner", 393_216),
        ("cohere", "command-r-plus-08-2024", 4_096),
        ("bedrock", "eu.amazon.nova-pro-v1:0", 10_240),
        ("openai", "unheard-of", ASSUMED_OUTPUT),
        ("openrouter", "gpt-4o", ASSUMED_OUTPUT),
    ],
)
def test_models_are_found_by_the_names_that_they_have_there(provider_type, model, tokens):
    assert limit_of(provider_type, model) == tokens
