from __future__ import annotations

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from weighbridge.core.terms import NO_USAGE, Usage
from weighbridge.wire.openai_chat.usage_writer import write_usage
from weighbridge.wire.usage import OpenAiUsage, from_openai

COUNT = st.integers(0, 99)


def test_nothing_is_told_of_what_is_not_known():
    assert write_usage(NO_USAGE) is None


def test_totals_hold_their_parts():
    told = write_usage(Usage(1, 2, 3, 4, 50, 20, input_audio=5, input_image=6, output_audio=7))
    assert (told["prompt_tokens"], told["completion_tokens"], told["total_tokens"]) == (21, 57, 78)
    assert told["prompt_tokens_details"] == {"cached_tokens": 2, "audio_tokens": 5, "cache_write_tokens": 7, "image_tokens": 6}
    assert told["completion_tokens_details"] == {"reasoning_tokens": 20, "audio_tokens": 7}


@given(st.builds(Usage, COUNT, COUNT, COUNT, st.just(0), st.integers(50, 99), st.integers(0, 50), COUNT, COUNT, COUNT))
def test_counts_survive_writing_and_reading(usage):
    assert from_openai(msgspec.convert(write_usage(usage), OpenAiUsage)) == usage
