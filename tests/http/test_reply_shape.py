"""A reply whose head has a known shape comes to the same as one that the parser reads."""

from __future__ import annotations

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.http.conftest import Collected, request_to
from tests.http.test_client_connection import FakePool, FakeTransport, cut

from weighbridge.core.terms import Origin
from weighbridge.http.client_connection import UpstreamConnection
from weighbridge.http.client_reply import ClientReply
from weighbridge.http.reply_shape import MAX_COMPILED, MAX_SHAPES, Shapes, layout_of

ORIGIN = Origin("http", "a", 80)


class Talk:
    """Replies on one connection, one after the other, and how many of them were read by their shape."""

    def __init__(self, *, is_plain_parser=False):
        self.pool = FakePool()
        self.n_recognised = 0
        if is_plain_parser:
            self.pool.shapes._n_compiled = MAX_COMPILED
        self.connect()

    def connect(self):
        self.connection = UpstreamConnection(self.pool, ORIGIN)
        self.connection.connection_made(FakeTransport())

    def hear(self, pieces, method=b"POST"):
        reply = ClientReply(request_to(ORIGIN, method=method), 2**62)
        self.pool.is_reusable = None
        self.connection.begin(reply, 0)
        sink, is_attached = Collected(), False
        for piece in pieces:
            self.connection.data_received(piece)
            if reply._shape is not None:
                self.n_recognised += 1
            if reply.status and reply.head.is_set and not is_attached:
                is_attached = True
                described = (reply.header_lines(), reply.reason, reply.content_type, reply.content_encoding, list(reply.headers))
                reply.attach(sink)
            if self.connection.is_dead or self.pool.is_reusable is not None:
                break
        reusable = self.pool.is_reusable
        if not reusable:
            self.connection.connection_lost(None)
            self.connect()
        if not is_attached:
            described = None
            if reply.status:
                reply.attach(sink)
        error = reply.head.error or sink.error
        return (
            reply.status,
            reply.content_length,
            described,
            sink.data,
            sink.is_over.is_set(),
            error and (error.kind, error.public),
            reusable,
        )


def both(replies, method=b"POST"):
    """The outcomes, which must be the same with and without shapes."""

    async def run():
        shaped, parsed = Talk(), Talk(is_plain_parser=True)
        outcomes = [shaped.hear(pieces, method) for pieces in replies]
        assert outcomes == [parsed.hear(pieces, method) for pieces in replies]
        return shaped, outcomes

    return asyncio.run(run())


def whole(body=b"{}", lines=b"", status=b"200 OK"):
    return b"HTTP/1.1 %b\r\nContent-Type: application/json\r\nX-Id: %d\r\n%bContent-Length: %d\r\n\r\n%b" % (
        *(status, len(body), lines, len(body), body),
    )


def head_of_chunks(lines=b""):
    return b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n%btransfer-encoding: chunked\r\n\r\n" % lines


def frame(piece):
    return b"%x\r\n%b\r\n" % (len(piece), piece)


def stream(*pieces, lines=b""):
    """A stream as the reads of its chunks, the last with the end."""
    frames = [frame(piece) for piece in pieces]
    return [head_of_chunks(lines) + frames[0], *frames[1:-1], frames[-1] + b"0\r\n\r\n"]


def test_shape_is_learned_from_the_second_reply_on():
    bodies = [b"{}", b"[1]", b"x" * 5000, b"", b"z"]
    talk, outcomes = both([[whole(body)] for body in bodies])
    assert [outcome[3] for outcome in outcomes] == bodies
    assert talk.n_recognised == 3
    lines = outcomes[-1][2][0]
    assert lines == b"content-type: application/json\r\nx-id: 1\r\n"


def test_streams_and_whole_replies_are_both_known_after_a_while():
    replies = [stream(b"one", b"two", b"three"), [whole()]] * 6
    talk, outcomes = both(replies)
    assert [outcome[3] for outcome in outcomes] == [b"onetwothree", b"{}"] * 6
    assert talk.n_recognised == 7
    assert all(outcome[-1] for outcome in outcomes)


