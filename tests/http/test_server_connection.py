"""One client connection: what is served, in what order, and what is refused for good."""

from __future__ import annotations

import asyncio
import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.http.conftest import MS, Collected, echo, refuse_gracefully, render_error

from weighbridge.core.clock import SystemClock
from weighbridge.core.errors import GatewayError
from weighbridge.http.limits import MAX_BUFFERED, MAX_LINGER_BYTES, MAX_PIPELINED, MAX_PIPELINED_IN_ONE_READ
from weighbridge.http.server import Server
from weighbridge.http.server_connection import ServerConnection
from weighbridge.pipeline.plan import Limits

HOST = b"Host: gateway\r\n"
GET = b"GET /next HTTP/1.1\r\n" + HOST + b"\r\n"


def post(body: bytes, target: bytes = b"/") -> bytes:
    return b"POST %b HTTP/1.1\r\n%bContent-Length: %d\r\n\r\n%b" % (target, HOST, len(body), body)


def chunked(*pieces: bytes, trailer: bytes = b"") -> bytes:
    body = b"".join(b"%x\r\n%b\r\n" % (len(piece), piece) for piece in pieces)
    return b"POST / HTTP/1.1\r\n%bTransfer-Encoding: chunked\r\n\r\n%b0\r\n%b\r\n" % (HOST, body, trailer)


# --- keep-alive and pipelining


async def test_a_connection_serves_one_request_after_the_other(serve):
    engine = await serve(echo)
    peer = await engine.connect()
    for n in range(3):
        await peer.send(post(b"body %d" % n))
        answer = await peer.reply()
        assert answer.body == b"body %d" % n
        assert "connection" not in answer.headers
    assert engine.server.n_connections == 1


async def test_thirty_pipelined_requests_are_answered_in_order_though_the_first_is_slow(serve):
    release = asyncio.Event()

    async def handler(exchange):
        if exchange.target == b"/0":
            await release.wait()
        await echo(exchange)

    engine = await serve(handler)
    peer = await engine.connect()
    await peer.send(b"".join(post(b"%d" % n, b"/%d" % n) for n in range(30)))
    await peer.send(b"".join(post(b"%d" % n, b"/%d" % n) for n in range(30, 40)))
    assert engine.server.in_flight <= 1
    release.set()
    answers = [await peer.reply() for _ in range(40)]
    assert [answer.headers["x-target"] for answer in answers] == [f"/{n}" for n in range(40)]
    assert [answer.body for answer in answers] == [b"%d" % n for n in range(40)]


async def test_a_pipelined_body_that_comes_late_is_read_in_its_turn(serve):
    engine = await serve(echo)
    peer = await engine.connect()
    request = post(b"x" * 1000)
    await peer.send(GET + request[:-500])
    assert (await peer.reply()).status == 200
    await peer.send(request[-500:] + GET)
    assert (await peer.reply()).body == b"x" * 1000
    assert (await peer.reply()).headers["x-target"] == "/next"


async def test_bodies_pipelined_beyond_the_bound_pause_the_client_and_still_arrive(serve):
    engine = await serve(echo)
    peer = await engine.connect()
    bodies = [bytes([n]) * 300_000 for n in range(5)]
    sending = asyncio.ensure_future(peer.send(b"".join(map(post, bodies))))
    assert [(await peer.reply()).body for _ in bodies] == bodies
    await sending


async def test_answers_before_a_pipelined_body_do_not_let_more_of_it_in_than_is_held(serve):
    held = []

    async def handler(exchange):
        held.append(exchange.body_size)
        if exchange.target == b"/large":
            await exchange.read_body(2**26)
        else:
            exchange.stream_body(100).attach(Collected())
            await asyncio.sleep(0.02)  # the time in which more of the body behind it would come
        exchange.start(200, b"", 0)
        exchange.end()

    engine = await serve(handler)
    peer = await engine.connect()
    sending = asyncio.ensure_future(peer.send(post(b"x", b"/small") * 10 + post(b"u" * 20_000_000, b"/large")))
    assert [(await peer.reply()).status for _ in range(11)] == [200] * 11
    await sending
    assert held[-1] <= MAX_BUFFERED + 2**18


