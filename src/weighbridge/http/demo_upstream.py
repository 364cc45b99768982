"""The demo provider as an `Upstream`: its pure replies played back in time, in this process and without a socket."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Coroutine
from typing import Any, Final

from weighbridge.core.clock import NS_PER_S, SystemRng
from weighbridge.core.errors import ErrorKind, GatewayError
from weighbridge.core.ports import ByteSink, Clock, RawPipe, Upstream, UpstreamReply, UpstreamRequest
from weighbridge.core.terms import Dialect
from weighbridge.pipeline.headers import returned_lines
from weighbridge.providers.demo import DemoChunk, DemoReply, DemoRequest, respond

DEMO_SCHEME: Final = "demo"
_WORKERS_APART: Final = 1 << 40
"""Each worker numbers its requests from a random multiple of this, so that ids differ between workers."""


class UpstreamByScheme:
    """Requests to `demo:` origins go to the demo, all others to the network."""

    def __init__(self, network: Upstream, demo: Upstream) -> None:
        self._network = network
        self._demo = demo

    def send(self, request: UpstreamRequest) -> Coroutine[Any, Any, UpstreamReply]:
        """See `core.ports.Upstream.send`; hands the other's coroutine on, since one of its own would cost 0.3 µs."""
        if request.origin.scheme == DEMO_SCHEME:
            return self._demo.send(request)
        return self._network.send(request)


class DemoUpstream:
    """`core.ports.Upstream` over `providers.demo.respond`."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._number = int(SystemRng().random() * 2**20) * _WORKERS_APART

    async def send(self, request: UpstreamRequest) -> UpstreamReply:
        """Answer at once; the reply's chunks come in their own time."""
        self._number += 1
        asked = _demo_request(request)
        reply = respond(asked, now_s=self._clock.wall_ns() // NS_PER_S, request_number=self._number)
        now = self._clock.now_ns()
        return DemoPlayback(reply, is_head=request.method == b"HEAD", sent_ns=now, first_byte_ns=self._clock.now_ns())


def _demo_request(request: UpstreamRequest) -> DemoRequest:
    if not isinstance(request.body, (list, tuple)):
        raise GatewayError(ErrorKind.NOT_IMPLEMENTED, "The demo provider takes no uploads.")
    request_line, *lines = request.head.split(b"\r\n")[:-1]
    method, target, _ = request_line.decode().split(" ")
    headers = [(name, value) for name, _, value in (line.partition(b": ") for line in lines)]
    path, _, query = target.partition("?")
    dialect, relative = _dialect_of(path, headers)
    body = b"".join(request.body)
    return DemoRequest(method=method, path=relative, query=query, headers=headers, body=body, dialect=dialect)


def _dialect_of(path: str, headers: list[tuple[bytes, bytes]]) -> tuple[Dialect, str]:
    if path.startswith("/v1beta/"):
        return Dialect.GEMINI, path.removeprefix("/v1beta")
    relative = path.removeprefix("/v1")
    if relative.startswith("/models/") and ":" in relative:
        return Dialect.GEMINI, relative
    if relative.startswith("/messages") or any(name == b"anthropic-version" for name, _ in headers):
        return Dialect.ANTHROPIC, relative
    return Dialect.OPENAI, relative


class DemoPlayback:
    """A demo reply under way (`core.ports.UpstreamReply`). Nothing is timed before a sink is attached."""

    def __init__(self, reply: DemoReply, *, is_head: bool, sent_ns: int, first_byte_ns: int) -> None:
        self.status = reply.status
        self.reason = b""
        self.headers = [pair for pair in reply.headers if pair[0] != b"content-length"]
        self.content_type = dict(self.headers).get(b"content-type", b"")
        self.content_encoding = b""
        self.whole: bytes | None = None
        lengths = [int(value) for name, value in reply.headers if name == b"content-length"]
        self.content_length: int | None = lengths[0] if lengths else None
        self.sent_ns = sent_ns
        self.first_byte_ns = first_byte_ns
        self._chunks: deque[DemoChunk] = deque(() if is_head else reply.chunks)
        self._sink: ByteSink | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._is_paused = False

    def header_lines(self) -> bytes:
        """See `core.ports.UpstreamReply.header_lines`."""
        return returned_lines(self.headers)

    def attach(self, sink: ByteSink) -> None:
        """Begin to play."""
        self._sink = sink
        self._play()

    def pause(self) -> None:
        """Hold the next chunk."""
        self._is_paused = True
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def resume(self) -> None:
        """Go on."""
        if self._is_paused:
            self._is_paused = False
            self._play()

    def abort(self) -> None:
        """Play no more."""
        self.pause()
        self._sink = None
        self._chunks.clear()

    def take_over(self, sink: ByteSink) -> RawPipe:  # noqa: ARG002 - there is nothing to give it
        """The demo never answers 101."""
        raise GatewayError(ErrorKind.NOT_IMPLEMENTED, "The demo provider has no realtime sessions.")

    def _play(self) -> None:
        """Hand out every chunk that is due, then wait for the next."""
        while self._sink is not None and not self._is_paused and self._timer is None:
            if not self._chunks:
                sink, self._sink = self._sink, None
                sink.on_end()
                return
            delay_ns = self._chunks[0].delay_ns
            if delay_ns:
                loop = asyncio.get_running_loop()
                self._timer = loop.call_later(delay_ns / NS_PER_S, self._play_due)
                return
            self._hand_out()

    def _play_due(self) -> None:
        self._timer = None
        self._hand_out()
        self._play()

    def _hand_out(self) -> None:
        data = self._chunks.popleft().data
        if self._sink is not None and data:
            self._sink.on_data(data)
