"""A static provider: the lightest server that answers chat requests, so that what is measured is what stands before it.

    python -m benchmarks.upstream PORT BULK_BYTES

The model's name in the request chooses the reply (benchmarks/messages.py). Any GET answers 200 with the number of open streams.
"""

from __future__ import annotations

import asyncio
import gc
import sys
import time
from collections.abc import Iterator
from typing import cast

import httptools
import uvloop

from benchmarks.messages import (
    BULK_MODEL,
    BULK_WRITE_BYTES,
    CHAT_REPLY,
    FIRST_EVENT,
    LAST_EVENTS,
    PACE_S,
    PACED_MODEL,
    STAMP,
    STAMPED_MODEL,
    STAMPED_PACE_S,
    STREAM_CHUNKS,
    STREAM_EVENTS,
    TOGETHER_MODEL,
    bulk_events,
    delta_event,
)

# The model stands first in every benchmark body, whatever name a gateway splices in.
_BODY_HEAD_BYTES = 128
_LAST_CHUNK = b"0\r\n\r\n"
_COMMON = (
    b"date: Mon, 16 Jun 2025 12:00:00 GMT\r\nx-request-id: req_bench\r\nopenai-processing-ms: 7\r\nopenai-version: 2020-10-01\r\n"
)
_STREAM_HEAD = (
    b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream; charset=utf-8\r\n" + _COMMON + b"transfer-encoding: chunked\r\n\r\n"
)


def _whole(body: bytes) -> bytes:
    length = b"content-length: %d\r\n\r\n" % len(body)
    return b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n" + _COMMON + length + body


def _chunk(payload: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(payload), payload)


_CHAT = _whole(CHAT_REPLY)
_STREAM_CHUNKS = tuple(_chunk(event) for event in STREAM_EVENTS)
_TOGETHER = _STREAM_HEAD + b"".join(_STREAM_CHUNKS) + _LAST_CHUNK
# The head travels with the first chunk, the end of the body with the last: one write a chunk, as providers do.
_PACED = (_STREAM_HEAD + _STREAM_CHUNKS[0], *_STREAM_CHUNKS[1:-1], _STREAM_CHUNKS[-1] + _LAST_CHUNK)
_BULK_CHUNK = _chunk(bulk_events())


def replies_to(body: bytes) -> tuple[bytes, ...]:
    """What a request with this body is answered, as the writes of it; without the pauses, and not for stamped and bulk streams."""
    body_head = body[:_BODY_HEAD_BYTES]
    if TOGETHER_MODEL.encode() in body_head:
        return (_TOGETHER,)
    return _PACED if PACED_MODEL.encode() in body_head else (_CHAT,)


def _stamped_writes() -> Iterator[bytes]:
    """Each chunk carries the time of its own writing."""
    yield _STREAM_HEAD + _chunk(_stamped_event())
    for _ in range(STREAM_CHUNKS - 2):
        yield _chunk(_stamped_event())
    yield _chunk(_stamped_event() + LAST_EVENTS) + _LAST_CHUNK


def _stamped_event() -> bytes:
    return delta_event(STAMP + b"%d" % time.monotonic_ns())


class _Streams:
    """What the connections of one upstream share."""

    def __init__(self, bulk_bytes: int) -> None:
        self.bulk_writes = bulk_bytes // BULK_WRITE_BYTES
        self.open = 0


class UpstreamConnection(asyncio.Protocol):
    """One kept-alive connection; at most one request at a time, as HTTP clients without pipelining send them."""

    def __init__(self, streams: _Streams, loop: asyncio.AbstractEventLoop) -> None:
        self._streams = streams
        self._loop = loop
        self._parser = httptools.HttpRequestParser(self)
        self._body_head = b""
        self._transport: asyncio.Transport
        self._writable = asyncio.Event()
        self._writable.set()
        self._task: asyncio.Task[None] | None = None
        self._timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # uvloop's own class

    def connection_lost(self, _error: Exception | None) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._stream_ended()
        if self._task is not None:
            self._task.cancel()

    def data_received(self, data: bytes) -> None:
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError:
            self._transport.close()

    def pause_writing(self) -> None:
        self._writable.clear()

    def resume_writing(self) -> None:
        self._writable.set()

    def on_message_begin(self) -> None:
        self._body_head = b""

    def on_body(self, body: bytes) -> None:
        if len(self._body_head) < _BODY_HEAD_BYTES:
            self._body_head += body[:_BODY_HEAD_BYTES]

    def on_message_complete(self) -> None:
        if b'"stream-' in self._body_head:
            self._stream(self._body_head)
        elif self._body_head:
            self._transport.write(_CHAT)
        else:
            self._transport.write(_whole(b'{"streams_open":%d}' % self._streams.open))

    def _stream(self, body_head: bytes) -> None:
        if TOGETHER_MODEL.encode() in body_head:
            self._transport.write(_TOGETHER)
        elif PACED_MODEL.encode() in body_head:
            self._start_pacing(iter(_PACED), PACE_S)
        elif STAMPED_MODEL.encode() in body_head:
            self._start_pacing(_stamped_writes(), STAMPED_PACE_S)
        elif BULK_MODEL.encode() in body_head:
            self._task = self._loop.create_task(self._write_bulk())

    def _start_pacing(self, writes: Iterator[bytes], pace_s: float) -> None:
        self._streams.open += 1
        self._write_next(writes, pace_s, self._loop.time())

    def _write_next(self, writes: Iterator[bytes], pace_s: float, due: float) -> None:
        payload = next(writes, None)
        if payload is None:
            self._timer = None
            self._stream_ended()
            return
        self._transport.write(payload)
        # Due times come from the stream's start, so that a late timer does not slow the whole stream.
        self._timer = self._loop.call_at(due + pace_s, self._write_next, writes, pace_s, due + pace_s)

    def _stream_ended(self) -> None:
        self._streams.open -= 1

    async def _write_bulk(self) -> None:
        self._streams.open += 1
        try:
            self._transport.write(_STREAM_HEAD + _chunk(FIRST_EVENT))
            for _ in range(self._streams.bulk_writes):
                await self._writable.wait()
                self._transport.write(_BULK_CHUNK)
            self._transport.write(_chunk(LAST_EVENTS) + _LAST_CHUNK)
        finally:
            self._stream_ended()


async def serve(port: int, bulk_bytes: int) -> None:
    """Answer on loopback until the process is told to end."""
    loop = asyncio.get_running_loop()
    streams = _Streams(bulk_bytes)
    server = await loop.create_server(lambda: UpstreamConnection(streams, loop), "127.0.0.1", port, backlog=4096)
    gc.freeze()
    await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(serve(int(sys.argv[1]), int(sys.argv[2])))
