"""A listening socket, its connections, and full control over the bytes and the time of what goes out.

asyncio streams and h11: the simulators share no parser with the engine that they test.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
import struct
from collections.abc import Awaitable, Callable
from http import HTTPStatus
from typing import Final, NoReturn, cast

import h11

from weighbridge.core.clock import SystemClock
from weighbridge.core.tasks import TaskSet
from weighbridge.testing.journal import Journal, ReceivedRequest, SentReply

_READ_BYTES: Final = 65_536
_MAX_HEAD_BYTES: Final = 1024 * 1024
"""Far above any gateway's own limit: what a gateway lets through is for its own tests to judge."""
_TLS_GOODBYE_S: Final = 1.0
_BACKLOG: Final = 4096
"""Load tests open thousands of connections at once."""


class ClientGoneError(Exception):
    """The client left, or the connection was cut on purpose, before the reply was whole."""


Answer = Callable[[ReceivedRequest, "Wire"], Awaitable[None]]


class Listener:
    """A server socket. `answer` is called for each request and sends the reply through its `Wire`."""

    def __init__(self, answer: Answer, journal: Journal, *, host: str, port: int, tls: ssl.SSLContext | None) -> None:
        self.answer = answer
        self.journal = journal
        self.host = host
        self.port = port
        self.failures: list[BaseException] = []
        self.tasks = TaskSet(self.failures.append)
        self._tls = tls
        self._server: asyncio.Server | None = None

    @property
    def origin(self) -> str:
        """`http://127.0.0.1:49152`, `https://[::1]:49152`."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{'https' if self._tls else 'http'}://{host}:{self.port}"

    async def start(self) -> None:
        """Bind and listen. Raises `OSError`."""
        goodbye = _TLS_GOODBYE_S if self._tls else None
        self._server = await asyncio.start_server(
            self._connected, self.host, self.port, ssl=self._tls, ssl_shutdown_timeout=goodbye, backlog=_BACKLOG
        )
        self.port = self._server.sockets[0].getsockname()[1]

    async def close(self) -> None:
        """Stop listening and drop every connection; hanging replies end. Raises the first failure of a handler, if any."""
        if self._server is not None:
            self._server.close()
        await self.tasks.cancel_all()
        if self._server is not None:
            await self._server.wait_closed()
        if self.failures:
            raise self.failures[0]

    def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.journal.connections += 1
        self.tasks.spawn(Connection(self.journal.connections, reader, writer, self).serve())


class Connection:
    """One accepted connection: requests one after another, pipelined ones included."""

    def __init__(self, number: int, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, listener: Listener) -> None:
        self.number = number
        self.http = h11.Connection(h11.SERVER, max_incomplete_event_size=_MAX_HEAD_BYTES)
        self.writer = writer
        self.gone = asyncio.Event()
        self.fresh = asyncio.Event()
        self.upgraded: bytearray | None = None
        self.tasks = listener.tasks
        self._reader = reader
        self._listener = listener
        self._clock = SystemClock()
        # So that a write is over when the kernel has taken it: what is "sent" is then exact, and a slow reader is felt at once.
        writer.transport.set_write_buffer_limits(high=0)

    async def serve(self) -> None:
        """Answer until either side is done."""
        pump = self.tasks.spawn(self._pump())
        try:
            while (request := await self._receive()) is not None:
                await self._listener.answer(request, Wire(self))
                if self.upgraded is not None or self.http.our_state is not h11.DONE:
                    break
                self.http.start_next_cycle()
        except (ClientGoneError, ConnectionError):
            pass
        finally:
            pump.cancel()
            self.writer.close()
            with contextlib.suppress(ConnectionError, TimeoutError, ssl.SSLError):
                await self.writer.wait_closed()

    async def _pump(self) -> None:
        """Read all the time, so that a client's leaving is seen in the midst of a reply."""
        with contextlib.suppress(ConnectionError, ssl.SSLError):
            while data := await self._reader.read(_READ_BYTES):
                if self.upgraded is not None:
                    self.upgraded += data
                else:
                    self.http.receive_data(data)
                self.fresh.set()
        self.gone.set()
        if self.upgraded is None:
            self.http.receive_data(b"")
        self.fresh.set()

    async def _receive(self) -> ReceivedRequest | None:
        head: h11.Request | None = None
        body: list[bytes] = []
        while True:
            try:
                event = await self._next_event()
            except h11.RemoteProtocolError as error:
                self._refuse(error, is_midway=head is not None)
                return None
            if isinstance(event, h11.Request):
                head = event
            elif isinstance(event, h11.Data):
                body.append(bytes(event.data))
            elif isinstance(event, h11.EndOfMessage) and head is not None:
                return self._received(head, b"".join(body))
            else:
                return None

    async def _next_event(self) -> h11.Event:
        while True:
            event = self.http.next_event()
            if not isinstance(event, type):
                return event
            if self.http.they_are_waiting_for_100_continue:
                self.writer.write(self.http.send(h11.InformationalResponse(status_code=100, headers=[])) or b"")
            self.fresh.clear()
            await self.fresh.wait()

    def _received(self, head: h11.Request, body: bytes) -> ReceivedRequest:
        names = {name for name, _ in head.headers}
        framing = "chunked" if b"transfer-encoding" in names else "content-length" if b"content-length" in names else "none"
        return ReceivedRequest(
            number=len(self._listener.journal) + 1,
            connection=self.number,
            method=head.method,
            target=head.target,
            http_version=head.http_version,
            headers=tuple(head.headers.raw_items()),
            body=body,
            framing=framing,
            arrived_ns=self._clock.now_ns(),
        )

    def _refuse(self, error: h11.RemoteProtocolError, *, is_midway: bool) -> None:
        journal = self._listener.journal
        journal.incomplete += 1
        if not self.gone.is_set():
            journal.note_malformed(str(error))
            reason = b"Bad Request" if not is_midway else b"Bad Request Body"
            self.writer.write(b"HTTP/1.1 400 " + reason + b"\r\nconnection: close\r\ncontent-length: 0\r\n\r\n")
        journal.touch()