@pytest.mark.parametrize(
    "lines",
    [
        b"X-Odd: \x80\xff\r\n",
        b"X-Tab: a\tb\r\n",
        b"X-Empty:\r\n",
        b"X-Empty: \r\n",
        b"X-Blanks:   a  \r\n",
        b"X-%Percent: 100%b\r\n",
        b"Set-Cookie: a=b\r\nAlt-Svc: h3\r\nStrict-Transport-Security: max-age=1\r\n",
        b"Connection: keep-alive\r\nKeep-Alive: timeout=5\r\n",
        b"Connection: close\r\n",
        b"Connection: keep-alive, x-id\r\n",
        b"X-A: 1\r\nX-A: 2\r\n",
        b"x-weighbridge-model: m\r\nServer: s\r\n",
        b"Content-Encoding: gzip\r\n",
        b"Trailer: x\r\n",
        b"X-(bad): 1\r\n",
        b"X-Fold: a\r\n b\r\n",
        b"Content-Length: 2\r\n",
        b"Transfer-Encoding: identity\r\n",
    ],
)
def test_any_header_means_what_the_parser_says(lines):
    both([[whole(lines=lines)] for _ in range(4)])
    both([stream(b"a", b"b", lines=lines) for _ in range(4)])


@pytest.mark.parametrize(
    "other",
    [
        whole(status=b"429 Too Many Requests"),
        whole(status=b"200 Fine"),
        whole(status=b"204 No Content"),
        whole().replace(b"1.1", b"1.0"),
        whole().replace(b"application/json", b"text/plain"),
        whole().replace(b"X-Id", b"X-ID"),
        whole().replace(b": 2\r\n\r\n", b": +2\r\n\r\n"),
        whole().replace(b": 2\r\n\r\n", b": 2 \r\n\r\n"),
        whole().replace(b": 2\r\n\r\n", b": 002\r\n\r\n"),
        whole().replace(b": 2\r\n\r\n", b": 3\r\n\r\n"),
        whole().replace(b": 2\r\n\r\n", b": 1\r\n\r\n"),
        whole().replace(b": 2\r\n\r\n", b": 2, 2\r\n\r\n"),
        whole().replace(b": 2\r\n\r\n", b": 99999999999999999999\r\n\r\n"),
        whole().replace(b"X-Id: 2", b"X-Id: a\x00b"),
        whole().replace(b"X-Id: 2", b"X-Id: a\nX-B: c"),
        whole().replace(b"X-Id: 2", b"X-Id: a\rb"),
        whole().replace(b"X-Id: 2\r\n", b"X-Id: 2\n"),
        whole() + b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n",
        whole() + b"x",
        b"HTTP/1.1 100 Continue\r\n\r\n" + whole(),
        head_of_chunks() + frame(b"{}") + b"0\r\n\r\n",
    ],
)
def test_head_that_differs_is_parsed(other):
    both([[whole()], [whole()], [whole(b"[]")], [other], [whole()]])


def test_reply_to_head_has_no_body_however_long_it_says_it_is():
    both([[whole(b"")], [whole(b"")], [whole(b"")], [whole(b"{}")[:-2]]], method=b"HEAD")


