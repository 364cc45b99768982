"""Whole replies for a caller."""

from __future__ import annotations

import httpx
import pytest
from google import genai
from google.genai import types

from weighbridge.core.codec import decode_json
from weighbridge.core.terms import Usage
from weighbridge.wire.codecs import ReplyContext
from weighbridge.wire.conversation import (
    Audio,
    AudioWish,
    Citation,
    Conversation,
    Document,
    Image,
    MediaBytes,
    MediaFile,
    Reasoning,
    Refusal,
    Seal,
    SealKind,
    ServerTool,
    Text,
    ToolCall,
)
from weighbridge.wire.events import Choice, FinishReason, Reply
from weighbridge.wire.gemini_generate import INBOUND, OUTBOUND
from weighbridge.wire.gemini_generate.reply_writer import finish_reason, signature
from weighbridge.wire.gemini_generate.vocabulary import read_seal

OWN = Seal("gemini", SealKind.SIGNATURE, "QUJD")
FOREIGN = Seal("anthropic", SealKind.SIGNATURE, "not base64!")
CONTEXT = ReplyContext("req_1", "asked", 1, Conversation("asked", (), audio=AudioWish("alloy", "wav")))
TOKEN = {"token": "a", "logprob": -0.5, "bytes": [97], "top_logprobs": []}


def reply(*parts, reason=FinishReason.STOP, **fields):
    return Reply((Choice(parts, reason, **fields),), "id", "served", 0, Usage(10, 5, output=20, reasoning=3))


def write(*parts, **fields):
    body = decode_json(INBOUND.write_reply(reply(*parts, **fields), CONTEXT))
    return body["candidates"][0]


def parts(*given):
    return write(*given)["content"]["parts"]


def test_a_usual_reply_is_a_response():
    assert decode_json(INBOUND.write_reply(reply(Text("hi")), CONTEXT)) == {
        "candidates": [{"content": {"parts": [{"text": "hi"}], "role": "model"}, "finishReason": "STOP", "index": 0}],
        "usageMetadata": {
            "promptTokenCount": 15,
            "candidatesTokenCount": 17,
            "totalTokenCount": 35,
            "cachedContentTokenCount": 5,
            "thoughtsTokenCount": 3,
        },
        "modelVersion": "served",
        "responseId": "id",
    }


def test_what_the_provider_does_not_tell_is_filled_in():
    body = decode_json(INBOUND.write_reply(Reply((Choice((), FinishReason.OTHER),)), CONTEXT))
    assert (body["modelVersion"], body["responseId"]) == ("asked", "req_1")
    assert "usageMetadata" not in body


def test_calls_are_objects_with_their_ids():
    assert parts(ToolCall("toolu_1", "f", '{"a":1}'), ToolCall("c", "g", "not json", seal=OWN)) == [
        {"functionCall": {"id": "toolu_1", "name": "f", "args": {"a": 1}}},
        {"functionCall": {"id": "c", "name": "g", "args": {"arguments": "not json"}}, "thoughtSignature": "QUJD"},
    ]


def test_a_seal_of_any_vendor_survives_the_next_turn():
    (thought, text) = parts(Reasoning("hm", seal=FOREIGN), Text("a", seal=OWN))
    assert (thought["text"], thought["thought"]) == ("hm", True)
    assert read_seal(thought["thoughtSignature"]) == FOREIGN
    assert text == {"text": "a", "thoughtSignature": "QUJD"}


def test_a_signature_is_base64_whatever_it_was():
    odd = Seal("gemini", SealKind.SIGNATURE, "not base64!")
    assert read_seal(signature(odd)) == odd
    assert "!" not in signature(odd)


def test_thoughts_of_any_kind_are_thoughts():
    assert parts(Reasoning(summary=("a", "b")), Reasoning(), Reasoning(seal=OWN)) == [
        {"text": "a\n\nb", "thought": True},
        {"text": "", "thoughtSignature": "QUJD"},
    ]


@pytest.mark.parametrize(
    ("part", "written"),
    [
        (Refusal("no"), [{"text": "no"}]),
        (Image(MediaBytes("QQ==", "image/png")), [{"inlineData": {"mimeType": "image/png", "data": "QQ=="}}]),
        (Document(MediaFile("f", "openai")), []),
        (
            Audio(MediaBytes("QQ==", "audio/*"), "id", "hello"),
            [{"inlineData": {"mimeType": "audio/wav", "data": "QQ=="}}, {"text": "hello"}],
        ),
        (ServerTool("gemini", "code_execution", {"executableCode": {"code": "1"}}), [{"executableCode": {"code": "1"}}]),
        (ServerTool("openai", "web_search", {"type": "x"}), []),
    ],
)
def test_every_part_has_a_form_or_none(part, written):
    assert parts(part) == written


