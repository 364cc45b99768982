from __future__ import annotations

import pytest

from weighbridge.core.codec import decode_json, encode_json
from weighbridge.core.errors import ErrorKind, GatewayError
from weighbridge.core.terms import NO_USAGE
from weighbridge.wire.codecs import RequestContext
from weighbridge.wire.embeddings import gemini
from weighbridge.wire.embeddings.terms import EmbeddingReply, EmbeddingRequest, Task
from weighbridge.wire.receipt import Receipt

ASKED = RequestContext("m")
SINGLE = {"content": {"parts": [{"text": "a"}]}, "taskType": "RETRIEVAL_QUERY", "outputDimensionality": 8, "title": "t"}


def read(body, receipt=None):
    return gemini.read_request(encode_json(body), ASKED, receipt or Receipt())


def test_a_single_request_is_read_and_answered_singly():
    request = read(SINGLE)
    assert request == EmbeddingRequest("m", ("a",), 8, task=Task.QUERY, title="t", is_batch=False)
    assert decode_json(gemini.write_reply(EmbeddingReply(((1.0,),)), request)) == {"embedding": {"values": [1.0]}}


def test_a_batch_is_read_and_answered_as_a_list():
    request = read({"requests": [SINGLE, SINGLE]})
    assert (request.inputs, request.is_batch) == (("a", "a"), True)
    assert len(decode_json(gemini.write_reply(EmbeddingReply(((1.0,), (2.0,))), request))["embeddings"]) == 2


def test_options_that_differ_within_a_batch_are_named():
    receipt = Receipt()
    read({"requests": [SINGLE, SINGLE | {"taskType": "CLUSTERING"}]}, receipt)
    assert receipt.edits() == ["widened:requests"]


@pytest.mark.parametrize("body", [{}, {"requests": []}, {"content": 5}, {"requests": [{}]}])
def test_a_request_without_content_is_refused(body):
    with pytest.raises(GatewayError) as refused:
        read(body)
    assert refused.value.kind is ErrorKind.INVALID_REQUEST


def test_what_is_written_can_be_read():
    request = EmbeddingRequest("m", ("a", "b"), 8, task=Task.DOCUMENT, title="t")
    body = gemini.write_request(request, "text-embedding-x", Receipt())
    assert decode_json(body)["requests"][0]["model"] == "models/text-embedding-x"
    assert gemini.read_request(body, ASKED, Receipt()) == request


def test_both_shapes_of_answers_are_read():
    assert gemini.read_reply(b'{"embedding":{"values":[1]}}').vectors == ([1.0],)
    reply = gemini.read_reply(b'{"embeddings":[{"values":[1]},{"values":[2]}],"usageMetadata":{"promptTokenCount":3}}')
    assert (len(reply.vectors), reply.usage.total_input) == (2, 3)
    assert gemini.read_reply(b'{"embedding":{"values":[1]}}').usage is NO_USAGE


@pytest.mark.parametrize("body", [b"", b"{}", b"[]"])
def test_an_answer_without_vectors_is_malformed(body):
    with pytest.raises(GatewayError):
        gemini.read_reply(body)
