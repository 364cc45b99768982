from __future__ import annotations

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from weighbridge.core.terms import COUNTS, NO_USAGE, Provenance, Usage, UsageApart
from weighbridge.wire.usage import (
    MAX_COUNT,
    AnthropicUsage,
    GeminiUsage,
    OpenAiDetails,
    OpenAiModalities,
    OpenAiUsage,
    ServerTools,
    add,
    apart_by_anthropic,
    as_derived,
    from_anthropic,
    from_gemini,
    from_openai,
    from_openai_in_full,
    merge_anthropic,
    with_gemini_searches,
)

DERIVED = Provenance.DERIVED


def openai(**fields: object) -> Usage:
    return from_openai(msgspec.convert(fields, OpenAiUsage))


def anthropic(**fields: object) -> AnthropicUsage:
    return msgspec.convert(fields, AnthropicUsage)


def gemini(**fields: object) -> Usage:
    return from_gemini(msgspec.convert(fields, GeminiUsage))


def test_openai_input_is_without_cache_and_audio() -> None:
    usage = openai(
        prompt_tokens=100,
        completion_tokens=50,
        total_tokens=150,
        prompt_tokens_details={"cached_tokens": 40, "cache_write_tokens": 20, "audio_tokens": 10, "image_tokens": 5},
        completion_tokens_details={"reasoning_tokens": 30, "audio_tokens": 8},
    )
    assert usage == Usage(25, 40, 20, 0, 42, 30, 10, 5, 8, 0)
    assert (usage.total_input, usage.total_output) == (100, 50)


def test_responses_usage_reads_like_chat_usage() -> None:
    assert openai(
        input_tokens=100,
        input_tokens_details={"cached_tokens": 40, "cache_write_tokens": 20},
        output_tokens=50,
        output_tokens_details={"reasoning_tokens": 30},
        total_tokens=150,
    ) == Usage(40, 40, 20, 0, 50, 30)


@pytest.mark.parametrize(
    "fields",
    [
        {"num_cached_tokens": 6},
        {"prompt_cache_hit_tokens": 6, "prompt_cache_miss_tokens": 4},
        {"cached_tokens": 6},
        {"prompt_tokens_details": {"cached_tokens": 6}},
    ],
)
def test_each_vendors_cache_count_is_read(fields) -> None:
    assert openai(prompt_tokens=10, completion_tokens=1, total_tokens=11, **fields) == Usage(4, 6, output=1)


def test_xai_reasoning_beside_the_completion_is_output() -> None:
    usage = openai(prompt_tokens=12, completion_tokens=2, total_tokens=334, completion_tokens_details={"reasoning_tokens": 320})
    assert usage == Usage(12, output=322, reasoning=320)


def test_mistral_audio_beside_the_prompt_is_input() -> None:
    usage = openai(prompt_tokens=9, completion_tokens=201, total_tokens=585, prompt_tokens_details={"audio_tokens": 375})
    assert usage == Usage(9, output=201, input_audio=375)


def test_thinking_that_shows_only_in_the_total_is_derived() -> None:
    assert openai(prompt_tokens=35, completion_tokens=12, total_tokens=109) == Usage(
        35, output=74, reasoning=62, provenance=DERIVED
    )


def test_an_embedding_that_reports_only_a_total_has_read_all_of_it() -> None:
    assert openai(total_tokens=12) == Usage(12, provenance=DERIVED)
    assert openai(prompt_tokens=12, total_tokens=12) == Usage(12)


def test_images_are_image_tokens() -> None:
    raw = {"input_tokens": 60, "output_tokens": 1000, "input_tokens_details": {"text_tokens": 10, "image_tokens": 50}}
    usage = from_openai_in_full(msgspec.convert(raw, OpenAiUsage), is_image_output=True)
    assert usage == Usage(10, input_image=50, output_image=1000)


def test_transcription_is_billed_by_tokens_or_by_seconds_which_are_no_tokens() -> None:
    tokens = openai(type="tokens", input_tokens=14, output_tokens=45, input_token_details={"audio_tokens": 14})
    assert tokens == Usage(0, output=45, input_audio=14)
    assert openai(type="duration", seconds=7.5) == Usage(audio_ms=7_500)


