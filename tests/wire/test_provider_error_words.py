from __future__ import annotations

import pytest

from weighbridge.core.errors import ErrorKind
from weighbridge.wire.provider_error_words import (
    BY_STATUS,
    DECISIVE,
    GENERAL,
    NO_MONEY,
    SENTENCE_STATUSES,
    SENTENCES,
    plain_word,
)

_K = ErrorKind


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("ThrottlingException", "throttlingException"),
        ("RESOURCE_EXHAUSTED", "resource-exhausted"),
        ("RateLimitReached", "rate_limit_reached"),
    ],
)
def test_spellings_of_one_word_are_one(one, other) -> None:
    assert plain_word(one) == plain_word(other)
    assert DECISIVE[plain_word(one)] is _K.RATE_LIMIT_EXCEEDED


def test_no_word_is_both_decisive_and_general() -> None:
    assert not DECISIVE.keys() & GENERAL.keys()


def test_every_kind_of_sentence_has_its_statuses() -> None:
    assert {kind for _, kind in SENTENCES} == SENTENCE_STATUSES.keys()


@pytest.mark.parametrize("status", BY_STATUS)
def test_statuses_of_errors_only(status) -> None:
    assert 400 <= status < 600


def meaning(sentence: str) -> ErrorKind | None:
    if NO_MONEY.search(sentence):
        return _K.INSUFFICIENT_QUOTA
    return next((kind for pattern, kind in SENTENCES if pattern.search(sentence)), None)


@pytest.mark.parametrize(
    "sentence",
    [
        "This model's maximum context length is 4097 tokens. However, your messages resulted in 4294 tokens.",
        "prompt is too long: 202095 tokens > 200000 maximum",
        "input length and `max_tokens` exceed context limit: 199211 + 20000 > 200000, decrease input length or `max_tokens`",
        "The input token count (1200010) exceeds the maximum number of tokens allowed (1048575).",
        "Input is too long for requested model.",
        "The model returned the following errors: Input Tokens Exceeded: Number of input tokens exceeds maximum length.",
        "too many tokens: total number of tokens in the prompt cannot exceed 4081 - received 5000.",
        "Prompt contains 40008 tokens and 0 draft tokens, too large for model with 32768 maximum context length",
        "the request exceeds the available context size, try increasing it",
        "Please reduce the length of the messages or completion.",
        "This model's maximum prompt length is 131072 but the request contains 537812 tokens.",
        "Input validation error: `inputs` tokens + `max_new_tokens` must be <= 4096. Given: 5000 `inputs` tokens",
        "Range of input length should be [1, 129024]",
        "Invalid request: Your request exceeded model token limit: 8192",
        "the input length exceeds the context length",
        "length of prompt_tokens (163280) must be less than max_seq_len (32768).",
        "The total length of all messages is too long.",
        "Trying to keep the first 5000 tokens. The model is loaded with context length of only 4096 tokens",
    ],
)
def test_sentences_about_a_full_context(sentence) -> None:
    assert meaning(sentence) is _K.CONTEXT_LENGTH_EXCEEDED


@pytest.mark.parametrize(
    ("sentence", "kind"),
    [
        ("Your credit balance is too low to access the Anthropic API. Please go to Plans & Billing.", _K.INSUFFICIENT_QUOTA),
        ("You have reached your specified API usage limits. You will regain access on 2026-12-01.", _K.INSUFFICIENT_QUOTA),
        ("Insufficient Balance", _K.INSUFFICIENT_QUOTA),
        ("This request requires more credits, or fewer max_tokens.", _K.INSUFFICIENT_QUOTA),
        ("Your prepayment credits are depleted.", _K.INSUFFICIENT_QUOTA),
        ("Output blocked by content filtering policy", _K.CONTENT_POLICY_VIOLATION),
        (
            "The response was filtered due to the prompt triggering Azure OpenAI's content management policy.",
            _K.CONTENT_POLICY_VIOLATION,
        ),
        ("Content Exists Risk", _K.CONTENT_POLICY_VIOLATION),
        ("Invalid prompt: your prompt was flagged as potentially violating our usage policy.", _K.CONTENT_POLICY_VIOLATION),
        ("API key not valid. Please pass a valid API key.", _K.PROVIDER_AUTHENTICATION),
        ("Your API key was reported as leaked. Please use another API key.", _K.PROVIDER_AUTHENTICATION),
        ("The model `m` does not exist.", _K.PROVIDER_MODEL_NOT_FOUND),
        ("Model Not Exist", _K.PROVIDER_MODEL_NOT_FOUND),
        ("Model not found, inaccessible, and/or not deployed", _K.PROVIDER_MODEL_NOT_FOUND),
        ("foo/bar is not a valid model ID", _K.PROVIDER_MODEL_NOT_FOUND),
        ("Not found the model moonshot-v9 or Permission denied", _K.PROVIDER_MODEL_NOT_FOUND),
        ("Invocation of model ID m with on-demand throughput isn’t supported.", _K.PROVIDER_MODEL_NOT_FOUND),
        ("User location is not supported for the API use.", _K.PROVIDER_PERMISSION),
        ("You don't have access to the model with the specified model ID.", _K.PROVIDER_PERMISSION),
        ("The model is overloaded. Please try again later.", _K.PROVIDER_OVERLOADED),
        ("google/gemini:free is temporarily rate-limited upstream.", _K.RATE_LIMIT_EXCEEDED),
    ],
)
def test_sentences_of_the_other_kinds(sentence, kind) -> None:
    assert meaning(sentence) is kind


@pytest.mark.parametrize(
    "sentence",
    [
        "Invalid token in prompt: 123456. Minimum value is 0.",
        "max_tokens is too large: 100000. This model supports at most 4096 completion tokens.",
        "This model doesn't support the s3Uri field. Remove s3Uri and try again.",
        "The provided model doesn't support counting tokens.",
        "Unsupported parameter: 'max_tokens' is not supported with this model. Use 'max_completion_tokens' instead.",
        "Invalid 'tools[0].function.name': string does not match pattern.",
        "messages: at least one message is required",
        "Unknown parameter: 'quality'.",
        "The requested operation does not exist",
        "You exceeded your current quota, please check your plan and billing details.",
    ],
)
def test_sentences_that_mean_none_of_these(sentence) -> None:
    assert meaning(sentence) is None
