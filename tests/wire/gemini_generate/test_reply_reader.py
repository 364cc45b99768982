"""Providers' whole replies."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

from weighbridge.core.codec import decode_json, encode_json
from weighbridge.core.errors import ErrorKind, GatewayError
from weighbridge.core.terms import NO_USAGE, Usage
from weighbridge.wire.conversation import Text
from weighbridge.wire.events import Choice, FinishReason, Reply
from weighbridge.wire.gemini_generate import OUTBOUND

RECORDINGS = Path(__file__).parents[3].parent / "shared" / "recordings"
SAID = {"content": {"parts": [{"text": "a"}], "role": "model"}}


def read(body):
    return OUTBOUND.read_reply(encode_json(body))


def test_a_usual_reply_is_read():
    counts = {"promptTokenCount": 3, "candidatesTokenCount": 2, "thoughtsTokenCount": 5, "serviceTier": "flex"}
    body = {"candidates": [{**SAID, "finishReason": "STOP"}], "usageMetadata": counts, "modelVersion": "m", "responseId": "r"}
    usage = Usage(3, output=7, reasoning=5)
    assert read(body) == Reply((Choice((Text("a"),), FinishReason.STOP, "STOP"),), "r", "m", 0, usage, "flex")


def test_an_array_of_responses_is_one_reply():
    assert read([{"candidates": [SAID]}, {"candidates": [{**SAID, "finishReason": 1}]}]).choices == (
        Choice((Text("aa"),), FinishReason.STOP, "STOP"),
    )


def test_a_reply_that_does_not_say_why_it_ended_is_not_given_a_reason():
    assert read({"candidates": [SAID]}).choices == (Choice((Text("a"),), FinishReason.OTHER),)


def test_of_two_candidates_one_may_not_say_why_it_ended():
    reply = read({"candidates": [SAID, {**SAID, "index": 1, "finishReason": "MAX_TOKENS"}]})
    assert [choice.reason for choice in reply.choices] == [FinishReason.OTHER, FinishReason.LENGTH]


def test_a_reply_without_candidates_has_an_empty_choice():
    reply = read({"usageMetadata": {"promptTokenCount": 3}, "modelVersion": "m"})
    assert reply.choices == (Choice((), FinishReason.OTHER),)
    assert reply.usage == Usage(3)


def test_a_blocked_prompt_is_a_choice_that_was_filtered():
    assert read({"promptFeedback": {"blockReason": "SAFETY"}}).choices == (Choice((), FinishReason.CONTENT_FILTER, "SAFETY"),)


def test_unknown_counts_are_not_zero():
    assert read({"candidates": [SAID], "usageMetadata": {"promptTokenCount": -1}}).usage == NO_USAGE


@pytest.mark.parametrize("body", [b"", b"x", b"{}", b"[]", b'{"error":{"code":500,"message":"m"}}', b"[1]", b'[{"a":1}', b'"x"'])
def test_what_is_no_reply_is_malformed(body):
    with pytest.raises(GatewayError) as raised:
        OUTBOUND.read_reply(body)
    assert raised.value.kind is ErrorKind.PROVIDER_MALFORMED


@pytest.mark.skipif(not RECORDINGS.is_dir(), reason="the recordings are not part of the project and are not here")
def test_recorded_replies_have_the_expected_usage():
    with (RECORDINGS / "expected_usage.csv").open() as file:
        expected = {row["path"]: row for row in csv.DictReader(file)}
    with (RECORDINGS / "index.csv").open() as file:
        wanted = [row for row in csv.DictReader(file) if row["wire"] == "gemini-generate" and row["status"] == "200"]
    rows = [row for row in wanted if row["response_kind"] == "body"]
    assert rows
    names = {
        "input_tokens": "total_input",
        "cache_read_tokens": "cache_read",
        "output_tokens": "total_output",
        "reasoning_tokens": "reasoning",
        "input_audio_tokens": "input_audio",
        "output_audio_tokens": "output_audio",
        "input_image_tokens": "input_image",
        "output_image_tokens": "output_image",
    }
    for row in rows:
        reply = read(decode_json((RECORDINGS / row["path"]).read_bytes())["response"]["body"])
        for column, name in names.items():
            assert getattr(reply.usage, name) == int(expected[row["path"]][column] or 0), (row["path"], column)