@pytest.mark.parametrize(
    "reads",
    [
        [frame(b"a"), frame(b"b") + frame(b"c"), frame(b"d"), b"0\r\n\r\n"],
        [frame(b"a")[:3], frame(b"a")[3:], b"0\r\n\r\n"],
        [frame(b"a"), b"0", b"\r\n\r\n"],
        [frame(b"a"), b"0\r\n", b"\r\n"],
        [b"1;ext=1\r\na\r\n", b"0\r\n\r\n"],
        [b"0001\r\na\r\n", b"0000\r\n\r\n"],
        [b"A\r\n0123456789\r\n", b"a\r\n0123456789\r\n0\r\n\r\n"],
        [frame(b"a"), b"0\r\nx-trailer: 1\r\n\r\n"],
        [b"0x1\r\na\r\n", b"0\r\n\r\n"],
        [b"+1\r\na\r\n", b"0\r\n\r\n"],
        [b"1_0\r\n0123456789abcdef\r\n", b"0\r\n\r\n"],
        [b"1 \r\na\r\n", b"0\r\n\r\n"],
        [b"00000001\r\na\r\n", b"0\r\n\r\n"],
        [b"2\r\na\r\n\r\n", b"0\r\n\r\n"],
        [b"1\r\nab\r\n", b"0\r\n\r\n"],
        [b"1\na\r\n", b"0\r\n\r\n"],
        [b"\r\n", b"0\r\n\r\n"],
        [frame(b"a") + b"0\r\n\r\n" + whole()],
        [frame(b"a") + b"0\r\n\r\nx"],
        [b"ffffffffffffffffff\r\na\r\n"],
        [frame(b"0\r\n\r\n"), frame(b"\r\n") + b"0\r\n\r\n"],
        [frame(b"a")],
        [],
    ],
)
@pytest.mark.parametrize("is_first_with_head", [True, False])
def test_chunks_are_cut_as_the_parser_cuts_them(reads, is_first_with_head):
    odd = [head_of_chunks() + (reads[0] if is_first_with_head and reads else b""), *reads[is_first_with_head:]]
    both([stream(b"x", b"y"), stream(b"x", b"y"), stream(b"x", b"y"), odd, stream(b"x", b"y")])


PIECES = st.lists(st.binary(min_size=1, max_size=40), min_size=2, max_size=6)
REPLIES = st.one_of(
    st.binary(max_size=60).map(lambda body: [whole(body)]),
    PIECES.map(lambda pieces: stream(*pieces)),
    PIECES.map(lambda pieces: [b"".join(stream(*pieces))]),
    st.binary(max_size=60).map(lambda body: [b"HTTP/1.1 200 OK\r\n\r\n" + body]),
)


@given(replies=st.lists(REPLIES, min_size=1, max_size=8), points=st.lists(st.integers(0, 300), max_size=4))
def test_any_split_of_replies_gives_the_same_replies(replies, points):
    both(replies)
    both([*replies[:-1], cut(b"".join(replies[-1]), points)])


@given(
    replies=st.lists(REPLIES, min_size=3, max_size=4),
    place=st.integers(0, 400),
    other=st.binary(max_size=3),
    n_lost=st.integers(0, 3),
)
def test_any_other_byte_has_the_parser_decide(replies, place, other, n_lost):
    known = [[whole()], stream(b"x", b"y"), [whole()], stream(b"x", b"y"), [whole()], stream(b"x", b"y")]
    changed = [b"".join(replies[-1])]
    place %= len(changed[0])
    changed[0] = changed[0][:place] + other + changed[0][place + n_lost :]
    both([*known, *replies[:-1], changed, [whole()]])


def learned(shapes, *heads):
    for head in heads:
        reply = ClientReply(request_to(ORIGIN), 2**62)
        lines = [line.split(b": ") for line in head.split(b"\r\n\r\n")[0].split(b"\r\n")[1:]]
        reply.status, reply.reason, reply.content_length = 200, b"OK", 2
        reply.headers = [(name.lower(), value) for name, value in lines if name != b"Content-Length"]
        shapes.learn(head, reply)


def test_an_origin_whose_names_change_all_the_time_is_not_learned_for_ever():
    shapes = Shapes()
    for n in range(3000):
        learned(shapes, *[whole(lines=b"X-%d: 1\r\n" % n)] * 2)
    assert len(shapes.known) <= MAX_SHAPES
    assert shapes._n_compiled <= MAX_COMPILED
    assert len(shapes._seen) <= MAX_COMPILED


def test_head_that_the_parser_read_otherwise_is_not_learned():
    reply = ClientReply(request_to(ORIGIN), 2**62)
    reply.status, reply.content_length = 200, 2
    reply.headers = [(b"content-type", b"application/json"), (b"x-id", b"3")]
    assert layout_of(whole(), reply) is None
    reply.headers = [(b"content-type", b"application/json"), (b"x-id", b"2")]
    assert layout_of(whole(), reply) is not None
    assert layout_of(whole()[:40], reply) is None
