"""A TCP connection in memory and in virtual time: two asyncio transports that behave as a kernel's do.

What is modelled, because the engine's correctness hangs on it: a write buffer with water marks, a window beyond which the
other side must read first, reads that split anywhere, FIN in order behind the data, RST in answer to data for a closed
socket, RST instead of FIN when a socket is closed with data unread (RFC 2525 §2.17) or with SO_LINGER 0, and the count of
acknowledged bytes of `TCP_INFO` (RFC 4898), acknowledgements being late and no part of a reset. Loss and reordering are
not: TCP hides them, and all that remains is delay.
"""

from __future__ import annotations

import asyncio
import socket
import struct
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, Final

from weighbridge.core.clock import NS_PER_MS, NS_PER_S
from weighbridge.core.ports import Rng
from weighbridge.testing.virtual_time import VirtualTimeLoop

MAX_READ: Final = 256 * 1024
"""Bytes of one read: what uvloop and asyncio ask the kernel for at once."""

HIGH_WATER: Final = 64 * 1024
"""asyncio's own default: above it a protocol is told to pause."""

_TCP_INFO: Final = struct.Struct("=120xQ72xQQ")
"""linux/tcp.h up to tcpi_bytes_acked (at 120), tcpi_bytes_sent and tcpi_bytes_retrans (at 200)."""

_DELAYED_ACK_S: Final = 0.04
"""How long Linux waits for data to carry an acknowledgement before it sends one alone."""


