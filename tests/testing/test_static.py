"""The static upstream: given bytes, at given times."""

from __future__ import annotations

import asyncio

import httpx2
import pytest

from weighbridge.testing import After, Piece, StaticReply, StaticServer


async def test_raw_bytes_arrive_as_given():
    raw = b"HTTP/1.1 200 Quite Fine\r\nX-Odd:  spaces \r\ncontent-length: 2\r\n\r\nok"
    async with StaticServer(lambda request: StaticReply(raw, after=After.CLOSE)) as server:
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        writer.write(b"POST /a HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc")
        assert await reader.read() == raw
        writer.close()
    (request,) = server.requests
    assert (request.method, request.target, request.body) == (b"POST", b"/a", b"abc")
    assert request.headers[0] == (b"Host", b"x")


async def test_an_independent_client_reads_whole_and_streamed_replies_on_one_connection():
    events = [b"data: 1\n\n", b"data: 2\n\n"]

    def reply_for(request):
        return StaticReply.stream(events, delay_s=0.001) if request.path == "/s" else StaticReply.whole(request.body)

    async with StaticServer(reply_for) as server, httpx2.AsyncClient(base_url=server.origin) as http:
        assert (await http.post("/w", content=b"body")).content == b"body"
        assert (await http.post("/s", content=(piece async for piece in pieces()))).content == b"".join(events)
        assert server.requests[1].body == b"onetwo"
    assert server.connections == 1


async def pieces():
    yield b"one"
    yield b"two"


async def test_pipelined_requests_wait_for_a_reply_under_way():
    def reply_for(request):
        return StaticReply(b"", (Piece(request.target, 0.01),))

    async with StaticServer(reply_for) as server:
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        writer.write(b"GET /1 HTTP/1.1\r\n\r\nGET /2 HTTP/1.1\r\n\r\n")
        assert await reader.readexactly(4) == b"/1/2"
        writer.close()


async def test_a_reset_is_a_reset_and_a_hang_ends_with_the_server():
    async with StaticServer(lambda request: StaticReply(b"", after=After.RESET)) as server:
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        writer.write(b"GET / HTTP/1.1\r\n\r\n")
        with pytest.raises(ConnectionResetError):
            await reader.read()
        writer.close()
    async with StaticServer(lambda request: StaticReply(b"HTTP/1.1 200 OK\r\n", after=After.HANG)) as server:
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        writer.write(b"GET / HTTP/1.1\r\n\r\n")
        assert await reader.readline() == b"HTTP/1.1 200 OK\r\n"
    writer.close()