def test_mistral_tells_audio_in_seconds_beside_the_tokens() -> None:
    chat = {"prompt_tokens": 9, "total_tokens": 585, "completion_tokens": 201, "prompt_tokens_details": {"audio_tokens": 375}}
    assert openai(prompt_audio_seconds=4, **chat) == Usage(9, output=201, input_audio=375, audio_ms=4_000)
    # Where it transcribes, the tokens of audio are in the total alone.
    transcript = openai(prompt_audio_seconds=203, prompt_tokens=4, total_tokens=3264, completion_tokens=635)
    assert transcript == Usage(4, output=635, input_audio=2625, audio_ms=203_000, provenance=DERIVED)
    assert openai(prompt_audio_seconds=None, prompt_tokens=4, completion_tokens=6, total_tokens=10) == Usage(4, output=6)


def test_counts_that_overlap_keep_their_total_and_say_that_they_were_derived() -> None:
    usage = openai(prompt_tokens=265, completion_tokens=3, prompt_tokens_details={"cached_tokens": 170, "image_tokens": 256})
    assert usage == Usage(0, 170, output=3, input_image=95, provenance=DERIVED)
    assert openai(prompt_tokens=7, prompt_tokens_details={"cached_tokens": 161}).total_input == 7


def test_nothing_said_is_not_zero() -> None:
    assert openai() is NO_USAGE
    assert openai(cost_in_usd_ticks=0) is NO_USAGE
    assert from_anthropic(AnthropicUsage()) is NO_USAGE
    assert gemini(trafficType="ON_DEMAND") is NO_USAGE


@pytest.mark.parametrize("wrong", [-1, MAX_COUNT + 1, "7", True, [7]])
def test_a_wrong_count_is_refused_by_the_decoder(wrong) -> None:
    with pytest.raises(msgspec.ValidationError):
        openai(prompt_tokens=wrong, completion_tokens=1)


def test_anthropic_counts_are_disjoint_already() -> None:
    usage = from_anthropic(
        anthropic(
            input_tokens=5,
            cache_read_input_tokens=100,
            cache_creation_input_tokens=30,
            cache_creation={"ephemeral_5m_input_tokens": 10, "ephemeral_1h_input_tokens": 20},
            output_tokens=50,
            output_tokens_details={"thinking_tokens": 12},
            server_tool_use={"web_search_requests": 3, "web_fetch_requests": 2},
        )
    )
    assert usage == Usage(5, 100, 10, 20, 50, 12, tool_calls=3)


def test_anthropic_cache_writes_without_a_split_last_five_minutes() -> None:
    assert from_anthropic(anthropic(input_tokens=5, cache_creation_input_tokens=30)).cache_write_5m == 30


def test_a_delta_overrides_what_it_gives_and_keeps_what_it_omits() -> None:
    start = anthropic(
        input_tokens=5,
        output_tokens=1,
        cache_creation_input_tokens=30,
        cache_creation={"ephemeral_5m_input_tokens": 10, "ephemeral_1h_input_tokens": 20},
    )
    assert from_anthropic(merge_anthropic(start, anthropic(output_tokens=50))) == Usage(5, 0, 10, 20, 50)
    more = merge_anthropic(start, anthropic(input_tokens=9, output_tokens=50, cache_creation_input_tokens=40))
    assert from_anthropic(more) == Usage(9, 0, 20, 20, 50, provenance=DERIVED)
    assert merge_anthropic(None, start) is start


def test_gemini_thoughts_are_output_and_tool_results_are_input() -> None:
    usage = gemini(
        promptTokenCount=100,
        cachedContentTokenCount=40,
        toolUsePromptTokenCount=30,
        candidatesTokenCount=20,
        thoughtsTokenCount=10,
        totalTokenCount=160,
        promptTokensDetails=[{"modality": "TEXT", "tokenCount": 60}, {"modality": "AUDIO", "tokenCount": 40}],
        cacheTokensDetails=[{"modality": "AUDIO", "tokenCount": 15}, {"modality": "TEXT", "tokenCount": 25}],
    )
    assert usage == Usage(65, 40, output=30, reasoning=10, input_audio=25, cached_audio=15)