class Wire:
    """The way out for one reply. Every method raises `ClientGoneError` when nobody listens any more."""

    def __init__(self, connection: Connection) -> None:
        self.connection = connection
        self.sent = SentReply()
        self.drip: tuple[int, float] | None = None
        self.bytes_left: int | None = None
        """Bytes after the head until the cut; None is no cut."""
        self.is_unframed = False
        """Body bytes go out bare, whatever the head has promised."""
        self.is_bodiless = False
        """A reply to HEAD: its head speaks of a body that never comes."""

    async def head(self, status: int, headers: list[tuple[str, str]]) -> None:
        """Status line and headers. Without a content-length among them the body is chunked (for HTTP/1.0: until the close)."""
        self.sent.status = status
        reason = HTTPStatus(status).phrase if status in _KNOWN else ""
        response = h11.Response(status_code=status, headers=headers, reason=reason.encode())
        data = self.connection.http.send(response) or b""
        self.sent.headers = tuple((name, value) for name, value in response.headers.raw_items())
        await self.write(data)

    async def upgrade(self, headers: list[tuple[str, str]]) -> None:
        """Switch to another protocol: 101, after which only `write` and `read_exactly` make sense."""
        connection = self.connection
        response = h11.InformationalResponse(status_code=101, headers=headers, reason=b"Switching Protocols")
        data = connection.http.send(response) or b""
        connection.upgraded = bytearray(connection.http.trailing_data[0])
        self.sent.status = 101
        self.sent.headers = tuple((name, value) for name, value in response.headers.raw_items())
        await self.write(data)

    async def read_exactly(self, size: int) -> bytes:
        """Bytes from an upgraded connection."""
        buffer = self.connection.upgraded
        if buffer is None:
            raise RuntimeError("the connection still speaks HTTP")
        while len(buffer) < size:
            if self.connection.gone.is_set():
                self.leave()
            self.connection.fresh.clear()
            await self.connection.fresh.wait()
        data = bytes(buffer[:size])
        del buffer[:size]
        return data

    async def data(self, data: bytes) -> None:
        """A piece of the body, as one HTTP chunk."""
        if not data or self.is_bodiless:
            return
        framed = data if self.is_unframed else self.connection.http.send(h11.Data(data=data)) or b""
        start = len(b"%x\r\n" % len(data)) if len(framed) > len(data) else 0
        await self._emit(framed, start, start + len(data))

    async def end(self) -> None:
        """The end of the body."""
        if not self.is_unframed:
            await self._emit(self.connection.http.send(h11.EndOfMessage()) or b"", 0, 0)
        self.sent.ending = "whole"

    async def _emit(self, framed: bytes, body_start: int, body_end: int) -> None:
        limit = len(framed) if self.bytes_left is None else min(self.bytes_left, len(framed))
        step, wait_s = self.drip or (max(limit, 1), 0.0)
        for start in range(0, limit, step):
            stop = min(start + step, limit)
            await self.write(framed[start:stop])
            self.sent.add_body(framed[max(start, body_start) : max(body_start, min(stop, body_end))])
            if wait_s:
                await self.pause(wait_s)
        if self.bytes_left is not None:
            self.bytes_left -= limit
            if limit < len(framed) or not self.bytes_left:
                raise CutReachedError

    async def write(self, data: bytes) -> None:
        """Raw bytes; returns when the kernel has them."""
        if self.connection.gone.is_set():
            self.leave()
        self.connection.writer.write(data)
        self.sent.wire_bytes += len(data)
        transport = self.connection.writer.transport
        while unsent := transport.get_write_buffer_size():
            await self._drained()
            if self.connection.gone.is_set():
                self.sent.wire_bytes -= unsent
                self.leave()

    async def _drained(self) -> None:
        """Wait for room, but not for a client that has left without reading."""
        tasks = self.connection.tasks
        drain, gone = tasks.spawn(self._drain()), tasks.spawn(self.connection.gone.wait())
        try:
            await asyncio.wait({drain, gone}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            drain.cancel()
            gone.cancel()

    async def _drain(self) -> None:
        try:
            await self.connection.writer.drain()
        except ConnectionError:
            self.connection.gone.set()

    async def pause(self, seconds: float) -> None:
        """Let time pass while the client is there."""
        try:
            async with asyncio.timeout(seconds):
                await self.connection.gone.wait()
        except TimeoutError:
            return
        self.leave()

    async def hang(self) -> NoReturn:
        """Send nothing more until the client leaves or the server closes."""
        await self.connection.gone.wait()
        self.leave()

    def leave(self) -> NoReturn:
        """Note that the client left."""
        self.sent.ending = "client left"
        raise ClientGoneError

    def cut(self, *, is_reset: bool) -> NoReturn:
        """End the connection now, orderly or with a reset."""
        self.sent.ending = "cut"
        if is_reset:
            reset(self.connection.writer.transport)
        raise ClientGoneError


def reset(transport: asyncio.BaseTransport) -> None:
    """End a connection with RST."""
    raw: socket.socket = transport.get_extra_info("socket")
    # A linger time of zero makes the kernel send RST instead of FIN.
    raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    # uvloop's transports are no subclasses of asyncio's.
    cast("asyncio.WriteTransport", transport).abort()


class CutReachedError(Exception):
    """So many bytes have been sent as were to be sent."""


_KNOWN: Final = frozenset(int(status) for status in HTTPStatus)
