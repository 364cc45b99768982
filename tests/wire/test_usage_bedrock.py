"""Bedrock's counts."""

from __future__ import annotations

import pytest

from weighbridge.core.terms import NO_USAGE, Provenance, Usage
from weighbridge.wire.usage_bedrock import read_bedrock_usage


@pytest.mark.parametrize(
    ("said", "usage"),
    [
        ({"inputTokens": 3, "outputTokens": 4, "totalTokens": 7, "serverToolUsage": {}}, Usage(3, output=4)),
        ({"inputTokens": 3, "outputTokens": 4, "cacheReadInputTokens": 5, "cacheWriteInputTokens": 6}, Usage(3, 5, 6, 0, 4)),
        (
            {
                "inputTokens": 3,
                "outputTokens": 4,
                "cacheWriteInputTokens": 30,
                "cacheDetails": [{"ttl": "1h", "inputTokens": 20}, {"ttl": "5m", "inputTokens": 10}],
            },
            Usage(3, 0, 10, 20, 4),
        ),
        ({"inputTokens": 3, "outputTokens": 4, "cacheDetails": [{"ttl": "5m", "inputTokens": 9}]}, Usage(3, 0, 9, 0, 4)),
        (
            {"inputTokens": 3, "outputTokens": 4, "cacheWriteInputTokens": 5, "cacheDetails": [{"ttl": "1h", "inputTokens": 9}]},
            Usage(3, 0, 0, 5, 4, provenance=Provenance.DERIVED),
        ),
        ({"inputTokens": None, "outputTokens": 4}, Usage(0, output=4)),
        ({"inputTokens": 3.0, "outputTokens": 4, "cacheDetails": "none"}, Usage(3, output=4)),
        ({"inputTokens": -1, "outputTokens": 4}, Usage(0, output=4)),
    ],
)
def test_input_is_without_what_the_cache_had_to_do_with(said, usage):
    assert read_bedrock_usage(said) == usage


@pytest.mark.parametrize("said", [None, {}, [], "many", {"totalTokens": 3}])
def test_what_says_nothing_is_unknown_and_not_zero(said):
    assert read_bedrock_usage(said) is NO_USAGE
