"""The listening server: bounds, drain, bugs, TLS, both families of addresses."""

from __future__ import annotations

import asyncio
import ssl

import pytest
import trustme
from tests.http.conftest import echo, refuse_gracefully

from weighbridge.core.errors import ErrorKind, GatewayError

GET = b"GET / HTTP/1.1\r\nHost: gateway\r\n\r\n"


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
async def test_both_families_are_served_and_the_peer_is_named(serve, host):
    async def handler(exchange):
        exchange.start(200, b"", len(exchange.peer))
        exchange.end(exchange.peer.encode())

    engine = await serve(handler, host=host)
    assert (await engine.ask(GET)).body == host.encode()


async def test_a_connection_over_the_bound_gets_503_and_the_others_stay(serve):
    engine = await serve(echo, max_connections=1)
    first = await engine.connect()
    await first.send(GET)
    await first.reply()
    second = await engine.connect()
    await second.send(GET)
    answer = await second.reply()
    assert (answer.status, answer.code) == (503, "gateway_overloaded")
    assert await second.rest() == b""
    await first.send(GET)
    assert (await first.reply()).status == 200


async def test_a_bug_in_a_handler_is_reported_and_answered_with_500(serve):
    async def handler(exchange):
        raise RuntimeError("oops")

    engine = await serve(handler)
    answer = await engine.ask(GET)
    assert (answer.status, answer.code) == (500, "internal")
    assert b"oops" not in answer.body
    assert [str(bug) for bug in engine.bugs] == ["oops"]
    engine.bugs.clear()


async def test_a_bug_in_the_middle_of_a_reply_breaks_it_off(serve):
    async def handler(exchange):
        exchange.start(200, b"", None)
        exchange.write(b"abc")
        raise RuntimeError("oops")

    engine = await serve(handler)
    peer = await engine.connect()
    await peer.send(GET)
    assert (await peer.rest()).endswith(b"abc\r\n")
    engine.bugs.clear()


async def test_a_handler_that_forgets_to_answer_closes_the_connection(serve):
    async def handler(exchange):
        pass

    engine = await serve(handler)
    peer = await engine.connect()
    await peer.send(GET)
    assert await peer.rest() == b""
    assert engine.server.in_flight == 0


@pytest.mark.parametrize("leave", ["close", "reset"])
async def test_a_client_that_leaves_cancels_its_handler_at_once(serve, leave):
    begun, cancelled = asyncio.Event(), asyncio.Event()

    async def handler(exchange):
        begun.set()
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            cancelled.set()
            raise

    engine = await serve(handler)
    peer = await engine.connect()
    await peer.send(GET)
    await begun.wait()
    getattr(peer, leave)()
    await asyncio.wait_for(cancelled.wait(), 1)
    await engine.server.drain(1)
    assert (engine.server.n_connections, engine.server.in_flight) == (0, 0)


async def test_a_refusal_of_head_has_no_body(serve):
    engine = await serve(echo)
    peer = await engine.connect()
    await peer.send(b"HEAD / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n")
    assert (await peer.rest()).endswith(b"\r\n\r\n")


# --- drain


async def test_drain_closes_idle_connections_at_once_and_refuses_new_ones(serve):
    engine = await serve(echo)
    fresh, used = await engine.connect(), await engine.connect()
    await used.send(GET)
    await used.reply()
    await asyncio.wait_for(engine.server.drain(10), 1)
    assert await fresh.rest() == b""
    assert await used.rest() == b""
    with pytest.raises(OSError):
        await engine.connect()


async def test_drain_lets_streams_uploads_and_slow_answers_finish(serve):
    release = asyncio.Event()
    begun = asyncio.Semaphore(0)

    async def handler(exchange):
        if exchange.target == b"/stream":
            exchange.start(200, b"", None)
            exchange.write(b"one ")
        begun.release()
        if exchange.target == b"/upload":
            await echo(exchange)
            return
        await release.wait()
        if exchange.target == b"/stream":
            exchange.end(b"two")
        else:
            await echo(exchange)

    engine = await serve(handler)
    stream, upload, slow, pipelined = [await engine.connect() for _ in range(4)]
    await stream.send(GET.replace(b"/ ", b"/stream ", 1))
    await upload.send(b"POST /upload HTTP/1.1\r\nHost: a\r\nContent-Length: 6\r\n\r\nabc")
    await slow.send(GET)
    await pipelined.send(GET + GET)
    for _ in range(4):
        await begun.acquire()
    draining = asyncio.ensure_future(engine.server.drain(10))
    await asyncio.sleep(0.02)
    assert not draining.done()
    await upload.send(b"def")
    release.set()
    assert (await stream.reply()).body == b"one two"
    assert await stream.rest() == b""
    answer = await upload.reply()
    assert (answer.body, answer.headers["connection"]) == (b"abcdef", "close")
    assert (await slow.reply()).headers["connection"] == "close"
    assert (await pipelined.reply()).status == 200
    for peer in (upload, slow, pipelined):
        await peer.rest()
    await asyncio.wait_for(draining, 1)
    assert engine.server.n_connections == 0


async def test_drain_is_bounded(serve):
    async def handler(exchange):
        await asyncio.Event().wait()

    engine = await serve(handler)
    peer = await engine.connect()
    await peer.send(GET)
    await asyncio.sleep(0.02)
    await asyncio.wait_for(engine.server.drain(0.05), 1)
    assert (engine.server.n_connections, engine.server.in_flight) == (0, 0)


async def test_a_request_cut_before_its_handler_began_leaves_nothing_behind(serve):
    engine = await serve(echo)
    peer = await engine.connect()
    await peer.send(GET)
    await peer.reply()
    (connection,) = engine.server._connections
    connection.data_received(GET)
    connection.abort()
    connection.connection_lost(None)
    await asyncio.sleep(0.01)
    assert engine.server.in_flight == 0


# --- TLS


@pytest.fixture
def authority():
    return trustme.CA()


@pytest.fixture
def tls(authority):
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("localhost").configure_cert(context)
    return context


@pytest.fixture
def trusting(authority):
    context = ssl.create_default_context()
    authority.configure_trust(context)
    return context


async def test_requests_over_tls_are_served(serve, tls, trusting):
    engine = await serve(echo, tls=tls)
    peer = await engine.connect(tls=trusting)
    for n in range(2):
        await peer.send(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 200000\r\n\r\n" + b"%d" % n * 200_000)
        assert (await peer.reply()).body == b"%d" % n * 200_000


async def test_a_client_still_sending_over_tls_receives_its_refusal(serve, tls, trusting):
    engine = await serve(lambda exchange: refuse_gracefully(exchange, 1000), tls=tls)
    peer = await engine.connect(tls=trusting)
    await peer.send(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2000000\r\n\r\n")
    sending = asyncio.ensure_future(peer.send(b"b" * 2_000_000))
    assert (await peer.reply()).status == 413
    await sending


async def test_gateway_errors_keep_their_sentence(serve):
    async def handler(exchange):
        with pytest.raises(GatewayError) as caught:
            await exchange.read_body(1)
        assert caught.value.kind is ErrorKind.PAYLOAD_TOO_LARGE
        exchange.start(413, b"", 0)
        exchange.end()

    engine = await serve(handler)
    assert (await engine.ask(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc")).status == 413