def test_citations_are_grounding():
    candidate = write(Text("Grüße", citations=(Citation("anthropic", {}, "https://a.b", "A"),)), Text(" da"))
    assert candidate["groundingMetadata"] == {
        "groundingChunks": [{"web": {"uri": "https://a.b", "title": "A"}}],
        "groundingSupports": [{"segment": {"startIndex": 0, "endIndex": 7, "text": "Grüße"}, "groundingChunkIndices": [0]}],
    }


def test_googles_own_grounding_is_said_as_it_came():
    own = {"groundingMetadata": {"webSearchQueries": ["q"]}}
    candidate = write(Text("a", citations=(Citation("gemini", {}, "https://a.b"),)), ServerTool("gemini", "web_search", own))
    assert candidate["groundingMetadata"] == {"webSearchQueries": ["q"]}


@pytest.mark.parametrize(
    ("reason", "native", "word"),
    [
        (FinishReason.TOOL_CALLS, "tool_use", "STOP"),
        (FinishReason.LENGTH, "length", "MAX_TOKENS"),
        (FinishReason.CONTENT_FILTER, "RECITATION", "RECITATION"),
        (FinishReason.CONTENT_FILTER, "content_filter", "SAFETY"),
        (FinishReason.OTHER, "", "OTHER"),
    ],
)
def test_an_end_has_googles_word(reason, native, word):
    assert finish_reason(Choice((), reason, native)) == word


def test_log_probabilities_are_passed_on():
    chosen = write(Text("a"), logprobs=(TOKEN,))["logprobsResult"]["chosenCandidates"]
    assert chosen == [{"token": "a", "logProbability": -0.5}]


@pytest.mark.parametrize(
    "whole",
    [
        reply(Reasoning("hm"), Text("hello", seal=OWN)),
        reply(
            Text("a"),
            ToolCall("c", "f", '{"a":1}', seal=OWN),
            ToolCall("d", "f", "{}"),
            reason=FinishReason.TOOL_CALLS,
            native="STOP",
        ),
        reply(Text("a"), Image(MediaBytes("QQ==", "image/png")), Text("b"), logprobs=(TOKEN,), native="STOP"),
        reply(ServerTool("gemini", "code_execution", {"executableCode": {"code": "1"}}), Text("b")),
    ],
)
def test_what_the_dialect_can_say_is_read_as_it_was_written(whole):
    again = OUTBOUND.read_reply(INBOUND.write_reply(whole, CONTEXT))
    assert again.usage == whole.usage
    assert [choice.parts for choice in again.choices] == [choice.parts for choice in whole.choices]
    assert [choice.reason for choice in again.choices] == [choice.reason for choice in whole.choices]
    assert again.choices[0].logprobs == whole.choices[0].logprobs


def test_the_vendors_sdk_takes_a_reply():
    whole = reply(
        Reasoning("hm", seal=FOREIGN),
        Text("Grüße", citations=(Citation("openai", {}, "https://a.b", "A", None, 0, 5),)),
        ToolCall("toolu_1", "f", '{"a":1}'),
        reason=FinishReason.TOOL_CALLS,
        logprobs=(TOKEN,),
    )
    transport = httpx.MockTransport(lambda request: httpx.Response(200, content=INBOUND.write_reply(whole, CONTEXT)))
    with httpx.Client(transport=transport) as http:
        client = genai.Client(api_key="k", http_options=types.HttpOptions(httpx_client=http))
        answer = client.models.generate_content(model="m", contents="hi")
    (candidate,) = answer.candidates
    assert [part.text for part in candidate.content.parts] == ["hm", "Grüße", None]
    assert candidate.content.parts[0].thought
    assert answer.function_calls[0].args == {"a": 1}
    assert candidate.finish_reason is types.FinishReason.STOP
    assert candidate.grounding_metadata.grounding_chunks[0].web.uri == "https://a.b"
    assert candidate.logprobs_result.chosen_candidates[0].token == "a"
    assert answer.usage_metadata.thoughts_token_count == 3
