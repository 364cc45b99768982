"""One connection to a provider: what goes out, what may come in, and when a request may be sent a second time."""

from __future__ import annotations

import asyncio
import itertools
import ssl

import pytest
import trustme
from hypothesis import given
from hypothesis import strategies as st
from tests.http.conftest import MS, PATIENT, Collected, body_of, request_to

from weighbridge.core.clock import SystemClock
from weighbridge.core.errors import ErrorKind, GatewayError
from weighbridge.core.ports import UpstreamRequest
from weighbridge.core.terms import Deadlines, Origin, Tls
from weighbridge.http.client_connection import UpstreamConnection
from weighbridge.http.client_reply import ClientReply
from weighbridge.http.limits import MAX_INTERIM_REPLIES, MAX_REPLY_HEAD
from weighbridge.http.reply_shape import Shapes

OK = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"


def answering(*replies: bytes, and_close: bool = False):
    """A script that gives each request (without a body) the next reply, over however many connections."""
    left = list(replies)

    async def script(peer):
        while left:
            await peer.until(b"\r\n\r\n")
            await peer.send(left.pop(0))
        if not and_close:
            await peer.rest()

    return script


async def fails(client, request, kind: ErrorKind) -> GatewayError:
    with pytest.raises(GatewayError) as caught:
        await body_of(await client.send(request))
    assert caught.value.kind is kind
    return caught.value


# --- requests


async def test_a_held_body_goes_out_with_its_length(client, upstream):
    heads = []

    async def script(peer):
        for _ in range(3):
            heads.append(await peer.until(b"\r\n\r\n"))
            if b"content-length: 9" in heads[-1]:
                await peer.until(b"some body")
            await peer.send(OK)
        await peer.rest()

    origin = await upstream(script)
    assert await body_of(await client.send(request_to(origin, b"some body"))) == b"ok"
    assert await body_of(await client.send(request_to(origin))) == b"ok"
    assert await body_of(await client.send(request_to(origin, method=b"GET"))) == b"ok"
    assert heads[0] == b"POST /v1/chat HTTP/1.1\r\nhost: provider.test\r\ncontent-length: 9\r\n\r\n"
    assert b"content-length: 0\r\n" in heads[1]
    assert b"content-length" not in heads[2]


class Source:
    """An upload that a test feeds."""

    def __init__(self):
        self.sink = None
        self.paused = asyncio.Event()
        self.resumed = asyncio.Event()
        self.attached = asyncio.Event()

    def attach(self, sink):
        self.sink = sink
        self.attached.set()

    def pause(self):
        self.paused.set()

    def resume(self):
        self.resumed.set()


def upload_to(origin, source, length=None, deadlines=PATIENT):
    return UpstreamRequest(b"POST", origin, b"POST /v1/files HTTP/1.1\r\nhost: a\r\n", source, length, deadlines)


@pytest.mark.parametrize("length", [None, 6])
async def test_an_upload_is_sent_as_it_comes(client, upstream, length):
    got = []

    async def script(peer):
        got.append(await peer.until(b"\r\n\r\n"))
        for mark in [b"abc", b"def"] if length else [b"3\r\nabc\r\n", b"3\r\ndef\r\n0\r\n\r\n"]:
            got.append(await peer.until(mark))
            source.resumed.set()
        await peer.send(OK)
        await peer.rest()

    source = Source()
    origin = await upstream(script)
    sending = asyncio.ensure_future(client.send(upload_to(origin, source, length)))
    await source.attached.wait()
    source.sink.on_data(b"abc")
    await source.resumed.wait()
    source.sink.on_data(b"def")
    source.sink.on_end()
    assert await body_of(await sending) == b"ok"
    assert (b"content-length: 6\r\n" if length else b"transfer-encoding: chunked\r\n") in got[0]


async def test_a_slow_provider_pauses_the_upload(client, upstream):
    release = asyncio.Event()

    async def script(peer):
        await release.wait()
        await peer.until(b"0\r\n\r\n")
        await peer.send(OK)

    source = Source()
    origin = await upstream(script)
    sending = asyncio.ensure_future(client.send(upload_to(origin, source)))
    await source.attached.wait()
    n_bytes = 0
    while not source.paused.is_set():
        source.sink.on_data(b"u" * 65536)
        n_bytes += 65536
        await asyncio.sleep(0)
    assert n_bytes < 32_000_000
    release.set()
    await source.resumed.wait()
    source.sink.on_end()
    assert await body_of(await sending) == b"ok"


