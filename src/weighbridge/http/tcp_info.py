"""What the kernel knows of a connection: bytes sent, and bytes that the other side's kernel has acknowledged (RFC 4898)."""

from __future__ import annotations

import asyncio
import socket
import struct
import sys
from typing import Final, NamedTuple

_ACKED_AND_SENT: Final = struct.Struct("=120xQ72xQQ")
"""linux/tcp.h: 8 bytes of flags, 24 u32 and two pacing rates, then tcpi_bytes_acked; tcpi_bytes_sent stands at 200 (since
Linux 4.19), followed by tcpi_bytes_retrans."""


class TcpCounts(NamedTuple):
    """Both count the SYN as one byte; -1 where the system does not tell."""

    acked: int
    """Acknowledged by the peer's kernel. Misses what was acknowledged by nothing but an RST."""
    sent: int
    """Handed to the network, retransmissions aside."""


_UNKNOWN: Final = TcpCounts(-1, -1)


def tcp_counts(transport: asyncio.BaseTransport) -> TcpCounts:
    """Ask the kernel: one system call."""
    sock = transport.get_extra_info("socket")
    if sys.platform != "linux" or sock is None or sock.family == socket.AF_UNIX:
        return _UNKNOWN
    try:
        info: bytes = sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, _ACKED_AND_SENT.size)
    except (OSError, ValueError):  # uvloop: a closed transport has the file descriptor -1
        return _UNKNOWN
    if len(info) < _ACKED_AND_SENT.size:
        return _UNKNOWN
    acked, sent, sent_again = _ACKED_AND_SENT.unpack(info)
    return TcpCounts(acked, 1 + sent - sent_again)
