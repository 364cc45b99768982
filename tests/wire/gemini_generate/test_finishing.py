"""Why a candidate ended."""

from __future__ import annotations

import pytest

from weighbridge.wire.events import FinishReason
from weighbridge.wire.gemini_generate.finishing import block_word, finish_word, read_finish


@pytest.mark.parametrize(
    ("reason", "word"),
    [("STOP", "STOP"), (2, "MAX_TOKENS"), (9, "MALFORMED_FUNCTION_CALL"), (99, "99"), (0, None), (None, None), ("", None)],
)
def test_a_reason_is_a_word_or_its_number(reason, word):
    assert finish_word(reason) == word


def test_an_unspecified_reason_is_no_end():
    assert finish_word("FINISH_REASON_UNSPECIFIED") is None


@pytest.mark.parametrize(
    ("feedback", "word"),
    [
        ({"blockReason": "SAFETY"}, "SAFETY"),
        ({"blockReason": 3}, "3"),
        ({"blockReason": "BLOCKED_REASON_UNSPECIFIED"}, None),
        ({"safetyRatings": []}, None),
        ({"blockReason": ["x"]}, None),
        ("x", None),
    ],
)
def test_a_refused_prompt_has_a_reason(feedback, word):
    assert block_word(feedback) == word


@pytest.mark.parametrize(
    ("word", "has_calls", "reason"),
    [
        ("STOP", False, FinishReason.STOP),
        ("STOP", True, FinishReason.TOOL_CALLS),
        ("MAX_TOKENS", True, FinishReason.LENGTH),
        ("SAFETY", False, FinishReason.CONTENT_FILTER),
        ("MODEL_ARMOR", False, FinishReason.CONTENT_FILTER),
        ("MALFORMED_FUNCTION_CALL", False, FinishReason.MALFORMED_TOOL_CALL),
        ("BRAND_NEW", False, FinishReason.OTHER),
    ],
)
def test_every_word_has_a_meaning(word, has_calls, reason):
    assert read_finish(word, has_calls=has_calls) is reason
