"""The beginning of a reply's bytes, for as long as its exchange lives."""

from __future__ import annotations

from typing import Final

_MOST: Final = 16 * 1024
"""Events are some 250 bytes for a token or a few of them: sixty or more, from which the rest is reckoned."""


class Sample:
    """Keeps the first bytes, and counts all that it is told of."""

    __slots__ = ("_pieces", "_size", "n_bytes")

    def __init__(self) -> None:
        self._pieces: list[bytes] = []
        self._size = 0
        self.n_bytes = 0
        """All bytes of the reply, kept or not: whoever stops telling says how many there were in the end."""

    @property
    def is_full(self) -> bool:
        """Whether there is no need to be told of more."""
        return self._size >= _MOST

    def take(self, data: bytes) -> None:
        """The reply's next bytes."""
        self.n_bytes += len(data)
        if self._size < _MOST:
            data = data[: _MOST - self._size]
            self._pieces.append(data)
            self._size += len(data)

    def kept(self) -> bytes:
        """What was kept."""
        return b"".join(self._pieces)
