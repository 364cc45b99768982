"""Recognising a head by its bytes gives what parsing it gives, whatever comes."""

from __future__ import annotations

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.http.conftest import refuse_gracefully
from tests.http.test_server_connection import BAD_STARTS, GET, HOST, SMUGGLED, Conversation, FakeTransport, chunked, cut, post

from weighbridge.http.server_connection import ServerConnection
from weighbridge.pipeline.plan import Limits


class Talk(Conversation):
    """What becomes of reads on one connection, and how many of them the parser was spared."""

    def __init__(self, *, is_plain_parser=False, limits=None):
        super().__init__(*([limits] if limits else []))
        self.is_plain_parser = is_plain_parser
        self.n_recognised = 0

    def hear(self, reads):
        return asyncio.run(self._hear(reads))

    async def _hear(self, reads):
        self.server.loop = asyncio.get_running_loop()
        self.transport = FakeTransport()
        connection = self.connection = ServerConnection(self.server)
        connection.connection_made(self.transport)
        if self.is_plain_parser:
            connection._n_unmet_heads = 1_000_000
        for read in reads:
            before = connection._n_unmet_heads
            connection.data_received(read)
            self.n_recognised += bool(before) and not connection._n_unmet_heads
            if not connection._n_unmet_heads:
                connection._n_unmet_heads = 1  # so that the next one shows too
            for _ in range(3):
                await asyncio.sleep(0)
        for _ in range(60):
            await asyncio.sleep(0)
        was_closing = self.transport.is_closing
        connection.connection_lost(None)
        for _ in range(5):
            await asyncio.sleep(0)
        assert not self.bugs
        assert not self.server.in_flight
        return [(*seen[:2], sorted(seen[2]), seen[3]) for seen in self.seen], bytes(self.transport.written), was_closing


def both(reads, limits=None):
    """The outcome, which must be the same with and without the parser."""
    talk = Talk(limits=limits)
    outcome = talk.hear(reads)
    assert outcome == Talk(is_plain_parser=True, limits=limits).hear(reads)
    return talk, outcome


def test_same_head_is_not_parsed_again():
    bodies = [b"", b"a", b"bc" * 600, b"x" * 7, b"y" * 100_000]
    talk, (seen, _, was_closing) = both([post(body) for body in bodies])
    assert [body for *_, body in seen] == bodies
    assert talk.n_recognised == len(bodies) - 1
    assert not was_closing


@pytest.mark.parametrize(
    "other",
    [
        post(b"ab", b"/other"),
        post(b"ab").replace(b"POST", b"PUT"),
        post(b"ab").replace(b"gateway", b"gatewaY"),
        post(b"ab").replace(b"Host", b"HOst"),
        post(b"ab").replace(b"Content-Length: 2", b"Content-Length:2"),
        post(b"ab").replace(b"Content-Length: 2", b"Content-Length: 2 "),
        post(b"ab").replace(b"\r\n\r\n", b"\r\nX-A: b\r\n\r\n"),
        post(b"ab").replace(b"1.1", b"1.0"),
        post(b"ab").replace(b"Host", b"Connection: close\r\nHost"),
        post(b"ab").replace(b"Host", b"Expect: 100-continue\r\nHost"),
        post(b"ab").replace(b"Host", b"Connection: upgrade\r\nUpgrade: h2c\r\nHost"),
        chunked(b"ab"),
        GET,
    ],
)
def test_head_that_differs_is_parsed(other):
    talk, (seen, _, _) = both([post(b"1"), post(b"22"), other])
    assert len(seen) == 3
    assert talk.n_recognised == 1


@pytest.mark.parametrize(
    "length",
    [
        b"+3",
        b"-3",
        b"3 ",
        b" 3",
        b"03",
        b"0000000000000000003",
        b"3.0",
        b"0x3",
        b"1_0",
        b"\xb2",
        b"\xd9\xa3",
        b"",
        b"3,3",
        b"9" * 30,
    ],
)
def test_length_in_any_other_spelling_means_what_the_parser_says(length):
    read = b"POST / HTTP/1.1\r\n" + HOST + b"Content-Length: " + length + b"\r\n\r\nabc"
    both([post(b"1"), post(b"22"), read, GET])


