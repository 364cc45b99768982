"""Callers' requests, whole."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

from weighbridge.core.codec import decode_json, encode_json
from weighbridge.core.errors import ErrorKind, GatewayError
from weighbridge.wire.codecs import RequestContext
from weighbridge.wire.conversation import Conversation, Role, Text, Turn
from weighbridge.wire.gemini_generate import INBOUND
from weighbridge.wire.receipt import Receipt

RECORDINGS = Path(__file__).parents[3].parent / "shared" / "recordings"
HI = [{"role": "user", "parts": [{"text": "hi"}]}]


def read(body, *, stream=False):
    receipt = Receipt()
    return INBOUND.read_request(encode_json(body), RequestContext("gemini-x", stream), receipt), receipt.edits()


def test_the_path_tells_the_model_and_whether_it_streams():
    conversation, edits = read({"model": "models/other", "contents": HI}, stream=True)
    assert conversation == Conversation("gemini-x", (Turn(Role.USER, (Text("hi"),)),), stream=True, vendor_origin="gemini")
    assert edits == []


@pytest.mark.parametrize("name", ["systemInstruction", "system_instruction"])
def test_the_instruction_is_the_first_turn(name):
    conversation, _ = read({"contents": HI, name: {"role": "user", "parts": [{"text": "be brief"}, {"text": "be kind"}]}})
    assert conversation.turns[0] == Turn(Role.SYSTEM, (Text("be brief"), Text("be kind")))


CONFIG = {
    "maxOutputTokens": ("max_output_tokens", 10),
    "temperature": ("temperature", 0.5),
    "topP": ("top_p", 0.9),
    "topK": ("top_k", 40),
    "stopSequences": ("stop", ("a", "b")),
    "candidateCount": ("n", 2),
    "seed": ("seed", 7),
    "presencePenalty": ("presence_penalty", -1.5),
    "frequencyPenalty": ("frequency_penalty", 1),
    "responseLogprobs": ("logprobs", True),
    "logprobs": ("top_logprobs", 3),
}


@pytest.mark.parametrize("name", CONFIG)
def test_every_number_of_the_configuration_is_read(name):
    field, value = CONFIG[name]
    conversation, edits = read({"contents": HI, "generationConfig": {name: value}})
    assert getattr(conversation, field) == value
    assert edits == []


def test_top_k_may_be_a_float_since_the_sdk_writes_one():
    assert read({"contents": HI, "generation_config": {"top_k": 40.0}})[0].top_k == 40


def test_what_stands_beside_the_configuration_is_read():
    body = {
        "contents": HI,
        "safetySettings": [{"category": "C", "threshold": "T"}],
        "cached_content": "cachedContents/1",
        "labels": {"team": "a"},
        "serviceTier": "flex",
    }
    conversation, edits = read(body)
    assert conversation.safety_settings == ({"category": "C", "threshold": "T"},)
    assert (conversation.cached_content, conversation.metadata, conversation.service_tier) == (
        "cachedContents/1",
        {"team": "a"},
        "flex",
    )
    assert edits == []


def test_fields_that_nobody_knows_are_named():
    _, edits = read({"contents": HI, "brand_new": 1, "generationConfig": {"alsoNew": 2}})
    assert edits == ["dropped:generationConfig.alsoNew", "dropped:brandNew"]


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({}, "contents"),
        ({"contents": "hi"}, "contents"),
        ({"contents": HI, "generationConfig": {"temperature": "hot"}}, "generationConfig.temperature"),
        ({"contents": HI, "tools": "x"}, "tools"),
    ],
)
def test_a_field_of_the_wrong_type_is_refused_by_its_path(body, param):
    with pytest.raises(GatewayError) as refused:
        read(body)
    assert (refused.value.kind, refused.value.param) == (ErrorKind.INVALID_REQUEST, param)


@pytest.mark.skipif(not RECORDINGS.is_dir(), reason="the recordings are not part of the project and are not here")
def test_recorded_requests_are_read_without_a_loss():
    with (RECORDINGS / "index.csv").open() as file:
        rows = [row for row in csv.DictReader(file) if row["wire"] == "gemini-generate" and row["has_request"] == "yes"]
    assert rows
    for row in rows:
        body = decode_json((RECORDINGS / row["path"]).read_bytes())["request"]["body"]
        conversation, edits = read(body)
        assert conversation.turns, row["path"]
        assert edits == [], row["path"]
