"""Bounds of the engine that are not for operators to set, each with its reason. Bytes, seconds and counts."""

from __future__ import annotations

from typing import Final

MAX_PIPELINED: Final = 16
"""Requests of one connection that wait for the one being answered. Nobody but benchmarks pipelines deeper."""

MAX_PIPELINED_IN_ONE_READ: Final = 256
"""Requests that may wait at all: one read of 256 kB can hold thousands, and each takes a kilobyte once parsed."""

MAX_BUFFERED: Final = 256 * 1024
"""Bytes of a body that are held while nobody takes them; then the peer is paused. One full read of uvloop."""

MIN_BODY_PROGRESS: Final = 1024
"""Bytes of a request body that must come within each idle period: a byte now and then is an attack, not progress."""

LINGER_S: Final = 2.0
"""After an early refusal the rest of the body is read and dropped this long, since closing a socket with unread data
resets it and would take our answer with it (RFC 9112 §9.6)."""

MAX_LINGER_BYTES: Final = 4 * 1024 * 1024
"""And no more than this many bytes of it."""

SERVER_SWEEP_S: Final = 0.5
"""How often the server looks for expired connections. One timer for all: a timer per request costs 2 µs."""

CLIENT_SWEEP_S: Final = 0.1
"""How often the client looks for expired attempts. Deadlines are late by at most this much; that between bytes by at most twice."""

MAX_REPLY_HEAD: Final = 128 * 1024
"""Bytes of a provider's status line and headers. Vendors send 1 to 4 kB."""

MAX_INTERIM_REPLIES: Final = 8
"""1xx replies before the real one."""

LISTEN_BACKLOG: Final = 1024
"""Connections that the kernel holds until we accept them."""

SMALL_WRITE: Final = 16 * 1024
"""Pieces up to this size are joined into one write: below it a copy is cheaper than another buffer in the kernel call."""
