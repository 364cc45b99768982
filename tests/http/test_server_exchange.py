"""The handler's view: reading the request's body and giving the reply."""

from __future__ import annotations

import asyncio

import pytest
from tests.http.conftest import MS, Collected, echo, refuse_gracefully

from weighbridge.core.errors import ErrorKind, GatewayError
from weighbridge.http.limits import MAX_BUFFERED

GET = b"GET / HTTP/1.1\r\nHost: gateway\r\n\r\n"


def post(body: bytes, lines: bytes = b"") -> bytes:
    return b"POST / HTTP/1.1\r\nHost: gateway\r\n%bContent-Length: %d\r\n\r\n%b" % (lines, len(body), body)


# --- Expect: 100-continue


async def test_100_is_sent_once_the_handler_wants_the_body_and_not_before(serve):
    wanted = asyncio.Event()

    async def handler(exchange):
        await wanted.wait()
        await echo(exchange)

    engine = await serve(handler)
    peer = await engine.connect()
    await peer.send(b"POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-Continue\r\nContent-Length: 3\r\n\r\n")
    early = asyncio.ensure_future(peer.until(b"\r\n\r\n"))
    done, _ = await asyncio.wait([early], timeout=0.05)
    assert not done
    wanted.set()
    assert await early == b"HTTP/1.1 100 Continue\r\n\r\n"
    await peer.send(b"abc")
    assert (await peer.reply()).body == b"abc"


async def test_a_refused_expectation_gets_the_final_status_without_100(serve):
    engine = await serve(lambda exchange: refuse_gracefully(exchange, 2))
    peer = await engine.connect()
    await peer.send(b"POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\n")
    raw = await peer.rest()
    assert raw.startswith(b"HTTP/1.1 413 ")
    assert b"\r\nconnection: close\r\n" in raw


@pytest.mark.parametrize(
    "start",
    [
        b"POST / HTTP/1.0\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\nabc",
        b"POST / HTTP/1.1\r\nHost: a\r\nConnection: close\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\nabc",
        b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\nExpect: 100-continue\r\n\r\n",
    ],
    ids=["HTTP/1.0", "body is there already", "no body"],
)
async def test_100_is_not_sent_where_nobody_waits_for_it(serve, start):
    engine = await serve(echo)
    peer = await engine.connect()
    await peer.send(start)
    assert (await peer.rest()).startswith(b"HTTP/1.1 200 ")


# --- the framing of replies


async def answer_in_pieces(exchange):
    await exchange.read_body(100)
    exchange.start(200, b"", None)
    exchange.write(b"one ")
    exchange.write(b"")
    exchange.end(b"two")


async def test_a_reply_of_unknown_length_is_chunked_and_the_connection_goes_on(serve):
    engine = await serve(answer_in_pieces)
    peer = await engine.connect()
    for _ in range(2):
        await peer.send(GET)
        answer = await peer.reply()
        assert answer.headers == {"transfer-encoding": "chunked"}
        assert answer.body == b"one two"


@pytest.mark.parametrize("keep_alive", [b"", b"Connection: keep-alive\r\n"])
async def test_a_reply_of_unknown_length_to_http_1_0_ends_with_the_connection(serve, keep_alive):
    engine = await serve(answer_in_pieces)
    peer = await engine.connect()
    await peer.send(b"GET / HTTP/1.0\r\n" + keep_alive + b"\r\n")
    assert await peer.rest() == b"HTTP/1.1 200 OK\r\nconnection: close\r\n\r\none two"


async def test_http_1_0_is_kept_alive_only_when_it_asks(serve):
    engine = await serve(echo)
    peer = await engine.connect()
    await peer.send(b"GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n")
    assert (await peer.reply()).headers["connection"] == "keep-alive"
    await peer.send(b"GET / HTTP/1.0\r\n\r\n")
    assert (await peer.reply()).headers["connection"] == "close"
    assert await peer.rest() == b""


async def test_a_broken_off_reply_to_http_1_0_is_reset_since_a_close_would_look_like_its_end(serve):
    async def handler(exchange):
        exchange.start(200, b"", None)
        exchange.write(b"one ")
        exchange.abort()

    engine = await serve(handler)
    peer = await engine.connect()
    await peer.send(b"GET / HTTP/1.0\r\n\r\n")
    with pytest.raises(ConnectionResetError):
        await peer.rest()


