"""The engine on real sockets, with raw or h11 peers on the other end, and all of it closed afterwards."""

from __future__ import annotations

import asyncio
import json
import socket
import ssl
import struct
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

import h11
import pytest
import uvloop

from weighbridge.core.clock import SystemClock
from weighbridge.core.errors import GatewayError
from weighbridge.core.ports import UpstreamReply, UpstreamRequest
from weighbridge.core.terms import Deadlines, Origin
from weighbridge.http.client import HttpClient
from weighbridge.http.server import Server
from weighbridge.http.server_exchange import ServerExchange
from weighbridge.pipeline.plan import Limits

QUICK_SWEEP_S = 0.01
MS = 1_000_000
PATIENT = Deadlines()


def pytest_asyncio_loop_factories(config, item):
    return {"uvloop": uvloop.new_event_loop}


def render_error(error: GatewayError, exchange: ServerExchange | None) -> tuple[int, bytes, bytes]:
    body = json.dumps({"error": {"message": error.public, "code": error.code}}).encode()
    return error.status, b"content-type: application/json\r\n", body


@dataclass
class Answer:
    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def code(self) -> str:
        return json.loads(self.body)["error"]["code"]


class Peer:
    """The other end of one connection, speaking raw bytes; replies are read by h11."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer
        self._buffer = b""

    async def send(self, data: bytes) -> None:
        self.writer.write(data)
        await self.writer.drain()

    async def receive(self) -> bytes:
        data, self._buffer = self._buffer, b""
        return data or await self.reader.read(65536)

    async def until(self, mark: bytes) -> bytes:
        """Everything up to and with a mark."""
        while mark not in self._buffer:
            data = await self.reader.read(65536)
            assert data, f"closed before {mark!r}: {self._buffer!r}"
            self._buffer += data
        cut = self._buffer.index(mark) + len(mark)
        head, self._buffer = self._buffer[:cut], self._buffer[cut:]
        return head

    async def reply(self, method: str = "GET") -> Answer:
        """The next reply, read by an independent parser."""
        parser = h11.Connection(h11.CLIENT)
        parser.send(h11.Request(method=method, target="/", headers=[("host", "x")]))
        parser.send(h11.EndOfMessage())
        parser.receive_data(self._buffer) if self._buffer else None
        self._buffer = b""
        response, body = None, b""
        while True:
            event = parser.next_event()
            if event is h11.NEED_DATA:
                parser.receive_data(await self.reader.read(65536))
            elif isinstance(event, h11.InformationalResponse):
                continue
            elif isinstance(event, h11.Response):
                response = event
            elif isinstance(event, h11.Data):
                body += bytes(event.data)
            else:
                assert isinstance(event, h11.EndOfMessage), event
                assert response is not None
                self._buffer = bytes(parser.trailing_data[0])
                headers = {name.decode(): value.decode() for name, value in response.headers}
                return Answer(response.status_code, headers, body)

    async def rest(self) -> bytes:
        """Whatever comes until the other side has closed in order; a reset raises."""
        return self._buffer + await self.reader.read()

    def close(self) -> None:
        self.writer.close()

    def reset(self) -> None:
        sock = self.writer.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.writer.transport.abort()


Handler = Callable[[ServerExchange], Awaitable[None]]


@dataclass
class Engine:
    """A running server of ours."""

    server: Server
    host: str
    port: int
    peers: list[Peer]
    bugs: list[BaseException] = field(default_factory=list)

    async def connect(self, *, tls: ssl.SSLContext | None = None, receive_buffer: int = 0) -> Peer:
        sock = socket.socket(socket.AF_INET6 if ":" in self.host else socket.AF_INET)
        if receive_buffer:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        sock.settimeout(0)
        try:
            await asyncio.get_running_loop().sock_connect(sock, (self.host, self.port))
        except OSError:
            sock.close()
            raise
        name = "localhost" if tls else None
        peer = Peer(*await asyncio.open_connection(sock=sock, ssl=tls, server_hostname=name, limit=2**16))
        self.peers.append(peer)
        return peer

    async def ask(self, data: bytes) -> Answer:
        peer = await self.connect()
        await peer.send(data)
        return await peer.reply()


@pytest.fixture
async def serve():
    """Start servers: `engine = await serve(handler, max_body_bytes=…)`. No handler may have failed by the end."""
    engines: list[Engine] = []

    async def start(handler: Handler, *, host: str = "127.0.0.1", tls: ssl.SSLContext | None = None, **limits: int) -> Engine:
        sock = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
        sock.bind((host, 0))
        bugs: list[BaseException] = []
        server = Server(
            handler, render_error, clock=SystemClock(), limits=Limits(**limits), on_bug=bugs.append, sweep_s=QUICK_SWEEP_S
        )
        await server.start([sock], tls)
        engine = Engine(server, host, sock.getsockname()[1], [], bugs)
        engines.append(engine)
        return engine

    yield start
    for engine in engines:
        for peer in engine.peers:
            peer.close()
        await engine.server.drain(0)
        assert not engine.bugs


async def echo(exchange: ServerExchange) -> None:
    """Answers with the method, the target and the body it was sent."""
    body = await exchange.read_body(2**26)
    lines = b"x-method: %b\r\nx-target: %b\r\n" % (exchange.method, exchange.target)
    exchange.start(200, lines, len(body))
    exchange.end(body)


async def refuse_gracefully(exchange: ServerExchange, limit: int) -> None:
    """As the pipeline does: whatever is wrong with the body becomes an error reply."""
    try:
        body = await exchange.read_body(limit)
    except GatewayError as error:
        status, lines, rendered = render_error(error, exchange)
        exchange.start(status, lines, len(rendered))
        exchange.end(rendered)
    else:
        exchange.start(200, b"", len(body))
        exchange.end(body)


class Collected:
    """A sink that keeps what it is given, and checks that nothing comes after the end."""

    def __init__(self) -> None:
        self.data = b""
        self.error: GatewayError | None = None
        self.is_over = asyncio.Event()
        self._grown = asyncio.Event()

    def on_data(self, data: bytes) -> None:
        assert data
        assert not self.is_over.is_set()
        self.data += data
        self._grown.set()

    def on_end(self) -> None:
        assert not self.is_over.is_set()
        self.is_over.set()

    def on_error(self, error: GatewayError) -> None:
        assert not self.is_over.is_set()
        self.error = error
        self.is_over.set()

    async def at_least(self, n_bytes: int) -> None:
        while len(self.data) < n_bytes:
            self._grown.clear()
            await self._grown.wait()


async def body_of(reply: UpstreamReply) -> bytes:
    """The whole body; raises what broke it off."""
    sink = Collected()
    reply.attach(sink)
    await sink.is_over.wait()
    if sink.error is not None:
        raise sink.error
    return sink.data


@pytest.fixture
async def client():
    """Our client, closed afterwards."""
    made = HttpClient(clock=SystemClock(), limits=Limits(), sweep_s=QUICK_SWEEP_S)
    yield made
    await made.close()


@pytest.fixture
async def upstream():
    """Start scripted servers: `origin = await upstream(script)`; the script gets a `Peer` for each connection."""
    servers: list[asyncio.Server] = []
    tasks: set[asyncio.Task[None]] = set()

    async def start(script: Callable[[Peer], Awaitable[None]], *, tls: ssl.SSLContext | None = None, path: str = "") -> Origin:
        async def run(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            task = asyncio.current_task()
            assert task is not None
            tasks.add(task)
            try:
                await script(Peer(reader, writer))
            finally:
                writer.close()

        if path:
            servers.append(await asyncio.start_unix_server(run, path))
            return Origin("unix", path)
        server = await asyncio.start_server(run, "127.0.0.1", 0, ssl=tls)
        servers.append(server)
        port = server.sockets[0].getsockname()[1]
        return Origin("https" if tls else "http", "localhost" if tls else "127.0.0.1", port)

    yield start
    for server in servers:
        server.close()
    for task in tasks:
        task.cancel()
    results = await asyncio.gather(*tasks, return_exceptions=True)
    failed = [r for r in results if isinstance(r, Exception) and not isinstance(r, OSError)]
    assert not failed


def request_to(
    origin: Origin,
    body: bytes = b"",
    *,
    method: bytes = b"POST",
    lines: bytes = b"",
    deadlines: Deadlines = PATIENT,
) -> UpstreamRequest:
    """A request whose body is held."""
    head = b"%b /v1/chat HTTP/1.1\r\nhost: provider.test\r\n%b" % (method, lines)
    return UpstreamRequest(method, origin, head, [body] if body else [], len(body), deadlines)