async def test_an_upload_that_breaks_off_breaks_its_request_off(client, upstream):
    cut = asyncio.Event()

    async def script(peer):
        try:
            await peer.rest()
        finally:
            cut.set()

    source = Source()
    origin = await upstream(script)
    sending = asyncio.ensure_future(client.send(upload_to(origin, source, 6)))
    await source.attached.wait()
    source.sink.on_data(b"abc")
    source.sink.on_error(GatewayError(ErrorKind.REQUEST_TIMEOUT, "slow"))
    with pytest.raises(GatewayError) as caught:
        await sending
    assert caught.value.kind is ErrorKind.REQUEST_TIMEOUT
    await asyncio.wait_for(cut.wait(), 1)


async def test_an_answer_before_the_end_of_an_upload_ends_both(client, upstream):
    async def script(peer):
        await peer.until(b"\r\n\r\n")
        await peer.send(b"HTTP/1.1 413 No\r\ncontent-length: 2\r\n\r\nno")
        await peer.rest()

    source = Source()
    origin = await upstream(script)
    reply = await client.send(upload_to(origin, source, 60_000_000, Deadlines(between_bytes_ns=500 * MS)))
    assert (reply.status, await body_of(reply)) == (413, b"no")
    source.sink.on_data(b"late")
    source.sink.on_end()
    assert client.n_connections == 0 or not client._pools[origin]._idle


# --- replies