@dataclass(frozen=True)
class Conditions:
    """How a link treats its bytes, in both directions.

    `delay_ns`: one way, least and most. `max_read`: bytes of one read at most; each read takes a random part of that when
    `is_shredded`. `window`: bytes on the way and unread at the other end.
    """

    delay_ns: tuple[int, int] = (NS_PER_MS // 10, NS_PER_MS)
    max_read: int = MAX_READ
    window: int = 128 * 1024
    is_shredded: bool = False


def between(rng: Rng, least: int, most: int) -> int:
    """A whole number by chance, both bounds included."""
    return least + int(rng.random() * (most - least + 1))


class Signal(Enum):
    """What a link carries beside bytes."""

    ACK = "ack"
    FIN = "fin"
    RST = "rst"


class FakeSocket:
    """As much of a socket as protocols look at: its family, `TCP_INFO`, `SO_LINGER`."""

    family: Final = socket.AF_INET

    def __init__(self, transport: FakeTransport) -> None:
        self._transport = transport

    def getsockopt(self, level: int, option: int, size: int) -> bytes:
        """`TCP_INFO`: the SYN counts as one acknowledged byte. Raises `OSError` for other options."""
        if (level, option) != (socket.IPPROTO_TCP, socket.TCP_INFO):
            raise OSError("not simulated")
        transport = self._transport
        n_sent = transport.n_written - transport.get_write_buffer_size()
        return _TCP_INFO.pack(1 + transport.n_acked, n_sent, 0)[:size]

    def setsockopt(self, level: int, option: int, value: bytes | int) -> None:
        """`SO_LINGER` on with no time: closing resets. Other options change nothing."""
        if (level, option) == (socket.SOL_SOCKET, socket.SO_LINGER):
            self._transport.resets_on_close = value == struct.pack("ii", 1, 0)


@dataclass
class _Inbox:
    """What is on the way to a transport, and what has come and is unread."""

    on_the_way: deque[tuple[int, bytes | Signal, int]] = field(default_factory=deque)
    unread: bytearray = field(default_factory=bytearray)
    n_on_the_way: int = 0
    n_arrived: int = 0
    last_arrival_ns: int = 0
    signal: Signal | None = None


class FakeTransport(asyncio.Transport):
    """One end of a connection. `peak_buffered` is the most that its write buffer ever held."""

    def __init__(
        self, loop: VirtualTimeLoop, protocol: asyncio.BaseProtocol, rng: Rng, conditions: Conditions, peername: str
    ) -> None:
        super().__init__()
        self._loop = loop
        self._protocol: Any = protocol
        self._rng = rng
        self._conditions = conditions
        self._peer: FakeTransport = self
        self._inbox = _Inbox()
        self._buffer = bytearray()
        self._low, self._high = HIGH_WATER // 4, HIGH_WATER
        self._socket = FakeSocket(self)
        self._peername = (peername, 50_000)
        self._is_protocol_paused = False
        self._is_reading = True
        self._is_read_scheduled = False
        self._has_eof_queued = False
        self._has_seen_eof = False
        self._is_fin_sent = False
        self._is_closing = False
        self._is_closed = False
        self.resets_on_close = False
        self.n_written = 0
        self.n_acked = 0
        self.n_read = 0
        self.peak_buffered = 0

    def join(self, peer: FakeTransport) -> None:
        """Name the other end."""
        self._peer = peer

    # --- asyncio.Transport --------------------------------------------------------------------------------------

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        """`peername` and `socket`."""
        return {"peername": self._peername, "socket": self._socket}.get(name, default)

    def set_protocol(self, protocol: asyncio.BaseProtocol) -> None:
        """Who is called back from now on."""
        self._protocol = protocol

    def get_protocol(self) -> asyncio.BaseProtocol:
        """Who is called back."""
        protocol: asyncio.BaseProtocol = self._protocol
        return protocol

    def is_closing(self) -> bool:
        """Whether nothing can be written any more."""
        return self._is_closing

    def is_reading(self) -> bool:
        """Whether reads are wanted."""
        return self._is_reading and not self._is_closing

    def pause_reading(self) -> None:
        """Leave what comes in the kernel; the window then slows the other side down."""
        self._is_reading = False

    def resume_reading(self) -> None:
        """Read on."""
        if not self._is_closing:
            self._is_reading = True
            self._schedule_read()

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        """As in asyncio: `low` is a quarter of `high`, or `high` four times `low`."""
        if high is None:
            high = HIGH_WATER if low is None else 4 * low
        self._high, self._low = high, high // 4 if low is None else low
        self._mark_water()

    def get_write_buffer_limits(self) -> tuple[int, int]:
        """(low, high)."""
        return self._low, self._high

    def get_write_buffer_size(self) -> int:
        """Bytes that the kernel has not taken yet."""
        return len(self._buffer)

    def write(self, data: bytes | bytearray | memoryview[Any]) -> None:
        """Hand over what fits into the window and buffer the rest."""
        if self._has_eof_queued:
            raise RuntimeError("Cannot call write() after write_eof()")
        if self._is_closing or not data:
            return
        if self._inbox.signal is Signal.RST:
            self._lose(ConnectionResetError("reset by peer"))
            return
        self.n_written += len(data)
        self._buffer += data
        self._push()
        self.peak_buffered = max(self.peak_buffered, len(self._buffer))
        self._mark_water()

    def writelines(self, list_of_data: Iterable[bytes | bytearray | memoryview[Any]]) -> None:
        """One write."""
        self.write(b"".join(list_of_data))

    def can_write_eof(self) -> bool:
        """TCP has a half-close."""
        return True

    def write_eof(self) -> None:
        """FIN behind what is buffered; reading goes on."""
        if not self._is_closing:
            self._has_eof_queued = True
            self._push()

    def close(self) -> None:
        """Flush, then close."""
        if self._is_closing:
            return
        self._is_closing = True
        if not self._buffer:
            self._lose(None)

    def abort(self) -> None:
        """Drop what is buffered and close. What the kernel has taken still goes out."""
        self._lose(None)

    # --- faults -------------------------------------------------------------------------------------------------

    def reset(self) -> None:
        """Send RST now, as a machine does that has crashed and come back."""
        self.resets_on_close = True
        self._lose(ConnectionResetError("reset"))

    # --- sending ------------------------------------------------------------------------------------------------

    def _push(self) -> None:
        """Give the link what the window has room for."""
        room = self._conditions.window - self._peer.n_pending
        if self._buffer and room > 0:
            sent = bytes(self._buffer[:room])
            del self._buffer[:room]
            self._send(sent)
        if not self._buffer:
            if self._has_eof_queued and not self._is_fin_sent:
                self._is_fin_sent = True
                self._send(Signal.FIN)
            if self._is_closing and not self._is_closed:
                self._lose(None)

    @property
    def n_pending(self) -> int:
        """Bytes that are on the way here or unread."""
        return self._inbox.n_on_the_way + len(self._inbox.unread)

    def _mark_water(self) -> None:
        size = len(self._buffer)
        if size > self._high and not self._is_protocol_paused:
            self._is_protocol_paused = True
            self._protocol.pause_writing()
        elif size <= self._low and self._is_protocol_paused:
            self._is_protocol_paused = False
            self._protocol.resume_writing()

    def _send(self, item: bytes | Signal) -> None:
        self._peer.deliver(item, self._inbox.n_arrived)

    def _acknowledge(self) -> None:
        if not self._is_closed:
            self._send(Signal.ACK)

    def deliver(self, item: bytes | Signal, n_acked: int) -> None:
        """From the other end: this is on its way here, and so many bytes had arrived there when it was sent."""
        inbox = self._inbox
        arrival_ns = max(self._loop.now_ns + between(self._rng, *self._conditions.delay_ns), inbox.last_arrival_ns)
        inbox.last_arrival_ns = arrival_ns
        inbox.on_the_way.append((arrival_ns, item, n_acked))
        if isinstance(item, bytes):
            inbox.n_on_the_way += len(item)
        self._loop.call_at(arrival_ns / NS_PER_S, self._arrive)

    # --- receiving ----------------------------------------------------------------------------------------------

    def _arrive(self) -> None:
        inbox = self._inbox
        _, item, n_acked = inbox.on_the_way.popleft()
        if item is not Signal.RST:
            # Linux takes no acknowledgement from a reset.
            self.n_acked = max(self.n_acked, n_acked)
        if item is Signal.ACK:
            return
        if isinstance(item, bytes):
            inbox.n_on_the_way -= len(item)
            if self._is_closed:
                # Nobody has this socket open any more: the kernel answers data with RST.
                self._send(Signal.RST)
                return
            inbox.n_arrived += len(item)
            inbox.unread += item
            self._loop.call_later(_DELAYED_ACK_S, self._acknowledge)
        elif inbox.signal is not Signal.RST:
            inbox.signal = item
        if item is Signal.RST and self._buffer and not self._is_closed:
            # Whoever waits for room to write is told at once; a paused reader is not, as with epoll.
            self._lose(ConnectionResetError("reset by peer"))
            return
        self._schedule_read()

    def _schedule_read(self) -> None:
        inbox = self._inbox
        if self._is_reading and not self._is_read_scheduled and not self._is_closing and (inbox.unread or inbox.signal):
            self._is_read_scheduled = True
            self._loop.call_soon(self._read)

    def _read(self) -> None:
        self._is_read_scheduled = False
        if not self._is_reading or self._is_closing:
            return
        inbox = self._inbox
        if inbox.unread:
            limit = self._conditions.max_read
            size = between(self._rng, 1, limit) if self._conditions.is_shredded else limit
            data = bytes(inbox.unread[:size])
            del inbox.unread[:size]
            self.n_read += len(data)
            self._protocol.data_received(data)
            self._peer.has_room_again()
            self._schedule_read()
        elif inbox.signal is Signal.RST:
            self._lose(ConnectionResetError("reset by peer"))
        elif inbox.signal is Signal.FIN and not self._has_seen_eof:
            self._has_seen_eof = True
            if not self._protocol.eof_received():
                self.close()

    def has_room_again(self) -> None:
        """From the other end: something was read."""
        if not self._is_closed:
            self._push()
            if not self._is_closed:
                self._mark_water()

    # --- the end ------------------------------------------------------------------------------------------------

    def _lose(self, reason: Exception | None) -> None:
        if self._is_closed:
            return
        self._is_closing = self._is_closed = True
        self._buffer.clear()
        inbox = self._inbox
        if inbox.signal is not Signal.RST:
            is_reset = self.resets_on_close or inbox.unread
            if is_reset or not self._is_fin_sent:
                self._send(Signal.RST if is_reset else Signal.FIN)
        inbox.unread.clear()
        self._loop.call_soon(self._report_loss, reason)

    def _report_loss(self, reason: Exception | None) -> None:
        self._protocol.connection_lost(reason)
