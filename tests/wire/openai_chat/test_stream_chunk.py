from __future__ import annotations

import pytest

from weighbridge.core.codec import encode_json
from weighbridge.core.errors import ErrorKind, GatewayError
from weighbridge.wire.openai_chat.stream_chunk import read_chunk


def read(**fields):
    return read_chunk(encode_json(fields))


def test_fields_that_nobody_reads_are_skipped():
    chunk = read(id="x", obfuscation="abc", choices=[{"index": 0, "delta": {"content": "a", "channel": "final"}}])
    assert (chunk.id, chunk.choices[0].delta.content) == ("x", "a")


def test_one_field_of_another_type_costs_that_field_alone():
    delta = {"content": "a", "reasoning_content": {"odd": 1}, "tool_calls": [{"index": "0", "id": 7, "function": {"name": "f"}}]}
    chunk = read(id="x", created=1.5, model=["m"], choices=[{"index": 0, "delta": delta, "finish_reason": 5}])
    choice = chunk.choices[0]
    assert (chunk.id, chunk.created, chunk.model) == ("x", None, None)
    assert (choice.delta.content, choice.delta.reasoning_content) == ("a", None)
    assert (choice.delta.tool_calls[0].index, choice.delta.tool_calls[0].id) == (0, "7")


def test_counts_of_another_type_cost_that_count_alone():
    chunk = read(choices=[], usage={"prompt_tokens": 3, "completion_tokens": 2.0, "total_tokens": 5, "cached_tokens": "?"})
    assert (chunk.usage.prompt_tokens, chunk.usage.completion_tokens, chunk.usage.cached_tokens) == (3, 2, None)


def test_an_empty_custom_call_beside_a_function_is_none():
    call = {"index": 0, "function": {"name": "f"}, "custom": {"name": "", "input": ""}}
    (read_call,) = read(choices=[{"delta": {"tool_calls": [call]}}]).choices[0].delta.tool_calls
    assert (read_call.is_custom, read_call.inner.name) == (False, "f")
    call["type"] = "custom"
    (read_call,) = read(choices=[{"delta": {"tool_calls": [call]}}]).choices[0].delta.tool_calls
    assert read_call.is_custom


@pytest.mark.parametrize("payload", [b"{", b"<html>", b"5", b"[]", b'"x"', b"\xff", b'{"choices":[1', b"[" * 100_000])
def test_what_is_no_object_is_malformed(payload):
    with pytest.raises(GatewayError) as refused:
        read_chunk(payload)
    assert refused.value.kind is ErrorKind.PROVIDER_MALFORMED


@pytest.mark.parametrize("value", [5, "x", [], {}, None, [None], [5], [{"delta": 5}], [{"delta": {"tool_calls": [None, 5]}}]])
def test_choices_of_any_shape_are_read_without_error(value):
    read(choices=value)
