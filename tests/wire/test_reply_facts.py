from __future__ import annotations

import json
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from weighbridge.core.codec import JsonError
from weighbridge.core.terms import NO_USAGE, Provenance, Usage
from weighbridge.wire.reply_facts import (
    ReplyFacts,
    read_gemini,
    read_gemini_array,
    read_message,
    read_message_event,
    read_openai,
    read_openai_audio,
    read_openai_image,
    read_realtime_event,
    read_response,
    read_response_event,
)

READERS = [
    read_gemini,
    read_gemini_array,
    read_message,
    read_message_event,
    read_openai,
    read_openai_audio,
    read_openai_image,
    read_realtime_event,
    read_response,
    read_response_event,
]
COUNTS = {"prompt_tokens": 20, "completion_tokens": 9, "total_tokens": 29}


def facts_after(read, *documents: object) -> ReplyFacts:
    facts = ReplyFacts()
    for document in documents:
        read(facts, json.dumps(document).encode())
    return facts


def values(facts: ReplyFacts) -> dict[str, object]:
    return {name: getattr(facts, name) for name in ReplyFacts.__slots__}


def test_nothing_is_known_of_a_reply_before_it_is_read() -> None:
    facts = ReplyFacts()
    assert (facts.usage, facts.is_complete) == (NO_USAGE, False)
    assert {facts.finish_reason, facts.served_model, facts.service_tier, facts.response_id, facts.stream_error} == {None}


@pytest.mark.parametrize("read", READERS)
@given(document=st.binary(max_size=100))
def test_bytes_of_any_kind_are_read_or_refused(read, document) -> None:
    with suppress(JsonError):
        read(ReplyFacts(), document)


@pytest.mark.parametrize("read", READERS)
@pytest.mark.parametrize("document", [b"[" * 100_000, b'{"error":' * 100_000, b'{"id":"\xff"'])
def test_what_cannot_be_json_is_refused(read, document) -> None:
    with pytest.raises(JsonError):
        read(ReplyFacts(), document)


@pytest.mark.parametrize(
    ("read", "document"),
    [
        (read_openai, {"id": "i", "model": "m", "service_tier": "flex", "choices": [{"finish_reason": "stop"}], "usage": COUNTS}),
        (read_response, {"id": "i", "model": "m", "service_tier": "flex", "status": "completed", "usage": COUNTS}),
        (read_message, {"id": "i", "model": "m", "stop_reason": "end_turn", "usage": {"input_tokens": 1, "service_tier": "batch"}}),
        (
            read_gemini,
            {
                "responseId": "i",
                "modelVersion": "m",
                "candidates": [{"finishReason": "STOP"}],
                "usageMetadata": {"promptTokenCount": 1, "serviceTier": "flex"},
            },
        ),
    ],
)
def test_an_event_that_leaves_a_field_out_takes_nothing_back(read, document) -> None:
    once = values(facts_after(read, document))
    assert all(value is not None for name, value in once.items() if name not in {"stream_error", "anthropic_start"})
    assert values(facts_after(read, document, {})) == once
    assert values(facts_after(read, document, document)) == once


def test_the_first_answer_decides_the_finish_reason() -> None:
    second = {"choices": [{"index": 1, "finish_reason": "length"}]}
    first = {"choices": [{"index": 0, "finish_reason": "stop"}]}
    assert facts_after(read_openai, second).finish_reason == "length"
    for order in ((first, second), (second, first)):
        assert facts_after(read_openai, *order).finish_reason == "stop"
    second, first = ({"candidates": [{"index": index, "finishReason": reason}]} for index, reason in ((1, "SAFETY"), (0, "STOP")))
    for order in ((first, second), (second, first)):
        assert facts_after(read_gemini, *order).finish_reason == "STOP"


def test_the_tier_that_was_billed_may_stand_beside_the_counts() -> None:
    assert facts_after(read_openai, {"usage": {**COUNTS, "service_tier": "priority"}}).service_tier == "priority"
    assert facts_after(read_message, {"usage": {"input_tokens": 1, "service_tier": "batch"}}).service_tier == "batch"


@pytest.mark.parametrize("end", ["transcript.text.done", "speech.audio.done", "image_generation.completed", "image_edit.completed"])
def test_the_last_event_of_audio_and_images_completes_them(end) -> None:
    assert facts_after(read_openai, {"type": end}).is_complete
    assert not facts_after(read_openai, {"type": end.rpartition(".")[0] + ".delta"}).is_complete


def test_only_searches_that_the_vendor_runs_are_charged_by_the_call() -> None:
    kinds = ("web_search_call", "file_search_call", "x_search_call", "function_call", "message", "reasoning", None)
    reply = {"usage": {"input_tokens": 1, "output_tokens": 1}, "output": [{"type": kind} for kind in kinds]}
    usage = facts_after(read_response, reply).usage
    assert (usage.tool_calls, usage.file_searches) == (2, 1)


