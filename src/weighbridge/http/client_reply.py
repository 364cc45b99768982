"""The reply to one upstream request: the client's side of `core.ports.UpstreamReply`.

Bytes that come before a sink is attached are held up to a bound; then the provider is paused.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from weighbridge.core.errors import ErrorKind, GatewayError
from weighbridge.core.ports import ByteSink, RawPipe, UpstreamRequest
from weighbridge.core.tasks import Signal
from weighbridge.http.limits import MAX_BUFFERED
from weighbridge.pipeline.headers import returned_lines

if TYPE_CHECKING:
    from weighbridge.http.client_connection import UpstreamConnection
    from weighbridge.http.reply_shape import ReplyShape


class StaleConnectionError(Exception):
    """A kept-alive connection was dead, and it is proven that the provider got not one byte of the request."""


class ClientReply:
    """A reply under way, and the deadlines that watch it."""

    # Slots, each filled: see `ServerExchange`.
    __slots__ = (
        "_error",
        "_has_ended",
        "_headers",
        "_held",
        "_held_size",
        "_is_aborted",
        "_is_full",
        "_is_paused",
        "_shape",
        "_values",
        "connection",
        "content_encoding",
        "content_length",
        "content_type",
        "expires_ns",
        "first_byte_ns",
        "has_progress",
        "head",
        "reason",
        "request",
        "sent_ns",
        "sink",
        "status",
        "total_expires_ns",
        "whole",
    )

    def __init__(self, request: UpstreamRequest, total_expires_ns: int) -> None:
        self.request = request
        self.head = Signal()
        """Set once the head is there, and what came with it is held or delivered."""
        self.connection: UpstreamConnection | None = None
        self.status = 0
        self.reason = b""
        self.content_length: int | None = None
        self.content_type = b""
        self.content_encoding = b""
        self.sent_ns = 0
        self.first_byte_ns = 0
        self.sink: ByteSink | None = None
        """Who takes the body's bytes, once somebody does and until the end."""
        self.has_progress = False
        """Bytes have come since the client's last sweep, which then puts the deadline off: a reading of the clock and a sum for
        each token of a stream would cost 0.3 µs."""
        self.whole: bytes | None = None
        self.expires_ns = total_expires_ns
        self.total_expires_ns = total_expires_ns
        self._headers: list[tuple[bytes, bytes]] = []
        self._shape: ReplyShape | None = None
        self._values: tuple[bytes, ...] = ()
        self._held: list[bytes] = []
        self._held_size = 0
        self._has_ended = False
        self._is_aborted = False
        self._is_full = False
        self._is_paused = False
        self._error: GatewayError | None = None

    # --- the head -------------------------------------------------------------------------------------------------

    def take_shape(self, shape: ReplyShape, values: tuple[bytes, ...]) -> None:
        """From the connection: the head is one of a known shape, with these values."""
        self.status = shape.status
        self.reason = shape.reason
        self.content_type = shape.content_type
        self.content_encoding = shape.content_encoding
        self._shape = shape
        self._values = values

    @property
    def headers(self) -> list[tuple[bytes, bytes]]:
        """The header lines but for the length, in order, names in lower case."""
        if self._shape is not None:
            self._headers = self._shape.headers(self._values)
            self._shape = None
        return self._headers

    @headers.setter
    def headers(self, headers: list[tuple[bytes, bytes]]) -> None:
        self._headers = headers

    def header_lines(self) -> bytes:
        """See `core.ports.UpstreamReply.header_lines`."""
        return self._shape.header_lines(self._values) if self._shape is not None else returned_lines(self._headers)

    # --- from the connection ------------------------------------------------------------------------------------

    @property
    def has_ended(self) -> bool:
        """Whether the reply came whole, broke off or was dropped."""
        return self._has_ended

    @property
    def is_paused(self) -> bool:
        """Whether nobody takes bytes just now, so that silence is not the provider's."""
        return self._is_paused or self._is_full

    def take_whole(self, body: bytes) -> None:
        """From the connection: the body came whole with the head, before anybody could attach a sink."""
        self.content_length = len(body)
        self.whole = body
        if body:
            self._held.append(body)
        self._has_ended = True

    def feed(self, data: bytes) -> None:
        """The next bytes of the body."""
        if self.sink is not None:
            self.sink.on_data(data)
        else:
            self.hold(data)

    def hold(self, data: bytes) -> None:
        """Keep bytes for whoever will take them; beyond a bound the provider is paused."""
        if self._has_ended:
            return
        self._held.append(data)
        self._held_size += len(data)
        if self._held_size > MAX_BUFFERED and not self._is_full and self.connection is not None:
            self._is_full = True
            self._stop_reading(self.connection)

    def note_progress(self, now_ns: int) -> None:
        """From the client's sweep: bytes have come, and the provider's silence counts from now."""
        self.has_progress = False
        if not self.is_paused:
            self.expires_ns = min(now_ns + self.request.deadlines.between_bytes_ns, self.total_expires_ns)

    def end(self) -> None:
        """The body came whole."""
        if not self._has_ended:
            self._has_ended = True
            # Let go of the sink, which holds us: reply and sink are then freed at once and not by the garbage collector.
            sink, self.sink = self.sink, None
            if sink is not None:
                sink.on_end()

    def fail(self, error: GatewayError | StaleConnectionError) -> None:
        """The attempt failed, before or after its head."""
        if self._has_ended:
            return
        self._has_ended = True
        if not self.status:
            self.head.set(error)
        elif isinstance(error, GatewayError):
            self._error = error
            sink, self.sink = self.sink, None
            if sink is not None:
                sink.on_error(error)
            self.head.set()

    # --- core.ports.UpstreamReply -------------------------------------------------------------------------------

    def attach(self, sink: ByteSink) -> None:
        """Give what is here, then what comes."""
        held, self._held = self._held, []
        self._held_size = 0
        for piece in held:
            sink.on_data(piece)
        if self._is_aborted:
            return
        if self._error is not None:
            sink.on_error(self._error)
            return
        if self._has_ended:
            sink.on_end()
            return
        self.sink = sink
        if self._is_full:
            # Only our own bound is lifted: a sink that has paused us meanwhile stays in force.
            self._is_full = False
            self._read_on()

    def pause(self) -> None:
        """Whoever takes the bytes is slow."""
        if not self._is_paused and not self._has_ended and self.connection is not None:
            self._is_paused = True
            self._stop_reading(self.connection)

    def resume(self) -> None:
        """Whoever takes the bytes has caught up."""
        if self._is_paused:
            self._is_paused = False
            self._read_on()

    def _stop_reading(self, connection: UpstreamConnection) -> None:
        self.expires_ns = self.total_expires_ns
        connection.pause_reading()

    def _read_on(self) -> None:
        if not self.is_paused and self.connection is not None and not self._has_ended:
            self.connection.resume_reading()

    def abort(self) -> None:
        """The rest is not wanted."""
        self._is_aborted = True
        self._has_ended = True
        self.sink = None
        self._held = []
        connection, self.connection = self.connection, None
        if connection is not None:
            connection.drop()

    def take_over(self, sink: ByteSink) -> RawPipe:
        """After a 101: raw bytes both ways."""
        assert self.connection is not None
        return self.connection.become_pipe(sink)


def broke_off(detail: str, *, is_begun: bool) -> GatewayError:
    """The connection was lost with a request on it."""
    public = "The provider broke off its answer." if is_begun else "The provider closed the connection without an answer."
    return GatewayError(ErrorKind.PROVIDER_BROKE_OFF, public, detail=detail)
