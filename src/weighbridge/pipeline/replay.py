"""One answer for several requests: a client's retry under the same `Idempotency-Key`, and, on routes with `join`, equal requests.

https://datatracker.ietf.org/doc/draft-ietf-httpapi-idempotency-key-header/: the first request with a key is carried out; a later
one gets the very same answer, from memory once it is whole, or as it comes while it is not. A key that comes with another request
is refused. Only good answers are kept: what failed may be tried again. OpenAI's SDK sends a key with every POST and the same one
with each of its own retries, so that a retry after a lost connection does not pay twice.

Who asked first pays; who joins is told so in `x-weighbridge-joined` and has a Record without usage. Both have the same virtual key.
If the first client leaves while others listen, the answer goes on.
"""

from __future__ import annotations

from collections import OrderedDict
from hashlib import blake2b
from typing import TYPE_CHECKING, Final

from weighbridge.core.clock import NS_PER_S
from weighbridge.core.errors import ErrorKind, GatewayError
from weighbridge.core.ports import ByteSink, Clock, Downstream, RawPipe
from weighbridge.core.tasks import Signal
from weighbridge.pipeline.passing import Passing

if TYPE_CHECKING:
    from weighbridge.pipeline.exchange import Exchange

KEY_HEADER: Final = b"idempotency-key"
_MAX_KEY: Final = 255
"""Characters of a key, as Stripe has it (https://docs.stripe.com/api/idempotent_requests)."""

_KEPT_NS: Final = 600 * NS_PER_S
"""For how long an answer is kept: longer than any SDK retries (OpenAI's waits 8 s at most, its requests time out after 600)."""

_MAX_KEPT_BYTES: Final = 32 * 1024 * 1024
"""Of all kept answers, for each worker; the oldest are dropped first."""

_MAX_ANSWER_BYTES: Final = 4 * 1024 * 1024
"""An answer that is longer is not kept, and cannot be joined any more."""


Name = tuple[str, ...]
"""Under which answers are found: whose key, what for, and the client's key or the request's fingerprint."""


class Recording:
    """An answer as it goes to the first client. Others that want the same get it from here."""

    __slots__ = (
        "chunks",
        "failed",
        "fingerprint",
        "is_over",
        "kept_ns",
        "length",
        "lines",
        "listeners",
        "request_id",
        "size",
        "status",
    )

    def __init__(self, fingerprint: bytes, request_id: str) -> None:
        self.fingerprint = fingerprint
        """Of the request that it answers."""
        self.request_id = request_id
        self.status = 0
        self.lines = b""
        self.length: int | None = None
        self.chunks: list[bytes] = []
        self.size = 0
        self.is_over = False
        self.failed = False
        self.kept_ns = 0
        self.listeners: list[Listener] = []

    def add(self, data: bytes) -> None:
        """More of the answer."""
        if data:
            self.size += len(data)
            self.chunks.append(data)
            for listener in self.listeners:
                listener.downstream.write(data)

    def begin(self, status: int, lines: bytes, length: int | None) -> None:
        """Its head."""
        self.status, self.lines, self.length = status, lines, length
        for listener in self.listeners:
            listener.start()

    def close(self, *, failed: bool) -> None:
        """It is whole, or broke off."""
        if self.is_over:
            return
        self.is_over = True
        self.failed = failed
        listeners, self.listeners = self.listeners, []
        for listener in listeners:
            listener.over.set()


class Listener:
    """A client that gets somebody else's answer."""

    __slots__ = ("_recording", "downstream", "over")

    def __init__(self, recording: Recording, downstream: Downstream) -> None:
        self._recording = recording
        self.downstream = downstream
        self.over = Signal()

    def start(self) -> None:
        """Give it the head: the same but for the id of the request that it joins."""
        recording = self._recording
        joined = b"x-weighbridge-joined: %b\r\n" % recording.request_id.encode()
        self.downstream.start(recording.status, recording.lines + joined, recording.length)

    async def listen(self) -> bool:
        """Give it the answer, what there is at once and the rest as it comes. False: it broke off, or never came."""
        recording = self._recording
        if recording.status:
            self.start()
            for chunk in recording.chunks:
                self.downstream.write(chunk)
        if not recording.is_over:
            recording.listeners.append(self)
            try:
                await self.over
            finally:
                if self in recording.listeners:
                    recording.listeners.remove(self)
        return not recording.failed


