"""The outbound side: a pool of connections for each origin, deadlines for every attempt, cancellation that is felt at once."""

from __future__ import annotations

import asyncio
import ssl
from collections import deque

from weighbridge.core.clock import NS_PER_S
from weighbridge.core.errors import ErrorKind, GatewayError
from weighbridge.core.ports import Clock, UpstreamRequest
from weighbridge.core.tasks import on_a_task
from weighbridge.core.terms import Deadlines, Origin, Tls
from weighbridge.http.client_connection import UpstreamConnection
from weighbridge.http.client_reply import ClientReply, StaleConnectionError
from weighbridge.http.limits import CLIENT_SWEEP_S
from weighbridge.http.reply_shape import Shapes
from weighbridge.http.tls import client_context
from weighbridge.http.tunnel import Tunnel, absolute_form, connect_head
from weighbridge.pipeline.plan import Limits


class HttpClient:
    """`core.ports.Upstream` over sockets. `limits` may be replaced while it runs (a reload)."""

    def __init__(self, *, clock: Clock, limits: Limits, sweep_s: float = CLIENT_SWEEP_S) -> None:
        self.clock = clock
        self.limits = limits
        self._sweep_s = sweep_s
        self._pools: dict[Origin, Pool] = {}
        self._pool_of: dict[int, Pool] = {}
        self._contexts: dict[Tls, ssl.SSLContext] = {}
        # A dict for its order: a set's depends on addresses, and a run in virtual time could not be repeated.
        self._active: dict[ClientReply, None] = {}
        self._loop: asyncio.AbstractEventLoop | None = None
        self._sweep_timer: asyncio.TimerHandle | None = None

    async def send(self, request: UpstreamRequest) -> ClientReply:
        """See `core.ports.Upstream.send`."""
        if self._loop is None:
            self._start()
        pool = self._pool_of.get(id(request.origin)) or self._find_pool(request.origin)
        now_ns = self.clock.now_ns()
        total_expires_ns = now_ns + request.deadlines.total_ns
        while True:
            connection = pool.take()
            if connection is None:
                connection = await pool.connect(request.deadlines)
                now_ns = self.clock.now_ns()
            reply = ClientReply(request, total_expires_ns)
            self._active[reply] = None
            try:
                connection.begin(reply, now_ns)
                await reply.head
            except StaleConnectionError:
                now_ns = self.clock.now_ns()
                continue
            except BaseException:
                reply.abort()
                self._active.pop(reply, None)
                raise
            return reply

    def _find_pool(self, origin: Origin) -> Pool:
        """The pool of an origin, found by its value. Later it is found by its identity: hashing its fields takes 1 µs."""
        pool = self._pools.get(origin)
        if pool is None:
            pool = self._pools[origin] = Pool(self, origin)
        pool.known_as.append(origin)
        self._pool_of[id(origin)] = pool
        return pool

    def _start(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._sweep_timer = self._loop.call_later(self._sweep_s, self._sweep)

    def tls_context(self, tls: Tls) -> ssl.SSLContext:
        """The context for a way of meeting providers, made once. Raises `OSError` (which `ssl.SSLError` is) for bad files."""
        context = self._contexts.get(tls)
        if context is None:
            context = self._contexts[tls] = client_context(tls)
        return context

    def forget(self, reply: ClientReply) -> None:
        """No deadline watches this reply any more."""
        self._active.pop(reply, None)

    def _sweep(self) -> None:
        now = self.clock.now_ns()
        for reply in list(self._active):
            if reply.has_progress:
                reply.note_progress(now)
            if reply.expires_ns <= now:
                if reply.connection is not None:
                    reply.connection.expire(reply)
                self._active.pop(reply, None)
        for pool in self._pools.values():
            pool.close_idle_since(now - self.limits.upstream_idle_timeout_ns)
        assert self._loop is not None
        self._sweep_timer = self._loop.call_later(self._sweep_s, self._sweep)

    async def close(self) -> None:
        """Close every connection; attempts under way fail."""
        if self._sweep_timer is not None:
            self._sweep_timer.cancel()
        self._loop = None
        for pool in self._pools.values():
            pool.close()
        self._pools.clear()
        self._pool_of.clear()

    @property
    def n_connections(self) -> int:
        """Open connections to providers."""
        return sum(pool.n_open for pool in self._pools.values())

    @property
    def n_active(self) -> int:
        """Attempts under way."""
        return len(self._active)


class Pool:
    """Connections to one origin. The one used last is taken first: it is the least likely to have been closed."""

    def __init__(self, client: HttpClient, origin: Origin) -> None:
        self._client = client
        self._origin = origin
        self.known_as: list[Origin] = []
        """Equal origins (one more with each reload of the configuration); held, so that no other object gets their identity."""
        self._idle: list[UpstreamConnection] = []
        self._waiters: deque[asyncio.Future[UpstreamConnection | None]] = deque()
        self._open: set[UpstreamConnection] = set()
        self._n_connecting = 0
        self.shapes = Shapes()
        self.clock = client.clock
        proxy = origin.proxy
        self.is_absolute = proxy is not None and origin.scheme == "http"

    @property
    def n_open(self) -> int:
        """Connections that are open, idle or not."""
        return len(self._open)

    def take(self) -> UpstreamConnection | None:
        """The freshest idle connection."""
        idle = self._idle
        while idle:
            connection = idle.pop()
            if not connection.is_dead:
                return connection
        return None

    def adapt_head(self, head: bytes) -> bytes:
        """A head as this origin (or the proxy before it) wants it."""
        if not self.is_absolute:
            return head
        assert self._origin.proxy is not None
        return absolute_form(head, self._origin, self._origin.proxy)

    async def connect(self, deadlines: Deadlines) -> UpstreamConnection:
        """A new connection, or the next one that becomes free where there are too many. Raises `GatewayError`."""
        timeout_s = deadlines.connect_ns / NS_PER_S
        await on_a_task()
        # One may have become free meanwhile.
        if (idle := self.take()) is not None:
            return idle
        try:
            async with asyncio.timeout(timeout_s):
                while len(self._open) + self._n_connecting >= self._client.limits.max_upstream_connections:
                    freed = await self._wait_for_free()
                    if freed is not None and not freed.is_dead:
                        return freed
                return await self._open_one()
        except TimeoutError:
            detail = f"{self._origin.host}:{self._origin.port}: connect timed out"
            raise GatewayError(
                ErrorKind.PROVIDER_UNREACHABLE, f"The provider could not be reached within {timeout_s:g} s.", detail=detail
            ) from None
        except OSError as error:
            raise _unreachable(error, self._origin) from error

    async def _wait_for_free(self) -> UpstreamConnection | None:
        waiter: asyncio.Future[UpstreamConnection | None] = asyncio.get_running_loop().create_future()
        self._waiters.append(waiter)
        try:
            return await waiter
        except BaseException:
            # Handed over (or told of room) at the very moment of cancellation: pass it on instead of losing it.
            if waiter.done() and not waiter.cancelled():
                connection = waiter.result()
                if connection is None or connection.is_dead:
                    self._wake_one()
                else:
                    self._release(connection)
            raise

    async def _open_one(self) -> UpstreamConnection:
        self._n_connecting += 1
        try:
            connection = await self._dial()
        except BaseException:
            self._n_connecting -= 1
            self._wake_one()
            raise
        self._n_connecting -= 1
        if connection.is_dead:
            self._wake_one()
            raise ConnectionResetError("the provider closed the connection at once")
        self._open.add(connection)
        return connection

    async def _dial(self) -> UpstreamConnection:
        loop = asyncio.get_running_loop()
        origin = self._origin
        if origin.scheme == "unix":
            _, connection = await loop.create_unix_connection(self._make, origin.host)
            return connection
        context = self._client.tls_context(origin.tls) if origin.scheme == "https" else None
        if origin.proxy is None:
            server_hostname = origin.host if context is not None else None
            _, connection = await loop.create_connection(
                self._make, origin.host, origin.port, ssl=context, server_hostname=server_hostname
            )
            return connection
        if context is None:
            _, connection = await loop.create_connection(self._make, origin.proxy.host, origin.proxy.port)
            return connection
        return await self._dial_tunnel(context)

    async def _dial_tunnel(self, context: ssl.SSLContext) -> UpstreamConnection:
        loop = asyncio.get_running_loop()
        proxy = self._origin.proxy
        assert proxy is not None
        transport, tunnel = await loop.create_connection(lambda: Tunnel(connect_head(self._origin, proxy)), proxy.host, proxy.port)
        try:
            await tunnel.opened
            connection = self._make()
            secured = await loop.start_tls(transport, connection, context, server_hostname=self._origin.host)
        except BaseException:
            transport.abort()
            raise
        assert secured is not None
        connection.connection_made(secured)
        return connection

    def _make(self) -> UpstreamConnection:
        return UpstreamConnection(self, self._origin)

    # --- from connections ---------------------------------------------------------------------------------------

    def finished(self, connection: UpstreamConnection, reply: ClientReply, *, is_reusable: bool) -> None:
        """A reply came whole; its connection is free, or used up."""
        self._client.forget(reply)
        if not is_reusable or connection.is_dead:
            connection.close()
            return
        connection.idle_since_ns = self.clock.now_ns()
        if self._waiters:
            self._release(connection)
        else:
            self._idle.append(connection)

    def _release(self, connection: UpstreamConnection) -> None:
        while self._waiters:
            waiter = self._waiters.popleft()
            if not waiter.done():
                waiter.set_result(connection)
                return
        self._idle.append(connection)

    def forget(self, reply: ClientReply) -> None:
        """No deadline watches this reply any more."""
        self._client.forget(reply)

    def lost(self, connection: UpstreamConnection) -> None:
        """A connection is gone; whoever waits for one may open another."""
        self._open.discard(connection)
        self._wake_one()

    def _wake_one(self) -> None:
        """There is room for a connection: tell the one who waits longest."""
        while self._waiters:
            waiter = self._waiters.popleft()
            if not waiter.done():
                waiter.set_result(None)
                return

    def close_idle_since(self, ns: int) -> None:
        """Close connections that have been idle since before `ns`; the oldest stand first."""
        idle = self._idle
        n_expired = 0
        while n_expired < len(idle) and (idle[n_expired].idle_since_ns <= ns or idle[n_expired].is_dead):
            n_expired += 1
        if n_expired:
            expired, self._idle = idle[:n_expired], idle[n_expired:]
            for connection in expired:
                if not connection.is_dead:
                    connection.close()

    def close(self) -> None:
        """Close all."""
        self._idle.clear()
        for connection in list(self._open):
            connection.shut_down()


def _unreachable(error: OSError, origin: Origin) -> GatewayError:
    detail = f"{origin.host}:{origin.port}: {error!r}"
    if isinstance(error, ssl.SSLCertVerificationError):
        public = "The provider's certificate could not be verified."
    elif isinstance(error, ssl.SSLError):
        public = "A secure connection to the provider could not be made."
    else:
        public = "The provider could not be reached."
    return GatewayError(ErrorKind.PROVIDER_UNREACHABLE, public, detail=detail)
