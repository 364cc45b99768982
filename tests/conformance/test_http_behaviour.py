"""HTTP behaviour of the engine with independent peers on the other end: aiohttp and http.client as clients, aiohttp as server.

Run on uvloop, which workers use, and on asyncio's own loop.
"""

from __future__ import annotations

import asyncio
import http.client
import socket

import aiohttp
import pytest
import uvloop
from aiohttp import web

from weighbridge.core.clock import SystemClock
from weighbridge.core.errors import GatewayError
from weighbridge.core.ports import UpstreamRequest
from weighbridge.core.terms import Deadlines, Origin
from weighbridge.http.client import HttpClient
from weighbridge.http.server import Server
from weighbridge.pipeline.plan import Limits

BIG = bytes(range(256)) * 4000


@pytest.fixture(params=["uvloop", "asyncio"])
def run(request):
    """Run a coroutine on a new loop of either kind."""
    factory = uvloop.new_event_loop if request.param == "uvloop" else asyncio.new_event_loop

    def start(coroutine):
        with asyncio.Runner(loop_factory=factory) as runner:
            return runner.run(asyncio.wait_for(coroutine, 20))

    return start


def render_error(error: GatewayError, exchange):
    return error.status, b"content-type: application/json\r\n", b"{}"


class Serving:
    """A server of ours for one `async with`; the value is its port."""

    def __init__(self, handler):
        self.bugs = []
        self.server = Server(handler, render_error, clock=SystemClock(), limits=Limits(), on_bug=self.bugs.append)

    async def __aenter__(self):
        sock = socket.socket()
        sock.bind(("127.0.0.1", 0))
        await self.server.start([sock])
        return sock.getsockname()[1]

    async def __aexit__(self, *failure):
        await self.server.drain(1)
        assert not self.bugs


async def echo(exchange):
    body = await exchange.read_body(2**26)
    exchange.start(200, b"x-method: %b\r\n" % exchange.method, None if exchange.target == b"/stream" else len(body))
    exchange.end(body)


async def chunks_of(data: bytes):
    for start in range(0, len(data), 100_000):
        yield data[start : start + 100_000]


# --- as a server


def test_aiohttp_gets_back_what_it_sends_in_every_framing(run):
    async def play():
        async with Serving(echo) as port, aiohttp.ClientSession() as session:
            for path in ("/whole", "/stream"):
                for body in (b"", b"small", BIG):
                    for data in (body, chunks_of(body)):
                        async with session.post(f"http://127.0.0.1:{port}{path}", data=data) as reply:
                            assert (reply.status, await reply.read()) == (200, body)

    run(play())


@pytest.mark.parametrize("method", ["GET", "HEAD", "OPTIONS", "PUT", "PATCH", "DELETE"])
def test_aiohttp_may_use_any_method(run, method):
    async def play():
        async with Serving(echo) as port, aiohttp.ClientSession() as session:
            for _ in range(2):
                async with session.request(method, f"http://127.0.0.1:{port}/") as reply:
                    assert (reply.status, reply.headers["x-method"]) == (200, method)

    run(play())


def test_aiohttp_is_told_to_send_a_body_that_it_asked_about(run):
    async def play():
        async with (
            Serving(echo) as port,
            aiohttp.ClientSession() as session,
            session.post(f"http://127.0.0.1:{port}/", data=BIG, expect100=True) as reply,
        ):
            assert await reply.read() == BIG

    run(play())


def test_http_client_keeps_its_connection(run):
    def talk(port):
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
        try:
            for body in (b"one", BIG, b"three"):
                connection.request("POST", "/stream", body)
                assert connection.getresponse().read() == body
                assert connection.sock is not None
        finally:
            connection.close()

    async def play():
        async with Serving(echo) as port:
            await asyncio.to_thread(talk, port)

    run(play())


def test_many_at_once_get_their_own_answers(run):
    async def ask(session, port, number):
        async with session.post(f"http://127.0.0.1:{port}/", data=b"%d" % number) as reply:
            assert await reply.read() == b"%d" % number

    async def play():
        async with Serving(echo) as port, aiohttp.ClientSession() as session:
            await asyncio.gather(*(ask(session, port, number) for number in range(200)))

    run(play())


# --- as a client


class Sink:
    """Collects a reply."""

    def __init__(self):
        self.data = bytearray()
        self.over = asyncio.get_running_loop().create_future()

    def on_data(self, data):
        self.data += data

    def on_end(self):
        self.over.set_result(None)

    def on_error(self, error):
        self.over.set_exception(error)


async def ask(client, port, method=b"POST", path=b"/", body=b""):
    head = b"%b %b HTTP/1.1\r\nhost: 127.0.0.1:%d\r\n" % (method, path, port)
    pieces = [body[:7], memoryview(body)[7:]] if body else []
    reply = await client.send(UpstreamRequest(method, Origin("http", "127.0.0.1", port), head, pieces, len(body), Deadlines()))
    sink = Sink()
    reply.attach(sink)
    await sink.over
    return reply, bytes(sink.data)


class Provider:
    """An aiohttp server for one `async with`; the value is (our client, its port)."""

    async def answer(self, request: web.Request) -> web.StreamResponse:
        body = await request.read()
        if request.path == "/stream":
            reply = web.StreamResponse()
            await reply.prepare(request)
            async for chunk in chunks_of(body):
                await reply.write(chunk)
            await reply.write_eof()
            return reply
        if request.path == "/none":
            return web.Response(status=204)
        return web.Response(body=body, headers={"x-method": request.method})

    async def __aenter__(self):
        application = web.Application(client_max_size=2**26)
        application.router.add_route("*", "/{path:.*}", self.answer)
        self.runner = web.AppRunner(application)
        await self.runner.setup()
        site = web.TCPSite(self.runner, "127.0.0.1", 0)
        await site.start()
        self.client = HttpClient(clock=SystemClock(), limits=Limits())
        return self.client, self.runner.addresses[0][1]

    async def __aexit__(self, *failure):
        await self.client.close()
        await self.runner.cleanup()


def test_an_aiohttp_server_gives_back_what_we_send(run):
    async def play():
        async with Provider() as (client, port):
            for path in (b"/whole", b"/stream"):
                for body in (b"", b"a small body", BIG):
                    reply, data = await ask(client, port, path=path, body=body)
                    assert (reply.status, data) == (200, body)
            assert client.n_connections == 1

    run(play())


def test_an_aiohttp_server_understands_our_methods_and_we_its_bodyless_replies(run):
    async def play():
        async with Provider() as (client, port):
            for method in (b"GET", b"DELETE", b"OPTIONS", b"HEAD"):
                reply, data = await ask(client, port, method=method)
                assert (dict(reply.headers)[b"x-method"], data) == (method, b"")
            reply, data = await ask(client, port, path=b"/none")
            assert (reply.status, data) == (204, b"")

    run(play())


def test_client_and_server_of_ours_pass_a_body_through_between_two_of_theirs(run):
    async def play():
        async with Provider() as (client, upstream_port):

            async def proxy(exchange):
                body = await exchange.read_body(2**26)
                reply, data = await ask(client, upstream_port, path=exchange.target, body=body)
                exchange.start(reply.status, b"", reply.content_length)
                exchange.end(data)

            async with Serving(proxy) as port, aiohttp.ClientSession() as session:
                for path in ("/whole", "/stream"):
                    async with session.post(f"http://127.0.0.1:{port}{path}", data=BIG) as reply:
                        assert await reply.read() == BIG

    run(play())
