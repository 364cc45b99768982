"""One client connection: bytes in, requests out, replies back in order.

llhttp (through httptools) parses and, in its strict mode, refuses what request smuggling lives on: a length beside a
transfer coding, two lengths, folded headers, bare CR or LF, odd chunk sizes. What it lets pass is refused here: a missing
or second `Host`, a coding other than `chunked`, chunked HTTP/1.0, HTTP/0.9 and 2.0 preambles, CONNECT (RFC 9112 §3, §6).

The states and their timers are in `connection_state.py`.
"""

from __future__ import annotations

import asyncio
import socket
import struct
from collections import deque
from typing import TYPE_CHECKING, Final, cast

import httptools

from weighbridge.core.clock import NS_PER_S
from weighbridge.core.errors import ErrorKind, GatewayError
from weighbridge.core.ports import ByteSink
from weighbridge.http.connection_state import BODY, HEAD, IDLE, LINGER, PIPE, REPLY, State
from weighbridge.http.known_head import KnownHead
from weighbridge.http.limits import (
    LINGER_S,
    MAX_LINGER_BYTES,
    MAX_PIPELINED,
    MAX_PIPELINED_IN_ONE_READ,
    MIN_BODY_PROGRESS,
    SMALL_WRITE,
)
from weighbridge.http.pipes import ServerPipe
from weighbridge.http.request_head import check_head, head_size, head_too_large, is_websocket_offer, parse_failure, take_headers
from weighbridge.http.server_exchange import ServerExchange
from weighbridge.http.tcp_info import tcp_counts

if TYPE_CHECKING:
    from weighbridge.http.server import Server

_LINGER_NS: Final = int(LINGER_S * NS_PER_S)
_RESET_ON_CLOSE: Final = struct.pack("ii", 1, 0)
"""SO_LINGER on, with no time: closing sends RST."""


