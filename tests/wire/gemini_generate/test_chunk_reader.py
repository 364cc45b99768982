"""Responses as events."""

from __future__ import annotations

import pytest

from weighbridge.core.codec import encode_json
from weighbridge.core.terms import Usage
from weighbridge.wire.conversation import Audio, Image, MediaBytes, MediaUrl, Reasoning, Seal, SealKind, ServerTool, Text, ToolCall
from weighbridge.wire.events import Ended, Failed, Finished, FinishReason, PartStarted, Started, TextDelta, UsageReported
from weighbridge.wire.fold import fold
from weighbridge.wire.gemini_generate.chunk import read_chunk
from weighbridge.wire.gemini_generate.chunk_reader import ChunkReader

OWN = Seal("gemini", SealKind.SIGNATURE, "QUJD")


def take(*chunks):
    reader, events = ChunkReader(), []
    for chunk in chunks:
        reader.take(read_chunk(encode_json(chunk)), events)
    reader.finish(events)
    return reader, events


def said(*parts, index=0, **fields):
    return {"candidates": [{"content": {"parts": list(parts), "role": "model"}, "index": index, **fields}], "responseId": "r"}


STOP = {"candidates": [{"finishReason": "STOP"}], "responseId": "r"}


def parts(*chunks):
    return fold(take(*chunks, STOP)[1]).choices[0].parts


def test_the_first_response_tells_who_answers():
    chunk = {**said({"text": "a"}), "modelVersion": "gemini-x", "createTime": "2026-05-04T20:01:02.264968Z"}
    _, events = take(chunk)
    assert events[0] == Started("r", "gemini-x", 1777924862)
    assert take({**said(), "createTime": "yesterday"})[1][0].created_s == 0


def test_pieces_of_a_thought_and_of_a_text_are_joined():
    assert parts(
        said({"text": "I ", "thought": True}),
        said({"text": "think", "thought": True}),
        said({"text": "Hel"}),
        said({"text": "lo"}),
    ) == (Reasoning("I think"), Text("Hello"))


def test_the_signature_of_a_text_comes_behind_it_without_a_text():
    assert parts(said({"text": "a"}), said({"text": "", "thoughtSignature": "QUJD"})) == (Text("a", seal=OWN),)
    assert parts(said({"text": "a"}), said({"thoughtSignature": "QUJD"})) == (Text("a", seal=OWN),)


def test_a_signature_of_nothing_stands_alone():
    call = {"functionCall": {"name": "f", "id": "x"}}
    assert parts(said(call), said({"text": "", "thoughtSignature": "QUJD"})) == (ToolCall("x", "f", "{}"), Reasoning(seal=OWN))


def test_calls_come_whole_and_get_ids():
    call = {"functionCall": {"name": "f", "args": {"a": 1.0}}, "thoughtSignature": "QUJD"}
    assert parts(said(call, {"functionCall": {"name": "f"}}), said({"functionCall": {"name": "g", "id": "x", "args": None}})) == (
        ToolCall("call_r_0", "f", '{"a":1.0}', seal=OWN),
        ToolCall("call_r_1", "f", "{}"),
        ToolCall("x", "g", "{}"),
    )


def test_arguments_in_pieces_are_one_call():
    chunks = [
        said({"functionCall": {"name": "f", "willContinue": True}, "thoughtSignature": "QUJD"}),
        said(
            {"functionCall": {"partialArgs": [{"jsonPath": "$.a", "stringValue": "x", "willContinue": True}], "willContinue": True}}
        ),
        said({"functionCall": {"partialArgs": [{"jsonPath": "$.a", "stringValue": "y"}], "willContinue": True}}),
        said({"functionCall": {}, "thoughtSignature": "QUJD"}),
        said({"functionCall": {"name": "g", "willContinue": True}}),
    ]
    assert parts(*chunks) == (ToolCall("call_r_0", "f", '{"a":"xy"}', seal=OWN), ToolCall("call_r_1", "g", "{}"))


@pytest.mark.parametrize(
    ("part", "whole"),
    [
        ({"inlineData": {"mimeType": "image/png", "data": "QQ=="}}, Image(MediaBytes("QQ==", "image/png"))),
        ({"fileData": {"mimeType": "image/png", "fileUri": "gs://a/b"}}, Image(MediaUrl("gs://a/b", "image/png"))),
        ({"executableCode": {"code": "1"}}, ServerTool("gemini", "code_execution", {"executableCode": {"code": "1"}})),
    ],
)
def test_parts_in_one_piece_are_kept(part, whole):
    assert parts(said({"text": "a"}, part, {"text": "b"})) == (Text("a"), whole, Text("b"))


