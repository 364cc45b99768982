"""A static HTTP/1.1 upstream: what it sends is given byte for byte, and when.

For fidelity tests and benchmarks. It is an `asyncio.Protocol` that reads no more of a request than where it ends, so that
the upstream is not what a benchmark measures; for the same reason it checks nothing.
"""

from __future__ import annotations

import asyncio
import re
import ssl
from collections.abc import Callable
from enum import Enum
from types import TracebackType
from typing import Final, Self, cast

import msgspec

from weighbridge.core.clock import SystemClock
from weighbridge.core.tasks import TaskSet
from weighbridge.testing.journal import ReceivedRequest
from weighbridge.testing.server import reset

_LENGTH: Final = re.compile(rb"\r\ncontent-length:[ \t]*(\d+)", re.IGNORECASE)
_CHUNKED: Final = re.compile(rb"\r\ntransfer-encoding:[ \t]*chunked", re.IGNORECASE)
_CHUNK_END: Final = b"0\r\n\r\n"
_BACKLOG: Final = 4096


class After(Enum):
    """What becomes of the connection after the last chunk."""

    KEEP = "keep"
    CLOSE = "close"
    HANG = "hang"
    RESET = "reset"


class Piece(msgspec.Struct, frozen=True):
    """Raw bytes that go out in one write, `delay_s` after the piece before."""

    data: bytes
    delay_s: float = 0.0


class StaticReply(msgspec.Struct, frozen=True):
    """A raw head (status line to blank line) and raw pieces of body, HTTP framing included."""

    head: bytes
    pieces: tuple[Piece, ...] = ()
    after: After = After.KEEP

    @staticmethod
    def whole(body: bytes, *, content_type: str = "application/json", status: str = "200 OK") -> StaticReply:
        """A reply with a content-length, in one write."""
        head = f"HTTP/1.1 {status}\r\ncontent-type: {content_type}\r\ncontent-length: {len(body)}\r\n\r\n"
        return StaticReply(head.encode() + body)

    @staticmethod
    def stream(events: list[bytes], *, delay_s: float = 0.0, content_type: str = "text/event-stream") -> StaticReply:
        """A chunked reply: each event one HTTP chunk and one write, `delay_s` apart."""
        head = f"HTTP/1.1 200 OK\r\ncontent-type: {content_type}\r\ntransfer-encoding: chunked\r\n\r\n"
        pieces = [Piece(b"%x\r\n%b\r\n" % (len(event), event), delay_s) for event in events]
        return StaticReply(head.encode(), (*pieces, Piece(_CHUNK_END)))


ReplyFor = Callable[[ReceivedRequest], StaticReply]


