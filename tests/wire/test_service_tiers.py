"""Tiers of service, from vendor to vendor."""

from __future__ import annotations

import pytest

from weighbridge.wire.service_tiers import tier_for


@pytest.mark.parametrize(
    ("vendor", "tier", "word"),
    [
        ("anthropic", "default", "standard_only"),
        ("anthropic", "priority", "auto"),
        ("anthropic", "flex", None),
        ("openai", "standard_only", "default"),
        ("openai", "scale", "scale"),
        ("gemini", "Default", "standard"),
        ("gemini", "fast", "priority"),
        ("gemini", "auto", None),
        ("bedrock", "standard", "default"),
        ("bedrock", "unheard_of", None),
    ],
)
def test_a_tier_has_its_vendors_word_or_none(vendor, tier, word):
    assert tier_for(vendor, tier) == word


def test_openais_own_words_stay():
    for tier in ("auto", "default", "flex", "priority", "scale", "fast"):
        assert tier_for("openai", tier) == tier


@pytest.mark.parametrize("vendor", ["anthropic", "openai", "gemini", "bedrock"])
def test_the_standard_tier_is_known_everywhere_and_a_made_up_one_nowhere(vendor):
    assert tier_for(vendor, "standard") is not None
    assert tier_for(vendor, "made_up") is None


def test_a_vendor_without_a_table_is_a_mistake():
    with pytest.raises(KeyError):
        tier_for("nobody", "flex")
