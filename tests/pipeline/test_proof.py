from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.pipeline.conftest import Reply

from weighbridge.core.codec import encode_json
from weighbridge.core.errors import ErrorKind, GatewayError
from weighbridge.core.terms import Dialect, Operation, WireFormat
from weighbridge.pipeline.proof import _MAX_ERROR_BYTES, ErrorProof, glance, proof_for

CHAT = {"id": "x", "model": "m", "choices": [{"index": 0, "message": {"content": "Hi"}, "finish_reason": "stop"}]}
GOOD = {
    WireFormat.OPENAI_CHAT: CHAT,
    WireFormat.ANTHROPIC_MESSAGES: {"content": [{"type": "text", "text": "Hi"}], "stop_reason": "end_turn"},
    WireFormat.OPENAI_RESPONSES: {
        "status": "completed",
        "output": [{"type": "message", "content": [{"type": "output_text", "text": "Hi"}]}],
    },
    WireFormat.GEMINI_GENERATE: {"candidates": [{"content": {"parts": [{"text": "Hi"}]}, "finishReason": "STOP"}]},
}
OPERATIONS = {
    WireFormat.OPENAI_CHAT: (Operation.CHAT, Dialect.OPENAI),
    WireFormat.ANTHROPIC_MESSAGES: (Operation.MESSAGES, Dialect.ANTHROPIC),
    WireFormat.OPENAI_RESPONSES: (Operation.RESPONSES, Dialect.OPENAI),
    WireFormat.GEMINI_GENERATE: (Operation.GENERATE, Dialect.GEMINI),
}


def judged(spoken, body, *, is_empty_failure=True):
    """The kind of failure that a whole reply is, or None."""
    reply = Reply([body], length=len(body))
    proof = proof_for(reply, *OPERATIONS[spoken], is_empty_failure=is_empty_failure)
    try:
        assert proof is None or proof.feed(body) or proof.finish() is None
    except GatewayError as error:
        return error.kind
    return None


@pytest.mark.parametrize("spoken", GOOD)
@pytest.mark.parametrize("spaces", [False, True])
def test_a_good_reply_is_seen_to_be_good_without_being_read(spoken, spaces):
    body = encode_json(GOOD[spoken])
    if spaces:
        body = body.replace(b":", b" : ") + b"\n"
    assert glance(spoken, body)
    assert judged(spoken, body) is None


@pytest.mark.parametrize("spoken", GOOD)
def test_an_empty_reply_is_a_failure_if_it_is_to_be_one(spoken):
    body = encode_json(GOOD[spoken]).replace(b'"Hi"', b'""')
    assert judged(spoken, body) is ErrorKind.PROVIDER_EMPTY
    assert judged(spoken, body, is_empty_failure=False) is None


@pytest.mark.parametrize("spoken", GOOD)
@pytest.mark.parametrize("body", [b"<html>", b"{", b"", b"null", b"[]"])
def test_what_is_no_reply_is_malformed(spoken, body):
    assert judged(spoken, body) is ErrorKind.PROVIDER_MALFORMED


@pytest.mark.parametrize("spoken", GOOD)
def test_an_error_inside_of_a_200_is_told_by_what_it_says(spoken):
    body = encode_json({"error": {"type": "overloaded_error", "message": "Overloaded", "code": 529, "status": "UNAVAILABLE"}})
    assert judged(spoken, body) is ErrorKind.PROVIDER_OVERLOADED


def test_a_word_of_an_error_in_the_answer_is_an_answer():
    body = encode_json(CHAT).replace(b"Hi", rb"{\"error\": 1}")
    assert judged(WireFormat.OPENAI_CHAT, body) is None


@given(st.binary(max_size=300))
def test_any_bytes_are_judged(body):
    for spoken in GOOD:
        assert judged(spoken, body) in (None, *ErrorKind)


def test_an_error_that_goes_on_and_on_is_judged_by_its_beginning():
    proof = ErrorProof(Reply(status=503), Dialect.OPENAI, 0)
    assert not proof.feed(b"x" * _MAX_ERROR_BYTES)
    with pytest.raises(GatewayError) as caught:
        proof.feed(b"x")
    assert caught.value.kind is ErrorKind.PROVIDER_OVERLOADED


@pytest.mark.parametrize(
    ("operation", "facts"),
    [
        (Operation.EMBEDDINGS, {}),
        (Operation.COMPLETIONS, {}),
        (Operation.STREAM_GENERATE, {}),
        (Operation.CHAT, {"headers": (("content-type", "application/json"), ("content-encoding", "unheard-of"))}),
        (Operation.CHAT, {"length": 100_000}),
    ],
)
def test_where_nothing_is_known_of_a_good_reply_there_is_no_proof(operation, facts):
    assert proof_for(Reply([b"{}"], **facts), operation, Dialect.OPENAI, is_empty_failure=True) is None
