"""What the policies and the pipeline need from the world, as Protocols. Sockets, clocks, chance and databases live behind these."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

import msgspec

from weighbridge.core.errors import GatewayError
from weighbridge.core.terms import Deadlines, Origin, Record, VirtualKey

Headers = Sequence[tuple[bytes, bytes]]
"""Header lines in wire order; names in lower case, values without surrounding blanks."""


class Clock(Protocol):
    """Two clocks: one for durations, one for dates."""

    def now_ns(self) -> int:
        """Monotonic nanoseconds."""
        ...

    def wall_ns(self) -> int:
        """Unix nanoseconds."""
        ...


class Rng(Protocol):
    """Chance."""

    def random(self) -> float:
        """A float in [0, 1)."""
        ...


class Ids(Protocol):
    """Names for new things."""

    def request_id(self) -> str:
        """A new unique request id."""
        ...


class ByteSink(Protocol):
    """Who wants the bytes of a body as they arrive. After `on_end` or `on_error` nothing more comes."""

    def on_data(self, data: bytes) -> None:
        """The next bytes of the body, never empty."""
        ...

    def on_end(self) -> None:
        """The body came whole."""
        ...

    def on_error(self, error: GatewayError) -> None:
        """The body broke off."""
        ...


class ByteSource(Protocol):
    """A body that arrives piecemeal and can be slowed down."""

    def attach(self, sink: ByteSink) -> None:
        """Hand over what has come already, then each piece as it comes (from within `attach` too)."""
        ...

    def pause(self) -> None:
        """Stop reading from the peer: TCP then slows it down."""
        ...

    def resume(self) -> None:
        """Read on."""
        ...


class RawPipe(ByteSource, Protocol):
    """One side of a connection that is no longer HTTP."""

    def write(self, data: bytes) -> None:
        """Raw bytes to the peer."""
        ...

    def close(self) -> None:
        """Flush and close."""
        ...

    def throttle(self, source: ByteSource | None) -> None:
        """Name the source that is paused while this peer reads slowly."""
        ...


class UpstreamRequest(msgspec.Struct):
    """One HTTP request, ready for the wire.

    `head`: request line and header lines, each ended with CRLF, without `content-length`, `transfer-encoding` and the
    blank line. `body`: pieces that are sent one after another, or a source that is sent as it comes. `body_length`: its
    bytes; None sends it chunked.
    """

    method: bytes
    origin: Origin
    head: bytes
    body: list[bytes | memoryview] | ByteSource
    body_length: int | None
    deadlines: Deadlines


class UpstreamReply(ByteSource, Protocol):
    """A reply whose head has come."""

    status: int
    reason: bytes
    content_length: int | None
    content_type: bytes
    """This header's value, and that of `content-encoding`; empty where absent."""
    content_encoding: bytes
    whole: bytes | None
    """The body, if it came whole with the head: then nobody needs to attach a sink."""
    sent_ns: int
    """Monotonic time at which the request's last byte was handed to the kernel."""
    first_byte_ns: int
    """Monotonic time at which the reply's first byte came."""

    @property
    def headers(self) -> list[tuple[bytes, bytes]]:
        """As sent, in order, names in lower case; without `content-length`."""
        ...

    def header_lines(self) -> bytes:
        """The lines of `headers` that the client gets (`pipeline.headers.returned_lines`), made with less effort."""
        ...

    def abort(self) -> None:
        """The rest is not wanted: drop the connection at once, so that the provider stops generating."""
        ...

    def take_over(self, sink: ByteSink) -> RawPipe:
        """Leave HTTP after a 101: everything that comes goes to `sink`, and the pipe writes raw bytes."""
        ...


class Upstream(Protocol):
    """The way to providers."""

    async def send(self, request: UpstreamRequest) -> UpstreamReply:
        """Send a request and wait for the head of its reply.

        Cancelling it drops the connection. Raises `GatewayError` of kind PROVIDER_*.
        """
        ...


class Authorizer(Protocol):
    """Who proves to a cloud who we are, where that is no fixed header: a signature of the request, or a token that expires."""

    def ready(self) -> bool:
        """Whether `header_lines` may be called now. Cheap: asked before each request."""
        ...

    async def refresh(self) -> None:
        """Get what is missing, within a bounded wait; does nothing when ready. Raises `GatewayError` of kind PROVIDER_*."""
        ...

    def header_lines(self, method: bytes, host: bytes, target: bytes, body: Sequence[bytes | memoryview]) -> bytes:
        """The lines to add to the head of this very request, each with its CRLF.

        `host` is the value of its `host` line, `target` its path and query as they are sent, `body` what will be sent. Raises
        `GatewayError` PROVIDER_AUTHENTICATION when not `ready`.
        """
        ...

    def invalidate(self) -> None:
        """The provider refused us (401 or 403): what we have may have been revoked, so get it anew before the next request."""
        ...


