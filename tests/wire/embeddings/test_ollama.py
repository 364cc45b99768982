from __future__ import annotations

import pytest

from weighbridge.core.codec import decode_json
from weighbridge.core.errors import GatewayError
from weighbridge.wire.embeddings import ollama
from weighbridge.wire.embeddings.terms import EmbeddingRequest
from weighbridge.wire.receipt import Receipt


def test_texts_are_asked_for_together():
    receipt = Receipt()
    body = ollama.write_request(EmbeddingRequest("m", ("a", "b"), 8, truncate=True, title="t"), "p", receipt)
    assert decode_json(body) == {"model": "p", "input": ["a", "b"], "dimensions": 8, "truncate": True}
    assert receipt.edits() == ["dropped:title"]


def test_the_present_and_the_older_answer_are_read():
    reply = ollama.read_reply(b'{"model":"x","embeddings":[[1],[2]],"prompt_eval_count":4}')
    assert (len(reply.vectors), reply.model, reply.usage.total_input) == (2, "x", 4)
    assert ollama.read_reply(b'{"embedding":[1]}').vectors == ([1.0],)


def test_an_answer_without_vectors_is_malformed():
    with pytest.raises(GatewayError):
        ollama.read_reply(b"{}")