def test_gemini_modalities_may_be_numbers() -> None:
    usage = gemini(promptTokenCount=10, promptTokensDetails=[{"modality": 2, "tokenCount": 4}, {"modality": 1, "tokenCount": 6}])
    assert usage == Usage(6, input_image=4)


def test_sums_count_what_is_known_and_keep_the_weaker_provenance() -> None:
    assert add(NO_USAGE, Usage(1)) == Usage(1)
    assert add(Usage(1), NO_USAGE) == Usage(1)
    assert add(Usage(1, 2, output=3), as_derived(Usage(4, output=5))) == Usage(5, 2, output=8, provenance=DERIVED)
    assert as_derived(NO_USAGE) is NO_USAGE


COUNT = st.none() | st.integers(0, 1000)
DETAILS = st.none() | st.fixed_dictionaries(
    dict.fromkeys(("cached_tokens", "cache_write_tokens", "audio_tokens", "image_tokens", "reasoning_tokens"), COUNT)
)


@given(COUNT, COUNT, COUNT, DETAILS, DETAILS)
def test_counts_are_never_negative_and_reported_totals_are_never_exceeded(prompt, completion, total, read, made) -> None:
    usage = openai(
        prompt_tokens=prompt,
        completion_tokens=completion,
        total_tokens=total,
        prompt_tokens_details=read,
        completion_tokens_details=made,
    )
    counts = [getattr(usage, name) for name in COUNTS]
    assert min(counts) >= 0
    assert usage.reasoning <= usage.output
    assert usage.cached_audio + usage.cached_image <= usage.cache_read
    if prompt is not None and completion is not None:
        assert prompt + completion <= usage.total_input + usage.total_output <= max(prompt + completion, total or 0)


ANY_COUNT = st.none() | st.sampled_from([0, 1, 5, 20, 100]) | st.integers(0, 1000)
ANY_DETAILS = st.none() | st.builds(
    OpenAiDetails,
    cached_tokens=ANY_COUNT,
    cache_write_tokens=st.sampled_from([None, None, 0, 3]),
    audio_tokens=st.sampled_from([None, None, 0, 3]),
    image_tokens=st.sampled_from([None, None, 0, 3]),
    reasoning_tokens=ANY_COUNT,
    cached_tokens_details=st.sampled_from([None, None, OpenAiModalities(), OpenAiModalities(1, 1)]),
)
RARELY = st.sampled_from([None, None, None, None, 0, 4])


@st.composite
def openai_usages(draw) -> OpenAiUsage:
    prompt, completion = draw(ANY_COUNT), draw(ANY_COUNT)
    total = draw(st.just((prompt or 0) + (completion or 0)) | ANY_COUNT)
    usage = OpenAiUsage(prompt, completion, total, draw(ANY_DETAILS), draw(ANY_DETAILS))
    for field in ("input_tokens", "output_tokens", "num_cached_tokens", "prompt_cache_hit_tokens", "cached_tokens"):
        setattr(usage, field, draw(RARELY))
    for field in ("input_tokens_details", "output_tokens_details", "input_token_details", "output_token_details"):
        if draw(RARELY):
            setattr(usage, field, draw(ANY_DETAILS))
    usage.server_tool_use_details = draw(st.sampled_from([None, None, None, ServerTools(), ServerTools(2)]))
    usage.seconds, usage.prompt_audio_seconds = draw(RARELY), draw(RARELY)
    return usage


@settings(max_examples=400)
@given(openai_usages())
def test_the_short_way_through_openais_counts_ends_where_the_long_one_does(usage) -> None:
    assert from_openai(usage) == from_openai_in_full(usage)


COMPACTED = {
    "input_tokens": 682,
    "output_tokens": 1320,
    "cache_read_input_tokens": 0,
    "iterations": [
        {"type": "compaction", "input_tokens": 60385, "output_tokens": 592, "cache_read_input_tokens": 7},
        {"type": "message", "input_tokens": 682, "output_tokens": 1320},
    ],
}


