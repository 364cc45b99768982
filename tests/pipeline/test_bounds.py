"""The most that a request may use, whatever dialect it is in and however it hides it."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from weighbridge.core.codec import encode_json
from weighbridge.core.model_sizes import ASSUMED_OUTPUT
from weighbridge.core.terms import Dialect, Endpoint, Operation
from weighbridge.pipeline.bounds import ASSUMED_WINDOW, choices, extent_of, may_cost, named_cap
from weighbridge.wire.envelope import Envelope

TEXT = st.text(max_size=300)


def exchange(fields, operation=Operation.CHAT, dialect=Dialect.OPENAI, method=b"POST", headers=None):
    body = fields if isinstance(fields, bytes) else encode_json(fields)
    return SimpleNamespace(
        body=body,
        envelope=Envelope.read(body),
        request_bytes=len(body),
        endpoint=Endpoint(dialect, operation),
        dialect=dialect,
        downstream=SimpleNamespace(method=method),
        fields={} if headers is None else headers,
    )


def target(**facts):
    given_facts = {
        "pricer": None,
        "context_window": None,
        "output_bound": ASSUMED_OUTPUT,
        "output_override": None,
        "output_default": None,
    }
    return SimpleNamespace(**{**given_facts, **facts})


def extent(fields, cap=100, operation=Operation.CHAT, **facts):
    return extent_of(exchange(fields, operation), target(**facts), cap)[0]


@given(st.lists(TEXT, max_size=5))
def test_every_byte_of_a_text_may_be_a_token(texts):
    fields = {"model": "m", "messages": [{"role": "user", "content": text} for text in texts]}
    assert extent(fields).input_tokens >= sum(len(text.encode()) for text in texts)


@given(TEXT, st.integers(1_000, 5_000))
def test_no_input_is_larger_than_the_models_window(text, window):
    assert extent({"messages": [text]}, context_window=window).input_tokens <= window


@pytest.mark.parametrize(
    ("fields", "sums_up"),
    [
        ({"context_management": {"edits": [{"type": "compact_20260112"}]}}, True),
        ({"context_management": [{"type": "compaction", "compact_threshold": 1_000}]}, True),
        ({"compaction": {}}, True),
        ({"context_management": {"edits": [{"type": "clear_tool_uses_20250919"}]}}, False),
    ],
)
def test_a_context_that_may_be_summed_up_first_is_read_twice(fields, sums_up):
    messages = {"messages": [{"role": "user", "content": "Hello"}]}
    held = extent({**messages, **fields}, output_bound=4_000)
    without = extent({**messages, "x": fields}, output_bound=4_000)
    assert held.output_tokens == without.output_tokens + 4_000 * sums_up
    assert (held.input_tokens > 1.9 * without.input_tokens) is sums_up


@pytest.mark.parametrize("part", [{"type": "image_url", "image_url": {"url": "https://x/y.png"}}, {"type": "image", "source": {}}])
def test_a_picture_counts_by_what_the_dearest_model_makes_of_it(part):
    assert extent({"messages": [{"content": [part]}]}).input_tokens > 25_000


@pytest.mark.parametrize(
    "fields",
    [
        {"messages": [{"content": [{"type": "file", "file": {"file_id": "f"}}]}]},
        {"input": [{"type": "input_file", "file_id": "f"}]},
        {"input": "go on", "previous_response_id": "resp_1"},
        {"input": "Hi", "conversation": "conv_1"},
        {"messages": [], "tools": [{"type": "web_search_20250305", "name": "web_search"}]},
        {"contents": [], "tools": [{"google_search": {}}]},
        {"contents": [], "cachedContent": "cachedContents/1"},
        {"messages": [], "web_search_options": {}},
    ],
)
def test_what_only_the_provider_sees_may_fill_the_window(fields):
    assert extent(fields, operation=Operation.RESPONSES).input_tokens == ASSUMED_WINDOW
    assert extent(fields, operation=Operation.RESPONSES, context_window=9_000).input_tokens == 9_000


def test_tools_that_the_provider_runs_are_counted_and_functions_are_not():
    assert extent({"messages": [], "tools": [{"type": "web_search"}]}).tool_calls > 0
    assert extent({"messages": [], "tools": [{"type": "function", "function": {"name": "f"}}]}).tool_calls == 0


@pytest.mark.parametrize(
    ("fields", "dialect", "number"),
    [
        ({"messages": []}, Dialect.OPENAI, 1),
        ({"n": 3}, Dialect.OPENAI, 3),
        ({"n": 2, "best_of": 5}, Dialect.OPENAI, 5),
        ({"n": 10**9}, Dialect.OPENAI, 128),
        ({"n": "many"}, Dialect.OPENAI, 128),
        (b'{"n":1,"n":50}', Dialect.OPENAI, 128),
        (b'{ "n" : 4 , "messages" : [ ] }', Dialect.OPENAI, 4),
        ({"generationConfig": {"candidateCount": 4}}, Dialect.GEMINI, 4),
        ({"generation_config": {"candidate_count": 6}}, Dialect.GEMINI, 6),
        ({"generationConfig": {}}, Dialect.GEMINI, 1),
        (b'{"generationConfig":{"candidateCount":8},"generationConfig":{}}', Dialect.GEMINI, 128),
    ],
)
def test_each_answer_that_is_asked_for_counts(fields, dialect, number):
    assert choices(exchange(fields, dialect=dialect)) == number


@pytest.mark.parametrize(
    ("fields", "dialect", "expected"),
    [
        ({}, Dialect.OPENAI, (None, False)),
        ({"max_tokens": 7}, Dialect.OPENAI, (7, False)),
        ({"max_completion_tokens": 8}, Dialect.OPENAI, (8, False)),
        ({"max_output_tokens": 9}, Dialect.OPENAI, (9, False)),
        ({"max_tokens": 7, "max_completion_tokens": 80}, Dialect.OPENAI, (80, True)),
        (b'{"max_tokens":7,"max_tokens":70}', Dialect.OPENAI, (70, True)),
        ({"max_tokens": 7.5}, Dialect.OPENAI, (None, False)),
        ({"max_tokens": None}, Dialect.OPENAI, (None, False)),
        ({"max_tokens": 0}, Dialect.OPENAI, (None, False)),
        ({"generationConfig": {"maxOutputTokens": 5}}, Dialect.GEMINI, (5, False)),
        ({"generation_config": {"max_output_tokens": 5}}, Dialect.GEMINI, (5, False)),
        ({"generationConfig": {"maxOutputTokens": 5, "max_output_tokens": 9}}, Dialect.GEMINI, (9, True)),
        ({"generationConfig": 5}, Dialect.GEMINI, (None, False)),
        (b'{"generationConfig":{"maxOutputTokens":9000},"generationConfig":{"maxOutputTokens":5}}', Dialect.GEMINI, (5, True)),
        ({"generationConfig": {"maxOutputTokens": 5}, "generation_config": {}}, Dialect.GEMINI, (5, True)),
    ],
)
def test_the_bound_is_the_one_that_the_provider_is_told(fields, dialect, expected):
    assert named_cap(exchange(fields, dialect=dialect), target()) == expected


def test_a_route_sets_the_bound_over_the_request_or_in_its_place():
    asked = exchange({"max_tokens": 7})
    assert named_cap(asked, target(output_override=3)) == (3, False)
    assert named_cap(asked, target(output_default=3)) == (7, False)
    assert named_cap(exchange({}), target(output_default=3)) == (3, False)


def test_without_a_bound_the_models_maximum_counts():
    assert extent({"n": 2}, None, output_bound=500).output_tokens == 1_000
    assert extent({}, None).output_tokens == ASSUMED_OUTPUT
    assert extent({"input": "x"}, None, operation=Operation.EMBEDDINGS).output_tokens == 0


@pytest.mark.parametrize(
    ("method", "operation", "costs"),
    [
        (b"POST", Operation.CHAT, True),
        (b"POST", Operation.RAW, True),
        (b"GET", Operation.RAW, False),
        (b"POST", Operation.FILES, False),
        (b"POST", Operation.COUNT_TOKENS, False),
        (b"GET", Operation.REALTIME, True),
        (b"DELETE", Operation.RESPONSES_STORED, False),
    ],
)
def test_what_providers_bill(method, operation, costs):
    assert may_cost(exchange({}, operation, method=method)) == costs


@pytest.mark.parametrize(
    "body",
    [
        rb'{"messages":[{"content":[{"type":"\u0066ile","\u0066ile":{"file_id":"f"}}]}]}',
        rb'{"messages":[],"tools":[{"type":"\u0077eb_search"}]}',
    ],
)
def test_what_is_written_with_escapes_hides_nothing(body):
    assert extent(body).input_tokens == ASSUMED_WINDOW


def test_letters_that_encoders_do_escape_are_letters():
    assert extent(rb'{"messages":[{"content":"caf\u00e9 \u4e2d"}]}').input_tokens < 2_000


def test_a_compressed_request_counts_by_what_is_in_it():
    packed = exchange({"messages": [{"content": "x" * 50_000}]})
    packed.request_bytes = 90
    assert extent_of(packed, target(), 1)[0].input_tokens > 50_000


def test_a_window_that_a_beta_widens_bounds_nothing():
    body = {"messages": [{"content": "x" * 50_000}]}
    narrow = target(context_window=9_000)
    assert extent_of(exchange(body), narrow, 1)[0].input_tokens == 9_000
    widened = exchange(body, headers={b"anthropic-beta": b"context-1m-2025-08-07"})
    assert extent_of(widened, narrow, 1)[0].input_tokens > 50_000


def test_a_beta_for_longer_answers_bounds_them_by_the_window_only():
    model = target(output_bound=64_000, context_window=200_000)
    assert extent_of(exchange({}), model, None)[0].output_tokens == 64_000
    longer = exchange({}, headers={b"anthropic-beta": b"x,output-128k-2025-02-19"})
    assert extent_of(longer, model, None)[0].output_tokens == 200_000
    assert extent_of(longer, model, 9)[0].output_tokens == 9
    assert extent_of(longer, target(output_bound=64_000), None)[0].output_tokens == ASSUMED_WINDOW
