from __future__ import annotations

import pytest

from weighbridge.core.codec import decode_json
from weighbridge.core.terms import Dialect

EMBED = {"model": "gemini/embed-x", "input": ["a", "b"], "encoding_format": "float"}
RANK = {"model": "voyage/rerank-x", "query": "q", "documents": ["a", "b"], "return_documents": True}


@pytest.fixture
def world(build):
    made = build.provider
    return build(
        providers=(
            made("gemini", {Dialect.GEMINI: ""}),
            made("voyage", {Dialect.OPENAI: "/v1"}, operations={"embeddings": "voyage", "rerank": "voyage"}),
            made("openai", {Dialect.OPENAI: "/v1"}),
        )
    )


async def test_embeddings_are_asked_for_and_answered_across_dialects(world):
    world.will_reply(b'{"embeddings":[{"values":[1]},{"values":[2]}],"usageMetadata":{"promptTokenCount":4}}')
    client = await world.ask("POST", "/v1/embeddings", EMBED)
    assert world.request_line == "POST /v1beta/models/embed-x:batchEmbedContents HTTP/1.1"
    assert [item["embedding"] for item in client.json["data"]] == [[1.0], [2.0]]
    assert client.json["usage"] == {"prompt_tokens": 4, "total_tokens": 4}
    assert client.fields["x-weighbridge-edits"] == "translated:embeddings>gemini"
    assert world.record.usage.total_input == 4


async def test_gemini_callers_reach_openais_embeddings(world):
    world.will_reply(b'{"data":[{"index":0,"embedding":[1]}],"usage":{"prompt_tokens":2,"total_tokens":2}}')
    body = {"content": {"parts": [{"text": "a"}]}}
    client = await world.ask("POST", "/v1beta/models/openai%2Ftext-embedding-3-small:embedContent", body)
    assert world.request_line == "POST /v1/embeddings HTTP/1.1"
    assert decode_json(world.sent_body) == {"model": "text-embedding-3-small", "input": ["a"]}
    assert client.json["embedding"] == {"values": [1.0]}


async def test_rankings_are_asked_for_in_the_vendors_words(world):
    world.will_reply(b'{"data":[{"index":1,"relevance_score":0.5}],"usage":{"total_tokens":6}}')
    client = await world.ask("POST", "/v1/rerank", RANK | {"top_n": 1})
    assert decode_json(world.sent_body) == {"model": "rerank-x", "query": "q", "documents": ["a", "b"], "top_k": 1}
    assert client.json["results"] == [{"index": 1, "relevance_score": 0.5, "document": {"text": "b"}}]
    assert world.record.usage.total_input == 6


async def test_a_provider_that_is_asked_as_the_caller_does_gets_the_callers_bytes(world):
    await world.ask("POST", "/v1/embeddings", EMBED | {"model": "openai/x"})
    assert decode_json(world.sent_body) == EMBED | {"model": "x"}
    answer = b'{"results":[{"index":0,"relevance_score":0.5}],"usage":{"prompt_tokens":5,"total_tokens":5}}'
    world.will_reply(answer, length=len(answer))
    client = await world.ask("POST", "/v1/rerank", RANK | {"model": "openai/x"})
    assert (decode_json(world.sent_body), world.request_line) == (RANK | {"model": "x"}, "POST /v1/rerank HTTP/1.1")
    assert (client.body, world.sink.records[-1].usage.total_input) == (answer, 5)


async def test_strict_mode_refuses_what_would_be_lost(world):
    client = await world.ask("POST", "/v1/embeddings", EMBED | {"user": "u"}, [("x-weighbridge-strict", "true")])
    assert (client.status, client.json["error"]["param"]) == (400, "user")


async def test_errors_come_in_the_callers_dialect(world):
    world.will_reply(b"{}")
    client = await world.ask("POST", "/v1/embeddings", EMBED)
    assert client.status == 502
    world.will_reply(b'{"error":{"code":429,"message":"slow","status":"RESOURCE_EXHAUSTED"}}', status=429)
    client = await world.ask("POST", "/v1/embeddings", EMBED)
    assert (client.status, client.json["error"]["code"]) == (429, "rate_limit_exceeded")