@pytest.mark.parametrize("status", ["queued", "in_progress", None])
def test_a_response_that_is_still_made_has_no_finish_reason(status) -> None:
    assert facts_after(read_response, {"status": status}).finish_reason is None


def test_a_response_that_is_incomplete_says_why() -> None:
    assert facts_after(read_response, {"status": "incomplete"}).finish_reason == "incomplete"
    why = {"status": "incomplete", "incomplete_details": {"reason": "content_filter"}}
    assert facts_after(read_response, why).finish_reason == "content_filter"


@pytest.mark.parametrize("end", ["response.completed", "response.incomplete", "response.failed"])
def test_a_response_has_three_ends(end) -> None:
    assert facts_after(read_response_event, {"type": end, "response": {}}).is_complete
    assert not facts_after(read_response_event, {"type": "response.in_progress", "response": {}}).is_complete


def test_a_message_that_has_only_begun_counts_as_a_floor() -> None:
    start = {"type": "message_start", "message": {"usage": {"input_tokens": 5, "output_tokens": 1}}}
    delta = {"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": {"output_tokens": 7}}
    assert facts_after(read_message_event, start).usage == Usage(5, output=1, provenance=Provenance.DERIVED)
    assert facts_after(read_message_event, start, delta).usage == Usage(5, output=7)
    assert not facts_after(read_message_event, start, delta).is_complete
    assert facts_after(read_message_event, start, delta, {"type": "message_stop"}).is_complete


def test_gemini_counts_are_running_totals() -> None:
    chunks = [{"usageMetadata": {"promptTokenCount": 4, "candidatesTokenCount": count}} for count in (1, 3, 6)]
    assert facts_after(read_gemini, *chunks).usage == facts_after(read_gemini_array, chunks).usage == Usage(4, output=6)


def test_a_gemini_array_may_be_an_error_on_its_own() -> None:
    assert facts_after(read_gemini_array, {"error": {"code": 400, "status": "INVALID_ARGUMENT"}}).stream_error == "INVALID_ARGUMENT"
    assert facts_after(read_gemini_array, [{"error": {"code": 503, "status": "UNAVAILABLE"}}]).stream_error == "UNAVAILABLE"


@pytest.mark.parametrize(
    ("error", "name"),
    [
        ({"code": "context_length_exceeded", "type": "invalid_request_error"}, "context_length_exceeded"),
        ({"code": None, "type": "server_error"}, "server_error"),
        ({"code": "", "type": "server_error"}, "server_error"),
        ({"code": 429, "status": "RESOURCE_EXHAUSTED"}, "RESOURCE_EXHAUSTED"),
        ({"code": 502, "message": "m"}, "502"),
        ({"message": "m"}, "error"),
        ("model is loading", "model is loading"),
    ],
)
def test_an_error_is_called_by_its_finest_word(error, name) -> None:
    for read in (
        read_openai,
        read_response,
        read_response_event,
        read_realtime_event,
        read_message,
        read_message_event,
        read_gemini,
    ):
        assert facts_after(read, {"error": error}).stream_error == name


def test_what_a_user_said_is_transcribed_and_billed_by_itself() -> None:
    said = {"type": "conversation.item.input_audio_transcription.completed", "usage": {"input_tokens": 6, "output_tokens": 2}}
    assert facts_after(read_realtime_event, said).usage == Usage(6, output=2)
    seconds = {**said, "usage": {"type": "duration", "seconds": 3}}
    assert facts_after(read_realtime_event, seconds).usage == Usage(audio_ms=3_000)


def test_a_transcript_tells_its_seconds_as_usage_or_beside_the_text() -> None:
    whisper = {"text": "hi", "usage": {"type": "duration", "seconds": 9}}
    assert facts_after(read_openai_audio, whisper).usage == Usage(audio_ms=9_000)
    verbose = {"task": "transcribe", "duration": 8.470000267028809, "text": "hi", "x_groq": {"id": "req_1"}}
    assert facts_after(read_openai_audio, verbose).usage == Usage(audio_ms=8_470, provenance=Provenance.DERIVED)
    assert facts_after(read_openai_audio, verbose | whisper).usage == Usage(audio_ms=9_000)
    assert facts_after(read_openai_audio, {"text": "hi"}).usage is NO_USAGE


def test_a_realtime_response_counts_when_it_is_done_and_not_before() -> None:
    response = {"id": "r", "status": "in_progress", "usage": {"input_tokens": 6, "output_tokens": 2}}
    assert facts_after(read_realtime_event, {"type": "response.created", "response": response}).usage is NO_USAGE
    assert facts_after(read_realtime_event, {"type": "response.done", "response": response}).usage == Usage(6, output=2)
