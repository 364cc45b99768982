from __future__ import annotations

import pytest

from weighbridge.auth.virtual_keys import KeysDelta, digest_of
from weighbridge.pipeline.exchange import Exchange
from weighbridge.pipeline.head_memo import HeadMemo, recall
from weighbridge.pipeline.plan import Plan

CHAT = {"model": "gpt-4o", "messages": []}


class Connection:
    """A client that keeps its connection: what is remembered for it goes from request to request."""

    def __init__(self, world):
        self._world = world
        self.memo = None

    async def ask(self, target="/v1/chat/completions", body=CHAT, headers=(), method="POST", **facts):
        client = self._world.client(method, target, body, headers, **facts)
        client.memo = self.memo
        await self._world.gateway.handle(client)
        self.memo = client.memo
        return client


@pytest.fixture
def connection(world):
    return Connection(world)


HEADERS = [("x-kept", "1"), ("connection", "x-named"), ("x-named", "2"), ("cookie", "c"), ("accept-encoding", "gzip")]


async def test_same_head_is_forwarded_the_same_every_time(world, connection):
    for _ in range(4):
        assert (await connection.ask(headers=HEADERS)).status == 200
    heads = {request.head for request in world.upstream.requests}
    assert len(heads) == 1
    assert b"x-kept: 1\r\n" in heads.pop()
    assert len(world.sink.records) == 4
    assert {record.key_id for record in world.sink.records} == {"key_1"}


async def test_body_is_read_anew_each_time(world, connection):
    for model in ("gpt-4o", "groq/llama-3", "gpt-4o-mini", "groq/llama-3", "smart", "gpt-4o"):
        await connection.ask(body={"model": model})
    hosts = [request.origin.host for request in world.upstream.requests]
    assert hosts == [f"api.{name}.example" for name in ("openai", "groq", "openai", "groq", "openai", "openai")]
    for request in world.upstream.requests:
        assert f"host: {request.origin.host}".encode() in request.head


async def test_stream_between_whole_replies_asks_for_text_and_they_do_not(world, connection):
    for is_stream in (False, False, False, True, False, True, True):
        await connection.ask(body={**CHAT, "stream": is_stream}, headers=HEADERS)
    codings = [b"accept-encoding: identity" in request.head for request in world.upstream.requests]
    assert codings == [False, False, False, True, False, True, True]
    assert ["accept-encoding" in record.edits for record in world.sink.records] == codings


async def test_other_head_is_read_anew(world, connection):
    await connection.ask(headers=[("x-kept", "1")])
    await connection.ask(headers=[("x-kept", "1")])
    await connection.ask(headers=[("x-kept", "2")])
    assert b"x-kept: 2\r\n" in world.upstream.requests[-1].head
    await connection.ask("/v1/embeddings", headers=[("x-kept", "2")])
    assert world.request_line == "POST /v1/embeddings HTTP/1.1"
    assert (await connection.ask(headers=[("authorization", "Bearer wrong")], auth=False)).status == 401


async def test_other_method_on_the_same_path_is_another_request(world, connection):
    await connection.ask("/v1/chat/completions", body=b"", method="GET")
    await connection.ask("/v1/chat/completions", method="POST")
    assert [record.operation.value for record in world.sink.records] == ["raw", "chat"]


async def test_revoked_key_stops_on_a_connection_that_is_kept(world, connection):
    await connection.ask()
    await connection.ask()
    world.gateway.swap_keys(KeysDelta(1, (), (digest_of(world.key.encode()),)))
    assert (await connection.ask()).status == 401


async def test_key_that_expires_stops_on_a_connection_that_is_kept(build):
    world = build(keys=(build.virtual_key(expires_wall_ns=1_800_000_000_000_000_001),))
    connection = Connection(world)
    assert (await connection.ask()).status == 200
    assert (await connection.ask()).status == 200
    world.clock.wall += 1
    assert (await connection.ask()).status == 401


async def test_new_configuration_reaches_a_connection_that_is_kept(world, connection):
    await connection.ask()
    await connection.ask()
    world.gateway.swap(Plan(8, world.plan.providers, (), world.plan.keys))
    client = await connection.ask()
    assert client.fields["x-weighbridge-config-version"] == "8"


async def test_refused_head_is_not_remembered(world, connection):
    await connection.ask(auth=False)
    assert connection.memo is None


async def test_full_sink_refuses_on_a_connection_that_is_kept(world, connection):
    await connection.ask()
    world.sink.is_full = True
    assert (await connection.ask()).status == 503


async def test_hosted_path_is_resolved_each_time(world, connection):
    for _ in range(3):
        await connection.ask("/openai/deployments/gpt-4o/chat/completions?api-version=1", {"messages": []})
    assert {request.head.split(b"\r\n")[0] for request in world.upstream.requests} == {
        b"POST /v1/chat/completions?api-version=1 HTTP/1.1"
    }
    assert set(world.upstream.bodies) == {b'{"model":"gpt-4o","messages":[]}'}


async def test_content_encoding_is_kept_or_dropped_as_each_body_needs(world, connection):
    import gzip

    for body in (b'{"model":"gpt-4o"}', b'{"model":"gpt-4o"}', b'{"model":"smart"}', b'{"model":"gpt-4o"}'):
        await connection.ask(body=gzip.compress(body), headers=[("content-encoding", "gzip")])
    kept = [b"content-encoding: gzip\r\n" in request.head for request in world.upstream.requests]
    assert kept == [True, True, False, True]


async def test_recalled_head_is_the_one_that_was_remembered(world, connection):
    await connection.ask(headers=[("x-kept", "1")])
    client = world.client("POST", "/v1/chat/completions", CHAT, [("x-kept", "1")])
    client.memo = connection.memo
    exchange = Exchange(client, world.gateway.snapshot, "req_x", 1)
    assert isinstance(client.memo, HeadMemo)
    assert recall(exchange)
    assert exchange.key is not None
    assert exchange.fields[b"x-kept"] == b"1"
