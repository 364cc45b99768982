from __future__ import annotations

import pytest

from weighbridge.core.codec import encode_json
from weighbridge.core.errors import ErrorKind, GatewayError
from weighbridge.wire.codecs import RequestContext
from weighbridge.wire.conversation import AnswerFormat, AudioWish, FormatKind, ReasoningWish
from weighbridge.wire.openai_chat.request_reader import read_request
from weighbridge.wire.receipt import Receipt

HELLO = [{"role": "user", "content": "Hello"}]


def read(receipt=None, **fields):
    body = {"model": "m", "messages": HELLO} | fields
    return read_request(encode_json(body), RequestContext("asked"), receipt or Receipt())


def test_every_field_has_its_place():
    conversation = read(
        stream=True,
        stream_options={"include_usage": True},
        max_completion_tokens=9,
        temperature=0.5,
        top_p=0.9,
        top_k=4,
        min_p=0.1,
        stop="END",
        seed=7,
        n=2,
        presence_penalty=0.1,
        frequency_penalty=0.2,
        repetition_penalty=1.1,
        logit_bias={"5": 1},
        logprobs=True,
        top_logprobs=3,
        parallel_tool_calls=False,
        verbosity="low",
        modalities=["text", "audio"],
        audio={"voice": "alloy", "format": "wav"},
        prediction={"type": "content", "content": "same"},
        user="u",
        safety_identifier="s",
        metadata={"a": "b"},
        service_tier="flex",
        store=True,
        prompt_cache_key="k",
        prompt_cache_retention="24h",
    )
    assert (conversation.model, conversation.stream, conversation.include_usage) == ("m", True, True)
    assert (conversation.max_output_tokens, conversation.stop, conversation.n) == (9, ("END",), 2)
    assert (conversation.temperature, conversation.top_p, conversation.top_k, conversation.min_p) == (0.5, 0.9, 4, 0.1)
    assert (conversation.logit_bias, conversation.logprobs, conversation.top_logprobs) == ({"5": 1}, True, 3)
    assert (conversation.modalities, conversation.audio) == (("text", "audio"), AudioWish("alloy", "wav"))
    assert (conversation.prediction, conversation.user, conversation.safety_identifier) == ("same", "u", "s")
    assert (conversation.metadata, conversation.service_tier, conversation.store) == ({"a": "b"}, "flex", True)
    assert (conversation.prompt_cache_key, conversation.prompt_cache_retention) == ("k", "24h")


def test_the_newer_name_of_the_bound_goes_before_the_older():
    assert read(max_tokens=5).max_output_tokens == 5
    assert read(max_tokens=5, max_completion_tokens=6).max_output_tokens == 6


@pytest.mark.parametrize(
    ("fields", "wish"),
    [
        ({"reasoning_effort": "high"}, ReasoningWish("high")),
        ({"reasoning": {"max_tokens": 2000}}, ReasoningWish(budget_tokens=2000)),
        ({"reasoning": {"effort": "low", "exclude": True}}, ReasoningWish("low", summary="omitted")),
        ({"thinking": {"type": "enabled", "budget_tokens": 1024}}, ReasoningWish(budget_tokens=1024, is_enabled=True)),
        ({"thinking": {"type": "disabled"}}, ReasoningWish(is_enabled=False)),
        ({"thinking": {"type": "adaptive"}}, ReasoningWish(is_adaptive=True)),
        ({}, None),
    ],
)
def test_thinking_is_asked_for_in_every_gateways_words(fields, wish):
    assert read(**fields).reasoning == wish


@pytest.mark.parametrize(
    ("shape", "wish"),
    [
        ({"type": "text"}, AnswerFormat(FormatKind.TEXT)),
        ({"type": "json_object"}, AnswerFormat(FormatKind.JSON)),
        ({"type": "json_object", "schema": {"type": "object"}}, AnswerFormat(FormatKind.JSON_SCHEMA, {"type": "object"})),
        (
            {"type": "json_schema", "json_schema": {"name": "a", "schema": {"$defs": {}}, "strict": True, "description": "d"}},
            AnswerFormat(FormatKind.JSON_SCHEMA, {"$defs": {}}, "a", "d", strict=True),
        ),
    ],
)
def test_structured_output_keeps_its_whole_schema(shape, wish):
    assert read(response_format=shape).answer_format == wish


def test_what_is_not_known_is_named_in_the_receipt():
    receipt = Receipt()
    odd = {"type": "enabled", "sugar": 1}
    read(receipt, thinking=odd, stream_options={"include_obfuscation": False, "x": 1}, nothing=None)
    assert set(receipt.edits()) == {"dropped:stream_options.x", "dropped:thinking.sugar"}


def test_a_field_that_some_server_may_know_is_kept_for_servers_of_this_format():
    conversation = read(safe_prompt=True)
    assert (conversation.vendor, conversation.vendor_origin) == ({"safe_prompt": True}, "openai-chat")
    assert read().vendor_origin == ""


def test_openrouters_older_wish_for_usage_is_understood():
    assert read(usage={"include": True}).include_usage is True


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"messages": None}, "messages"),
        ({"messages": "x"}, "messages"),
        ({"messages": [5]}, "messages[0]"),
        ({"messages": [{"content": "x"}]}, "messages[0].role"),
        ({"messages": [{"role": "king", "content": "x"}]}, "messages[0].role"),
        ({"messages": [{"role": "user", "content": 5}]}, "messages[0].content"),
        ({"messages": [{"role": "user", "content": [{"type": "image_url"}]}]}, "messages[0].content[0].image_url"),
        ({"temperature": "hot"}, "temperature"),
        ({"stop": 5}, "stop"),
        ({"response_format": {"type": "xml"}}, "response_format.type"),
        ({"response_format": {"type": "json_schema"}}, "response_format.json_schema"),
        ({"tools": [{"type": "function"}]}, "tools[0].function"),
        ({"tool_choice": "perhaps"}, "tool_choice"),
    ],
)
def test_a_field_of_the_wrong_type_is_refused_by_its_path(fields, param):
    with pytest.raises(GatewayError) as refused:
        read(**fields)
    assert (refused.value.kind, refused.value.param) == (ErrorKind.INVALID_REQUEST, param)


@pytest.mark.parametrize("body", [b"", b"[]", b"{", b"\xff", b'"x"'])
def test_what_is_no_json_object_is_refused(body):
    with pytest.raises(GatewayError) as refused:
        read_request(body, RequestContext("m"), Receipt())
    assert refused.value.kind is ErrorKind.INVALID_REQUEST
