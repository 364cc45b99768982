"""Realtime sessions: a WebSocket as a two-way pipe of untouched bytes, weighed by reading along.

The provider's direction is read for `response.done` events, whose usage is added up; the client's is not looked at. The
session ends when either side closes, and is settled like any other exchange.
"""

from __future__ import annotations

import asyncio

from weighbridge.core.errors import ErrorKind, GatewayError
from weighbridge.core.ports import Clock, RawPipe, UpstreamReply
from weighbridge.pipeline.exchange import Exchange
from weighbridge.wire.meter import RealtimeMeter
from weighbridge.wire.websocket import FrameReader, Opcode

_HANDSHAKE_HEADERS = frozenset((b"sec-websocket-accept", b"sec-websocket-protocol", b"sec-websocket-extensions"))


async def run_duplex(exchange: Exchange, reply: UpstreamReply, clock: Clock) -> None:
    """Run a session after the provider's 101 until one side has closed.

    Raises `GatewayError` PROVIDER_MALFORMED where nobody asked for one.
    """
    if not exchange.downstream.is_upgrade:
        raise GatewayError(ErrorKind.PROVIDER_MALFORMED, "The provider changed the protocol without being asked.")
    exchange.status = 101
    exchange.is_stream = True
    exchange.first_byte_ns = clock.now_ns()
    downstream = exchange.downstream
    downstream.start(101, _handshake_lines(exchange, reply), None)
    observer = SessionObserver()
    over = asyncio.Event()
    to_client = _Direction(exchange, over, observer)
    to_provider = _Direction(None, over, None)
    provider_pipe = reply.take_over(to_client)
    client_pipe = downstream.take_over(to_provider)
    to_client.connect(client_pipe)
    to_provider.connect(provider_pipe)
    client_pipe.throttle(provider_pipe)
    provider_pipe.throttle(client_pipe)
    try:
        await over.wait()
    finally:
        exchange.usage = observer.meter.usage
        provider_pipe.close()
        client_pipe.close()


def _handshake_lines(exchange: Exchange, reply: UpstreamReply) -> bytes:
    target = exchange.target
    assert target is not None
    kept = [b"%b: %b\r\n" % pair for pair in reply.headers if pair[0] in _HANDSHAKE_HEADERS]
    edits = ",".join(exchange.edits).encode() or b"none"
    return b"connection: Upgrade\r\nupgrade: websocket\r\n%bx-weighbridge-request-id: %b\r\nx-weighbridge-edits: %b\r\n%b" % (
        b"".join(kept),
        exchange.request_id.encode(),
        edits,
        target.reply_lines,
    )


class SessionObserver:
    """Reads the provider's messages for usage. A frame that breaks the protocol ends the reading, never the session."""

    def __init__(self) -> None:
        self.meter = RealtimeMeter()
        self._frames: FrameReader | None = FrameReader(masked=False)

    def feed(self, data: bytes) -> None:
        """The provider's next bytes."""
        if self._frames is None:
            return
        try:
            for message in self._frames.feed(data):
                if message.opcode is Opcode.TEXT and not message.is_truncated:
                    self.meter.feed(message.payload)
        except GatewayError:
            self._frames = None


class _Direction:
    """The sink of one side's bytes, which writes them to the other side."""

    __slots__ = ("_exchange", "_held", "_observer", "_over", "_pipe")

    def __init__(self, exchange: Exchange | None, over: asyncio.Event, observer: SessionObserver | None) -> None:
        self._exchange = exchange
        self._over = over
        self._observer = observer
        self._pipe: RawPipe | None = None
        self._held: list[bytes] = []

    def connect(self, pipe: RawPipe) -> None:
        """The other side is there; what came before goes first."""
        self._pipe = pipe
        for data in self._held:
            pipe.write(data)
        self._held.clear()

    def on_data(self, data: bytes) -> None:
        """Bytes of this side."""
        if self._exchange is not None:
            self._exchange.reply_bytes += len(data)
        if self._observer is not None:
            self._observer.feed(data)
        if self._pipe is not None:
            self._pipe.write(data)
        else:
            self._held.append(data)

    def on_end(self) -> None:
        """This side has closed."""
        self._over.set()

    def on_error(self, error: GatewayError) -> None:  # noqa: ARG002 - a pipe has no way to say why
        """This side broke off."""
        self._over.set()
