"""Both sides of a connection that has left HTTP (a realtime WebSocket): raw bytes both ways, with backpressure.

A pipe is a `RawPipe`, and a `ByteSource` for the other side.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from weighbridge.core.errors import GatewayError
from weighbridge.core.ports import ByteSink, ByteSource
from weighbridge.http.limits import MAX_BUFFERED

if TYPE_CHECKING:
    from weighbridge.http.client_connection import UpstreamConnection
    from weighbridge.http.server_connection import ServerConnection


class _Throttled:
    """Whose peer may be slow: then the source of what is written to it is paused."""

    __slots__ = ("_source",)

    def __init__(self) -> None:
        self._source: ByteSource | None = None

    def throttle(self, source: ByteSource | None) -> None:
        """Name the source to pause while this side's peer is slow."""
        self._source = source

    def pause_source(self) -> None:
        """From the connection."""
        if self._source is not None:
            self._source.pause()

    def resume_source(self) -> None:
        """From the connection."""
        if self._source is not None:
            self._source.resume()


class UpstreamPipe(_Throttled):
    """The provider's side."""

    __slots__ = ("_connection", "sink")

    def __init__(self, connection: UpstreamConnection, sink: ByteSink) -> None:
        super().__init__()
        self._connection = connection
        self.sink = sink

    def write(self, data: bytes) -> None:
        """Raw bytes to the provider."""
        self._connection.write_raw(data)

    def close(self) -> None:
        """Flush and close."""
        self._connection.close()

    def attach(self, sink: ByteSink) -> None:
        """`ByteSource`: another sink from now on."""
        self.sink = sink

    def pause(self) -> None:
        """Stop reading from the provider."""
        self._connection.pause_reading()

    def resume(self) -> None:
        """Read on."""
        self._connection.resume_reading()


class ServerPipe(_Throttled):
    """The client's side. What comes before the provider's side is there is held."""

    __slots__ = ("_connection", "_held", "sink")

    def __init__(self, connection: ServerConnection, rest: bytes) -> None:
        super().__init__()
        self._connection = connection
        self._held = rest
        self.sink: ByteSink = _NOWHERE

    def connect(self, sink: ByteSink) -> None:
        """What has come already goes to `sink`, and so does all that comes."""
        self.sink = sink
        held, self._held = self._held, b""
        if held:
            sink.on_data(held)
        self.resume()

    def feed(self, data: bytes) -> None:
        """From the connection: raw bytes of the client."""
        if self.sink is not _NOWHERE:
            self.sink.on_data(data)
            return
        self._held += data
        if len(self._held) > MAX_BUFFERED:
            self.pause()

    def attach(self, sink: ByteSink) -> None:
        """`ByteSource`."""
        self.connect(sink)

    def write(self, data: bytes) -> None:
        """Raw bytes to the client."""
        self._connection.write_raw(data)

    def close(self) -> None:
        """Flush and close."""
        self._connection.close(is_body_unread=False)

    def pause(self) -> None:
        """Stop reading from the client."""
        self._connection.pause_body()

    def resume(self) -> None:
        """Read on."""
        self._connection.resume_body()


class _Nowhere:
    """The sink of a pipe that is not connected yet."""

    __slots__ = ()

    def on_data(self, data: bytes) -> None:
        """Never called with a pipe's data: it holds them."""

    def on_end(self) -> None:
        """The client left before the pipe was connected."""

    def on_error(self, error: GatewayError) -> None:
        """See `on_end`."""


_NOWHERE: Final = _Nowhere()
