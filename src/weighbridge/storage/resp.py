"""How Valkey is spoken to (RESP2): commands out, replies in. Pure.

https://valkey.io/topics/protocol/
"""

from __future__ import annotations

from typing import Final

_CRLF: Final = b"\r\n"
_MAX_BULK: Final = 1_000_000
"""Of one value of a reply. Ours are numbers and hashes of 40 characters."""


class Fault(Exception):  # noqa: N818 - the server's word for it would be `error`, and it is a reply before it is raised
    """What went wrong in place of a reply: the server's own word (`NOSCRIPT …`), or that it is gone."""

    @property
    def code(self) -> str:
        """The first word of it."""
        return str(self).partition(" ")[0]


Reply = int | bytes | None | Fault | list["Reply"]


def command(*parts: bytes) -> bytes:
    """A command and what it is given."""
    return b"*%d\r\n" % len(parts) + b"".join([b"$%d\r\n%b\r\n" % (len(part), part) for part in parts])


def read_reply(data: bytes, start: int) -> tuple[Reply, int] | None:
    """The reply that begins at `start`, and where the next one begins; None: it has not come whole. Raises `ValueError` for
    what is none."""
    end = data.find(_CRLF, start)
    if end < 0:
        if len(data) - start > _MAX_BULK:
            raise ValueError("a reply without an end")
        return None
    kind, line, after = data[start : start + 1], data[start + 1 : end], end + 2
    if kind == b":":
        return int(line), after
    if kind == b"*":
        return _read_array(data, after, int(line))
    if kind == b"$":
        return _read_bulk(data, after, int(line))
    if kind == b"+":
        return line, after
    if kind == b"-":
        return Fault(line.decode("utf-8", "replace")), after
    raise ValueError("no reply of RESP2")


def _read_array(data: bytes, start: int, length: int) -> tuple[Reply, int] | None:
    if length < 0:
        return None, start
    found: list[Reply] = []
    for _ in range(length):
        if (each := read_reply(data, start)) is None:
            return None
        found.append(each[0])
        start = each[1]
    return found, start


def _read_bulk(data: bytes, start: int, length: int) -> tuple[Reply, int] | None:
    if length < 0:
        return None, start
    if length > _MAX_BULK:
        raise ValueError("a value that is too long")
    end = start + length
    if len(data) < end + 2:
        return None
    if data[end : end + 2] != _CRLF:
        raise ValueError("a value that is longer than it says")
    return data[start:end], end + 2
