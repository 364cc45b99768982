"""A client's side of an exchange that stands in front of another one, and passes everything on."""

from __future__ import annotations

from weighbridge.core.ports import ByteSink, ByteSource, Downstream, RawPipe


class Passing:
    """`core.ports.Downstream`: each method does what the one behind does. Whoever wants to see what passes overrides some."""

    def __init__(self, downstream: Downstream) -> None:
        self._downstream = downstream
        self.method = downstream.method
        self.target = downstream.target
        self.headers = downstream.headers
        self.content_length = downstream.content_length
        self.is_chunked = downstream.is_chunked
        self.is_upgrade = downstream.is_upgrade
        self.received_ns = downstream.received_ns
        self.peer = downstream.peer
        self.memo = downstream.memo

    @property
    def has_started(self) -> bool:
        """See `Downstream`."""
        return self._downstream.has_started

    def whole_body(self, limit: int) -> bytes | None:
        """See `Downstream`."""
        return self._downstream.whole_body(limit)

    async def read_body(self, limit: int) -> bytes:
        """See `Downstream`."""
        return await self._downstream.read_body(limit)

    def stream_body(self, limit: int) -> ByteSource:
        """See `Downstream`."""
        return self._downstream.stream_body(limit)

    def start(self, status: int, header_lines: bytes, length: int | None) -> None:
        """See `Downstream`."""
        self._downstream.start(status, header_lines, length)

    def flush(self) -> None:
        """See `Downstream`."""
        self._downstream.flush()

    def write(self, data: bytes) -> None:
        """See `Downstream`."""
        self._downstream.write(data)

    def end(self, data: bytes = b"") -> None:
        """See `Downstream`."""
        self._downstream.end(data)

    def abort(self) -> None:
        """See `Downstream`."""
        self._downstream.abort()

    def throttle(self, source: ByteSource | None) -> None:
        """See `Downstream`."""
        self._downstream.throttle(source)

    def take_over(self, sink: ByteSink) -> RawPipe:
        """See `Downstream`."""
        return self._downstream.take_over(sink)
