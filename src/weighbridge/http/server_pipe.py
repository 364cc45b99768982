"""The client's side of a connection that has left HTTP (a realtime WebSocket): raw bytes both ways, with backpressure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from weighbridge.core.errors import GatewayError
from weighbridge.core.ports import ByteSink, ByteSource
from weighbridge.http.limits import MAX_BUFFERED

if TYPE_CHECKING:
    from weighbridge.http.server_connection import ServerConnection


class ServerPipe:
    """The client's side of a connection that has left HTTP: a `RawPipe`, and a `ByteSource` for the other side."""

    __slots__ = ("_connection", "_held", "_source", "sink")

    def __init__(self, connection: ServerConnection, rest: bytes) -> None:
        self._connection = connection
        self._held = rest
        self._source: ByteSource | None = None
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

    def throttle(self, source: ByteSource | None) -> None:
        """Name the source to pause while the client is slow."""
        self._source = source

    def pause_source(self) -> None:
        """From the connection."""
        if self._source is not None:
            self._source.pause()

    def resume_source(self) -> None:
        """From the connection."""
        if self._source is not None:
            self._source.resume()


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