GOOD = {
    "length": (OK, b"ok", True),
    "chunked": (
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\no\r\n1;x=y\r\nk\r\n0\r\nX-Trailer: 1\r\n\r\n",
        b"ok",
        True,
    ),
    "until the close": (b"HTTP/1.1 200 OK\r\n\r\nok", b"ok", False),
    "HTTP/1.0": (b"HTTP/1.0 200 OK\r\ncontent-length: 2\r\n\r\nok", b"ok", False),
    "HTTP/1.0 kept": (b"HTTP/1.0 200 OK\r\nconnection: keep-alive\r\ncontent-length: 2\r\n\r\nok", b"ok", True),
    "closing": (b"HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 2\r\n\r\nok", b"ok", False),
    "no reason": (b"HTTP/1.1 200 \r\ncontent-length: 2\r\n\r\nok", b"ok", True),
    "identity": (b"HTTP/1.1 200 OK\r\ntransfer-encoding: identity\r\n\r\nok", b"ok", False),
    "interim": (b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nlink: x\r\ncontent-length: 9\r\n\r\n" + OK, b"ok", True),
    "204": (b"HTTP/1.1 204 No Content\r\n\r\n", b"", True),
    "304 with a length": (b"HTTP/1.1 304 Not Modified\r\ncontent-length: 10\r\n\r\n", b"", True),
    "upgrade advertised": (
        b"HTTP/1.1 200 OK\r\nconnection: upgrade\r\nupgrade: h2,h2c\r\ncontent-length: 2\r\n\r\nok",
        b"ok",
        True,
    ),
    "another reply behind it": (OK + OK, b"ok", False),
    "rubbish behind it": (OK + b"rubbish", b"ok", False),
    "rubbish behind a closing one": (b"HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 2\r\n\r\nokmore", b"ok", False),
}


@pytest.mark.parametrize(("raw", "body", "is_kept"), GOOD.values(), ids=GOOD.keys())
async def test_replies_are_read_in_every_framing_and_the_connection_kept_where_it_may_be(client, upstream, raw, body, is_kept):
    is_until_close = (
        b"rubbish" not in raw and b"content-length" not in raw.lower() and b"chunked" not in raw and b" 204 " not in raw
    )
    origin = await upstream(answering(raw, and_close=is_until_close))
    reply = await client.send(request_to(origin, method=b"GET"))
    assert await body_of(reply) == body
    assert all(name == name.lower() and name != b"link" for name, _ in reply.headers)
    assert bool(client._pools[origin]._idle) == is_kept


async def test_head_has_no_body_whatever_its_headers_say(client, upstream):
    origin = await upstream(answering(b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\n"))
    reply = await client.send(request_to(origin, method=b"HEAD"))
    assert (await body_of(reply), reply.content_length) == (b"", 10)


MALFORMED = {
    "not HTTP": b"220 smtp.test ready\r\n",
    "bare LF": b"HTTP/1.1 200 OK\ncontent-length: 2\n\nok",
    "two lengths": b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\ncontent-length: 3\r\n\r\nok",
    "length and coding": b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
    "gzip coding": b"HTTP/1.1 200 OK\r\ntransfer-encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
    "bad chunk": b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n",
    "HTTP/2": b"HTTP/2 200\r\n\r\n",
    "101 unasked": b"HTTP/1.1 101 Switching Protocols\r\nupgrade: h2c\r\nconnection: upgrade\r\n\r\n",
    "endless head": b"HTTP/1.1 200 OK\r\nx: " + b"a" * (MAX_REPLY_HEAD * 4),
    "endless trailer": b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n0\r\nx: " + b"a" * (MAX_REPLY_HEAD * 8),
    "endless interim replies": b"HTTP/1.1 100 Continue\r\n\r\n" * (MAX_INTERIM_REPLIES + 1),
}


@pytest.mark.parametrize("raw", MALFORMED.values(), ids=MALFORMED.keys())
async def test_a_malformed_reply_is_the_providers_fault_and_closes_the_connection(client, upstream, raw):
    origin = await upstream(answering(raw))
    await fails(client, request_to(origin, method=b"GET"), ErrorKind.PROVIDER_MALFORMED)
    assert client.n_active == 0
    await asyncio.sleep(0)
    assert client.n_connections == 0


CUT = {
    "in the head": b"HTTP/1.1 200 OK\r\ncontent-le",
    "in a length": b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nabc",
    "between chunks": b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n",
    "before the last line": b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n",
    "after an interim reply": b"HTTP/1.1 100 Continue\r\n\r\n",
}


@pytest.mark.parametrize("raw", CUT.values(), ids=CUT.keys())
async def test_a_reply_that_is_cut_never_looks_finished(client, upstream, raw):
    origin = await upstream(answering(raw, and_close=True))
    await fails(client, request_to(origin, method=b"POST"), ErrorKind.PROVIDER_BROKE_OFF)


async def test_a_close_delimited_reply_that_is_reset_is_broken_off(client, upstream):
    async def script(peer):
        await peer.until(b"\r\n\r\n")
        await peer.send(b"HTTP/1.1 200 OK\r\n\r\nabc")
        await received.wait()
        peer.reset()

    received = asyncio.Event()
    origin = await upstream(script)
    reply = await client.send(request_to(origin))
    sink = Collected()
    reply.attach(sink)
    await sink.at_least(3)
    received.set()
    await sink.is_over.wait()
    assert sink.error is not None


async def test_bytes_on_an_idle_connection_drop_it(client, upstream):
    said = asyncio.Event()

    async def script(peer):
        await peer.until(b"\r\n\r\n")
        await peer.send(OK)
        await said.wait()
        await peer.send(b"HTTP/1.1 408 Request Timeout\r\nconnection: close\r\n\r\n")
        await peer.rest()

    origin = await upstream(script)
    await body_of(await client.send(request_to(origin)))
    said.set()
    async with asyncio.timeout(1):
        while client.n_connections:
            await asyncio.sleep(0.001)


# --- upgrades


def offer_to(origin):
    return request_to(origin, method=b"GET", lines=b"connection: Upgrade\r\nUpgrade: websocket\r\n")


SWITCHED = b"HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n"


async def test_after_a_101_raw_bytes_go_both_ways_those_too_that_came_before_the_take_over(client, upstream):
    released, done = asyncio.Event(), asyncio.Event()

    async def script(peer):
        await peer.until(b"\r\n\r\n")
        await peer.send(SWITCHED + b"early ")
        await released.wait()
        await peer.send(b"later ")
        done.set()
        await peer.send(await peer.until(b"!"))
        await peer.rest()

    origin = await upstream(script)
    reply = await client.send(offer_to(origin))
    assert reply.status == 101
    released.set()
    await done.wait()
    await asyncio.sleep(0.01)
    sink = Collected()
    pipe = reply.take_over(sink)
    pipe.write(b"hello!")
    await sink.at_least(18)
    assert sink.data == b"early later hello!"
    pipe.close()


async def test_a_pipe_to_a_provider_that_has_left_ends_at_once(client, upstream):
    async def script(peer):
        await peer.until(b"\r\n\r\n")
        await peer.send(SWITCHED)

    origin = await upstream(script)
    reply = await client.send(offer_to(origin))
    async with asyncio.timeout(1):
        while client.n_connections:
            await asyncio.sleep(0.001)
    sink = Collected()
    reply.take_over(sink).close()
    assert sink.is_over.is_set()


# --- dead kept-alive connections


@pytest.fixture
def authority():
    return trustme.CA()


@pytest.fixture
def tls_of_provider(authority):
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("localhost").configure_cert(context)
    return context


def behind(origin: Origin, authority, tmp_path) -> Origin:
    """The same origin, trusted."""
    if origin.scheme != "https":
        return origin
    path = tmp_path / "ca.pem"
    authority.cert_pem.write_to_path(str(path))
    return Origin(origin.scheme, origin.host, origin.port, Tls(ca_file=str(path)))


class Provider:
    """Answers the first request, and gives each test its way with the second."""

    def __init__(self, second):
        self.n_connections = 0
        self.requests = []
        self.second = second
        self.may_close, self.closed = asyncio.Event(), asyncio.Event()

    async def script(self, peer):
        self.n_connections += 1
        first = self.n_connections == 1
        self.requests.append(await peer.until(b"\r\n\r\n"))
        await peer.send(OK)
        if not first:
            await peer.rest()
        elif self.second == "close before":
            await self.may_close.wait()
            peer.writer.transport.abort()  # a FIN; in order, TLS would wait for our answer
            self.closed.set()
        elif self.second == "reset before":
            await self.may_close.wait()
            peer.reset()
            self.closed.set()
        else:
            self.requests.append(await peer.until(b"\r\n\r\n"))
            if self.second == "read and reset":
                peer.reset()


@pytest.mark.parametrize("scheme", ["http", "https"])
@pytest.mark.parametrize("second", ["read and close", "read and reset"])
async def test_a_request_that_a_provider_may_have_read_is_never_sent_twice(
    client, upstream, authority, tls_of_provider, tmp_path, scheme, second
):
    provider = Provider(second)
    origin = behind(await upstream(provider.script, tls=tls_of_provider if scheme == "https" else None), authority, tmp_path)
    await body_of(await client.send(request_to(origin)))
    await fails(client, request_to(origin), ErrorKind.PROVIDER_BROKE_OFF)
    assert (len(provider.requests), provider.n_connections) == (2, 1)


async def close_unseen(provider: Provider) -> None:
    provider.may_close.set()
    await provider.closed.wait()
    await asyncio.sleep(0.02)  # uvloop closes the socket in its next turn


@pytest.mark.parametrize("scheme", ["http", "https"])
@pytest.mark.parametrize("how", ["close", "reset"])
async def test_a_request_on_a_connection_that_was_closed_already_is_sent_again(
    client, upstream, authority, tls_of_provider, tmp_path, scheme, how
):
    """The client learns of the closing only after it has written: reading is paused until then."""
    provider = Provider(f"{how} before")
    origin = behind(await upstream(provider.script, tls=tls_of_provider if scheme == "https" else None), authority, tmp_path)
    await body_of(await client.send(request_to(origin)))
    (connection,) = client._pools[origin]._idle
    connection.pause_reading()
    await close_unseen(provider)
    sending = asyncio.ensure_future(client.send(request_to(origin)))
    await asyncio.sleep(0)
    connection._transport.resume_reading()
    assert await body_of(await sending) == b"ok"
    assert (len(provider.requests), provider.n_connections) == (2, 2)


async def test_an_upload_is_never_sent_twice(client, upstream):
    provider = Provider("close before")
    origin = await upstream(provider.script)
    await body_of(await client.send(request_to(origin)))
    (connection,) = client._pools[origin]._idle
    connection.pause_reading()
    await close_unseen(provider)
    source = Source()
    sending = asyncio.ensure_future(client.send(upload_to(origin, source, 3)))
    await source.attached.wait()
    source.sink.on_data(b"abc")
    source.sink.on_end()
    connection._transport.resume_reading()
    with pytest.raises(GatewayError) as caught:
        await sending
    assert caught.value.kind is ErrorKind.PROVIDER_BROKE_OFF
    assert provider.n_connections == 1


# --- property tests on the protocol object


class FakePool:
    clock = SystemClock()
    is_absolute = False

    def __init__(self):
        self.is_reusable = None
        self.shapes = Shapes()

    def adapt_head(self, head):
        return head

    def finished(self, connection, reply, *, is_reusable):
        self.is_reusable = is_reusable

    def forget(self, reply):
        pass

    def lost(self, connection):
        pass


class FakeTransport:
    def get_extra_info(self, name):
        return None

    def write(self, data):
        pass

    def abort(self):
        pass

    def pause_reading(self):
        pass

    def resume_reading(self):
        pass


async def read(pieces):
    """What a reply in these pieces comes to: (status, body, error, whether the connection may be used again)."""
    pool = FakePool()
    connection = UpstreamConnection(pool, Origin("http", "a", 80))
    connection.connection_made(FakeTransport())
    reply = ClientReply(request_to(Origin("http", "a", 80)), 2**62)
    connection.begin(reply, 0)
    sink = Collected()
    reply.attach(sink)
    for piece in pieces:
        connection.data_received(piece)
        if connection.is_dead or pool.is_reusable is not None:
            break
    connection.connection_lost(None)
    return reply.status, sink.data, reply.head.error or sink.error, pool.is_reusable


def cut(data, points):
    edges = [0, *sorted(point % (len(data) + 1) for point in points), len(data)]
    return [data[a:b] for a, b in itertools.pairwise(edges) if a != b]


INTERIM = st.sampled_from([b"", b"HTTP/1.1 100 Continue\r\n\r\n", b"HTTP/1.1 103 Hints\r\nlink: a\r\n\r\n"])
FRAMED = st.one_of(
    st.binary(max_size=300).map(lambda body: (b"content-length: %d\r\n\r\n%b" % (len(body), body), body)),
    st.lists(st.binary(min_size=1, max_size=50), max_size=5).map(
        lambda pieces: (
            b"transfer-encoding: chunked\r\n\r\n"
            + b"".join(b"%x\r\n%b\r\n" % (len(piece), piece) for piece in pieces)
            + b"0\r\nx-trailer: 1\r\n\r\n",
            b"".join(pieces),
        )
    ),
    st.binary(max_size=300).map(lambda body: (b"\r\n" + body, body)),
)


@given(interim=INTERIM, framed=FRAMED, points=st.lists(st.integers(0, 10_000), max_size=12))
def test_any_split_of_a_reply_gives_the_same_reply(interim, framed, points):
    raw, body = framed
    stream = interim + b"HTTP/1.1 200 OK\r\nx-a: b\r\n" + raw
    assert asyncio.run(read(cut(stream, points)))[:3] == (200, body, None)


REPLY_PARTS = st.sampled_from(
    [
        b"HTTP/1.1 200 OK\r\n",
        b"HTTP/1.1 101 X\r\nupgrade: a\r\n",
        b"\r\n",
        b"\n",
        b"content-length: 5\r\n",
        b"transfer-encoding: chunked\r\n",
        b"5\r\nhello\r\n",
        b"0\r\n\r\n",
        b"HTTP/1.1 100 C\r\n\r\n",
    ]
)


@given(pieces=st.lists(st.one_of(REPLY_PARTS, st.binary(min_size=1, max_size=30)), min_size=1, max_size=15))
def test_no_bytes_make_the_connection_raise_or_leave_the_caller_waiting(pieces):
    status, _, error, is_reusable = asyncio.run(read(pieces))
    assert error is not None or status
    assert not (is_reusable and error)
