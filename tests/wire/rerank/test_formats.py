from __future__ import annotations

import csv
from pathlib import Path

import pytest

from weighbridge.core.codec import decode_json, encode_json
from weighbridge.core.errors import ErrorKind, GatewayError
from weighbridge.core.terms import NO_USAGE, Dialect, Endpoint, Operation, Provenance, Usage
from weighbridge.wire.codecs import RequestContext
from weighbridge.wire.meter import meter_for
from weighbridge.wire.receipt import Receipt
from weighbridge.wire.rerank import OUTBOUND_RERANK, RerankStyle
from weighbridge.wire.rerank.formats import read_reply, read_request, write_cohere, write_jina, write_reply, write_voyage
from weighbridge.wire.rerank.terms import Ranked, RerankReply, RerankRequest

ASKED = RequestContext("m")
RECORDINGS = Path(__file__).resolve().parents[4] / "shared" / "recordings"
REQUEST = RerankRequest("m", "q", ("a", {"text": "b"}), top_n=1, return_documents=True, max_tokens_per_doc=9, rank_fields=("text",))


def test_a_request_is_read_with_coheres_and_voyages_names():
    body = {"model": "m", "query": "q", "documents": ["a", {"text": "b"}], "return_documents": True}
    rest = {"max_tokens_per_doc": 9, "rank_fields": ["text"]}
    assert read_request(encode_json(body | rest | {"top_n": 1}), ASKED, Receipt()) == REQUEST
    assert read_request(encode_json(body | rest | {"top_k": 1}), ASKED, Receipt()) == REQUEST


@pytest.mark.parametrize(
    ("body", "param"),
    [({"documents": ["a"]}, "query"), ({"query": "q"}, "documents"), ({"query": "q", "documents": [1]}, "documents")],
)
def test_what_is_wanting_is_named(body, param):
    with pytest.raises(GatewayError) as refused:
        read_request(encode_json(body), ASKED, Receipt())
    assert (refused.value.kind, refused.value.param) == (ErrorKind.INVALID_REQUEST, param)


@pytest.mark.parametrize(
    ("write", "body", "edits"),
    [
        (write_cohere, {"documents": ["a", '{"text":"b"}'], "top_n": 1, "max_tokens_per_doc": 9}, ["dropped:rank_fields"]),
        (
            write_jina,
            {"documents": ["a", {"text": "b"}], "top_n": 1, "return_documents": False, "rank_fields": ["text"]},
            ["dropped:max_tokens_per_doc"],
        ),
        (
            write_voyage,
            {"documents": ["a", '{"text":"b"}'], "top_k": 1},
            ["dropped:max_tokens_per_doc", "dropped:rank_fields"],
        ),
    ],
)
def test_each_vendor_is_asked_in_its_own_words(write, body, edits):
    receipt = Receipt()
    assert decode_json(write(REQUEST, "p", receipt)) == {"model": "p", "query": "q"} | body
    assert receipt.edits() == edits


def test_documents_are_repeated_from_the_request_where_they_are_asked_for():
    reply = RerankReply((Ranked(1, 0.9), Ranked(0, 0.1)), "id", "served", Usage(5, search_units=1))
    assert decode_json(write_reply(reply, REQUEST)) == {
        "id": "id",
        "model": "served",
        "results": [
            {"index": 1, "relevance_score": 0.9, "document": {"text": "b"}},
            {"index": 0, "relevance_score": 0.1, "document": {"text": "a"}},
        ],
        "meta": {"billed_units": {"search_units": 1}},
        "usage": {"total_tokens": 5},
    }


@pytest.mark.parametrize(
    ("said", "usage"),
    [
        ({"usage": {"prompt_tokens": 13, "total_tokens": 13}}, Usage(13)),
        ({"usage": {"total_tokens": 17, "cost": 3.4e-07}}, Usage(17, provenance=Provenance.DERIVED, told_nanousd=340)),
        ({"meta": {"billed_units": {"search_units": 2}}}, Usage(search_units=2)),
        (
            {"meta": {"billed_units": {"search_units": 1.5}}, "usage": {"prompt_tokens": 7, "total_tokens": 7}},
            Usage(7, search_units=2),
        ),
        ({"meta": {"billed_units": {"search_units": 0}}}, NO_USAGE),
        ({}, NO_USAGE),
    ],
)
def test_a_ranking_is_metered_alike_whether_it_is_forwarded_or_translated(said, usage):
    body = encode_json({"results": [{"index": 0, "relevance_score": 0.5}], "model": "served"} | said)
    assert read_reply(body).usage == usage
    meter = meter_for(Endpoint(Dialect.OPENAI, Operation.RERANK), content_type=b"application/json", content_encoding=b"")
    meter.feed(body)
    meter.finish()
    assert (meter.usage, meter.served_model) == (usage, "served")


def test_what_nobody_counted_is_left_out():
    bare = RerankReply((Ranked(0, 0.5),))
    answer = decode_json(write_reply(bare, RerankRequest("m", "q", ("a",))))
    assert answer == {"id": "", "model": "m", "results": [{"index": 0, "relevance_score": 0.5}]}
    assert read_reply(b'{"data":[{"index":0,"relevance_score":0.5}]}') == RerankReply((Ranked(0, 0.5),), usage=NO_USAGE)


@pytest.mark.parametrize("body", [b"", b"[]", b"{}"])
def test_an_answer_without_a_ranking_is_malformed(body):
    with pytest.raises(GatewayError) as refused:
        read_reply(body)
    assert refused.value.kind is ErrorKind.PROVIDER_MALFORMED


def test_every_style_has_a_path():
    assert set(OUTBOUND_RERANK) == set(RerankStyle)


@pytest.mark.skipif(not RECORDINGS.is_dir(), reason="the recordings are not part of the project and are not here")
def test_every_recorded_ranking_is_read():
    with (RECORDINGS / "index.csv").open() as index:
        rows = [row for row in csv.DictReader(index) if "rerank" in row["api"] and row["status"] == "200"]
    assert len(rows) > 5
    for row in rows:
        body = decode_json((RECORDINGS / row["path"]).read_bytes())["response"]["body"]
        assert read_reply(encode_json(body)).results, row["path"]