@pytest.mark.parametrize("length", [None, 10])
async def test_a_broken_off_reply_never_looks_finished(serve, length):
    async def handler(exchange):
        exchange.start(200, b"", length)
        exchange.write(b"one ")
        exchange.abort()
        exchange.write(b"late")
        exchange.end()

    engine = await serve(handler)
    peer = await engine.connect()
    await peer.send(GET)
    raw = await peer.rest()
    assert raw.endswith(b"one " if length else b"4\r\none \r\n")


@pytest.mark.parametrize("length", [None, 7])
async def test_head_gets_the_head_alone(serve, length):
    async def handler(exchange):
        exchange.start(200, b"x-a: b\r\n", length)
        exchange.write(b"one ")
        exchange.end(b"two")

    engine = await serve(handler)
    peer = await engine.connect()
    await peer.send(b"HEAD / HTTP/1.1\r\nHost: a\r\n\r\n" * 2)
    for _ in range(2):
        answer = await peer.reply("HEAD")
        assert (answer.status, answer.headers["x-a"], answer.body) == (200, "b", b"")
    await peer.send(GET)
    assert (await peer.reply()).body == b"one two"


@pytest.mark.parametrize("status", [204, 304])
async def test_statuses_without_a_body_get_none_whatever_the_handler_writes(serve, status):
    async def handler(exchange):
        exchange.start(status, b"", None)
        exchange.end(b"not allowed")

    engine = await serve(handler)
    peer = await engine.connect()
    await peer.send(GET + GET)
    assert [(await peer.reply()).status for _ in range(2)] == [status, status]


async def test_options_with_an_asterisk_is_served(serve):
    engine = await serve(echo)
    answer = await engine.ask(b"OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n")
    assert (answer.headers["x-method"], answer.headers["x-target"]) == ("OPTIONS", "*")


async def test_the_head_goes_out_alone_when_flushed(serve):
    release = asyncio.Event()

    async def handler(exchange):
        exchange.start(200, b"", 2)
        exchange.flush()
        await release.wait()
        exchange.end(b"ok")

    engine = await serve(handler)
    peer = await engine.connect()
    await peer.send(GET)
    assert (await peer.until(b"\r\n\r\n")).startswith(b"HTTP/1.1 200 OK\r\n")
    release.set()
    assert await peer.receive() == b"ok"


