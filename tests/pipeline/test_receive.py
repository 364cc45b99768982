from __future__ import annotations

import gzip

import pytest

from weighbridge.core.errors import GatewayError
from weighbridge.core.terms import Dialect, Operation
from weighbridge.pipeline.exchange import Exchange
from weighbridge.pipeline.receive import guess_dialect, match_endpoint

A, G, O = Dialect.ANTHROPIC, Dialect.GEMINI, Dialect.OPENAI  # noqa: E741 - as short as the table wants them


def matched(world, method, target, headers=()):
    client = world.client(method, target, headers=headers)
    exchange = Exchange(client, world.gateway.snapshot, "req_1", 1)
    exchange.fields = dict(client.headers)
    match_endpoint(exchange)
    return exchange


@pytest.mark.parametrize(
    ("path", "fields", "dialect"),
    [
        (b"/x", (b"anthropic-version",), A),
        (b"/anthropic/v1/x", (), A),
        (b"/v1/messages/x", (), A),
        (b"/v1beta/x", (), G),
        (b"/gemini/x", (), G),
        (b"/v1/models/x:y", (b"x-goog-api-key",), G),
        (b"/v1beta/openai/x", (b"x-goog-api-key",), O),
        (b"/v1/x", (), O),
        (b"", (), O),
    ],
)
def test_dialect_of_a_request_that_matches_nothing(path, fields, dialect):
    assert guess_dialect(path, fields) is dialect


@pytest.mark.parametrize(
    ("method", "target", "headers", "dialect", "operation", "pinned"),
    [
        ("POST", "/v1/chat/completions", [], O, Operation.CHAT, None),
        ("POST", "/openai/v1/chat/completions", [], O, Operation.CHAT, "openai"),
        ("POST", "/groq/v1/chat/completions", [], O, Operation.CHAT, "groq"),
        ("POST", "/groq/chat/completions", [], O, Operation.CHAT, "groq"),
        ("POST", "/groq/openai/v1/embeddings", [], O, Operation.EMBEDDINGS, "groq"),
        ("POST", "/v1/chat/completions", [("x-weighbridge-provider", "groq")], O, Operation.CHAT, "groq"),
        ("POST", "/openai/v1/chat/completions", [("x-weighbridge-provider", "groq")], O, Operation.CHAT, "groq"),
        ("POST", "/v1/messages", [], A, Operation.MESSAGES, None),
        ("POST", "/anthropic/v1/messages", [], A, Operation.MESSAGES, "anthropic"),
        ("GET", "/v1/models", [], O, Operation.MODELS, None),
        ("HEAD", "/v1/models", [], O, Operation.MODELS, None),
        ("GET", "/v1/models", [("anthropic-version", "x")], A, Operation.MODELS, None),
        ("GET", "/v1/models", [("x-goog-api-key", "x")], G, Operation.MODELS, None),
        ("GET", "/v1/models/gemini-pro", [("x-goog-api-key", "x")], G, Operation.MODELS, None),
        ("GET", "/v1beta/models", [], G, Operation.MODELS, None),
        ("POST", "/v1/models/x:generateContent", [], G, Operation.GENERATE, None),
        ("POST", "/gemini/v1beta/models/x:streamGenerateContent", [], G, Operation.STREAM_GENERATE, "gemini"),
        ("POST", "/gemini/v1/models/x:countTokens", [], G, Operation.COUNT_TOKENS, "gemini"),
        ("POST", "/gemini/v1beta/cachedContents", [], G, Operation.RAW, "gemini"),
        ("POST", "/groq/v1/messages", [], O, Operation.RAW, "groq"),
        ("DELETE", "/groq/x/y", [], O, Operation.RAW, "groq"),
        ("POST", "/anthropic/v1/complete", [], A, Operation.RAW, "anthropic"),
    ],
)
def test_operation_of_a_request(world, method, target, headers, dialect, operation, pinned):
    exchange = matched(world, method, target, headers)
    assert exchange.match is not None
    found = (exchange.dialect, exchange.endpoint.dialect, exchange.endpoint.operation, exchange.match.provider)
    assert found == (dialect, dialect, operation, pinned)


def test_raw_path_of_a_provider_without_that_dialect_is_in_one_that_it_speaks(world):
    assert matched(world, "POST", "/groq/x", [("anthropic-version", "x")]).dialect is O


@pytest.mark.parametrize(
    ("method", "target", "status"), [("GET", "/nothing", 404), ("PUT", "/v1/chat/completions", 405), ("GET", "/v1/../x", 400)]
)
def test_what_matches_nothing_is_refused(world, method, target, status):
    with pytest.raises(GatewayError) as caught:
        matched(world, method, target)
    assert caught.value.status == status