class StaticServer:
    """The server, as an asynchronous context manager. `reply_for` is called once for each request, on the event loop.

    `requests` holds what came if `is_recording`; a benchmark leaves that off.
    """

    def __init__(
        self,
        reply_for: ReplyFor,
        *,
        host: str = "127.0.0.1",
        port: int = 0,
        tls: ssl.SSLContext | None = None,
        is_recording: bool = True,
    ) -> None:
        self.reply_for = reply_for
        self.host = host
        self.port = port
        self.is_recording = is_recording
        self.requests: list[ReceivedRequest] = []
        self.received = 0
        self.connections = 0
        self.failures: list[BaseException] = []
        self.tasks = TaskSet(self.failures.append)
        self.open: set[_Connection] = set()
        self._tls = tls
        self._server: asyncio.Server | None = None

    @property
    def origin(self) -> str:
        """`http://127.0.0.1:49152`."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{'https' if self._tls else 'http'}://{host}:{self.port}"

    async def __aenter__(self) -> Self:
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(lambda: _Connection(self), self.host, self.port, ssl=self._tls, backlog=_BACKLOG)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        if self._server is not None:
            self._server.close()
        for connection in list(self.open):
            connection.abort()
        await self.tasks.cancel_all()
        if self._server is not None:
            await self._server.wait_closed()
        if self.failures:
            raise self.failures[0]


class _Connection(asyncio.Protocol):
    """One connection; requests are answered in order."""

    def __init__(self, server: StaticServer) -> None:
        self._server = server
        self._buffer = bytearray()
        self._transport: asyncio.Transport | None = None
        self._is_answering = False
        self._is_writable = asyncio.Event()
        self._is_writable.set()
        self._number = 0
        self._clock = SystemClock()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Note the connection."""
        # uvloop's transports are no subclasses of asyncio's.
        self._transport = cast("asyncio.Transport", transport)
        self._server.connections += 1
        self._number = self._server.connections
        self._server.open.add(self)

    def connection_lost(self, _error: Exception | None) -> None:
        """Forget it; a reply under way notices by the closed transport."""
        self._server.open.discard(self)
        self._is_writable.set()

    def pause_writing(self) -> None:
        """The peer reads slowly."""
        self._is_writable.clear()

    def resume_writing(self) -> None:
        """The peer reads again."""
        self._is_writable.set()

    def data_received(self, data: bytes) -> None:
        """Take bytes and answer what is whole."""
        self._buffer += data
        self._answer_next()

    def abort(self) -> None:
        """Drop the connection."""
        if self._transport is not None:
            self._transport.abort()

    def _answer_next(self) -> None:
        while not self._is_answering and (request := self._next_request()) is not None:
            reply = self._server.reply_for(request)
            if reply.pieces or reply.after is not After.KEEP:
                self._is_answering = True
                self._server.tasks.spawn(self._play(reply))
            elif self._transport is not None:
                self._transport.write(reply.head)

    def _next_request(self) -> ReceivedRequest | None:
        end = self._buffer.find(b"\r\n\r\n")
        if end < 0:
            return None
        head = bytes(self._buffer[:end])
        if length := _LENGTH.search(head):
            framing, stop = "content-length", end + 4 + int(length.group(1))
        elif _CHUNKED.search(head):
            # Good enough for a known client: a body that holds the last chunk's bytes in its midst ends too soon.
            framing, last = "chunked", self._buffer.find(_CHUNK_END, end + 4)
            stop = last + len(_CHUNK_END) if last >= 0 else len(self._buffer) + 1
        else:
            framing, stop = "none", end + 4
        if len(self._buffer) < stop:
            return None
        body = bytes(self._buffer[end + 4 : stop])
        del self._buffer[:stop]
        return self._received(head, body, framing)

    def _received(self, head: bytes, body: bytes, framing: str) -> ReceivedRequest:
        start, *lines = head.split(b"\r\n")
        method, target, version = start.split(b" ", 2)
        self._server.received += 1
        request = ReceivedRequest(
            number=self._server.received,
            connection=self._number,
            method=method,
            target=target,
            http_version=version.removeprefix(b"HTTP/"),
            headers=tuple((name, value.strip()) for name, _, value in (line.partition(b":") for line in lines)),
            body=_dechunked(body) if framing == "chunked" else body,
            framing=framing,
            arrived_ns=self._clock.now_ns(),
        )
        if self._server.is_recording:
            self._server.requests.append(request)
        return request

    async def _play(self, reply: StaticReply) -> None:
        transport = self._transport
        assert transport is not None
        transport.write(reply.head)
        for piece in reply.pieces:
            if piece.delay_s:
                await asyncio.sleep(piece.delay_s)
            await self._is_writable.wait()
            if transport.is_closing():
                return
            transport.write(piece.data)
        match reply.after:
            case After.CLOSE:
                transport.close()
            case After.RESET:
                reset(transport)
            case After.KEEP:
                self._is_answering = False
                self._answer_next()
            case After.HANG:
                pass


def _dechunked(body: bytes) -> bytes:
    data, place = bytearray(), 0
    while size := int(body[place : (line_end := body.index(b"\r\n", place))].partition(b";")[0], 16):
        data += body[line_end + 2 : line_end + 2 + size]
        place = line_end + 2 + size + 2
    return bytes(data)