def test_sound_is_joined():
    blobs = [said({"inlineData": {"mimeType": "audio/L16", "data": data}}) for data in ("QQ==", "Qg==")]
    assert parts(*blobs) == (Audio(MediaBytes("QUI=", "audio/*")),)


def test_sound_that_cannot_be_decoded_is_left_out():
    assert parts(said({"inlineData": {"mimeType": "audio/L16", "data": "x"}})) == ()


@pytest.mark.parametrize("part", [{}, {"brandNew": {}}, {"text": ""}, {"fileData": {}}, {"inlineData": {}}, {"executableCode": 1}])
def test_parts_that_say_nothing_are_left_out(part):
    assert parts(said({"text": "a"}, part)) == (Text("a"),)


def test_sources_are_cited_at_the_end_and_the_search_is_a_step():
    metadata = {
        "webSearchQueries": ["q"],
        "groundingChunks": [{"web": {"uri": "https://a.b", "title": "A"}}],
        "groundingSupports": [{"segment": {"endIndex": 2}, "groundingChunkIndices": [0]}],
    }
    chunk = said({"text": "ab"}, groundingMetadata=metadata, urlContextMetadata={"urlMetadata": []})
    text, step, page = parts(said({"text": "x"}), chunk)
    assert [(c.url, c.start, c.end) for c in text.citations] == [("https://a.b", 0, 2)]
    assert (step.query, step.raw) == ("q", {"groundingMetadata": metadata})
    assert page.raw == {"urlContextMetadata": {"urlMetadata": []}}


def test_what_was_searched_for_is_counted_for_the_bill():
    searched = said({"text": "a"}, groundingMetadata={"webSearchQueries": ["q", "r", ""]})
    counts = {"usageMetadata": {"promptTokenCount": 3, "candidatesTokenCount": 1}}
    _reader, events = take({**searched, "modelVersion": "gemini-3.8-flash"}, {**STOP, **counts})
    assert fold(events).usage == Usage(3, output=1, tool_calls=2)


def test_candidates_are_choices_and_every_one_has_to_finish():
    both = {"candidates": [{"content": {"parts": [{"text": "a"}]}}, {"content": {"parts": [{"text": "b"}]}, "index": 1}]}
    reader, _ = take(both, STOP)
    assert not reader.is_ended
    reader, events = take(both, STOP, {"candidates": [{"index": 1, "finishReason": "MAX_TOKENS"}]})
    assert reader.is_ended
    assert [(c.parts, c.reason) for c in fold(events).choices] == [
        ((Text("a"),), FinishReason.STOP),
        ((Text("b"),), FinishReason.LENGTH),
    ]


def test_a_reason_in_every_response_ends_only_the_last():
    _, events = take(said({"text": "a"}, finishReason="STOP"), said({"text": "b"}, finishReason="STOP"))
    assert events[-4:] == [TextDelta(0, 0, "b"), events[-3], Finished(0, FinishReason.STOP, "STOP"), Ended()]


def test_a_blocked_prompt_is_a_choice_that_was_filtered():
    reader, events = take({"promptFeedback": {"blockReason": "PROHIBITED_CONTENT"}, "usageMetadata": {"promptTokenCount": 3}})
    assert reader.is_ended
    assert Finished(0, FinishReason.CONTENT_FILTER, "PROHIBITED_CONTENT") in events


def test_counts_are_told_at_the_beginning_and_at_the_end():
    chunks = [{**said({"text": "a"}), "usageMetadata": {"promptTokenCount": 3, "candidatesTokenCount": n}} for n in (1, 2, 3)]
    _, events = take(*chunks, {**STOP, "usageMetadata": None})
    reported = [event for event in events if isinstance(event, UsageReported)]
    assert [event.usage for event in reported] == [Usage(3, output=1), Usage(3, output=3)]
    assert isinstance(events[1], UsageReported)


def test_an_error_ends_everything():
    error = {"error": {"code": 503, "message": "overloaded", "status": "UNAVAILABLE"}}
    reader, events = take(said({"text": "a"}), error)
    assert reader.is_ended
    assert events[-1] == Failed("overloaded", "UNAVAILABLE", "", 503)
    assert take({"error": "odd"})[1] == [Failed("odd")]


def test_log_probabilities_are_passed_on():
    chunk = said({"text": "a"}, logprobsResult={"chosenCandidates": [{"token": "a", "logProbability": -1}]})
    (token,) = fold(take(chunk, STOP)[1]).choices[0].logprobs
    assert token["logprob"] == -1


def test_nothing_at_all_is_no_end():
    reader, events = take({"usageMetadata": {"promptTokenCount": 1}})
    assert not reader.is_ended
    assert not any(isinstance(event, PartStarted) for event in events)