async def test_a_close_that_was_announced_is_kept_though_the_body_still_came(serve):
    started = asyncio.Event()
    release = asyncio.Event()

    async def handler(exchange):
        exchange.start(200, b"", 2)
        exchange.flush()
        started.set()
        await release.wait()
        exchange.end(b"ok")

    engine = await serve(handler)
    peer = await engine.connect()
    await peer.send(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\n")
    await started.wait()
    assert b"connection: close" in await peer.until(b"\r\n\r\n")
    await peer.send(b"abc" + GET)
    release.set()
    assert await peer.rest() == b"ok"


async def test_an_unregistered_status_has_an_empty_reason(serve):
    async def handler(exchange):
        exchange.start(599, b"", 0)
        exchange.end()

    engine = await serve(handler)
    assert (await engine.ask(GET)).status == 599


# --- bodies as they come


async def test_an_upload_is_handed_on_as_it_comes(serve):
    sink = Collected()

    async def handler(exchange):
        exchange.stream_body(100).attach(sink)
        await sink.is_over.wait()
        exchange.start(200, b"", 0)
        exchange.end()

    engine = await serve(handler)
    peer = await engine.connect()
    await peer.send(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 6\r\n\r\nabc")
    await sink.at_least(3)
    await peer.send(b"def")
    assert (await peer.reply()).status == 200
    assert (sink.data, sink.error) == (b"abcdef", None)


@pytest.mark.parametrize("split", [0, 4])
async def test_a_chunked_upload_over_its_limit_fails_and_gives_nothing_more(serve, split):
    sink = Collected()

    async def handler(exchange):
        exchange.stream_body(5).attach(sink)
        await sink.is_over.wait()
        exchange.start(413, b"", 0)
        exchange.end()

    engine = await serve(handler)
    peer = await engine.connect()
    await peer.send(b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n")
    body = b"4\r\nabcd\r\n4\r\nefgh\r\n4\r\nijkl\r\n0\r\n\r\n"
    for piece in (body[:split], body[split:]):
        await peer.send(piece)
    assert (await peer.reply()).status == 413
    assert sink.error is not None
    assert sink.error.kind is ErrorKind.PAYLOAD_TOO_LARGE


async def test_an_upload_that_timed_out_gives_nothing_more_though_bytes_still_come(serve):
    sink = Collected()
    release = asyncio.Event()

    async def handler(exchange):
        exchange.stream_body(100).attach(sink)
        await release.wait()
        exchange.start(408, b"", 0)
        exchange.end()

    engine = await serve(handler, body_idle_timeout_ns=50 * MS)
    peer = await engine.connect()
    await peer.send(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 6\r\n\r\nabc")
    await sink.is_over.wait()
    await peer.send(b"def")
    await asyncio.sleep(0.02)
    release.set()
    assert (await peer.reply()).status == 408
    assert sink.data == b"abc"


async def test_a_body_that_nobody_takes_is_held_up_to_a_bound_and_the_client_paused(serve):
    release = asyncio.Event()
    sizes = []

    async def handler(exchange):
        await release.wait()
        sizes.append(exchange.body_size)
        body = await exchange.read_body(2**26)
        exchange.start(200, b"", 0)
        exchange.end()
        sizes.append(len(body))

    engine = await serve(handler, body_idle_timeout_ns=50 * MS)
    peer = await engine.connect()
    sending = asyncio.ensure_future(peer.send(post(b"u" * 20_000_000)))
    await asyncio.sleep(0.2)
    assert not sending.done()
    release.set()
    assert (await peer.reply()).status == 200
    await sending
    assert sizes[0] <= MAX_BUFFERED + 2**18
    assert sizes[1] == 20_000_000


@pytest.mark.slow
async def test_a_slow_taker_pauses_the_client_and_waiting_is_not_the_clients_fault(serve):
    sink = Collected()
    sources = []

    async def handler(exchange):
        source = exchange.stream_body(2**26)
        sources.append(source)
        source.attach(sink)
        source.pause()
        await sink.is_over.wait()
        exchange.start(200, b"", 0)
        exchange.end()

    engine = await serve(handler, body_idle_timeout_ns=500 * MS)
    peer = await engine.connect()
    sending = asyncio.ensure_future(peer.send(post(b"u" * 20_000_000)))
    await asyncio.sleep(0.8)  # longer than the timeout, which is longer than a busy machine stalls
    assert len(sink.data) <= 2**19
    assert not sending.done()
    sources[0].resume()
    assert (await peer.reply()).status == 200
    assert (len(sink.data), sink.error) == (20_000_000, None)


async def test_a_source_named_while_the_client_is_slow_is_paused_at_once(serve):
    class Source:
        is_paused = False

        def pause(self):
            self.is_paused = True

        def resume(self):
            self.is_paused = False

    source = Source()
    resumed = asyncio.Event()

    async def handler(exchange):
        exchange.start(200, b"", None)
        exchange.write(b"w" * 10_000_000)
        exchange.throttle(source)
        assert source.is_paused
        while source.is_paused:
            await asyncio.sleep(0.005)
        resumed.set()
        exchange.end()

    engine = await serve(handler)
    peer = await engine.connect(receive_buffer=65536)
    await peer.send(GET)
    assert len((await peer.reply()).body) == 10_000_000
    await resumed.wait()


async def test_the_clients_leaving_fails_the_upload_and_cancels_the_handler(serve):
    sink = Collected()
    cancelled = asyncio.Event()

    async def handler(exchange):
        exchange.stream_body(100).attach(sink)
        try:
            await asyncio.Event().wait()
        finally:
            cancelled.set()

    engine = await serve(handler)
    peer = await engine.connect()
    await peer.send(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 6\r\n\r\nabc")
    await sink.at_least(3)
    peer.close()
    await asyncio.wait_for(cancelled.wait(), 1)
    assert isinstance(sink.error, GatewayError)
    assert sink.error.kind is ErrorKind.CLIENT_CLOSED
