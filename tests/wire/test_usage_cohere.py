"""Cohere's counts."""

from __future__ import annotations

import pytest

from weighbridge.core.terms import NO_USAGE, Provenance, Usage
from weighbridge.wire.usage_cohere import read_cohere_usage

BILLED = {"input_tokens": 83, "output_tokens": 109}


@pytest.mark.parametrize(
    ("said", "usage"),
    [
        (
            {
                "billed_units": BILLED,
                "tokens": {"input_tokens": 379, "output_tokens": 164, "reasoning_tokens": 54},
                "cached_tokens": 144,
            },
            Usage(235, 144, 0, 0, 164, 54),
        ),
        ({"tokens": {"input_tokens": 34, "output_tokens": 70, "image_tokens": 259}}, Usage(34, output=70)),
        ({"billed_units": BILLED}, Usage(83, output=109, provenance=Provenance.DERIVED)),
        ({"tokens": {}, "billed_units": BILLED}, Usage(83, output=109, provenance=Provenance.DERIVED)),
        ({"tokens": {"input_tokens": 34.0, "output_tokens": 70.0}}, Usage(34, output=70)),
        (
            {"tokens": {"input_tokens": 5, "output_tokens": 2, "reasoning_tokens": 9}, "cached_tokens": 9},
            Usage(0, 5, 0, 0, 2, 2, provenance=Provenance.DERIVED),
        ),
    ],
)
def test_cached_tokens_are_part_of_the_input_and_reasoning_of_the_output(said, usage):
    assert read_cohere_usage(said) == usage


@pytest.mark.parametrize("said", [None, {}, {"tokens": None}, {"tokens": {}, "billed_units": {"search_units": 1}}, 5])
def test_what_says_nothing_is_unknown_and_not_zero(said):
    assert read_cohere_usage(said) is NO_USAGE