async def test_unknown_provider_in_the_header_is_refused_by_name(world):
    client = await world.ask("POST", "/v1/chat/completions", {"model": "gpt-4o"}, [("x-weighbridge-provider", "nobody")])
    assert (client.status, client.json["error"]["code"]) == (404, "provider_not_found")


@pytest.mark.parametrize(
    ("body", "param"),
    [
        (b'{"messages":[]}', "model"),
        (b'{"model":""}', "model"),
        (b'{"model":null}', "model"),
        (b'{"model":7}', "model"),
        (b'{"model":"gpt-4o","stream":"yes"}', "stream"),
        (b"", None),
        (b"[]", None),
        (b'{"model":"gpt-4o"', None),
        (b"\xff", None),
        (b'{"model":"%b"}' % (b"x" * 513), "model"),
    ],
)
async def test_body_that_says_no_model_is_refused_and_never_sent(world, body, param):
    client = await world.ask("POST", "/v1/chat/completions", body)
    assert (client.status, client.json["error"]["param"]) == (400, param)
    assert world.upstream.requests == []
    assert len(world.record.requested_model) <= 512
    assert world.record.request_bytes == len(body)


async def test_names_of_models_are_bounded_in_paths_and_queries_too(world):
    assert (await world.ask("POST", f"/v1beta/models/{'x' * 513}:generateContent", {})).status == 400
    assert (await world.ask("GET", f"/v1/realtime?model={'x' * 513}")).status == 400
    assert (await world.ask("GET", "/v1/realtime")).status == 400


async def test_query_names_the_model_of_a_realtime_session(world):
    await world.ask("GET", "/v1/realtime?model=openai%2Fgpt-4o&x=1", is_upgrade=True)
    assert (world.record.requested_model, world.record.model) == ("openai/gpt-4o", "gpt-4o")


async def test_form_without_a_model_is_refused(world):
    body = b'--B\r\nContent-Disposition: form-data; name="x"\r\n\r\n1\r\n--B--\r\n'
    client = await world.ask("POST", "/v1/images/edits", body, [("content-type", "multipart/form-data; boundary=B")])
    assert (client.status, client.json["error"]["param"]) == (400, "model")


async def test_operation_with_a_form_takes_an_object_as_well(world):
    client = await world.ask("POST", "/v1/images/edits", b'{"model":"gpt-4o"}', [("content-type", "application/json")])
    assert client.status == 200


@pytest.mark.parametrize(
    ("coding", "body", "status"),
    [("snappy", b"x", 415), ("gzip", b"not gzip", 400), ("gzip", gzip.compress(b"[", mtime=0)[:-4], 400)],
)
async def test_body_in_a_broken_or_unknown_coding_is_refused(world, coding, body, status):
    client = await world.ask("POST", "/v1/chat/completions", body, [("content-encoding", coding)])
    assert client.status == status


async def test_bytes_of_a_compressed_request_are_counted_as_they_came(world):
    body = gzip.compress(b'{"model":"gpt-4o"}')
    await world.ask("POST", "/v1/chat/completions", body, [("content-encoding", "GZIP")])
    assert world.record.request_bytes == len(body)


@pytest.mark.parametrize(
    ("target", "body", "is_stream"),
    [
        ("/v1/chat/completions", {"model": "gpt-4o", "stream": True}, True),
        ("/v1/chat/completions", {"model": "gpt-4o", "stream": False}, False),
        ("/v1beta/models/gemini-pro:streamGenerateContent", {}, True),
        ("/v1beta/models/gemini-pro:generateContent", {"stream": True}, False),
        ("/openai/deployments/gpt-4o/chat/completions", {"stream": True}, True),
    ],
)
async def test_whether_a_reply_is_streamed(world, target, body, is_stream):
    await world.ask("POST", target, body)
    assert world.record.is_stream is is_stream


async def test_body_of_gemini_may_be_empty(world):
    assert (await world.ask("POST", "/v1beta/models/gemini-pro:countTokens")).status == 200


@pytest.mark.parametrize("query", ["model=gpt-4o&model=o3", "model=gpt-4o&mod%65l=o3", "mod%65l=o3&model=gpt-4o", "mod%65l=gpt-4o"])
async def test_query_that_servers_read_in_different_ways_is_refused(world, query):
    client = await world.ask("GET", f"/v1/realtime?{query}", is_upgrade=True)
    assert (client.status, client.json["error"]["param"]) == (400, "model")
    assert world.upstream.requests == []


@pytest.mark.parametrize("target", ["/v1/images/edits", "/openai/deployments/gpt-4o/images/edits"])
async def test_form_with_two_content_types_is_refused_for_servers_choose_differently(world, target):
    body = b'--B\r\nContent-Disposition: form-data; name="model"\r\n\r\ngpt-4o\r\n--B--\r\n'
    types = [("content-type", f"multipart/form-data; boundary={name}") for name in "AB"]
    client = await world.ask("POST", target, body, types)
    assert client.status == 400
    assert world.upstream.requests == []
