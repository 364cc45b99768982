"""A source that two may pause, so that neither ends the other's pause: the client of a realtime session under a hard budget."""

from __future__ import annotations

from weighbridge.core.ports import ByteSink, ByteSource


class Inlet:
    """A `ByteSource` that can be `shut` besides. The taker of its bytes pauses it while it is slow."""

    __slots__ = ("_is_shut", "_is_slow", "_source")

    def __init__(self, source: ByteSource) -> None:
        self._source = source
        self._is_slow = self._is_shut = False

    def attach(self, sink: ByteSink) -> None:
        """`ByteSource`."""
        self._source.attach(sink)

    def pause(self) -> None:
        """`ByteSource`: the taker is slow."""
        self._is_slow = True
        self._source.pause()

    def resume(self) -> None:
        """`ByteSource`: it has caught up."""
        self._is_slow = False
        if not self._is_shut:
            self._source.resume()

    def shut(self) -> None:
        """Read no more, whatever the taker says."""
        self._is_shut = True
        self._source.pause()

    def open(self) -> None:
        """Read again, unless the taker is slow."""
        self._is_shut = False
        if not self._is_slow:
            self._source.resume()