class Tee(Passing):
    """A client's side of an exchange that records what it is sent."""

    def __init__(self, downstream: Downstream, recording: Recording, shelf: Shelf, name: Name) -> None:
        super().__init__(downstream)
        self._is_gone = False
        self.recording = recording
        self._shelf = shelf
        self._name = name

    def leave(self) -> bool:
        """The first client has gone. True: others listen, so the answer goes on for them."""
        self._is_gone = bool(self.recording.listeners)
        return self._is_gone

    def start(self, status: int, header_lines: bytes, length: int | None) -> None:
        """See `Downstream`. An error is nobody else's answer."""
        if status >= 300:
            self._shelf.drop(self._name, self.recording)
        else:
            self.recording.begin(status, header_lines, length)
        self._downstream.start(status, header_lines, length)

    def write(self, data: bytes) -> None:
        """See `Downstream`."""
        self._record(data)
        if not self._is_gone:
            self._downstream.write(data)

    def end(self, data: bytes = b"") -> None:
        """See `Downstream`."""
        self._record(data)
        self._shelf.keep(self._name, self.recording)
        if not self._is_gone:
            self._downstream.end(data)

    def abort(self) -> None:
        """See `Downstream`."""
        self._shelf.drop(self._name, self.recording)
        self._downstream.abort()

    def take_over(self, sink: ByteSink) -> RawPipe:
        """See `Downstream`."""
        self._shelf.drop(self._name, self.recording)
        return self._downstream.take_over(sink)

    def _record(self, data: bytes) -> None:
        if self.recording.is_over:
            return
        if self.recording.size + len(data) > _MAX_ANSWER_BYTES and not self.recording.listeners:
            self._shelf.drop(self._name, self.recording)
            return
        self.recording.add(data)


class Shelf:
    """The answers of one worker. With `keeps` False they can only be joined, and are forgotten once they are whole."""

    def __init__(self, clock: Clock, *, keeps: bool = True) -> None:
        self._clock = clock
        self._keeps = keeps
        self._recordings: OrderedDict[Name, Recording] = OrderedDict()
        self._size = 0

    def find(self, name: Name, fingerprint: bytes) -> Recording | None:
        """What was, or is being, answered under a name. Raises `GatewayError` UNPROCESSABLE for another request under its name."""
        recording = self._recordings.get(name)
        if recording is None:
            return None
        if recording.is_over and self._clock.now_ns() - recording.kept_ns > _KEPT_NS:
            self._remove(name)
            return None
        if recording.fingerprint != fingerprint:
            raise GatewayError(
                ErrorKind.UNPROCESSABLE,
                "This Idempotency-Key was used for another request a moment ago.",
                code="idempotency_key_reused",
            )
        return recording

    def record(self, name: Name, fingerprint: bytes, exchange: Exchange) -> Tee:
        """Record what the client of this exchange is going to be sent."""
        recording = self._recordings[name] = Recording(fingerprint, exchange.request_id)
        return Tee(exchange.downstream, recording, self, name)

    def keep(self, name: Name, recording: Recording) -> None:
        """An answer is whole."""
        if recording.is_over or self._recordings.get(name) is not recording:
            return
        recording.close(failed=False)
        if not self._keeps:
            del self._recordings[name]
            return
        recording.kept_ns = self._clock.now_ns()
        self._size += recording.size
        self._recordings.move_to_end(name)
        while self._size > _MAX_KEPT_BYTES:
            oldest = next(key for key, kept in self._recordings.items() if kept.is_over)
            self._remove(oldest)

    def drop(self, name: Name, recording: Recording) -> None:
        """An answer failed, or is too long to be kept: who asks again is carried out anew."""
        if self._recordings.get(name) is recording and not recording.is_over:
            del self._recordings[name]
        recording.close(failed=True)

    def _remove(self, name: Name) -> None:
        self._size -= self._recordings.pop(name).size


def fingerprint_of(exchange: Exchange) -> bytes:
    """What makes two requests the same: method, path, query and body."""
    downstream = exchange.downstream
    digest = blake2b(downstream.method + b" " + downstream.target + b"\n", digest_size=16)
    digest.update(exchange.body or b"")
    return digest.digest()


def checked_key(value: bytes) -> str:
    """The key of the header. Raises `GatewayError` INVALID_REQUEST for one that is none."""
    if not value or len(value) > _MAX_KEY:
        raise GatewayError(
            ErrorKind.INVALID_REQUEST, f"An Idempotency-Key has 1 to {_MAX_KEY} characters.", code="invalid_idempotency_key"
        )
    return value.decode("latin-1")
