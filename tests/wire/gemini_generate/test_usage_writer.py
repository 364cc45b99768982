"""Counts for a caller."""

from __future__ import annotations

import pytest

from weighbridge.core.codec import encode_json
from weighbridge.core.terms import NO_USAGE, Usage
from weighbridge.wire.gemini_generate.chunk import read_counts
from weighbridge.wire.gemini_generate.usage_writer import write_usage
from weighbridge.wire.usage import from_gemini


def test_the_prompt_includes_the_cache_and_the_candidates_no_thoughts():
    assert write_usage(Usage(10, 5, cache_write_5m=2, output=20, reasoning=8), "standard") == {
        "promptTokenCount": 17,
        "candidatesTokenCount": 12,
        "totalTokenCount": 37,
        "cachedContentTokenCount": 5,
        "thoughtsTokenCount": 8,
        "serviceTier": "standard",
    }


def test_what_is_unknown_is_not_said():
    assert write_usage(NO_USAGE, None) is None


@pytest.mark.parametrize(
    "usage",
    [
        Usage(3, output=4),
        Usage(3, 2, output=9, reasoning=4),
        Usage(3, 2, output=9, reasoning=4, input_audio=5, input_image=6, output_image=7),
        Usage(0, output=0, output_audio=7),
    ],
)
def test_counts_are_read_as_they_were_written(usage):
    counts = read_counts(encode_json(write_usage(usage, None)))
    assert from_gemini(counts) == usage
