"""A WebSocket's connection after the 101: raw bytes both ways."""

from __future__ import annotations

import asyncio

from tests.http.conftest import MS, Collected

OFFER = b"GET /realtime HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: WebSocket\r\n\r\n"
SWITCH = b"connection: Upgrade\r\nupgrade: websocket\r\n"


class Echo(Collected):
    """Writes back what comes."""

    pipe = None

    def on_data(self, data):
        super().on_data(data)
        if self.pipe is not None:
            self.pipe.write(data)


async def test_bytes_go_both_ways_those_too_that_came_with_the_offer(serve):
    sink = Echo()

    async def handler(exchange):
        assert exchange.is_upgrade
        exchange.start(101, SWITCH, None)
        sink.pipe = exchange.take_over(sink)
        sink.pipe.write(sink.data)
        await sink.is_over.wait()

    engine = await serve(handler)
    peer = await engine.connect()
    await peer.send(OFFER + b"early ")
    assert (await peer.until(b"\r\n\r\n")).startswith(b"HTTP/1.1 101 Switching Protocols\r\n")
    assert await peer.until(b"early ") == b"early "
    await peer.send(b"GET / HTTP/1.1\r\n\r\n")
    assert await peer.until(b"\r\n\r\n") == b"GET / HTTP/1.1\r\n\r\n"
    peer.close()
    await asyncio.wait_for(sink.is_over.wait(), 1)


async def test_bytes_that_come_before_the_take_over_wait_for_it_and_are_bounded(serve):
    sink = Collected()
    release = asyncio.Event()

    async def handler(exchange):
        await release.wait()
        exchange.start(101, SWITCH, None)
        exchange.take_over(sink)
        await sink.is_over.wait()

    engine = await serve(handler)
    peer = await engine.connect()
    await peer.send(OFFER)
    sending = asyncio.ensure_future(peer.send(b"p" * 20_000_000))
    await asyncio.sleep(0.1)
    assert not sending.done()
    release.set()
    await sending
    await sink.at_least(20_000_000)


async def test_the_connection_closes_when_the_session_is_over(serve):
    async def handler(exchange):
        exchange.start(101, SWITCH, None)
        exchange.take_over(Collected()).write(b"bye")

    engine = await serve(handler)
    peer = await engine.connect()
    await peer.send(OFFER)
    assert (await peer.rest()).endswith(b"\r\n\r\nbye")


async def test_a_declined_offer_is_answered_and_the_connection_closed_however_much_follows(serve):
    async def handler(exchange):
        exchange.start(401, b"", 2)
        exchange.end(b"no")

    engine = await serve(handler)
    peer = await engine.connect()
    await peer.send(OFFER + b"f" * 500_000)
    answer = await peer.reply()
    assert (answer.status, answer.headers["connection"]) == (401, "close")
    assert await peer.rest() == b""


async def test_a_slow_client_pauses_the_other_side(serve):
    class Source:
        def __init__(self):
            self.paused, self.resumed = asyncio.Event(), asyncio.Event()

        def pause(self):
            self.paused.set()

        def resume(self):
            self.resumed.set()

    source = Source()
    sink = Collected()

    async def handler(exchange):
        exchange.start(101, SWITCH, None)
        pipe = exchange.take_over(sink)
        pipe.throttle(source)
        while not source.paused.is_set():
            pipe.write(b"w" * 65536)
            await asyncio.sleep(0)
        await sink.is_over.wait()

    engine = await serve(handler, write_stall_timeout_ns=2000 * MS)
    peer = await engine.connect(receive_buffer=65536)
    await peer.send(OFFER)
    await source.paused.wait()
    while not source.resumed.is_set():
        assert await peer.receive()


async def test_a_session_may_be_silent_for_long(serve):
    sink = Collected()

    async def handler(exchange):
        exchange.start(101, SWITCH, None)
        exchange.take_over(sink)
        await sink.is_over.wait()

    engine = await serve(handler, keepalive_timeout_ns=20 * MS, header_timeout_ns=20 * MS, body_idle_timeout_ns=20 * MS)
    peer = await engine.connect()
    await peer.send(OFFER)
    await peer.until(b"\r\n\r\n")
    await asyncio.sleep(0.1)
    await peer.send(b"still here")
    await sink.at_least(10)