@pytest.mark.parametrize("lines", SMUGGLED.values(), ids=SMUGGLED.keys())
async def test_doubtful_framing_is_refused_on_a_connection_whose_head_is_known(serve, lines):
    targets = []

    async def handler(exchange):
        targets.append(exchange.target)
        await refuse_gracefully(exchange, 1000)

    engine = await serve(handler)
    peer = await engine.connect()
    for body in (b"a", b"bc", b"def"):
        await peer.send(post(body))
        assert (await peer.reply("POST")).status == 200
    await peer.send(b"POST / HTTP/1.1\r\n" + HOST + lines + GET)
    answer = await peer.reply("POST")
    assert answer.status in (400, 501)
    assert answer.headers["connection"] == "close"
    assert await peer.rest() == b""
    assert b"/next" not in targets


@pytest.mark.parametrize("start", [start for start, _ in BAD_STARTS.values()], ids=BAD_STARTS.keys())
def test_what_is_no_request_is_refused_the_same_after_a_known_head(start):
    both([post(b"1"), post(b"22"), start, GET])


@pytest.mark.parametrize(("sent", "said"), [(b"abc", 2), (b"abc", 4), (b"", 1), (post(b"x"), 0), (GET, 0), (b"ab" + GET, 2)])
def test_body_longer_or_shorter_than_said_is_cut_as_the_parser_cuts_it(sent, said):
    head = b"POST / HTTP/1.1\r\n" + HOST + b"Content-Length: %d\r\n\r\n" % said
    both([post(b"1"), post(b"22"), head + sent, b"rest" + GET])


def test_head_is_looked_at_again_under_other_limits():
    talk = Talk()
    talk.hear([post(b"1"), post(b"22")])
    known = talk.connection._known_head
    assert known is not None
    assert known.limits is talk.server.limits
    changed = Talk()

    async def change_between():
        changed.server.loop = asyncio.get_running_loop()
        changed.transport = FakeTransport()
        connection = ServerConnection(changed.server)
        connection.connection_made(changed.transport)
        for limits in (Limits(), Limits(), Limits(max_header_bytes=10)):
            changed.server.limits = limits
            connection.data_received(post(b"1"))
        connection.connection_lost(None)

    asyncio.run(change_between())
    assert b"HTTP/1.1 431 " in changed.transport.written


def test_head_is_kept_ever_more_rarely_for_a_client_that_does_not_repeat_it():
    talk = Talk()
    talk.hear([post(b"x", b"/%d" % n) for n in range(20)])
    assert talk.n_recognised == 0
    talk.hear([post(b"x", b"/%d" % min(n, 20)) for n in range(40)])
    assert 0 < talk.n_recognised < 20


def test_only_a_plain_head_that_is_all_of_a_read_is_kept():
    for read in (GET, chunked(b"a"), post(b"a") + GET, post(b"a")[:-1], b"\r\n\r\n" + post(b"a"), post(b"a") + b"\r\n"):
        talk = Talk()
        talk.hear([read])
        assert talk.connection._known_head is None


KNOWN = st.binary(max_size=40).map(post)
EDITS = st.tuples(st.integers(0, 200), st.binary(min_size=1, max_size=2))


@given(
    requests=st.lists(st.one_of(KNOWN, KNOWN, KNOWN, st.just(GET), st.just(chunked(b"a", b"bc"))), min_size=1, max_size=8),
    points=st.lists(st.integers(0, 2_000), max_size=6),
    is_one_each=st.booleans(),
)
def test_any_split_of_requests_with_the_same_head_gives_the_same_exchanges(requests, points, is_one_each):
    reads = (
        [piece for request in requests for piece in cut(request, points[:1])] if is_one_each else cut(b"".join(requests), points)
    )
    _, (seen, _, was_closing) = both(reads)
    assert len(seen) == len(requests)
    assert not was_closing


@given(bodies=st.lists(st.binary(max_size=30), min_size=3, max_size=5), edit=EDITS)
def test_any_other_byte_has_the_parser_decide(bodies, edit):
    reads = [post(body) for body in bodies]
    place, other = edit
    changed = reads[-1]
    place %= len(changed)
    reads[-1] = changed[:place] + other + changed[place + len(other) :]
    both([*reads, GET])
