from __future__ import annotations

import pytest

from weighbridge.core.codec import decode_json
from weighbridge.core.errors import GatewayError
from weighbridge.core.terms import NO_USAGE
from weighbridge.wire.embeddings import cohere
from weighbridge.wire.embeddings.terms import EmbeddingRequest, Task
from weighbridge.wire.receipt import Receipt


def test_a_request_is_written_with_its_task_and_size():
    request = EmbeddingRequest("m", ("a",), 256, task=Task.QUERY, truncate=True, user="u")
    receipt = Receipt()
    expected = {
        "model": "embed-v4.0",
        "texts": ["a"],
        "input_type": "search_query",
        "embedding_types": ["float"],
        "output_dimension": 256,
        "truncate": "END",
    }
    assert decode_json(cohere.write_request(request, "embed-v4.0", receipt)) == expected
    assert receipt.edits() == ["dropped:user"]
    expected.pop("model")
    assert decode_json(cohere.write_bedrock(request, "cohere.embed-v4:0", Receipt())) == expected


@pytest.mark.parametrize(("task", "edits"), [(None, []), (Task.CODE, ["widened:task"])])
def test_a_task_that_is_wanting_or_not_known_there_is_a_documents(task, edits):
    receipt = Receipt()
    body = decode_json(cohere.write_request(EmbeddingRequest("m", ("a",), task=task), "p", receipt))
    assert body["input_type"] == "search_document"
    assert receipt.edits() == edits


def test_answers_by_type_and_plain_ones_are_read():
    typed = b'{"embeddings":{"float":[[1],[2]]},"meta":{"billed_units":{"input_tokens":7}}}'
    assert cohere.read_reply(typed).usage.total_input == 7
    assert cohere.read_reply(b'{"embeddings":[[1.0]]}').vectors == ([1.0],)
    assert cohere.read_reply(b'{"embeddings":[[1.0]]}').usage is NO_USAGE


@pytest.mark.parametrize("body", [b"", b"{}", b'{"embeddings":{}}'])
def test_an_answer_without_vectors_is_malformed(body):
    with pytest.raises(GatewayError):
        cohere.read_reply(body)
