"""Citations and log probabilities."""

from __future__ import annotations

from weighbridge.wire.cohere_chat.citations import citation_of, logprob_of
from weighbridge.wire.conversation import Citation


def test_a_citation_of_a_tools_answer():
    raw = {
        "start": 68,
        "end": 86,
        "text": "Yukihiro Matsumoto",
        "sources": [
            {"type": "tool", "id": "x"},
            {"tool_output": {"text": "by him", "title": "Ruby", "url": "https://example.com/r"}},
        ],
    }
    assert citation_of(raw) == Citation("cohere", raw, "https://example.com/r", "Ruby", "by him", 68, 86)


def test_a_citation_of_a_document_and_one_that_says_nothing():
    raw = {"sources": [{"type": "document", "document": {"snippet": "s", "title": "t"}}]}
    assert citation_of(raw) == Citation("cohere", raw, None, "t", "s")
    assert citation_of({"start": "1", "sources": 5}) == Citation("cohere", {"start": "1", "sources": 5})


def test_a_chunk_is_as_probable_as_its_tokens_in_a_row():
    raw = {"text": "é", "token_ids": [1, 2], "logprobs": [-0.5, -0.25]}
    assert logprob_of(raw) == {"token": "é", "logprob": -0.75, "bytes": [0xC3, 0xA9], "top_logprobs": []}
    assert logprob_of({"text": "a", "logprobs": []}) is None
    assert logprob_of({"logprobs": [-1.0]}) is None
