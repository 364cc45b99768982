"""The simulators' HTTP, by raw sockets: keep-alive, pipelining, framing, malformed requests, TLS, IPv6."""

from __future__ import annotations

import asyncio
import ssl

import httpx2
import pytest
import trustme

from weighbridge.testing import SimulatedOpenAI

GET = b"GET /v1/models HTTP/1.1\r\nhost: x:%d\r\nauthorization: Bearer sk-sim-1\r\n%b\r\n"


@pytest.fixture
async def provider():
    async with SimulatedOpenAI() as provider:
        yield provider


async def exchange(provider, *pieces):
    reader, writer = await asyncio.open_connection("127.0.0.1", provider.port)
    try:
        for piece in pieces:
            writer.write(piece)
            await writer.drain()
        return await asyncio.wait_for(reader.read(), 5)
    finally:
        writer.close()


def get(provider, extra=b""):
    return GET % (provider.port, extra)


async def test_pipelined_requests_are_answered_in_order_on_one_connection(provider):
    data = await exchange(provider, get(provider) + get(provider) + get(provider, b"connection: close\r\n"))
    assert data.count(b"HTTP/1.1 200 OK") == 3
    assert [request.connection for request in provider.journal.requests] == [1, 1, 1]
    assert [request.number for request in provider.journal.requests] == [1, 2, 3]


async def test_a_request_in_single_bytes_is_journalled_exactly(provider):
    body = b'{"model":"gpt-4.1",  "input":"\\u00e9"}'
    head = (
        f"POST /v1/embeddings?a=1&a=2 HTTP/1.1\r\nHost: x:{provider.port}\r\nAUTHORIZATION: Bearer sk-sim-1\r\n"
        f"Content-Type: application/json\r\nConnection: close\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    whole = head.encode() + body
    await exchange(provider, *(whole[place : place + 1] for place in range(len(whole))))
    request = provider.journal.last.request
    assert request.body == body
    assert request.headers[1] == (b"AUTHORIZATION", b"Bearer sk-sim-1")
    assert (request.path, request.query, request.framing) == ("/v1/embeddings", [("a", "1"), ("a", "2")], "content-length")


async def test_a_chunked_body_is_journalled_without_its_framing(provider):
    head = b"POST /v1/embeddings HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\nconnection: close\r\n\r\n"
    data = await exchange(provider, head + b"3\r\nabc\r\n2;x=y\r\nde\r\n0\r\n\r\n")
    assert b" 401 " in data
    assert (provider.journal.last.request.body, provider.journal.last.request.framing) == (b"abcde", "chunked")


async def test_head_has_no_body_and_the_connection_lives_on(provider):
    head = get(provider).replace(b"GET", b"HEAD")
    data = await exchange(provider, head + get(provider, b"connection: close\r\n"))
    assert data.startswith(b"HTTP/1.1 405 ")
    assert data.count(b"\r\n\r\nHTTP/1.1 200 OK") == 1


async def test_expect_100_continue_is_honoured(provider):
    reader, writer = await asyncio.open_connection("127.0.0.1", provider.port)
    writer.write(b"POST /v1/x HTTP/1.1\r\nhost: x\r\nexpect: 100-continue\r\ncontent-length: 2\r\n\r\n")
    assert (await reader.readline()).startswith(b"HTTP/1.1 100")
    writer.write(b"{}")
    assert await reader.readline() == b"\r\n"
    assert b" 401 " in await reader.readline()
    writer.close()


@pytest.mark.parametrize(
    "request_bytes",
    [
        b"nonsense\r\n\r\n",
        b"GET / HTTP/1.1\r\nhost: x\r\nhost: y\r\n\r\n",
        b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\nab",
        b"POST / HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n",
    ],
)
async def test_what_is_not_http_gets_400_and_is_a_violation(provider, request_bytes):
    assert (await exchange(provider, request_bytes)).startswith(b"HTTP/1.1 400 ")
    assert provider.journal.violations[0].rule == "malformed HTTP"
    assert len(provider.journal) == 0


async def test_a_request_that_breaks_off_is_counted_and_not_journalled(provider):
    _, writer = await asyncio.open_connection("127.0.0.1", provider.port)
    writer.write(b"POST /v1/x HTTP/1.1\r\nhost: x\r\ncontent-length: 100\r\n\r\nhalf")
    await writer.drain()
    writer.close()
    await provider.journal.until(lambda journal: journal.incomplete == 1)
    assert len(provider.journal) == 0
    assert provider.journal.violations == []


async def test_ipv6_and_tls():
    authority = trustme.CA()
    server_side = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("::1").configure_cert(server_side)
    client_side = ssl.create_default_context()
    authority.configure_trust(client_side)
    async with SimulatedOpenAI(host="::1", tls=server_side) as provider:
        assert provider.base_url == f"https://[::1]:{provider.port}/v1"
        async with httpx2.AsyncClient(verify=client_side) as http:
            reply = await http.get(provider.base_url + "/models", headers={"authorization": "Bearer sk-sim-1"})
        assert reply.status_code == 200
        assert provider.journal.violations == []