class ServerConnection(asyncio.Protocol):
    """The protocol object of one accepted socket."""

    __slots__ = (
        "_acked_bytes",
        "_barren_bytes",
        "_body_progress",
        "_body_seen",
        "_exchange",
        "_has_pipelined",
        "_head_bytes",
        "_headers",
        "_is_body_paused",
        "_is_closing",
        "_is_deaf",
        "_is_reading_paused",
        "_is_replaying",
        "_is_start_due",
        "_is_write_paused",
        "_known_head",
        "_linger_bytes",
        "_n_unmet_heads",
        "_parser",
        "_pending",
        "_pipe",
        "_queue",
        "_refusal",
        "_server",
        "_transport",
        "_unsent_bytes",
        "expires_ns",
        "memo",
        "peer",
        "state",
    )

    def __init__(self, server: Server) -> None:
        self._server = server
        self._transport: asyncio.Transport = None  # type: ignore[assignment]  # set by connection_made, before anything else
        self._parser: httptools.HttpRequestParser | None = None
        self._exchange: ServerExchange | None = None
        self._pending: ServerExchange | None = None
        self._queue: deque[ServerExchange] | None = None
        self._pipe: ServerPipe | None = None
        self._head_bytes = 0
        self._headers: list[tuple[bytes, bytes]] = []
        self._body_progress = 0
        self._body_seen = 0
        self._barren_bytes = 0
        self._linger_bytes = 0
        self._unsent_bytes = 0
        self._acked_bytes = -1
        self._refusal: tuple[GatewayError, ServerExchange | None] | None = None
        """Of a request that came while another was being answered; sent in its turn."""
        self._has_pipelined = False
        self._is_body_paused = False
        self._is_reading_paused = False
        self._is_write_paused = False
        self._is_replaying = False
        self._is_start_due = False
        """The current request has a whole head, and its handler is not called yet."""
        self._is_closing = False
        self._is_deaf = False
        """Nothing that still comes is a request."""
        self._known_head: KnownHead | None = None
        self._n_unmet_heads = 0
        self.state: State = IDLE
        self.expires_ns = 0
        self.peer = ""
        self.memo: object = None
        """What the handler left at its last request (see `core.ports.Downstream`)."""

    # --- transport callbacks ------------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """A client has connected."""
        self._transport = cast("asyncio.Transport", transport)  # uvloop's transports do not derive from asyncio's
        address = transport.get_extra_info("peername")
        self.peer = str(address[0]) if isinstance(address, tuple) else ""
        if not self._server.add(self):
            self._refuse(GatewayError(ErrorKind.GATEWAY_OVERLOADED, "The gateway has no connection to spare. Try again shortly."))
            return
        # A fresh connection must say something within the header timeout; only one that has been used may idle.
        self.expires_ns = self._server.clock.now_ns() + self._server.limits.header_timeout_ns

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - why it went makes no difference
        """The client is gone: whatever runs for it is cancelled at once."""
        self._is_closing = True
        self._server.discard(self)
        gone = GatewayError(ErrorKind.CLIENT_CLOSED, "The client closed the connection.")
        exchange, self._exchange = self._exchange, None
        if exchange is not None:
            exchange.fail_body(gone)
            exchange.has_ended = True
            if exchange.handling is not None:
                exchange.handling.cancel()
        if self._queue:
            self._queue.clear()
        if self._pipe is not None:
            pipe, self._pipe = self._pipe, None
            pipe.sink.on_end()
        self._parser = self._pending = None

    def eof_received(self) -> bool:
        """A half-closed client can't be told from one that has left: like nginx we take it for gone."""
        return False

    def data_received(self, data: bytes) -> None:
        """The next bytes of requests."""
        if self._is_deaf:
            self._take_non_http(data)
            return
        is_new = self.state is IDLE
        if is_new and self._known_head is not None and self._receive_known(self._known_head, data):
            return
        if self._parser is None:
            self._parser = httptools.HttpRequestParser(self)
        if self._pending is None or not self._pending.received_ns:
            self._head_bytes += len(data)
            if self.state is IDLE:
                self.state = HEAD
                self.expires_ns = self._server.clock.now_ns() + self._server.limits.header_timeout_ns
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade as upgrade:
            self._upgrade(memoryview(data)[upgrade.args[0] :])
        except httptools.HttpParserError as error:
            self._refuse(parse_failure(error))
        pending = self._pending
        if pending is not None and not self._is_deaf:
            if pending.received_ns:
                self._note_body(pending, len(data))
            elif self._head_bytes > self._server.limits.max_header_bytes:
                self._refuse(head_too_large(self._server.limits.max_header_bytes))
        elif is_new and self._exchange is not None:
            self._keep_head(data, self._exchange)
        self._attend()

    def _keep_head(self, data: bytes, exchange: ServerExchange) -> None:
        """Keep a head to know it again; ever more rarely for a client that never sends the same."""
        n_unmet = self._n_unmet_heads
        if not n_unmet & (n_unmet - 1):
            self._known_head = KnownHead.of(data, exchange, self._server.limits)
        self._n_unmet_heads = n_unmet + 1

    def _receive_known(self, known: KnownHead, data: bytes) -> bool:
        """Begin a request without the parser, which stands between two messages, if this read is one with the head before."""
        server = self._server
        exchange = known.recognise(data, self) if known.limits is server.limits else None
        if exchange is None:
            return False
        self._n_unmet_heads = 0
        exchange.received_ns = server.clock.now_ns()
        self._exchange = exchange
        self.state = REPLY
        self.expires_ns = 0
        if self._is_write_paused:
            self._arm()
            exchange.pause_source()
        server.start_exchange(exchange)
        return True

    def _attend(self) -> None:
        """Call the handler of a request, or let it go on with the body it waits for: not before the parser is done with what
        came, since it runs in this very call."""
        exchange = self._exchange
        if exchange is None:
            return
        if self._is_start_due:
            self._is_start_due = False
            self._server.start_exchange(exchange)
        elif exchange.is_body_due:
            exchange.wake()

    def pause_writing(self) -> None:
        """The client reads more slowly than we write."""
        self._is_write_paused = True
        self._arm()
        if self._pipe is not None:
            self._pipe.pause_source()
        elif self._exchange is not None:
            self._exchange.pause_source()

    def resume_writing(self) -> None:
        """The client has caught up."""
        self._is_write_paused = False
        self._arm()
        if self._pipe is not None:
            self._pipe.resume_source()
        elif self._exchange is not None:
            self._exchange.resume_source()

    # --- parser callbacks ---------------------------------------------------------------------------------------

    def on_message_begin(self) -> None:
        """A request begins; the one before may still be in the making of its reply."""
        if not self._is_replaying:
            self._pending = ServerExchange(self)
            self._headers = []
            if self._exchange is not None:
                self._has_pipelined = True

    def on_url(self, url: bytes) -> None:
        """The request target, or the next piece of it."""
        if self._is_replaying:
            return
        pending = self._pending
        assert pending is not None
        pending.target += url
        if len(pending.target) > self._server.limits.max_url_bytes:
            limit = self._server.limits.max_url_bytes
            raise GatewayError(ErrorKind.URI_TOO_LONG, f"The request target is longer than the limit of {limit:,} bytes.")

    def on_header(self, name: bytes, value: bytes) -> None:
        """One header line (or a trailer, into a list that nobody reads). Looked at when the head is complete."""
        self._headers.append((name.lower(), value))

    def on_headers_complete(self) -> None:
        """The head is whole: check what llhttp leaves to us, and start unless a request is being answered."""
        if self._is_replaying:
            self._is_replaying = False
            return
        pending = self._pending
        parser = self._parser
        assert pending is not None
        assert parser is not None
        # `_head_bytes` counts whole reads: body bytes too, and not a head that began in the read of another request. So
        # the exact size is summed up only when in doubt.
        limit = self._server.limits.max_header_bytes
        if (self._head_bytes > limit or self._has_pipelined) and head_size(pending.target, self._headers) > limit:
            raise head_too_large(limit)
        take_headers(pending, self._headers)
        self._headers = []
        pending.received_ns = self._server.clock.now_ns()
        pending.method = parser.get_method()
        version = parser.get_http_version()
        pending.http_minor = 0 if version == "1.0" else 1
        pending.keep_alive = parser.should_keep_alive()
        check_head(pending, version)
        if parser.should_upgrade():
            pending.is_upgrade = is_websocket_offer(pending)
        if self._exchange is not None:
            self._enqueue(pending)
        elif not self._is_closing:  # else the reply to the request before has just ended the connection, from within this read
            self._begin(pending)

    def on_body(self, data: bytes) -> None:
        """Bytes of the body of the request that is being read (not always the one being answered)."""
        assert self._pending is not None
        self._pending.feed_body(data)

    def on_message_complete(self) -> None:
        """The request is whole."""
        pending, self._pending = self._pending, None
        if pending is None or self._is_replaying:
            self._pending = pending
            return
        self._head_bytes = 0
        if pending is self._exchange:
            self.state = REPLY
            if not self._is_write_paused:
                self.expires_ns = 0
        pending.end_body()

    # --- starting and ending requests ---------------------------------------------------------------------------

    def _begin(self, exchange: ServerExchange) -> None:
        self._exchange = exchange
        if exchange.has_body_ended:
            self.state = REPLY
            self.expires_ns = 0
        else:
            self.state = BODY
            self._body_progress = self._body_seen = self._barren_bytes = 0
            self.expires_ns = exchange.received_ns + self._server.limits.body_idle_timeout_ns
        if self._is_write_paused:
            self._arm()
            exchange.pause_source()
        self._is_start_due = True

    def _enqueue(self, exchange: ServerExchange) -> None:
        if self._queue is None:
            self._queue = deque()
        if len(self._queue) >= MAX_PIPELINED_IN_ONE_READ:
            raise GatewayError(ErrorKind.GATEWAY_OVERLOADED, "Too many requests were pipelined on one connection.")
        self._queue.append(exchange)
        if len(self._queue) >= MAX_PIPELINED:
            self._pause_reading()

    def exchange_ended(self, exchange: ServerExchange) -> None:
        """The reply of the current request is out (or was broken off)."""
        if self._exchange is not exchange:
            return
        self._exchange = None
        self.memo = exchange.memo
        if self._is_closing:
            return
        if exchange.must_close:
            self.close(is_body_unread=self.state is not PIPE and (self._is_deaf or not exchange.has_body_ended))
        elif self.state is PIPE:
            self.close(is_body_unread=False)
        elif self._queue:
            self._begin_next(self._queue)
        elif self._refusal is not None:
            self._send_refusal(*self._refusal)
        elif self._is_deaf:
            self.close(is_body_unread=True)
        else:
            self._wait_for_next()

    def _begin_next(self, queue: deque[ServerExchange]) -> None:
        self._begin(queue.popleft())
        # Not in this call: of hundreds of requests in one read that are refused at once, each would stand on the one before.
        self._server.loop.call_soon(self._attend)
        self._resume_reading()
        if self.state is BODY:
            self._arm()

    def _wait_for_next(self) -> None:
        self._is_body_paused = False
        if self._is_reading_paused:
            self._resume_reading()
        server = self._server
        patience_ns = server.limits.keepalive_timeout_ns
        if self._pending is None:
            self.state = IDLE
            if server.is_draining:
                self.close(is_body_unread=False)
                return
        else:
            self.state = HEAD
            patience_ns = server.limits.header_timeout_ns
        if not self._is_write_paused:
            self.expires_ns = server.clock.now_ns() + patience_ns

    def close(self, *, is_body_unread: bool) -> None:
        """Flush and close. With bytes of the client unread, its answer would be lost in a reset: then linger (RFC 9112 §9.6)."""
        if is_body_unread:
            self.state = LINGER
            self._is_deaf = True
            self._pipe = None
            self._is_body_paused = False
            self._resume_reading()
            # TLS has no half-close: there the client learns from the framing that its answer is complete.
            if self._transport.can_write_eof():
                self._transport.write_eof()
        else:
            self._transport.close()
        self._is_closing = True
        self._arm()

    def reset(self) -> None:
        """Close so that the client can't take it for the end of a reply that only the close delimits."""
        self._is_closing = True
        self._exchange = None
        sock = self._transport.get_extra_info("socket")
        if sock is not None:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)
        self._transport.abort()

    def _refuse(self, error: GatewayError) -> None:
        """The stream of requests can't be understood any further: answer, in turn, and close."""
        self._parser = None
        self._is_deaf = True
        exchange, pending = self._exchange, self._pending
        if exchange is None:
            if not self._is_closing:
                self._send_refusal(error, pending)
        elif exchange is pending:
            # The body of the request being served is broken: its handler learns it and answers.
            exchange.fail_body(error)
        else:
            if self._queue and self._queue[-1] is pending:
                self._queue.pop()
            self._refusal = (error, pending)

    def _send_refusal(self, error: GatewayError, pending: ServerExchange | None) -> None:
        self._transport.write(self._server.render_refusal(error, pending))
        self.close(is_body_unread=True)

    # --- time ---------------------------------------------------------------------------------------------------

    def _note_body(self, pending: ServerExchange, n_bytes: int) -> None:
        """After a read that did not complete the body: is it progress?"""
        if pending.body_size != self._body_seen:
            self._body_seen = pending.body_size
            self._barren_bytes = 0
        else:
            # Chunk extensions and trailers: the parser holds the latter until they are whole.
            self._barren_bytes += n_bytes
            if self._barren_bytes > self._server.limits.max_header_bytes:
                self._refuse(head_too_large(self._server.limits.max_header_bytes))
                return
        if self.state is BODY:
            self._body_progress += n_bytes
            if self._body_progress >= MIN_BODY_PROGRESS:
                self._body_progress = 0
                self._arm()

    def _arm(self) -> None:
        """Set the timer that the state asks for (see the module's text)."""
        limits = self._server.limits
        if self._is_write_paused or self._is_closing:
            self._unsent_bytes = self._transport.get_write_buffer_size()
            self._acked_bytes = tcp_counts(self._transport).acked
            is_flushed = self.state is LINGER and not self._unsent_bytes
            patience_ns = _LINGER_NS if is_flushed else limits.write_stall_timeout_ns
        elif self.state is IDLE:
            patience_ns = limits.keepalive_timeout_ns
        elif self.state is HEAD:
            patience_ns = limits.header_timeout_ns
        elif self.state is BODY and not self._is_body_paused:
            patience_ns = limits.body_idle_timeout_ns
        else:
            self.expires_ns = 0
            return
        self.expires_ns = self._server.clock.now_ns() + patience_ns

    def expire(self) -> None:
        """From the server's sweep: `expires_ns` has passed."""
        self.expires_ns = 0
        if self._is_write_paused or self._is_closing:
            self._expire_unsent()
        elif self.state is HEAD:
            self._refuse(GatewayError(ErrorKind.REQUEST_TIMEOUT, "The request's headers did not arrive in time."))
        elif self.state is BODY and self._exchange is not None:
            self._exchange.fail_body(GatewayError(ErrorKind.REQUEST_TIMEOUT, "The request's body did not arrive in time."))
            self._attend()
        else:
            self.close(is_body_unread=False)

    def _expire_unsent(self) -> None:
        # Our own buffer moves only once the kernel's has drained by a third, which can be megabytes.
        has_moved = tcp_counts(self._transport).acked > self._acked_bytes
        if self._unsent_bytes and (has_moved or self._transport.get_write_buffer_size() < self._unsent_bytes):
            self._arm()
        else:
            self._transport.abort()

    # --- upgrades, lingering, pipes -----------------------------------------------------------------------------

    def _upgrade(self, rest: memoryview) -> None:
        """llhttp stops at any `Upgrade`. A WebSocket goes on in its handler; every other offer is declined by reading on."""
        try:
            while not self._has_become_websocket(rest):
                parser = self._decline_upgrade()
                try:
                    parser.feed_data(rest)
                except httptools.HttpParserUpgrade as upgrade:
                    rest = rest[upgrade.args[0] :]
                else:
                    return
        except httptools.HttpParserError as error:
            self._refuse(parse_failure(error))

    def _has_become_websocket(self, rest: memoryview) -> bool:
        exchange = self._exchange
        if exchange is None or not exchange.is_upgrade or self._queue:
            return False
        self._pipe = ServerPipe(self, bytes(rest))
        self._is_deaf = True
        return True

    def _decline_upgrade(self) -> httptools.HttpRequestParser:
        """Make a parser that reads on as if nothing had been offered, which RFC 9110 §7.8 allows.

        llhttp has no way to be told so: a fresh parser is given a head with only the framing of the request, so that it
        finds the body where it is.
        """
        exchange = self._exchange
        parser = self._parser = httptools.HttpRequestParser(self)
        declined = self._queue[-1] if self._queue else exchange
        assert declined is not None
        declined.is_upgrade = False
        if not declined.is_chunked and not declined.content_length:
            return parser
        declined.has_body_ended = False
        self._pending = declined
        self._is_replaying = True
        framing = b"transfer-encoding: chunked" if declined.is_chunked else b"content-length: %d" % (declined.content_length or 0)
        parser.feed_data(b"POST / HTTP/1.1\r\n%b\r\n\r\n" % framing)
        if declined is exchange:
            self.state = BODY
            self._body_progress = self._body_seen = self._barren_bytes = 0
            self._arm()
        return parser

    def _take_non_http(self, data: bytes) -> None:
        if self._pipe is not None:
            self._pipe.feed(data)
            return
        self._linger_bytes += len(data)
        if self._linger_bytes > MAX_LINGER_BYTES:
            self._transport.abort()

    def become_pipe(self, sink: ByteSink) -> ServerPipe:
        """Leave HTTP: the current exchange answered 101."""
        if self._pipe is None:
            raise GatewayError(ErrorKind.CLIENT_CLOSED, "The client closed the connection.")
        self.state = PIPE
        self.expires_ns = 0
        self._pipe.connect(sink)
        return self._pipe

    # --- writing and flow ---------------------------------------------------------------------------------------

    @property
    def is_draining(self) -> bool:
        """Whether the server is about to stop, so that replies say `connection: close`."""
        return self._server.is_draining

    def write_raw(self, data: bytes) -> None:
        """Bytes as they are; dropped when the client is gone."""
        if not self._is_closing:
            self._transport.write(data)

    def write_pair(self, head: bytes, body: bytes) -> None:
        """Head and first bytes of the body: one write when small."""
        self.write_raw(head + body if len(body) <= SMALL_WRITE else head)
        if len(body) > SMALL_WRITE:
            self.write_raw(body)

    def pause_body(self) -> None:
        """The taker of the request's body is slow, or there is none yet."""
        if not self._is_body_paused and not self._is_closing:
            self._is_body_paused = True
            self._arm()
            self._pause_reading()

    def resume_body(self) -> None:
        """The taker of the body has caught up. A body behind it that is held to the bound waits on, for its own taker."""
        behind = self._pending if self._pending is not self._exchange else None
        if self._is_body_paused and (behind is None or not behind.is_full):
            self._is_body_paused = False
            self._arm()
            self._resume_reading()

    def _pause_reading(self) -> None:
        if not self._is_reading_paused and not self._is_closing:
            self._is_reading_paused = True
            self._transport.pause_reading()

    def _resume_reading(self) -> None:
        if self._is_reading_paused and not self._is_body_paused and not self._is_closing:
            self._is_reading_paused = False
            self._transport.resume_reading()

    def close_idle(self) -> None:
        """From the drain: a connection between requests closes now, others after their reply."""
        if not self._is_closing and (self.state is IDLE or (self.state is HEAD and self._pending is None)):
            self.close(is_body_unread=False)

    def abort(self) -> None:
        """The drain's time is over."""
        self._transport.abort()
