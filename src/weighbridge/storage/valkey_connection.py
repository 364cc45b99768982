"""A connection to a Valkey: commands are sent as they come, and answered in that order.

Not by way of the `valkey` package: its client takes a connection for each command under way, and 50 to 75 µs; this one takes 15
to 25, most of which are the kernel's, and the order is what the limits' books rest on. What does not answer in time is closed:
whoever waits behind it would wait even longer.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from ssl import SSLContext
from typing import Final, cast

from weighbridge.core.clock import NS_PER_S
from weighbridge.core.ports import Clock
from weighbridge.limits.shared import SharedLimitsPlace
from weighbridge.storage.resp import Fault, Reply, command, read_reply

_TURN_S: Final = 0.001
"""After the time is over, what lies in the socket is still read: our own loop may have been busy."""
_GREETING_NS: Final = 2 * NS_PER_S
"""What a server has to answer before it is asked for anything."""
_NEVER_NS: Final = 2**63
OnReply = Callable[[Reply], None]


class ValkeyConnection(asyncio.Protocol):
    """One connection. `on_lost` is called once, with the reason, before those who wait get their `Fault`."""

    def __init__(self, clock: Clock, wait_ns: int, on_lost: Callable[[str], None]) -> None:
        self._clock = clock
        self._wait_ns = wait_ns
        self._on_lost = on_lost
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.Transport | None = None
        self._buffer = b""
        self._waiting: deque[tuple[OnReply, int]] = deque()
        """Who gets which reply, and until when."""
        self._timer: asyncio.TimerHandle | None = None
        self._looks_ns = _NEVER_NS
        """When it is looked whether somebody waits for too long."""
        self._reason = ""

    # --- commands -----------------------------------------------------------------------------------------------

    def send(self, written: bytes, on_reply: OnReply, *, wait_ns: int = 0) -> None:
        """Send a command. `on_reply` gets what comes of it: now if the connection is gone."""
        if self._transport is None or self._reason:
            on_reply(Fault(f"GONE {self._reason}"))
            return
        self._transport.write(written)
        wait_ns = wait_ns or self._wait_ns
        until_ns = self._clock.now_ns() + wait_ns
        self._waiting.append((on_reply, until_ns))
        if until_ns < self._looks_ns:
            self._look_at(until_ns, wait_ns)

    async def ask(self, *parts: bytes) -> Reply:
        """Send a command of the greeting, and wait for its reply. Raises `Fault`."""
        answer: asyncio.Future[Reply] = self._loop.create_future()
        self.send(command(*parts), lambda reply: None if answer.done() else answer.set_result(reply), wait_ns=_GREETING_NS)
        reply = await answer
        if isinstance(reply, Fault):
            raise reply
        return reply

    def close(self, reason: str) -> None:
        """Have no more of it."""
        self._end(reason)
        if self._transport is not None:
            self._transport.close()

    def _end(self, reason: str) -> None:
        if self._reason:
            return
        self._reason = reason
        if self._timer is not None:
            self._timer.cancel()
        self._on_lost(reason)
        waiting, self._waiting = self._waiting, deque()
        for on_reply, _ in waiting:
            on_reply(Fault(f"GONE {reason}"))

    # --- time ---------------------------------------------------------------------------------------------------

    def _look_at(self, at_ns: int, delay_ns: int) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._looks_ns = at_ns
        self._timer = self._loop.call_later(delay_ns / NS_PER_S, self._look)

    def _look(self) -> None:
        self._timer = self._loop.call_later(_TURN_S, self._judge)

    def _judge(self) -> None:
        self._timer, self._looks_ns = None, _NEVER_NS
        if not self._waiting:
            return
        until_ns = self._waiting[0][1]
        rest_ns = until_ns - self._clock.now_ns()
        if rest_ns <= 0:
            self.close("it does not answer in time")
        else:
            self._look_at(until_ns, rest_ns)

    # --- the loop's ---------------------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """It is open."""
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        """Replies, or pieces of them."""
        data = self._buffer + data
        start = 0
        # Who is answered may close the connection.
        while self._waiting and not self._reason and (found := self._read(data, start)) is not None:
            reply, start = found
            self._waiting.popleft()[0](reply)
        self._buffer = data[start:]

    def _read(self, data: bytes, start: int) -> tuple[Reply, int] | None:
        try:
            return read_reply(data, start)
        except ValueError as error:
            self.close(f"it does not speak as a Valkey does ({error})")
            return None

    def connection_lost(self, exc: Exception | None) -> None:
        """It is gone."""
        self._end(f"the connection was lost ({exc})" if exc is not None else "the connection was closed")


async def open_connection(
    place: SharedLimitsPlace, context: SSLContext | None, clock: Clock, on_lost: Callable[[str], None]
) -> ValkeyConnection:
    """A connection that is signed in. Raises `OSError` (which TLS errors are) or `Fault`."""
    loop = asyncio.get_running_loop()
    connection = ValkeyConnection(clock, place.wait_ns, on_lost)
    if place.path:
        await loop.create_unix_connection(lambda: connection, place.path)
    else:
        name = place.host if context is not None else None
        await loop.create_connection(lambda: connection, place.host, place.port, ssl=context, server_hostname=name)
    try:
        if place.password is not None:
            who = (place.user.encode(),) if place.user else ()
            await connection.ask(b"AUTH", *who, place.password.reveal().encode())
        if place.database:
            await connection.ask(b"SELECT", b"%d" % place.database)
    except BaseException as error:
        connection.close(str(error) or "it does not answer in time")
        raise
    return connection
