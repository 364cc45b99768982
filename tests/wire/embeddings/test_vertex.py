from __future__ import annotations

import pytest

from weighbridge.core.codec import decode_json
from weighbridge.core.errors import GatewayError
from weighbridge.core.terms import NO_USAGE
from weighbridge.wire.embeddings import vertex
from weighbridge.wire.embeddings.terms import EmbeddingRequest, Task
from weighbridge.wire.receipt import Receipt


def test_each_text_is_an_instance_with_the_options():
    request = EmbeddingRequest("m", ("a", "b"), 8, task=Task.CODE, title="t", user="u", truncate=False)
    receipt = Receipt()
    assert decode_json(vertex.write_request(request, "p", receipt)) == {
        "instances": [{"content": text, "task_type": "CODE_RETRIEVAL_QUERY", "title": "t"} for text in ("a", "b")],
        "parameters": {"outputDimensionality": 8, "autoTruncate": False},
    }
    assert receipt.edits() == ["dropped:user"]


def test_tokens_are_added_up_where_each_vector_tells_its_own():
    one = b'{"embeddings":{"values":[1],"statistics":{"token_count":4.0}}}'
    assert vertex.read_reply(b'{"predictions":[%b,%b]}' % (one, one)).usage.total_input == 8
    assert vertex.read_reply(b'{"predictions":[%b,{"embeddings":{"values":[1]}}]}' % one).usage is NO_USAGE


@pytest.mark.parametrize("body", [b"", b"{}", b'{"predictions":[]}'])
def test_an_answer_without_vectors_is_malformed(body):
    with pytest.raises(GatewayError):
        vertex.read_reply(body)
