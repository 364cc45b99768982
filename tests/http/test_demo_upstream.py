"""The demo provider, played back without a socket."""

from __future__ import annotations

import asyncio
import json

import pytest
from tests.http.conftest import Collected, body_of

from weighbridge.core.clock import SystemClock
from weighbridge.core.errors import ErrorKind, GatewayError
from weighbridge.core.ports import UpstreamRequest
from weighbridge.core.terms import Deadlines, Origin
from weighbridge.http.demo_upstream import DEMO_SCHEME, DemoPlayback, DemoUpstream, UpstreamByScheme
from weighbridge.providers.demo import DemoChunk, DemoReply

ORIGIN = Origin(DEMO_SCHEME, "demo")


def request(path=b"/v1/chat/completions", *, method=b"POST", **fields) -> UpstreamRequest:
    body = json.dumps({"model": "echo", "messages": [{"role": "user", "content": "hello"}], **fields}).encode()
    return UpstreamRequest(method, ORIGIN, b"%b %b HTTP/1.1\r\nhost: demo\r\n" % (method, path), [body], len(body), Deadlines())


async def test_a_chat_is_answered():
    reply = await DemoUpstream(SystemClock()).send(request())
    assert reply.status == 200
    assert json.loads(await body_of(reply))["object"] == "chat.completion"


async def test_a_stream_comes_to_its_end():
    reply = await DemoUpstream(SystemClock()).send(request(stream=True))
    assert (await body_of(reply)).endswith(b"data: [DONE]\n\n")


async def test_uploads_and_realtime_are_not_offered():
    upload = request()
    upload.body = reply = DemoPlayback(DemoReply(200, [], []), is_head=False, sent_ns=1, first_byte_ns=1)
    with pytest.raises(GatewayError) as caught:
        await DemoUpstream(SystemClock()).send(upload)
    assert caught.value.kind is ErrorKind.NOT_IMPLEMENTED
    with pytest.raises(GatewayError):
        reply.take_over(Collected())


async def test_origins_are_told_apart_by_their_scheme():
    class Named:
        def __init__(self, name):
            self.name = name

        async def send(self, request):
            return self.name

    both = UpstreamByScheme(Named("network"), Named("demo"))
    asked = request()
    assert await both.send(asked) == "demo"
    asked.origin = Origin("https", "a.test", 443)
    assert await both.send(asked) == "network"


def playback(*delays_ns: int) -> DemoPlayback:
    chunks = [DemoChunk(delay, b"%d" % n) for n, delay in enumerate(delays_ns)]
    return DemoPlayback(DemoReply(200, [], chunks), is_head=False, sent_ns=1, first_byte_ns=1)


async def test_a_paused_playback_waits_and_goes_on():
    reply = playback(0, 1_000_000, 0)
    sink = Collected()
    reply.attach(sink)
    reply.pause()
    await asyncio.sleep(0.01)
    assert sink.data == b"0"
    reply.resume()
    await sink.is_over.wait()
    assert sink.data == b"012"


async def test_an_aborted_playback_says_nothing_more():
    reply = playback(0, 1_000_000)
    sink = Collected()
    reply.attach(sink)
    reply.abort()
    await asyncio.sleep(0.01)
    assert (sink.data, sink.is_over.is_set()) == (b"0", False)


async def test_a_sink_that_pauses_and_resumes_within_a_chunk_gets_each_once():
    class Impatient(Collected):
        def on_data(self, data):
            super().on_data(data)
            reply.pause()
            reply.resume()

    reply = playback(0, 1_000_000, 1_000_000, 0)
    sink = Impatient()
    reply.attach(sink)
    await sink.is_over.wait()
    await asyncio.sleep(0.01)
    assert sink.data == b"0123"
