"""A caller's request -> `Conversation`."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import pytest

from weighbridge.core.codec import decode_json, encode_json
from weighbridge.core.errors import GatewayError
from weighbridge.wire.codecs import RequestContext
from weighbridge.wire.conversation import AnswerFormat, Conversation, FormatKind, ReasoningWish, Role, Text, Turn
from weighbridge.wire.openai_responses.request_reader import read_request
from weighbridge.wire.receipt import Receipt

RECORDINGS = Path(__file__).resolve().parents[4] / "shared" / "recordings"


def read(body: dict[str, Any], receipt: Receipt | None = None) -> Conversation:
    return read_request(encode_json(body), RequestContext("asked"), receipt or Receipt())


def test_every_field_is_read() -> None:
    receipt = Receipt()
    conversation = read(
        {
            "model": "gpt-5",
            "input": "Hi",
            "instructions": "Be kind.",
            "stream": True,
            "stream_options": {"include_obfuscation": False},
            "max_output_tokens": 100,
            "temperature": 0.5,
            "top_p": 0.9,
            "top_logprobs": 2,
            "include": ["reasoning.encrypted_content", "message.output_text.logprobs"],
            "parallel_tool_calls": False,
            "max_tool_calls": 3,
            "text": {
                "format": {"type": "json_schema", "name": "n", "schema": {"type": "object"}, "strict": True},
                "verbosity": "low",
            },
            "reasoning": {"effort": "high", "summary": "auto", "context": "all_turns"},
            "user": "u",
            "safety_identifier": "s",
            "metadata": {"a": "b"},
            "service_tier": "flex",
            "store": False,
            "previous_response_id": "resp_1",
            "conversation": {"id": "conv_1"},
            "background": False,
            "truncation": "auto",
            "prompt_cache_key": "k",
            "prompt_cache_retention": "24h",
            "prompt": {"id": "pmpt_1"},
        },
        receipt,
    )
    assert receipt.losses == []
    assert conversation == Conversation(
        model="gpt-5",
        turns=(Turn(Role.SYSTEM, (Text("Be kind."),)), Turn(Role.USER, (Text("Hi"),))),
        stream=True,
        max_output_tokens=100,
        temperature=0.5,
        top_p=0.9,
        logprobs=True,
        top_logprobs=2,
        parallel_tool_calls=False,
        max_tool_calls=3,
        answer_format=AnswerFormat(FormatKind.JSON_SCHEMA, {"type": "object"}, "n", None, strict=True),
        verbosity="low",
        reasoning=ReasoningWish("high", summary="auto"),
        user="u",
        safety_identifier="s",
        metadata={"a": "b"},
        service_tier="flex",
        store=False,
        previous_response_id="resp_1",
        conversation_id="conv_1",
        background=False,
        truncation="auto",
        include=("reasoning.encrypted_content",),
        prompt_cache_key="k",
        prompt_cache_retention="24h",
        vendor={"prompt": {"id": "pmpt_1"}, "reasoning": {"context": "all_turns"}},
        vendor_origin="openai-responses",
    )


def test_an_earlier_response_may_be_all_that_is_sent() -> None:
    assert read({"model": "m", "previous_response_id": "resp_1"}).turns == ()


def test_the_model_of_the_path_stands_where_the_body_names_none() -> None:
    assert read({"input": "Hi"}).model == "asked"


def test_an_unknown_field_is_named() -> None:
    receipt = Receipt()
    read({"input": "Hi", "provider": {"order": []}}, receipt)
    assert receipt.edits() == ["dropped:provider"]


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({"input": 7}, "input"),
        ({"input": "x", "temperature": "hot"}, "temperature"),
        ({"input": "x", "conversation": 7}, "conversation"),
        ({"input": "x", "text": {"format": {"type": "xml"}}}, "text.format.type"),
        ({"input": "x", "text": {"format": {"type": "json_schema", "name": "n"}}}, "text.format.schema"),
    ],
)
def test_a_refusal_names_the_field_at_fault(body: dict[str, Any], param: str) -> None:
    with pytest.raises(GatewayError) as caught:
        read(body)
    assert caught.value.param == param


@pytest.mark.skipif(not RECORDINGS.is_dir(), reason="the recordings are not part of the project and are not here")
def test_every_recorded_request_is_read_and_its_losses_are_named() -> None:
    lost: set[str] = set()
    count = 0
    with (RECORDINGS / "index.csv").open(encoding="utf-8") as index:
        paths = [row["path"] for row in csv.DictReader(index) if row["wire"] == "openai-responses"]
    for path in paths:
        request = decode_json((RECORDINGS / path).read_bytes())["request"]
        if request and request.get("body"):
            receipt = Receipt()
            read(request["body"], receipt)
            lost |= {loss.field.rpartition(".")[2] for loss in receipt.losses}
            count += 1
    assert count >= 80
    # Only OpenAI has tools that are loaded late, name spaces and phases; `provider` is OpenRouter's.
    assert lost <= {"defer_loading", "namespace", "phase", "provider"}
