"""What a simulated provider received, byte for byte, and what it sent in answer."""

from __future__ import annotations

import asyncio
import hashlib
import threading
from collections.abc import Callable
from typing import Final
from urllib.parse import parse_qsl

import msgspec

REPLY_BODY_KEPT: Final = 64 * 1024 * 1024
"""Bytes of one reply body that are kept; beyond that only length and hash, so that a 1 GB reply does not fill the memory."""


class ReceivedRequest(msgspec.Struct, frozen=True):
    """One request as it stood on the wire.

    `headers` keep order and case. `framing` is `content-length`, `chunked` or `none`. `arrived_ns` is the monotonic time at
    which its last byte was read; `number` counts a server's requests from 1, `connection` its connections.
    """

    number: int
    connection: int
    method: bytes
    target: bytes
    http_version: bytes
    headers: tuple[tuple[bytes, bytes], ...]
    body: bytes
    framing: str
    arrived_ns: int

    @property
    def path(self) -> str:
        """The target without its query."""
        return self.target.partition(b"?")[0].decode("latin-1")

    @property
    def query(self) -> list[tuple[str, str]]:
        """The query's fields, decoded, in order."""
        return parse_qsl(self.target.partition(b"?")[2].decode("latin-1"), keep_blank_values=True)

    @property
    def sha256(self) -> str:
        """Hex digest of the body."""
        return hashlib.sha256(self.body).hexdigest()

    def header(self, name: str) -> str | None:
        """The first value of a header, or None. `name` in any case."""
        wanted = name.lower().encode()
        return next((value.decode("latin-1") for key, value in self.headers if key.lower() == wanted), None)


class SentReply:
    """What went out for one request. `body` is without HTTP framing and stands as sent, so compressed if it was.

    `ending` is `open` while it lasts, then `whole`, `cut` (a fault), `client left` or `server closed`. `wire_bytes` counts
    everything that the kernel took, head and framing included; for a client that left, that is after how many bytes it did.
    """

    __slots__ = ("_body", "_digest", "body_bytes", "ending", "headers", "status", "wire_bytes")

    def __init__(self) -> None:
        self.status: int | None = None
        self.headers: tuple[tuple[bytes, bytes], ...] = ()
        self.ending = "open"
        self.wire_bytes = 0
        self.body_bytes = 0
        self._body = bytearray()
        self._digest = hashlib.sha256()

    @property
    def client_left(self) -> bool:
        """True when the client went before the reply was whole."""
        return self.ending == "client left"

    @property
    def body(self) -> bytes:
        """The body that was sent. Raises `ValueError` when it was longer than `REPLY_BODY_KEPT`."""
        if self.body_bytes > REPLY_BODY_KEPT:
            raise ValueError(f"the reply had {self.body_bytes} bytes; only its sha256 was kept")
        return bytes(self._body)

    @property
    def sha256(self) -> str:
        """Hex digest of all of the body that was sent."""
        return self._digest.hexdigest()

    def add_body(self, data: bytes) -> None:
        """Note body bytes that went out."""
        self.body_bytes += len(data)
        self._digest.update(data)
        if self.body_bytes <= REPLY_BODY_KEPT:
            self._body += data


class Entry(msgspec.Struct, frozen=True):
    """One exchange."""

    request: ReceivedRequest
    reply: SentReply


class Violation(msgspec.Struct, frozen=True):
    """Something that a well-behaved gateway never sends. `detail` names the header or parameter, never its value."""

    request: int
    rule: str
    detail: str


class Journal:
    """All exchanges of one server in order of arrival. Safe to read from another thread."""

    def __init__(self) -> None:
        self.entries: list[Entry] = []
        self.violations: list[Violation] = []
        self.unknown_fields: list[tuple[int, str]] = []
        """(request number, field) of undocumented fields, when the server records instead of refusing them."""
        self.malformed: list[str] = []
        """What was wrong with requests that were not HTTP."""
        self.incomplete = 0
        """Requests that broke off before their last byte."""
        self.connections = 0
        """Connections accepted so far."""
        self._changed = threading.Condition()
        self._waiters: list[tuple[asyncio.AbstractEventLoop, asyncio.Future[None]]] = []

    def __len__(self) -> int:
        return len(self.entries)

    @property
    def last(self) -> Entry:
        """The latest exchange. Raises `IndexError` when there is none."""
        return self.entries[-1]

    @property
    def requests(self) -> list[ReceivedRequest]:
        """What was received."""
        return [entry.request for entry in self.entries]

    @property
    def finished(self) -> int:
        """Exchanges that are over, one way or another."""
        return sum(entry.reply.ending != "open" for entry in self.entries)

    def open(self, request: ReceivedRequest, reply: SentReply) -> Entry:
        """Start the account of an exchange."""
        entry = Entry(request, reply)
        self.entries.append(entry)
        self.touch()
        return entry

    def note_malformed(self, reason: str) -> None:
        """A request that was not HTTP: answered with 400, never seen by the provider."""
        self.malformed.append(reason)
        self.violations.append(Violation(len(self) + 1, "malformed HTTP", reason))

    def touch(self) -> None:
        """Something was noted: wake whoever waits for it."""
        with self._changed:
            self._changed.notify_all()
            waiters, self._waiters = self._waiters, []
        for loop, waiter in waiters:
            if not loop.is_closed():
                loop.call_soon_threadsafe(_wake, waiter)

    async def until(self, condition: Callable[[Journal], bool], *, timeout_s: float = 5.0) -> None:
        """Wait until the journal fulfils a condition. Raises `TimeoutError`."""
        loop = asyncio.get_running_loop()
        async with asyncio.timeout(timeout_s):
            while not condition(self):
                waiter: asyncio.Future[None] = loop.create_future()
                with self._changed:
                    self._waiters.append((loop, waiter))
                # Once more, since another thread may have noted it between the look and the registration.
                if condition(self):
                    return
                await waiter

    def wait_until(self, condition: Callable[[Journal], bool], *, timeout_s: float = 5.0) -> None:
        """The same for a thread without an event loop. Raises `TimeoutError`."""
        with self._changed:
            if not self._changed.wait_for(lambda: condition(self), timeout_s):
                raise TimeoutError("the journal did not come to fulfil the condition")


def _wake(waiter: asyncio.Future[None]) -> None:
    if not waiter.done():
        waiter.set_result(None)
