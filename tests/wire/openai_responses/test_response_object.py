"""The `response` object around the output."""

from __future__ import annotations

import msgspec
import pytest

from weighbridge.core.codec import decode_json, encode_json
from weighbridge.core.errors import ErrorKind, GatewayError
from weighbridge.core.terms import NO_USAGE, Usage
from weighbridge.wire.codecs import ReplyContext, RequestContext
from weighbridge.wire.conversation import Conversation
from weighbridge.wire.events import FinishReason
from weighbridge.wire.json_value import JsonObject
from weighbridge.wire.openai_responses.request_reader import read_request
from weighbridge.wire.openai_responses.response_object import (
    Ending,
    ResponseFrame,
    ending_of,
    failure_of,
    response_id,
    write_usage,
)
from weighbridge.wire.receipt import Receipt
from weighbridge.wire.usage import OpenAiUsage, from_openai_in_full


def frame(body: JsonObject, given: str = "", model: str = "", created_s: int = 0) -> ResponseFrame:
    conversation = read_request(encode_json(body), RequestContext("asked"), Receipt())
    return ResponseFrame(ReplyContext("r", "asked", 9, conversation), given, model, created_s)


def test_the_request_is_repeated_with_the_defaults_of_the_api() -> None:
    assert frame({"input": "Hi"}).render("in_progress", []) == {
        "id": "resp_r",
        "object": "response",
        "created_at": 9,
        "status": "in_progress",
        "completed_at": None,
        "error": None,
        "incomplete_details": None,
        "output": [],
        "usage": None,
        "service_tier": "auto",
        "background": False,
        "conversation": None,
        "frequency_penalty": 0.0,
        "instructions": None,
        "max_output_tokens": None,
        "max_tool_calls": None,
        "metadata": {},
        "model": "asked",
        "parallel_tool_calls": True,
        "presence_penalty": 0.0,
        "previous_response_id": None,
        "prompt_cache_key": None,
        "prompt_cache_retention": None,
        "reasoning": {"effort": None, "summary": None},
        "safety_identifier": None,
        "store": True,
        "temperature": 1.0,
        "text": {"format": {"type": "text"}},
        "tool_choice": "auto",
        "tools": [],
        "top_logprobs": 0,
        "top_p": 1.0,
        "truncation": "disabled",
        "user": None,
    }


def test_the_request_is_repeated_as_it_was_said() -> None:
    said: JsonObject = {
        "instructions": "Be kind.",
        "max_output_tokens": 9,
        "metadata": {"a": "b"},
        "parallel_tool_calls": False,
        "previous_response_id": "resp_0",
        "reasoning": {"effort": "low", "summary": "auto"},
        "store": False,
        "temperature": 0.0,
        "text": {"format": {"type": "json_object"}, "verbosity": "low"},
        "tool_choice": {"type": "function", "name": "f"},
        "tools": [{"type": "function", "name": "f", "parameters": {"type": "object"}, "strict": True, "description": "d"}],
        "top_p": 0.5,
        "truncation": "auto",
        "user": "u",
    }
    shown = frame({"input": "Hi", "conversation": "conv_1", **said}).render("in_progress", [])
    assert {name: shown[name] for name in said} == said
    assert shown["conversation"] == {"id": "conv_1"}


def test_an_id_of_a_response_is_kept_and_another_is_not() -> None:
    assert response_id("resp_9", "r") == "resp_9"
    assert response_id("chatcmpl-9", "r") == response_id("", "r") == "resp_r"
    shown = frame({"input": "Hi"}, "resp_9", "served", 7).render("in_progress", [])
    assert (shown["id"], shown["model"], shown["created_at"]) == ("resp_9", "served", 7)


@pytest.mark.parametrize(
    ("reason", "status", "details"),
    [
        (FinishReason.STOP, "completed", None),
        (FinishReason.TOOL_CALLS, "completed", None),
        (FinishReason.REFUSAL, "completed", None),
        (FinishReason.PAUSE, "completed", None),
        (FinishReason.LENGTH, "incomplete", {"reason": "max_output_tokens"}),
        (FinishReason.CONTEXT_LENGTH, "incomplete", {"reason": "max_output_tokens"}),
        (FinishReason.CONTENT_FILTER, "incomplete", {"reason": "content_filter"}),
        (FinishReason.ERROR, "failed", None),
        (FinishReason.MALFORMED_TOOL_CALL, "failed", None),
    ],
)
def test_every_reason_has_its_end(reason: FinishReason, status: str, details: JsonObject | None) -> None:
    ending = ending_of(reason)
    assert (ending.status, ending.incomplete_details) == (status, details)
    assert (ending.error is not None) == (status == "failed")
    assert ending.item_status == ("completed" if status == "completed" else "incomplete")


def test_a_failure_has_a_code_that_the_api_knows() -> None:
    quota = failure_of(GatewayError(ErrorKind.INSUFFICIENT_QUOTA, "Pay."))
    assert quota == Ending("failed", None, {"code": "insufficient_quota", "message": "Pay."})
    other = failure_of(GatewayError(ErrorKind.PROVIDER_BROKE_OFF, "Gone.")).error
    assert other == {"code": "server_error", "message": "Gone."}


def test_the_end_says_what_was_served_and_counted() -> None:
    shown = frame({"input": "Hi", "service_tier": "flex"}).render_end(Ending("completed"), [], Usage(1, output=2), "standard")
    assert shown["service_tier"] == "default"
    assert shown["usage"] == {
        "input_tokens": 1,
        "input_tokens_details": {"cached_tokens": 0, "cache_write_tokens": 0},
        "output_tokens": 2,
        "output_tokens_details": {"reasoning_tokens": 0},
        "total_tokens": 3,
    }
    unknown = frame({"input": "Hi", "service_tier": "flex"})
    assert unknown.render_end(Ending("completed"), [], NO_USAGE, "warp")["service_tier"] == "default"
    assert unknown.render("in_progress", [])["service_tier"] == "flex"


def test_counts_read_back_as_what_they_were() -> None:
    usage = Usage(5, 4, 3, 0, 9, 2, 6, 7, 8, 1)
    written = decode_json(encode_json(write_usage(usage)))
    assert from_openai_in_full(OpenAiUsage(**_details(written))) == usage
    assert write_usage(NO_USAGE) is None


def _details(written: JsonObject) -> dict[str, object]:
    return msgspec.structs.asdict(msgspec.convert(written, OpenAiUsage))


def test_a_caller_of_another_dialect_can_be_shown_too() -> None:
    shown = ResponseFrame(ReplyContext("r", "m", 1, Conversation("m", ())), "", "", 0).render("in_progress", [])
    assert shown["instructions"] is None
