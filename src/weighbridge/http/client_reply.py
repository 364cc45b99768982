"""The reply to one upstream request: the client's side of `core.ports.UpstreamReply`.

Bytes that come before a sink is attached are held up to a bound; then the provider is paused.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from weighbridge.core.errors import ErrorKind, GatewayError
from weighbridge.core.ports import ByteSink, RawPipe, UpstreamRequest
from weighbridge.core.tasks import Signal
from weighbridge.http.limits import MAX_BUFFERED

if TYPE_CHECKING:
    from weighbridge.http.client_connection import UpstreamConnection


class StaleConnectionError(Exception):
    """A kept-alive connection was dead, and it is proven that the provider got not one byte of the request."""


class ClientReply:
    """A reply under way, and the deadlines that watch it."""

    connection: UpstreamConnection | None = None
    status: int = 0
    reason: bytes = b""
    content_length: int | None = None
    sent_ns: int = 0
    first_byte_ns: int = 0
    sink: ByteSink | None = None
    """Who takes the body's bytes, once somebody does and until the end."""
    has_progress: bool = False
    """Bytes have come since the client's last sweep, which then puts the deadline off: a reading of the clock and a sum for each
    token of a stream would cost 0.3 µs."""
    _held_size: int = 0
    _has_ended: bool = False
    _is_aborted: bool = False
    _is_full: bool = False
    _is_paused: bool = False
    _error: GatewayError | None = None

    def __init__(self, request: UpstreamRequest, total_expires_ns: int) -> None:
        self.request = request
        self.head = Signal()
        """Set once the head is there, and what came with it is held or delivered."""
        self.headers: list[tuple[bytes, bytes]] = []
        self.expires_ns = total_expires_ns
        self.total_expires_ns = total_expires_ns
        self._held: list[bytes] = []

    # --- from the connection ------------------------------------------------------------------------------------

    @property
    def has_ended(self) -> bool:
        """Whether the reply came whole, broke off or was dropped."""
        return self._has_ended

    @property
    def is_paused(self) -> bool:
        """Whether nobody takes bytes just now, so that silence is not the provider's."""
        return self._is_paused or self._is_full

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
