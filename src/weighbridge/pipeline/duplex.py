"""Realtime sessions: a WebSocket as a two-way pipe of untouched bytes, weighed by reading along.

The provider's direction is read for `response.done` events, whose usage is added up; the client's is not looked at, but for a
session under a hard budget (`session_gate.py`). It ends when either side closes, and is settled like any other exchange.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from typing import Final

from weighbridge.core.errors import ErrorKind, GatewayError
from weighbridge.core.ports import Clock, RawPipe, UpstreamReply
from weighbridge.core.tasks import on_a_task
from weighbridge.pipeline.bookkeeper import Bookkeeper, Lacking
from weighbridge.pipeline.exchange import Exchange
from weighbridge.pipeline.session_gate import SessionGate
from weighbridge.pipeline.slices import Slices
from weighbridge.wire.meter import Meter, RealtimeMeter
from weighbridge.wire.websocket import FrameReader, Opcode

_HANDSHAKE_HEADERS = frozenset((b"sec-websocket-accept", b"sec-websocket-protocol", b"sec-websocket-extensions"))
_FAREWELL_S: Final = 2.0
"""How long a client whose session was ended may take to close its side: shut at once, it might not read why."""


async def run_duplex(exchange: Exchange, reply: UpstreamReply, clock: Clock, books: Bookkeeper) -> None:
    """Run a session after the provider's 101 until one side has closed.

    Raises `GatewayError`: PROVIDER_MALFORMED where nobody asked for one; under a hard budget BUDGET_EXCEEDED where it has no more,
    and what is wrong with a direction that cannot be read.
    """
    if not exchange.downstream.is_upgrade:
        raise GatewayError(ErrorKind.PROVIDER_MALFORMED, "The provider changed the protocol without being asked.")
    exchange.status = 101
    exchange.is_stream = True
    exchange.first_byte_ns = clock.now_ns()
    downstream = exchange.downstream
    downstream.start(101, _handshake_lines(exchange, reply), None)
    slices = exchange.holding.slices if exchange.holding is not None else None
    if slices is not None:
        await _run_gated(exchange, reply, books, slices)
        return
    observer = SessionObserver()
    over = asyncio.Event()
    to_client = _Direction(exchange, over, observer)
    to_provider = _Direction(None, over, None)
    client_pipe = downstream.take_over(to_provider)  # first: if it has left, the provider's side is still a reply to be broken off
    provider_pipe = reply.take_over(to_client)
    to_client.connect(client_pipe)
    to_provider.connect(provider_pipe)
    client_pipe.throttle(provider_pipe)
    provider_pipe.throttle(client_pipe)
    try:
        await over.wait()
    finally:
        _note(exchange, observer.meter)
        provider_pipe.close()
        client_pipe.close()


async def _run_gated(exchange: Exchange, reply: UpstreamReply, books: Bookkeeper, slices: Slices) -> None:
    """The same under a hard budget."""
    session = _Gated(exchange, books, slices)
    gate = session.gate
    client_pipe = exchange.downstream.take_over(session.of_client)  # first, as above
    provider_pipe = reply.take_over(session.of_provider)
    gate.connect(client_pipe, provider_pipe)
    try:
        session.begin()
        await session.run()
    except asyncio.CancelledError:
        if gate.error is None:  # else the client has left because of it
            raise
    finally:
        _note(exchange, gate.meter)
        gate.close()
    if gate.error is not None:
        raise gate.error


def _note(exchange: Exchange, heard: RealtimeMeter) -> None:
    """What the session has used, for its account."""
    meter = exchange.meter = Meter()
    meter.usage, meter.apart, meter.served_model = heard.usage, heard.apart, heard.served_model
    exchange.usage = heard.usage


class _Gated:
    """Both directions of a session under a hard budget, and the questions to other hosts that it takes."""

    def __init__(self, exchange: Exchange, books: Bookkeeper, slices: Slices) -> None:
        self._exchange = exchange
        self._books = books
        self._happened = asyncio.Event()
        self._is_over = False
        self._lacking: Lacking | None = None
        self.gate = SessionGate(slices, exchange.request_id, self._happened.set, self._is_asked_for)
        self.of_provider = _Side(self._from_provider, self._provider_gone)
        self.of_client = _Side(self.gate.from_client, self._gone)

    def begin(self) -> None:
        """Both pipes are there: what has come already goes first."""
        self.of_provider.begin()
        self.of_client.begin()

    async def run(self) -> None:
        """Until a side has closed, or the session was ended and its client knows."""
        await on_a_task()
        while not self._is_over and self.gate.error is None:
            await self._happened.wait()
            self._happened.clear()
            if self._lacking is not None:
                await self._ask_others(self._lacking)
        with suppress(TimeoutError):
            async with asyncio.timeout(_FAREWELL_S):
                while not self._is_over and not self.gate.has_left:
                    self._happened.clear()
                    await self._happened.wait()

    async def _ask_others(self, lacking: Lacking) -> None:
        with suppress(GatewayError):  # nobody can say: as if there were nothing
            await self._books.lease(lacking)
        self._lacking = None
        self.gate.look_again(has_asked=True)

    def _is_asked_for(self) -> bool:
        if self._lacking is None:
            self._lacking = self._books.session_lacks(self._exchange, self.gate.n_wanted, self.gate.meter.usage)
            self._happened.set()
        return self._lacking is not None

    def _from_provider(self, data: bytes) -> None:
        self._exchange.reply_bytes += len(data)
        self.gate.from_provider(data)

    def _provider_gone(self) -> None:
        if self.gate.error is None:  # else it was we who closed
            self._gone()

    def _gone(self) -> None:
        self._is_over = True
        self._happened.set()


class _Side:
    """The sink of one side's bytes. What comes before the other side is there is held."""

    __slots__ = ("_gone", "_held", "_take")

    def __init__(self, take: Callable[[bytes], None], gone: Callable[[], None]) -> None:
        self._take = take
        self._gone = gone
        self._held: list[bytes] | None = []

    def begin(self) -> None:
        """The other side is there."""
        held, self._held = self._held or [], None
        for data in held:
            self._take(data)

    def on_data(self, data: bytes) -> None:
        """Bytes of this side."""
        if self._held is not None:
            self._held.append(data)
        else:
            self._take(data)

    def on_end(self) -> None:
        """This side has closed."""
        self._gone()

    def on_error(self, error: GatewayError) -> None:  # noqa: ARG002 - a pipe has no way to say why
        """This side broke off."""
        self._gone()


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
