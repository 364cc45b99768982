"""A reply between the connection that feeds it and the sink that takes it."""

from __future__ import annotations

import pytest
from tests.http.conftest import Collected, request_to

from weighbridge.core.errors import ErrorKind, GatewayError
from weighbridge.core.terms import Origin
from weighbridge.http.client_reply import ClientReply, StaleConnectionError, broke_off
from weighbridge.http.limits import MAX_BUFFERED


class Wire:
    """Stands in for the connection, whose tests run on real sockets."""

    def __init__(self):
        self.is_reading = True
        self.is_dropped = False

    def pause_reading(self):
        self.is_reading = False

    def resume_reading(self):
        self.is_reading = True

    def drop(self):
        self.is_dropped = True


@pytest.fixture
async def reply():
    made = ClientReply(request_to(Origin("http", "a.test", 80)), 2**62)
    made.connection = Wire()
    return made


async def test_what_came_before_the_sink_is_given_first(reply):
    reply.feed(b"one ")
    sink = Collected()
    reply.attach(sink)
    reply.feed(b"two")
    reply.end()
    assert (sink.data, sink.error) == (b"one two", None)
    assert sink.is_over.is_set()


async def test_an_end_or_a_failure_before_the_sink_is_told_to_it(reply):
    reply.feed(b"one ")
    reply.status = 200
    reply.head.set()
    reply.fail(broke_off("reset", is_begun=True))
    sink = Collected()
    reply.attach(sink)
    assert sink.data == b"one "
    assert sink.error.kind is ErrorKind.PROVIDER_BROKE_OFF


async def test_a_failure_before_the_head_is_raised_to_who_waits(reply):
    reply.fail(StaleConnectionError())
    with pytest.raises(StaleConnectionError):
        await reply.head
    assert reply.has_ended


async def test_what_nobody_takes_is_held_up_to_a_bound(reply):
    reply.feed(b"x" * MAX_BUFFERED)
    assert reply.connection.is_reading
    reply.feed(b"x")
    assert not reply.connection.is_reading
    assert reply.is_paused
    reply.attach(Collected())
    assert reply.connection.is_reading


async def test_a_slow_client_named_before_the_sink_keeps_the_provider_paused(reply):
    """Attaching lifts our own bound, not the client's slowness: else memory would grow without bound."""
    reply.feed(b"x" * (MAX_BUFFERED + 1))
    reply.pause()
    reply.attach(Collected())
    assert not reply.connection.is_reading
    reply.resume()
    assert reply.connection.is_reading


async def test_a_sink_that_pauses_while_it_is_given_what_was_held_stays_paused(reply):
    class Slow(Collected):
        def on_data(self, data):
            super().on_data(data)
            reply.pause()

    reply.feed(b"x" * (MAX_BUFFERED + 1))
    reply.attach(Slow())
    assert not reply.connection.is_reading


async def test_silence_is_not_timed_while_paused(reply):
    reply.expires_ns = 1
    reply.pause()
    assert reply.expires_ns == reply.total_expires_ns


async def test_an_abort_drops_the_connection_and_nothing_more_is_said(reply):
    wire = reply.connection
    sink = Collected()
    reply.attach(sink)
    reply.abort()
    reply.feed(b"late")
    reply.end()
    assert wire.is_dropped
    assert (sink.data, sink.is_over.is_set()) == (b"", False)


async def test_an_abort_by_the_sink_itself_is_not_taken_for_the_end(reply):
    class Aborting(Collected):
        def on_data(self, data):
            super().on_data(data)
            reply.abort()

    reply.feed(b"one")
    sink = Aborting()
    reply.attach(sink)
    assert not sink.is_over.is_set()


def test_broken_off_says_whether_an_answer_had_begun():
    begun, silent = broke_off("", is_begun=True), broke_off("", is_begun=False)
    assert isinstance(begun, GatewayError)
    assert begun.public != silent.public