async def test_a_flood_of_pipelined_requests_ends_in_503_after_those_that_were_taken(serve):
    engine = await serve(echo)
    peer = await engine.connect()
    await peer.send(b"GET / HTTP/1.0\r\nconnection: keep-alive\r\n\r\n" * (MAX_PIPELINED_IN_ONE_READ * 4))
    statuses = []
    while not statuses or statuses[-1] == 200:
        statuses.append((await peer.reply()).status)
    assert statuses[-1] == 503
    assert MAX_PIPELINED < len(statuses) <= MAX_PIPELINED_IN_ONE_READ + 3
    assert await peer.rest() == b""


async def test_blank_lines_before_a_request_are_skipped(serve):
    engine = await serve(echo)
    assert (await engine.ask(b"\r\n\r\n" + GET)).status == 200


# --- framing


async def test_chunked_bodies_with_extensions_and_trailers_are_read_and_the_trailers_dropped(serve):
    engine = await serve(echo)
    peer = await engine.connect()
    await peer.send(chunked(b"one ", b"two", trailer=b"X-Checksum: 1\r\n") + GET)
    assert (await peer.reply()).body == b"one two"
    assert (await peer.reply()).headers["x-target"] == "/next"
    await peer.send(b"POST / HTTP/1.1\r\n" + HOST + b"Transfer-Encoding: Chunked\r\n\r\n3;a=b\r\nabc\r\n0\r\n\r\n")
    assert (await peer.reply()).body == b"abc"


@pytest.mark.parametrize("value", [b"7 ", b" 7", b"007"])
async def test_blanks_and_zeros_around_a_length_are_no_offence(serve, value):
    engine = await serve(echo)
    answer = await engine.ask(b"POST / HTTP/1.1\r\n" + HOST + b"Content-Length:" + value + b"\r\n\r\nseven b")
    assert answer.body == b"seven b"


SMUGGLED = {
    "length then coding": b"Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "coding then length": b"Transfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n0\r\n\r\n",
    "same length twice": b"Content-Length: 3\r\nContent-Length: 3\r\n\r\nabc",
    "two lengths": b"Content-Length: 3\r\nContent-Length: 30\r\n\r\nabc",
    "list of lengths": b"Content-Length: 3, 3\r\n\r\nabc",
    "plus length": b"Content-Length: +3\r\n\r\nabc",
    "negative length": b"Content-Length: -3\r\n\r\nabc",
    "hex length": b"Content-Length: 0x3\r\n\r\nabc",
    "underscored length": b"Content-Length: 1_0\r\n\r\nabc",
    "huge length": b"Content-Length: 99999999999999999999999\r\n\r\nabc",
    "empty length": b"Content-Length:\r\n\r\nabc",
    "gzip": b"Transfer-Encoding: gzip\r\n\r\nabc",
    "gzip and chunked": b"Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
    "chunked twice in a list": b"Transfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n",
    "chunked twice": b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "chunked then identity": b"Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n0\r\n\r\n",
    "identity": b"Transfer-Encoding: identity\r\n\r\nabc",
    "xchunked": b"Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
    "vertical tab chunked": b"Transfer-Encoding: \x0bchunked\r\n\r\n0\r\n\r\n",
    "empty coding": b"Transfer-Encoding:\r\n\r\n0\r\n\r\n",
    "folded": b"X-Folded: a\r\n b\r\n\r\n",
    "folded coding": b"Transfer-Encoding:\r\n chunked\r\n\r\n0\r\n\r\n",
    "blank before a name": b" X-A: b\r\n\r\n",
    "blank before the colon": b"X-A : b\r\n\r\n",
    "tab before the colon": b"Content-Length\t: 3\r\n\r\nabc",
    "no colon": b"X-A\r\n\r\n",
    "no name": b": b\r\n\r\n",
    "bare LF after a line": b"X-A: b\nX-C: d\r\n\r\n",
    "bare LF at the end": b"X-A: b\r\n\n",
    "bare CR in a value": b"X-A: b\rX-C: d\r\n\r\n",
    "bare CR in a name": b"X\r-A: b\r\n\r\n",
    "NUL in a value": b"X-A: b\x00c\r\n\r\n",
    "NUL in a name": b"X\x00A: b\r\n\r\n",
    "second host": b"Host: other\r\n\r\n",
    "chunk size with 0x": b"Transfer-Encoding: chunked\r\n\r\n0x3\r\nabc\r\n0\r\n\r\n",
    "chunk size with a blank": b"Transfer-Encoding: chunked\r\n\r\n3 \r\nabc\r\n0\r\n\r\n",
    "chunk size negative": b"Transfer-Encoding: chunked\r\n\r\n-3\r\nabc\r\n0\r\n\r\n",
    "chunk size missing": b"Transfer-Encoding: chunked\r\n\r\n\r\nabc\r\n0\r\n\r\n",
    "chunk size too large": b"Transfer-Encoding: chunked\r\n\r\nfffffffffffffffff\r\nabc\r\n0\r\n\r\n",
    "chunk longer than said": b"Transfer-Encoding: chunked\r\n\r\n3\r\nabcd\r\n0\r\n\r\n",
    "chunk size ends in LF": b"Transfer-Encoding: chunked\r\n\r\n3\nabc\r\n0\r\n\r\n",
    "chunk ends in LF": b"Transfer-Encoding: chunked\r\n\r\n3\r\nabc\n0\r\n\r\n",
    "LF in a chunk extension": b"Transfer-Encoding: chunked\r\n\r\n3;a\nb\r\nabc\r\n0\r\n\r\n",
    "body ends in LF": b"Transfer-Encoding: chunked\r\n\r\n0\r\n\n",
    "length in a trailer": b"Transfer-Encoding: chunked\r\n\r\n0\r\nContent-Length: 5\r\n\r\n",
}


