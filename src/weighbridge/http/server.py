"""The inbound side: accepts connections on given sockets, hands each request to a handler, and drains on demand."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
from collections.abc import Callable, Coroutine
from typing import Any, Final

from weighbridge.core.errors import ErrorKind, GatewayError
from weighbridge.core.ports import Clock, Downstream
from weighbridge.core.tasks import Drive
from weighbridge.http.limits import LISTEN_BACKLOG, SERVER_SWEEP_S
from weighbridge.http.server_connection import ServerConnection
from weighbridge.http.server_exchange import ServerExchange, status_line
from weighbridge.pipeline.plan import Limits

Handler = Callable[[Downstream], Coroutine[Any, Any, None]]
"""Answers one request. An exception that leaves it is a bug: the client gets a 500 and `on_bug` the exception."""

RenderRefusal = Callable[[GatewayError, ServerExchange | None], tuple[int, bytes, bytes]]
"""(status, header lines, body) of a refusal, in the dialect that the request's path and headers suggest."""

_ABORT_GRACE_S: Final = 1.0
"""For cancelled handlers to settle after their connections were cut."""


class Server:
    """A listening HTTP/1.1 server. `limits` may be replaced while it runs (a reload)."""

    def __init__(
        self,
        handler: Handler,
        render_error: RenderRefusal,
        *,
        clock: Clock,
        limits: Limits,
        on_bug: Callable[[BaseException], None],
        sweep_s: float = SERVER_SWEEP_S,
    ) -> None:
        self.clock = clock
        self.limits = limits
        self.is_draining = False
        self._handler = handler
        self._render_error = render_error
        self._on_bug = on_bug
        self._sweep_s = sweep_s
        self._connections: dict[ServerConnection, None] = {}
        self._listeners: list[asyncio.Server] = []
        self.loop: asyncio.AbstractEventLoop = None  # type: ignore[assignment]  # set by start
        self._sweep_timer: asyncio.TimerHandle | None = None
        self.in_flight = 0
        self._gone = asyncio.Event()

    async def start(self, sockets: list[socket.socket], tls: ssl.SSLContext | None = None) -> None:
        """Accept connections on bound sockets."""
        self.loop = asyncio.get_running_loop()
        for listening in sockets:
            server = await self.loop.create_server(lambda: ServerConnection(self), sock=listening, ssl=tls, backlog=LISTEN_BACKLOG)
            self._listeners.append(server)
        self._sweep_timer = self.loop.call_later(self._sweep_s, self._sweep)

    @property
    def n_connections(self) -> int:
        """Open client connections."""
        return len(self._connections)

    def add(self, connection: ServerConnection) -> bool:
        """From a new connection; False when there are too many."""
        self._connections[connection] = None
        return len(self._connections) <= self.limits.max_connections

    def discard(self, connection: ServerConnection) -> None:
        """From a connection that is gone."""
        self._connections.pop(connection, None)
        if self.is_draining:
            self._note_gone()

    def start_exchange(self, exchange: ServerExchange) -> None:
        """From a connection: a request is to be handled, now. Returns when its handler waits, or is done."""
        self.in_flight += 1
        exchange.handling = handling = Drive(self.loop, self._handler(exchange), exchange, self._exchange_over)
        handling.start()

    def _exchange_over(self, exchange: ServerExchange, error: BaseException | None) -> None:
        """The rim around one request: the last place for an exception."""
        self.in_flight -= 1
        exchange.let_go()
        if error is not None:
            self._take_exception(exchange, error)
        if not exchange.has_ended:
            exchange.abort()
        if self.is_draining:
            self._note_gone()

    def _take_exception(self, exchange: ServerExchange, error: BaseException) -> None:
        if isinstance(error, asyncio.CancelledError):
            exchange.abort()
        elif isinstance(error, Exception):
            self._on_bug(error)
            self._answer_bug(exchange)
        else:
            exchange.abort()
            raise error

    def _answer_bug(self, exchange: ServerExchange) -> None:
        if exchange.has_started:
            exchange.abort()
            return
        status, lines, body = self._render_error(GatewayError(ErrorKind.INTERNAL, "The gateway failed."), exchange)
        exchange.start(status, lines, len(body))
        exchange.end(body)

    def render_refusal(self, error: GatewayError, exchange: ServerExchange | None) -> bytes:
        """A whole reply for a request that never reached the handler."""
        status, lines, body = self._render_error(error, exchange)
        sent = b"" if exchange is not None and exchange.method == b"HEAD" else body
        return b"%b%bcontent-length: %d\r\nconnection: close\r\n\r\n%b" % (status_line(status), lines, len(body), sent)

    def _sweep(self) -> None:
        now = self.clock.now_ns()
        expired = [c for c in self._connections if 0 < c.expires_ns <= now]
        for connection in expired:
            connection.expire()
        self._sweep_timer = self.loop.call_later(self._sweep_s, self._sweep)

    async def drain(self, timeout_s: float) -> None:
        """Stop accepting, let every request in flight finish, then close. After `timeout_s` what is left is cut."""
        self.is_draining = True
        for listener in self._listeners:
            listener.close()
        for connection in list(self._connections):
            connection.close_idle()
        await self._all_gone(timeout_s)
        for connection in list(self._connections):
            connection.abort()
        await self._all_gone(_ABORT_GRACE_S)
        if self._sweep_timer is not None:
            self._sweep_timer.cancel()

    async def _all_gone(self, timeout_s: float) -> None:
        """Wait until no connection and no exchange is left, at most `timeout_s`."""
        self._gone.clear()
        self._note_gone()
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._gone.wait(), timeout_s)

    def _note_gone(self) -> None:
        if not self._connections and not self.in_flight:
            self._gone.set()
