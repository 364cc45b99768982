from __future__ import annotations

import json
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from weighbridge.core.codec import JsonError
from weighbridge.wire import reply_shapes
from weighbridge.wire.reply_shapes import (
    Choice,
    ErrorShape,
    decode_gemini,
    decode_message,
    decode_message_event,
    decode_openai,
    decode_realtime_event,
    decode_response,
    decode_response_event,
    split_gemini_array,
)

DECODERS = [getattr(reply_shapes, name) for name in sorted(vars(reply_shapes)) if name.startswith("decode_")]
WITH_ERRORS = [decode for decode in DECODERS if hasattr(decode(b"{}"), "error")]


@pytest.mark.parametrize("decode", DECODERS)
@given(
    document=st.binary(max_size=100)
    | st.dictionaries(st.text(), st.text() | st.floats(allow_nan=False, allow_infinity=False)).map(json.dumps).map(str.encode)
)
def test_a_document_of_any_kind_is_read_or_refused(decode, document) -> None:
    with suppress(JsonError):
        decode(document)


@pytest.mark.parametrize("decode", DECODERS)
def test_fields_that_nobody_reads_may_hold_anything(decode) -> None:
    assert decode(b'{"new_field":[{"deep":[1.5,null]}],"data":"' + b"A" * 10_000 + b'"}') == decode(b"{}")


@pytest.mark.parametrize("decode", DECODERS)
def test_null_means_not_said(decode) -> None:
    empty = decode(b"{}")
    assert decode(json.dumps(dict.fromkeys(type(empty).__struct_encode_fields__)).encode()) == empty


@pytest.mark.parametrize("decode", WITH_ERRORS)
def test_an_error_is_an_object_or_a_sentence(decode) -> None:
    assert decode(b'{"error":{"code":"c","type":"t","message":"m"}}').error == ErrorShape("c", "t")
    assert decode(b'{"error":{"code":502,"status":"UNAVAILABLE","details":[{}]}}').error == ErrorShape(502, None, "UNAVAILABLE")
    assert decode(b'{"error":"model is loading"}').error == "model is loading"


def test_an_answer_without_an_index_is_the_first() -> None:
    assert decode_openai(b'{"choices":[{"finish_reason":"stop"}]}').choices == [Choice("stop", 0)]
    assert decode_gemini(b'{"candidates":[{"finishReason":"STOP"}]}').candidates[0].index == 0


def test_gemini_enums_may_be_numbers() -> None:
    reply = decode_gemini(b'{"candidates":[{"finishReason":1}],"promptFeedback":{"blockReason":2}}')
    assert (reply.candidates[0].finish_reason, reply.prompt_feedback.block_reason) == (1, 2)


def test_each_dialect_is_read_by_its_own_names() -> None:
    assert decode_openai(b'{"x_groq":{"usage":{"prompt_tokens":3}}}').x_groq.usage.prompt_tokens == 3
    assert decode_response(b'{"incomplete_details":{"reason":"content_filter"}}').incomplete_details.reason == "content_filter"
    assert decode_response_event(b'{"type":"response.created","response":{"id":"r"}}').response.id == "r"
    assert decode_realtime_event(b'{"type":"session.created","session":{"model":"m"}}').session.model == "m"
    assert decode_message(b'{"stop_reason":"end_turn","usage":{"output_tokens":2}}').usage.output_tokens == 2
    assert decode_message_event(b'{"delta":{"stop_reason":"max_tokens"}}').delta.stop_reason == "max_tokens"
    assert decode_gemini(b'{"responseId":"r","modelVersion":"m"}').model_version == "m"


@given(st.lists(st.dictionaries(st.text(), st.integers() | st.text(), max_size=3), max_size=5), st.sampled_from([None, 2]))
def test_an_array_is_cut_into_its_chunks_unread(chunks, indent) -> None:
    pieces = split_gemini_array(json.dumps(chunks, indent=indent).encode())
    assert [json.loads(bytes(piece)) for piece in pieces] == chunks


@pytest.mark.parametrize("document", [b"", b"[", b'[{"a":1},', b"{}", b"null", b"[" * 100_000, b'["\xff", '])
def test_an_array_that_is_none_is_refused(document) -> None:
    with pytest.raises(JsonError):
        split_gemini_array(document)