class KeySource(Protocol):
    """Who knows the virtual keys that are not in the snapshot (a key that was made a moment ago)."""

    async def find(self, digest: bytes) -> VirtualKey | None:
        """The key with this SHA-256, or None. Asked once for each unknown digest, never on the path of a known key."""
        ...


class TextSeen(msgspec.Struct, frozen=True):
    """What was seen of an attempt: the request's body (empty: not to be counted) and the beginning of the reply's bytes, of which
    `n_written` came in all."""

    model: str
    asked: bytes
    written: bytes
    n_written: int


class TokensSeen(msgspec.Struct, frozen=True):
    """How many tokens that is, about. None: it cannot be told."""

    input: int | None
    output: int | None


class TokenCounter(Protocol):
    """Who has a tokenizer, elsewhere than on the path of requests."""

    def count(self, seen: TextSeen, on_answer: Callable[[TokensSeen | None], None]) -> None:
        """Count text, and forget it. `on_answer` is called once, with None where no answer comes within a moment."""
        ...


class ModelLister(Protocol):
    """Who has asked providers for their lists of models."""

    async def names(self) -> Mapping[str, tuple[str, ...]]:
        """By provider, of those whose list is known; a provider that does not answer soon is left out."""
        ...


class ResponseKeeper(Protocol):
    """Who keeps responses of the Responses API for providers that keep none. A response belongs to the key that made it."""

    async def find(self, key_id: str, response_id: str) -> bytes | None:
        """What was kept, or None."""
        ...

    def keep(self, key_id: str, response_id: str, content: bytes) -> None:
        """Keep it for its next turn. Never blocks; what cannot be kept is not found later."""
        ...

    def forget(self, key_id: str, response_id: str) -> None:
        """Delete it, if it is there."""
        ...

    async def claim(self, response_id: str) -> bytes | None:
        """What was kept, whoever has made it, and forgotten by that: nobody else gets it. None if it is not there."""
        ...


class Sink(Protocol):
    """Who takes settled accounts."""

    def offer(self, record: Record) -> None:
        """Take one Record. Never blocks and never refuses: see `is_full`."""
        ...

    @property
    def is_full(self) -> bool:
        """True when the next request must not be admitted, because its Record might have no place."""
        ...


class Downstream(Protocol):
    """The client's side of one exchange: its request, and the way to answer it. Exactly one reply is started and ended."""

    method: bytes
    target: bytes
    """The request target as sent: path and query."""
    headers: list[tuple[bytes, bytes]]
    """As sent, in order, names in lower case; without those that frame the message (`content-length`, `transfer-encoding`)."""
    content_length: int | None
    is_chunked: bool
    is_upgrade: bool
    """The client asked for a WebSocket."""
    received_ns: int
    """Monotonic time at which the head was complete."""
    peer: str
    """The client's address."""
    memo: object
    """A place for whatever the handler wants to find again at the connection's next request; None at first."""

    def whole_body(self, limit: int) -> bytes | None:
        """The request body if all of it is here, which saves a coroutine; None if it has to be waited for (`read_body`)."""
        ...

    async def read_body(self, limit: int) -> bytes:
        """The whole request body. Raises `GatewayError` PAYLOAD_TOO_LARGE beyond `limit` bytes."""
        ...

    def stream_body(self, limit: int) -> ByteSource:
        """The request body as it comes, for uploads that are not held."""
        ...

    @property
    def has_started(self) -> bool:
        """Whether a status line is out (or about to go): after that no error reply is possible."""
        ...

    def start(self, status: int, header_lines: bytes, length: int | None) -> None:
        """Give the head of the reply. `header_lines` are whole lines with CRLF, without framing headers; `length` None is
        a body of unknown length. It goes out with the first bytes of the body, or with `flush`."""
        ...

    def flush(self) -> None:
        """Send the head now, although no byte of the body is there."""
        ...

    def write(self, data: bytes) -> None:
        """The next bytes of the body."""
        ...

    def end(self, data: bytes = b"") -> None:
        """The last bytes of the body, and its end."""
        ...

    def abort(self) -> None:
        """Break off so that the client can tell: the connection is closed without the body's proper end."""
        ...

    def throttle(self, source: ByteSource | None) -> None:
        """Name the source that is paused while the client reads more slowly than we write."""
        ...

    def take_over(self, sink: ByteSink) -> RawPipe:
        """Leave HTTP (after a 101): everything that comes goes to `sink`, and the pipe writes raw bytes."""
        ...
