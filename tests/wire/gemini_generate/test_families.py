"""What models differ in, by their names."""

from __future__ import annotations

import pytest

from weighbridge.wire.gemini_generate.families import family_of


@pytest.mark.parametrize(
    ("model", "thinking"),
    [
        ("gemini-2.5-pro", "budget"),
        ("models/gemini-2.5-flash-lite-preview-06-17", "budget"),
        ("gemini-2.5-flash-image", "none"),
        ("gemini-2.0-flash-001", "none"),
        ("publishers/google/models/gemini-3-pro-preview", "levels"),
        ("gemini-flash-latest", "levels"),
        ("gemma-3-27b-it", "none"),
        ("gemini-9-ultra", "levels"),
    ],
)
def test_the_name_tells_how_a_model_is_made_to_think(model, thinking):
    assert family_of(model).thinking == thinking


@pytest.mark.parametrize(
    ("model", "levels"),
    [
        ("gemini-3-pro-preview", ("low", "high")),
        ("gemini-3.1-pro-preview", ("low", "medium", "high")),
        ("gemini-3-flash-preview", ("minimal", "low", "medium", "high")),
        ("gemini-3.1-flash-lite", ("minimal", "low", "medium", "high")),
    ],
)
def test_levels_are_those_of_the_vendors_table(model, levels):
    assert family_of(model).levels == levels


def test_only_gemini_3_wants_signatures():
    assert family_of("gemini-3-flash-preview").validates_signatures
    assert not family_of("gemini-2.5-pro").validates_signatures