@pytest.mark.parametrize("lines", SMUGGLED.values(), ids=SMUGGLED.keys())
async def test_doubtful_framing_is_refused_and_nothing_after_it_is_served(serve, lines):
    targets = []

    async def handler(exchange):
        targets.append(exchange.target)
        await refuse_gracefully(exchange, 1000)

    engine = await serve(handler)
    peer = await engine.connect()
    await peer.send(b"POST / HTTP/1.1\r\n" + HOST + lines + GET)
    answer = await peer.reply("POST")
    assert answer.status in (400, 501)
    assert answer.code in ("invalid_request", "not_implemented")
    assert answer.headers["connection"] == "close"
    assert answer.headers["content-type"] == "application/json"
    assert await peer.rest() == b""
    assert b"/next" not in targets


BAD_STARTS = {
    "no host": (b"GET / HTTP/1.1\r\n\r\n", 400),
    "two hosts": (b"GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n", 400),
    "HTTP/0.9": (b"GET /\r\n\r\n", 505),
    "HTTP/0.9 spelled out": (b"GET / HTTP/0.9\r\n" + HOST + b"\r\n", 505),
    "HTTP/2.0": (b"GET / HTTP/2.0\r\n" + HOST + b"\r\n", 505),
    "HTTP/1.2": (b"GET / HTTP/1.2\r\n" + HOST + b"\r\n", 400),
    "HTTP/2 preface": (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 400),
    "TLS hello": (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", 400),
    "CONNECT": (b"CONNECT a.test:443 HTTP/1.1\r\n" + HOST + b"\r\n", 405),
    "CONNECT with bytes after": (b"CONNECT a.test:443 HTTP/1.1\r\n" + HOST + b"\r\nGET", 405),
    "chunked HTTP/1.0": (b"POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400),
    "unknown method": (b"BREW / HTTP/1.1\r\n" + HOST + b"\r\n", 400),
    "lower-case method": (b"get / HTTP/1.1\r\n" + HOST + b"\r\n", 400),
    "blank in the target": (b"GET /a b HTTP/1.1\r\n" + HOST + b"\r\n", 400),
    "NUL in the target": (b"GET /\x00 HTTP/1.1\r\n" + HOST + b"\r\n", 400),
    "relative target": (b"GET next HTTP/1.1\r\n" + HOST + b"\r\n", 400),
    "bare LF after the first line": (b"GET / HTTP/1.1\n" + HOST + b"\r\n", 400),
    "bare CR after the first line": (b"GET / HTTP/1.1\r" + HOST + b"\r\n", 400),
    "other expectation": (b"POST / HTTP/1.1\r\n" + HOST + b"Expect: tea\r\nContent-Length: 3\r\n\r\nabc", 417),
    "gzip coding": (b"POST / HTTP/1.1\r\n" + HOST + b"Transfer-Encoding: gzip\r\n\r\nabc", 501),
}


@pytest.mark.parametrize(("start", "status"), BAD_STARTS.values(), ids=BAD_STARTS.keys())
async def test_what_is_not_a_request_gets_its_own_status_and_the_connection_closes(serve, start, status):
    engine = await serve(echo)
    peer = await engine.connect()
    await peer.send(start + GET)
    answer = await peer.reply()
    assert answer.status == status
    assert answer.headers["connection"] == "close"
    assert await peer.rest() == b""


async def test_rubbish_after_a_good_request_is_refused_after_its_answer(serve):
    engine = await serve(echo)
    peer = await engine.connect()
    await peer.send(GET + GET + b"rubbish\r\n\r\n" + GET)
    assert [(await peer.reply()).status for _ in range(3)] == [200, 200, 400]
    assert await peer.rest() == b""


async def test_a_broken_body_of_a_queued_request_is_refused_in_its_turn(serve):
    engine = await serve(echo)
    peer = await engine.connect()
    await peer.send(GET + chunked(b"abc").replace(b"3\r\n", b"zz\r\n") + GET)
    assert [(await peer.reply()).status for _ in range(2)] == [200, 400]
    assert await peer.rest() == b""


async def test_nothing_is_served_after_connection_close(serve):
    engine = await serve(echo)
    peer = await engine.connect()
    await peer.send(b"GET / HTTP/1.1\r\nConnection: close\r\n" + HOST + b"\r\n" + GET)
    answer = await peer.reply()
    assert (answer.status, answer.headers["connection"]) == (200, "close")
    assert await peer.rest() == b""


# --- limits


async def in_one_read(peer, data):
    await peer.send(data)


async def dripped(peer, data):
    for start in range(0, len(data), 97):
        peer.writer.write(data[start : start + 97])
        await asyncio.sleep(0)


@pytest.mark.parametrize("sending", [in_one_read, dripped])
@pytest.mark.parametrize(
    "lines",
    [b"X-Long: " + b"a" * 5000 + b"\r\n", b"X-Many: 1\r\n" * 400, b"X-Endless: " + b"a" * 5000],
    ids=["long", "many", "endless"],
)
async def test_headers_over_the_limit_get_431(serve, sending, lines):
    engine = await serve(echo, max_header_bytes=2000, header_timeout_ns=300 * MS)
    peer = await engine.connect()
    end = b"" if lines.endswith(b"a") else b"\r\n"
    await sending(peer, b"GET / HTTP/1.1\r\n" + HOST + lines + end)
    answer = await peer.reply()
    assert (answer.status, answer.code) == (431, "headers_too_large")
    assert await peer.rest() == b""


async def test_the_header_limit_holds_for_pipelined_requests_too(serve):
    engine = await serve(echo, max_header_bytes=2000)
    peer = await engine.connect()
    await peer.send(GET + b"GET / HTTP/1.1\r\n" + HOST + b"X-Many: 1\r\n" * 400 + b"\r\n")
    assert [(await peer.reply()).status for _ in range(2)] == [200, 431]


async def test_a_long_body_in_the_read_of_its_head_is_not_taken_for_headers(serve):
    engine = await serve(echo, max_header_bytes=2000)
    assert (await engine.ask(post(b"b" * 60_000))).status == 200


@pytest.mark.parametrize("sending", [in_one_read, dripped])
async def test_a_target_over_the_limit_gets_414(serve, sending):
    engine = await serve(echo, max_url_bytes=1000)
    peer = await engine.connect()
    await sending(peer, b"GET /" + b"a" * 1001 + b" HTTP/1.1\r\n" + HOST + b"\r\n")
    assert (await peer.reply()).status == 414
    assert await peer.rest() == b""


@pytest.mark.parametrize(
    "head", [b"Content-Length: 3000000\r\n\r\n", b"Transfer-Encoding: chunked\r\n\r\n"], ids=["declared", "chunked"]
)
async def test_a_client_still_sending_a_refused_body_receives_the_answer(serve, head):
    engine = await serve(lambda exchange: refuse_gracefully(exchange, 1000))
    peer = await engine.connect()
    await peer.send(b"POST / HTTP/1.1\r\n" + HOST + head)
    chunk = b"b" * 30_000 if b"Length" in head else b"7530\r\n" + b"b" * 30_000 + b"\r\n"
    sending = asyncio.ensure_future(peer.send(chunk * 100))
    answer = await peer.reply()
    assert (answer.status, answer.code) == (413, "payload_too_large")
    assert answer.headers["connection"] == "close"
    await sending
    assert await peer.rest() == b""


async def test_a_refused_client_that_never_stops_sending_is_cut(serve):
    engine = await serve(lambda exchange: refuse_gracefully(exchange, 1000))
    peer = await engine.connect()
    await peer.send(b"POST / HTTP/1.1\r\n" + HOST + b"Content-Length: 1000000000\r\n\r\n")
    with pytest.raises(OSError):
        await peer.send(b"b" * (MAX_LINGER_BYTES + 64_000_000))


async def test_endless_trailers_and_chunk_extensions_are_refused(serve):
    engine = await serve(lambda exchange: refuse_gracefully(exchange, 1000), max_header_bytes=2000)
    for beginning in (b"0\r\nX-Endless: ", b"3;x="):
        peer = await engine.connect()
        await peer.send(b"POST / HTTP/1.1\r\n" + HOST + b"Transfer-Encoding: chunked\r\n\r\n" + beginning)
        sending = asyncio.ensure_future(dripped(peer, b"a" * 50_000))
        assert (await peer.reply()).status == 431
        await sending


# --- time


async def test_slow_headers_get_408_however_steadily_they_drip(serve):
    engine = await serve(echo, header_timeout_ns=100 * MS)
    peer = await engine.connect()
    await peer.send(b"GET / HTTP/1.1\r\n")

    async def drip():
        while True:
            await peer.send(b"X-A: b\r\n")
            await asyncio.sleep(0.005)

    dripping = asyncio.ensure_future(drip())
    answer = await peer.reply()
    assert (answer.status, answer.code) == (408, "request_timeout")
    dripping.cancel()


async def test_a_body_that_drips_a_byte_now_and_then_gets_408(serve):
    engine = await serve(lambda exchange: refuse_gracefully(exchange, 10_000), body_idle_timeout_ns=100 * MS)
    peer = await engine.connect()
    await peer.send(b"POST / HTTP/1.1\r\n" + HOST + b"Content-Length: 9000\r\n\r\n")

    async def drip():
        while True:
            await peer.send(b"b")
            await asyncio.sleep(0.005)

    dripping = asyncio.ensure_future(drip())
    assert (await peer.reply()).status == 408
    dripping.cancel()


async def test_a_body_that_makes_progress_may_take_long(serve):
    # Pauses are much shorter than the time that one may take, so that a busy machine makes none of them too long.
    engine = await serve(echo, body_idle_timeout_ns=900 * MS)
    peer = await engine.connect()
    await peer.send(b"POST / HTTP/1.1\r\n" + HOST + b"Content-Length: 12000\r\n\r\n")
    for _ in range(10):
        await peer.send(b"b" * 1200)
        await asyncio.sleep(0.1)
    assert (await peer.reply()).status == 200


async def test_a_body_after_a_declined_upgrade_is_timed_too(serve):
    engine = await serve(lambda exchange: refuse_gracefully(exchange, 1000), body_idle_timeout_ns=50 * MS)
    peer = await engine.connect()
    await peer.send(b"POST / HTTP/1.1\r\n" + HOST + b"Connection: upgrade\r\nUpgrade: h2c\r\nContent-Length: 9\r\n\r\nab")
    assert (await peer.reply()).status == 408


async def test_a_connection_that_says_nothing_is_closed(serve):
    engine = await serve(echo, header_timeout_ns=50 * MS)
    peer = await engine.connect()
    assert await peer.rest() == b""
    assert engine.server.n_connections == 0


async def test_a_connection_idle_between_requests_is_closed(serve):
    engine = await serve(echo, keepalive_timeout_ns=50 * MS)
    peer = await engine.connect()
    await peer.send(GET)
    await peer.reply()
    assert await peer.rest() == b""
    assert engine.server.n_connections == 0


async def test_a_request_whose_reply_takes_long_is_not_timed_by_the_connection(serve):
    async def handler(exchange):
        await asyncio.sleep(0.2)
        await echo(exchange)

    engine = await serve(
        handler,
        header_timeout_ns=50 * MS,
        keepalive_timeout_ns=50 * MS,
        body_idle_timeout_ns=50 * MS,
        write_stall_timeout_ns=50 * MS,
    )
    assert (await engine.ask(post(b"abc"))).status == 200


async def endless(exchange):
    exchange.start(200, b"", None)
    source = Faucet(exchange)
    exchange.throttle(source)
    await source.run()


class Faucet:
    """Writes whenever it may, and counts."""

    def __init__(self, exchange):
        self.exchange = exchange
        self.may_run = asyncio.Event()
        self.may_run.set()
        self.paused = asyncio.Event()
        self.n_bytes = 0

    def pause(self):
        self.may_run.clear()
        self.paused.set()

    def resume(self):
        self.may_run.set()

    async def run(self):
        while True:
            await self.may_run.wait()
            self.exchange.write(b"w" * 65536)
            self.n_bytes += 65536
            await asyncio.sleep(0)


async def test_a_client_that_stops_reading_is_cut_after_a_while(serve):
    ended = asyncio.Event()

    async def handler(exchange):
        try:
            await endless(exchange)
        finally:
            ended.set()

    engine = await serve(handler, write_stall_timeout_ns=100 * MS)
    peer = await engine.connect(receive_buffer=4096)
    peer.writer.transport.pause_reading()
    await peer.send(GET)
    await asyncio.wait_for(ended.wait(), 10)
    assert engine.server.n_connections == 0


async def test_a_client_that_reads_slowly_is_not_cut(serve):
    faucets = []

    async def handler(exchange):
        exchange.start(200, b"", None)
        faucets.append(Faucet(exchange))
        exchange.throttle(faucets[0])
        await faucets[0].run()

    engine = await serve(handler, write_stall_timeout_ns=80 * MS)
    peer = await engine.connect(receive_buffer=4096)
    await peer.send(GET)
    for _ in range(20):
        await asyncio.sleep(0.02)
        assert await peer.receive()
    await asyncio.wait_for(faucets[0].paused.wait(), 5)
    assert engine.server.n_connections == 1


async def test_a_finished_reply_that_is_never_read_does_not_hold_its_connection_for_ever(serve):
    async def handler(exchange):
        exchange.start(200, b"", 40_000_000)
        exchange.end(b"w" * 40_000_000)

    engine = await serve(handler, write_stall_timeout_ns=100 * MS, keepalive_timeout_ns=50 * MS)
    peer = await engine.connect(receive_buffer=4096)
    peer.writer.transport.pause_reading()
    await peer.send(GET)
    async with asyncio.timeout(5):
        while not engine.server.n_connections:
            await asyncio.sleep(0.01)
        while engine.server.n_connections:
            await asyncio.sleep(0.01)


# --- declined upgrades


@pytest.mark.parametrize(
    "framing", [b"\r\n", b"Content-Length: 4\r\n\r\nbody", b"Transfer-Encoding: chunked\r\n\r\n4\r\nbody\r\n0\r\n\r\n"]
)
@pytest.mark.parametrize("behind", [b"", GET], ids=["first", "pipelined"])
async def test_an_offer_of_h2c_is_ignored_and_its_body_read(serve, framing, behind):
    engine = await serve(echo)
    peer = await engine.connect()
    offer = b"POST /offer HTTP/1.1\r\n" + HOST + b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AA\r\n"
    await peer.send(behind + offer + framing + GET)
    if behind:
        await peer.reply()
    assert (await peer.reply()).body == (b"" if framing == b"\r\n" else b"body")
    assert (await peer.reply()).headers["x-target"] == "/next"
    await peer.send(GET)
    assert (await peer.reply()).status == 200


async def test_very_many_pipelined_offers_are_survived(serve):
    engine = await serve(echo)
    peer = await engine.connect()
    offer = b"GET / HTTP/1.1\r\n" + HOST + b"Connection: Upgrade\r\nUpgrade: h2c\r\n\r\n"
    await peer.send(offer * 2000)
    assert (await peer.reply()).status == 200


async def test_a_websocket_offer_with_a_body_or_of_http_1_0_is_an_ordinary_request(serve):
    engine = await serve(echo)
    lines = HOST + b"Connection: Upgrade, keep-alive\r\nUpgrade: websocket\r\n"
    for start in (b"POST / HTTP/1.1\r\n" + lines + b"Content-Length: 3\r\n\r\nabc", b"GET / HTTP/1.0\r\n" + lines + b"\r\n"):
        peer = await engine.connect()
        await peer.send(start)
        assert (await peer.reply()).status == 200
        await peer.send(GET)
        assert (await peer.reply()).status == 200


# --- property tests on the protocol object


class FakeTransport:
    """Takes what is written; never slow."""

    def __init__(self):
        self.written = b""
        self.is_closing = False

    def get_extra_info(self, name):
        return ("192.0.2.1", 1) if name == "peername" else None

    def write(self, data):
        assert not self.is_closing
        self.written += data

    def get_write_buffer_size(self):
        return 0

    def can_write_eof(self):
        return True

    def write_eof(self):
        self.is_closing = True

    def close(self):
        self.is_closing = True

    def abort(self):
        self.is_closing = True

    def pause_reading(self):
        pass

    def resume_reading(self):
        pass


ORDINARY = Limits()


class Conversation:
    """One connection on a fake transport, with a loop of its own."""

    def __init__(self, limits=ORDINARY):
        self.seen = []
        self.bugs = []
        self.server = Server(self.handle, render_error, clock=SystemClock(), limits=limits, on_bug=self.bugs.append)

    async def handle(self, exchange):
        try:
            body = await exchange.read_body(2**20)
        except GatewayError as error:
            status, lines, rendered = render_error(error, exchange)
            exchange.start(status, lines, len(rendered))
            exchange.end(rendered)
        else:
            self.seen.append((exchange.method, exchange.target, tuple(exchange.headers), body))
            exchange.start(200, b"", 0)
            exchange.end()

    async def play_any(self, pieces):
        """As `play`, of which the last request may stay incomplete."""
        self.server.loop = asyncio.get_running_loop()
        self.transport = FakeTransport()
        connection = ServerConnection(self.server)
        connection.connection_made(self.transport)
        for piece in pieces:
            connection.data_received(piece)
            await asyncio.sleep(0)
        for _ in range(60):
            await asyncio.sleep(0)
        was_closing = self.transport.is_closing
        connection.connection_lost(None)
        for _ in range(3):
            await asyncio.sleep(0)
        assert not self.server.in_flight
        return was_closing

    async def play(self, pieces):
        self.server.loop = asyncio.get_running_loop()
        self.transport = FakeTransport()
        connection = ServerConnection(self.server)
        connection.connection_made(self.transport)
        for piece in pieces:
            connection.data_received(piece)
            await asyncio.sleep(0)
        while self.server.in_flight or connection._queue or connection._is_start_due:
            await asyncio.sleep(0)
        for _ in range(3):
            await asyncio.sleep(0)
        was_closing = self.transport.is_closing
        connection.connection_lost(None)
        await asyncio.sleep(0)
        return was_closing


def cut(data, points):
    edges = [0, *sorted(point % (len(data) + 1) for point in points), len(data)]
    return [data[a:b] for a, b in itertools.pairwise(edges) if a != b]


BODIES = st.binary(max_size=300)
ONE_REQUEST = st.one_of(
    st.just((GET, b"")),
    BODIES.map(lambda body: (post(body), body)),
    st.lists(st.binary(min_size=1, max_size=50), max_size=5).map(
        lambda pieces: (chunked(*pieces, trailer=b"X-T: 1\r\n"), b"".join(pieces))
    ),
    BODIES.map(lambda body: (post(body).replace(b"Host", b"Connection: upgrade\r\nUpgrade: h2c\r\nHost"), body)),
)


@given(requests=st.lists(ONE_REQUEST, min_size=1, max_size=6), points=st.lists(st.integers(0, 10_000), max_size=12))
def test_any_split_of_a_stream_of_requests_gives_the_same_requests_in_order(requests, points):
    stream = b"".join(raw for raw, _ in requests)
    conversation = Conversation()
    was_closing = asyncio.run(conversation.play(cut(stream, points)))
    assert [seen[3] for seen in conversation.seen] == [body for _, body in requests]
    assert conversation.transport.written.count(b"HTTP/1.1 200 OK\r\n") == len(requests)
    assert not was_closing
    assert not conversation.bugs


FRAGMENTS = st.sampled_from(
    [
        GET,
        HOST,
        b"\r\n",
        b"\n",
        b"\r",
        b"POST / HTTP/1.1\r\n",
        b"Content-Length: 5\r\n",
        b"Transfer-Encoding: chunked\r\n",
        b"5\r\n",
        b"0\r\n\r\n",
        b"Upgrade: websocket\r\nConnection: upgrade\r\n",
        b"Upgrade: h2c\r\nConnection: upgrade\r\n",
        b"Expect: 100-continue\r\n",
        b"hello",
        b"\x00",
    ]
)


@given(pieces=st.lists(st.one_of(FRAGMENTS, st.binary(min_size=1, max_size=40)), min_size=1, max_size=20))
def test_no_bytes_make_the_connection_raise_or_hang(pieces):
    conversation = Conversation(Limits(max_header_bytes=500, max_url_bytes=100))
    ended = asyncio.run(asyncio.wait_for(conversation.play_any(pieces), 5))
    assert not conversation.bugs
    refused = any(b"HTTP/1.1 %d" % status in conversation.transport.written for status in (400, 405, 413, 414, 417, 431, 501, 505))
    assert not refused or ended


class RefusesAtOnce:
    """A sink of an upload whose failure ends the reply in the very call that reports it, as a handler under way does."""

    def __init__(self, exchange):
        self.exchange = exchange

    def on_data(self, data):
        pass

    def on_end(self):
        pass

    def on_error(self, error):
        self.exchange.start(error.status, b"", 0)
        self.exchange.end()


@pytest.mark.slow
@pytest.mark.parametrize("body", [post(b"x" * 20), chunked(b"x" * 8, b"x" * 8), chunked(b"x" * 20)])
async def test_nothing_behind_an_upload_that_is_refused_in_the_midst_of_a_read_is_served(serve, body):
    targets = []

    async def handler(exchange):
        targets.append(exchange.target)
        exchange.content_length = None  # its length is found out only as it comes
        exchange.stream_body(10).attach(RefusesAtOnce(exchange))
        await asyncio.Event().wait()

    engine = await serve(handler)
    peer = await engine.connect()
    head, rest = body.split(b"\r\n\r\n", 1)
    await peer.send(head + b"\r\n\r\n")
    await asyncio.sleep(0.05)
    await peer.send(rest + GET)
    answer = await peer.reply("POST")
    assert (answer.status, answer.headers["connection"]) == (413, "close")
    assert await peer.rest() == b""
    assert targets == [b"/"]