def test_what_summing_up_a_context_took_is_counted_beside_the_totals():
    """ "Top-level input_tokens and output_tokens do not include compaction iteration usage": a ninth of the bill was left."""
    usage = msgspec.convert(COMPACTED, AnthropicUsage)
    counted = from_anthropic(usage)
    assert (counted.input, counted.cache_read, counted.output) == (682 + 60385, 7, 1320 + 592)
    assert apart_by_anthropic(usage) == (UsageApart("", Usage(60385, 7, 0, 0, 592)),)


def test_an_advisers_tokens_are_counted_and_told_apart_with_its_name():
    advice = {"type": "advisor_message", "model": "claude-opus-4-8", "input_tokens": 900, "output_tokens": 70}
    usage = msgspec.convert({"input_tokens": 10, "output_tokens": 5, "iterations": [advice]}, AnthropicUsage)
    assert from_anthropic(usage).total_input == 910
    assert apart_by_anthropic(usage) == (UsageApart("claude-opus-4-8", Usage(900, output=70)),)


def test_an_answer_after_a_refusal_is_the_other_models_alone():
    usage = msgspec.convert(
        {
            "input_tokens": 412,
            "output_tokens": 264,
            "iterations": [
                {"type": "message", "model": "claude-fable-5", "input_tokens": 408, "output_tokens": 0},
                {"type": "fallback_message", "model": "claude-opus-4-8", "input_tokens": 412, "output_tokens": 264},
            ],
        },
        AnthropicUsage,
    )
    assert from_anthropic(usage) == Usage(412, output=264)
    assert apart_by_anthropic(usage) == (UsageApart("claude-opus-4-8", Usage(412, output=264)),)


@pytest.mark.parametrize(
    ("said", "told"),
    [
        ({"cost": 0.00000537}, 5_370),
        ({"cost": {"input_tokens_cost": 0.00001, "request_cost": 0.005, "total_cost": 0.00501}}, 5_010_000),
        ({"cost_in_usd_ticks": 161_508_500}, 16_150_850),
        ({"cost": 0.001, "is_byok": True, "cost_details": {"upstream_inference_cost": 0.02}}, 21_000_000),
        ({"cost": 0, "is_byok": True, "cost_details": {"upstream_inference_cost": 0.0002265}}, 226_500),
        ({"cost": 0.02, "is_byok": False, "cost_details": {"upstream_inference_cost": 0.02}}, 20_000_000),
        ({"cost": 0}, None),
        ({"cost_in_usd_ticks": 0}, None),
        ({"cost": -1.0}, None),
        ({"cost": {}}, None),
        ({}, None),
    ],
)
def test_what_a_provider_says_that_it_charges_is_kept_to_the_nano_dollar(said, told):
    assert openai(prompt_tokens=7, completion_tokens=3, total_tokens=10, **said) == Usage(7, output=3, told_nanousd=told)


def test_what_has_a_price_and_no_tokens_costs_that_price() -> None:
    assert openai(cost_in_usd_ticks=700_000_000) == Usage(told_nanousd=70_000_000)


@pytest.mark.parametrize(
    ("model", "queries", "number"),
    [
        ("gemini-3.8-flash", ["weather Rome", "", "weather Paris", "weather Rome"], 2),
        ("gemini-2.5-flash", ["weather Rome", "weather Paris"], 1),
        ("gemini-2.5-flash", [""], 0),
        ("", ["weather Rome"], 1),
    ],
)
def test_google_bills_a_search_for_each_query_and_before_gemini_3_for_each_prompt(model, queries, number):
    assert with_gemini_searches(Usage(10, output=5), queries, model) == Usage(10, output=5, tool_calls=number)
    assert with_gemini_searches(NO_USAGE, queries, model) is NO_USAGE


@pytest.mark.parametrize(
    ("said", "tier"),
    [
        ({"service_tier": "standard", "speed": "fast"}, "fast"),
        ({"service_tier": "standard", "speed": "standard"}, "standard"),
        ({"service_tier": "batch", "speed": "fast"}, "batch"),
        ({"service_tier": "priority"}, "priority"),
        ({}, None),
    ],
)
def test_fast_mode_has_a_price_list_of_its_own(said, tier):
    assert msgspec.convert(said, AnthropicUsage).tier == tier
