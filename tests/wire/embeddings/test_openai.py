from __future__ import annotations

import base64
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from weighbridge.core.codec import decode_json, encode_json
from weighbridge.core.errors import ErrorKind, GatewayError
from weighbridge.core.terms import NO_USAGE, Provenance, Usage
from weighbridge.wire.codecs import RequestContext
from weighbridge.wire.embeddings import openai
from weighbridge.wire.embeddings.terms import EmbeddingReply, EmbeddingRequest, Task
from weighbridge.wire.receipt import Receipt

ASKED = RequestContext("m")


def read(receipt=None, **fields):
    return openai.read_request(encode_json({"model": "m"} | fields), ASKED, receipt or Receipt())


@pytest.mark.parametrize(
    ("given", "inputs"),
    [
        ("one", ("one",)),
        (["one", "two"], ("one", "two")),
        ([1, 2, 3], ((1, 2, 3),)),
        ([[1, 2], [3]], ((1, 2), (3,))),
    ],
)
def test_every_shape_of_input_is_read(given, inputs):
    assert read(input=given).inputs == inputs


@pytest.mark.parametrize("wrong", [None, [], 5, [1, "x"], [["x"]], {"a": 1}, [True]])
def test_another_input_is_refused_by_its_name(wrong):
    with pytest.raises(GatewayError) as refused:
        read(input=wrong)
    assert (refused.value.kind, refused.value.param) == (ErrorKind.INVALID_REQUEST, "input")


@pytest.mark.parametrize("word", ["search_query", "query", "RETRIEVAL_QUERY", "retrieval.query"])
def test_a_task_is_understood_in_every_vendors_word(word):
    assert read(input="x", input_type=word).task is Task.QUERY


def test_what_is_not_known_is_named_in_the_receipt():
    receipt = Receipt()
    read(receipt, input="x", input_type="haiku", colour="red")
    assert receipt.edits() == ["dropped:task", "dropped:colour"]


@given(
    st.lists(st.lists(st.floats(width=32, allow_nan=False, allow_infinity=False), min_size=1, max_size=8), min_size=1, max_size=4)
)
def test_vectors_survive_in_base64_as_the_sdk_decodes_it(vectors):
    request = EmbeddingRequest("m", tuple("x" for _ in vectors), encoding="base64")
    answer = openai.write_reply(EmbeddingReply(tuple(vectors)), request)
    decoded = [
        list(
            struct.unpack(
                f"<{len(vectors[0]) and len(base64.b64decode(item['embedding'])) // 4}f", base64.b64decode(item["embedding"])
            )
        )
        for item in decode_json(answer)["data"]
    ]
    assert decoded == vectors
    assert [list(vector) for vector in openai.read_reply(answer).vectors] == vectors


def test_usage_that_nobody_counted_is_left_out_and_not_zero():
    request = EmbeddingRequest("asked", ("x",))
    assert "usage" not in decode_json(openai.write_reply(EmbeddingReply(((1.0,),)), request))
    counted = decode_json(openai.write_reply(EmbeddingReply(((1.0,),), "served", Usage(7)), request))
    assert (counted["usage"], counted["model"]) == ({"prompt_tokens": 7, "total_tokens": 7}, "served")


@pytest.mark.parametrize(
    ("write", "body"),
    [
        (openai.write_openai, {"model": "p", "input": ["a"], "dimensions": 8, "user": "u"}),
        (openai.write_mistral, {"model": "p", "input": ["a"], "output_dimension": 8}),
        (openai.write_voyage, {"model": "p", "input": ["a"], "output_dimension": 8, "input_type": "query", "truncation": True}),
        (openai.write_jina, {"model": "p", "input": ["a"], "dimensions": 8, "task": "retrieval.query", "truncate": True}),
    ],
)
def test_each_vendor_is_asked_in_its_own_words(write, body):
    request = EmbeddingRequest("m", ("a",), dimensions=8, task=Task.QUERY, user="u", truncate=True)
    receipt = Receipt()
    assert decode_json(write(request, "p", receipt)) == body
    said = {"task": "input_type" in body or "task" in body, "user": "user" in body}
    assert {loss.field for loss in receipt.losses} >= {name for name, is_said in said.items() if not is_said}


def test_tokens_are_refused_where_only_texts_are_understood():
    with pytest.raises(GatewayError, match="arrays of tokens"):
        openai.write_voyage(EmbeddingRequest("m", ((1, 2),)), "p", Receipt())


def test_vectors_come_in_the_order_of_their_index():
    reply = openai.read_reply(b'{"data":[{"index":1,"embedding":[2]},{"index":0,"embedding":[1]}]}')
    assert [list(vector) for vector in reply.vectors] == [[1], [2]]
    assert reply.usage is NO_USAGE


@pytest.mark.parametrize(
    "body", [b"", b"[]", b"{}", b'{"data":[]}', b'{"data":[{"embedding":null}]}', b'{"data":[{"embedding":"*"}]}']
)
def test_an_answer_without_vectors_is_malformed(body):
    with pytest.raises(GatewayError) as refused:
        openai.read_reply(body)
    assert refused.value.kind is ErrorKind.PROVIDER_MALFORMED


def test_voyages_total_is_the_input():
    reply = openai.read_reply(b'{"data":[{"index":0,"embedding":[1]}],"usage":{"total_tokens":5}}')
    assert (reply.usage.total_input, reply.usage.provenance) == (5, Provenance.DERIVED)
