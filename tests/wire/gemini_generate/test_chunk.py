"""One response, decoded."""

from __future__ import annotations

import pytest

from weighbridge.core.codec import encode_json
from weighbridge.core.errors import ErrorKind, GatewayError
from weighbridge.wire.gemini_generate.chunk import read_chunk, read_counts


def test_a_usual_response_is_read():
    part = {"text": "a", "thought": True, "thoughtSignature": "QQ==", "new": 1}
    chunk = read_chunk(encode_json({"candidates": [{"content": {"parts": [part]}, "index": 1, "finishReason": "STOP"}]}))
    (candidate,) = chunk.candidates
    assert (candidate.index, candidate.finish_reason) == (1, "STOP")
    assert (candidate.content.parts[0].text, candidate.content.parts[0].thought) == ("a", True)


def test_fields_of_an_odd_type_cost_only_themselves():
    document = {
        "responseId": 7,
        "modelVersion": "m",
        "usageMetadata": {"promptTokenCount": 3},
        "candidates": [
            {
                "index": "x",
                "finishReason": "STOP",
                "content": {
                    "parts": [
                        {"text": 5},
                        {"text": "a", "thought": "maybe"},
                        "odd",
                        {"functionCall": {"id": 1, "name": "f", "args": {"b": 1}}},
                        {"inlineData": {"mimeType": 1, "data": "QQ=="}},
                    ]
                },
            },
            None,
        ],
    }
    chunk = read_chunk(encode_json(document))
    first, second = chunk.candidates
    assert (chunk.response_id, chunk.model_version) == (None, "m")
    assert (first.index, first.finish_reason) == (None, "STOP")
    parts = first.content.parts
    assert [part.text for part in parts] == [None, "a", None, None, None]
    assert (parts[3].function_call.name, bytes(parts[3].function_call.args)) == ("f", b'{"b":1}')
    assert parts[4].inline_data.data == "QQ=="
    assert second.content.parts == []
    assert read_counts(bytes(chunk.usage_metadata)).prompt_token_count == 3


@pytest.mark.parametrize("document", [b"", b"{", b"[]", b'"x"', b"\xff", b'{"a":' * 100_000])
def test_what_is_no_object_is_malformed(document):
    with pytest.raises(GatewayError) as raised:
        read_chunk(document)
    assert raised.value.kind is ErrorKind.PROVIDER_MALFORMED


def test_a_response_of_nothing_known_is_empty():
    assert read_chunk(b'{"x":1}').is_empty
    assert not read_chunk(b'{"usageMetadata":{}}').is_empty


@pytest.mark.parametrize("document", [b"null", b"[]", b"{"])
def test_counts_that_cannot_be_read_are_unknown(document):
    assert read_counts(document) is None
