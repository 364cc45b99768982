from __future__ import annotations

import pytest

from weighbridge.core.codec import decode_json
from weighbridge.core.errors import ErrorKind, GatewayError
from weighbridge.wire.embeddings import titan
from weighbridge.wire.embeddings.terms import EmbeddingRequest, Task
from weighbridge.wire.receipt import Receipt


def test_one_text_is_embedded_and_what_is_not_known_there_is_named():
    receipt = Receipt()
    body = titan.write_request(EmbeddingRequest("m", ("a",), 256, task=Task.QUERY), "p", receipt)
    assert decode_json(body) == {"inputText": "a", "dimensions": 256}
    assert receipt.edits() == ["dropped:task"]


def test_several_texts_are_refused_and_not_cut_to_the_first():
    with pytest.raises(GatewayError) as refused:
        titan.write_request(EmbeddingRequest("m", ("a", "b")), "p", Receipt())
    assert (refused.value.kind, refused.value.code) == (ErrorKind.INVALID_REQUEST, "one_input_only")


def test_the_answers_count_is_its_usage():
    reply = titan.read_reply(b'{"embedding":[1,2],"inputTextTokenCount":3}')
    assert (reply.vectors, reply.usage.total_input) == (([1.0, 2.0],), 3)


def test_an_answer_without_a_vector_is_malformed():
    with pytest.raises(GatewayError):
        titan.read_reply(b"{}")
