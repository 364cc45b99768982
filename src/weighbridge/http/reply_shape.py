"""The shape of a provider's reply head, learned from one reply to read the next ones without a parser.

A provider sends the same header names in the same order with each reply of a kind, and other values in some of them. From a
head that llhttp has accepted, an expression is made which accepts the same head with other values, and nothing else: the same
status line, the same names in the same spelling, and in each value only what RFC 9110 §5.5 allows there. What frames and
describes the body has to be the very same, but for the digits of its length. A match takes 0.5 µs for six header lines, where
llhttp's calls back into Python and the list that they fill take 3.

Any other head, and any reply that is not framed in one of two plain ways, goes to the parser.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from operator import itemgetter
from typing import Final, Protocol

from weighbridge.pipeline.headers import NEVER_RETURNED

MAX_SHAPES: Final = 4
"""Of one origin: whole replies and streams, each as it comes from two kinds of front ends."""

MAX_COMPILED: Final = 64
"""Shapes that are learned of one origin at all. Each takes half a millisecond once, so an origin that never stops sending other
names must not go on for ever."""

_MAX_LINES: Final = 90
"""Header lines of a head that is learned. A vendor's reply has 10 to 30."""

_TOKEN: Final = re.compile(rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+").fullmatch
_STATUS_LINE: Final = re.compile(rb"HTTP/1\.1 [2-5][0-9][0-9] [\t\x20-\x7e]*").fullmatch
_VALUE: Final = rb"((?![ \t])[\t\x20-\x7e\x80-\xff]*+(?<![ \t]))"
_LENGTH: Final = rb"([0-9]{1,15})"
_FIXED: Final = frozenset(b"content-type content-encoding transfer-encoding connection".split())
"""Headers that say how the body is to be read: their values belong to the shape."""

_NEVER_LEARNED: Final = frozenset(b"upgrade trailer".split())


class ReplyHead(Protocol):
    """As much of a reply whose head was parsed as a shape is made from."""

    status: int
    reason: bytes
    headers: list[tuple[bytes, bytes]]
    content_length: int | None


class Layout:
    """How one head was written: its status line and, for each header line, name, separator and value as they came."""

    __slots__ = ("key", "lines", "status_line")

    def __init__(self, status_line: bytes, lines: list[tuple[bytes, bytes, bytes]]) -> None:
        self.status_line = status_line
        self.lines = lines
        fixed = [value if name.lower() in _FIXED else b"" for name, _, value in lines]
        self.key = b"\r\n".join([status_line, *(name + b":" + value for (name, _, _), value in zip(lines, fixed, strict=True))])
        """Equal for heads of one shape."""


def layout_of(read: bytes, reply: ReplyHead) -> Layout | None:
    """How the head at the start of a read is written, where that is plain and means what the parser says; else None."""
    end = read.find(b"\r\n\r\n")
    status_line, *texts = read[: max(end, 0)].split(b"\r\n")
    if not _STATUS_LINE(status_line) or reply.status in (204, 304) or len(texts) > _MAX_LINES:
        return None
    lines: list[tuple[bytes, bytes, bytes]] = []
    for text in texts:
        name, _, rest = text.partition(b":")
        value = rest.strip(b" \t")
        separator = rest[: rest.find(value)] if value else rest
        if not _TOKEN(name) or rest != separator + value:
            return None
        lines.append((name, b":" + separator, value))
    return Layout(status_line, lines) if _is_plain(lines, reply) else None


def _is_plain(lines: list[tuple[bytes, bytes, bytes]], reply: ReplyHead) -> bool:
    """Whether the lines are those that the parser gave, framing is one length or chunks, and the connection stays."""
    names = [name.lower() for name, _, _ in lines]
    fields = dict(reply.headers)
    has_length = reply.content_length is not None
    framing = [b"content-length"] if has_length else [b"transfer-encoding"]
    rest = [(name, value) for name, (_, _, value) in zip(names, lines, strict=True) if name != b"content-length"]
    return (
        rest == reply.headers
        and [name for name in names if name in (b"content-length", b"transfer-encoding")] == framing
        and (has_length or fields[b"transfer-encoding"].lower() == b"chunked")
        and fields.get(b"connection", b"keep-alive").lower() == b"keep-alive"
        and _NEVER_LEARNED.isdisjoint(names)
    )


class ReplyShape:
    """One head with blanks to be filled in. `match` finds it at the start of a read; the groups are the values, line by line."""

    __slots__ = (
        "_kept",
        "_lines",
        "_names",
        "content_encoding",
        "content_type",
        "length_group",
        "match",
        "reason",
        "status",
    )

    def __init__(self, layout: Layout, reply: ReplyHead) -> None:
        fields = dict(reply.headers)
        self.status = reply.status
        self.reason = reply.reason
        self.content_type = fields.get(b"content-type", b"")
        self.content_encoding = fields.get(b"content-encoding", b"")
        names = self._names = [name.lower() for name, _, _ in layout.lines]
        self.length_group = names.index(b"content-length") + 1 if reply.content_length is not None else 0
        """Which group is the length; 0 where the body comes in chunks."""
        self.match = re.compile(_expression(layout)).match
        kept = [n for n, name in enumerate(names) if name not in NEVER_RETURNED]
        self._lines = b"".join([b"%b: %%b\r\n" % names[n].replace(b"%", b"%%") for n in kept])
        self._kept: Callable[[tuple[bytes, ...]], object] = itemgetter(*kept) if kept else itemgetter(slice(0))

    def header_lines(self, values: tuple[bytes, ...]) -> bytes:
        """The lines that a client gets, names in lower case (see `UpstreamReply.header_lines`)."""
        return self._lines % self._kept(values)  # one value, or a tuple of them

    def headers(self, values: tuple[bytes, ...]) -> list[tuple[bytes, bytes]]:
        """All lines but the length, as the parser would have given them."""
        return [pair for pair in zip(self._names, values, strict=True) if pair[0] != b"content-length"]


def _expression(layout: Layout) -> bytes:
    parts = [re.escape(layout.status_line), rb"\r\n"]
    for name, separator, value in layout.lines:
        lower = name.lower()
        group = _LENGTH if lower == b"content-length" else b"(" + re.escape(value) + b")" if lower in _FIXED else _VALUE
        parts += [re.escape(name + separator), group, rb"\r\n"]
    return b"".join([*parts, rb"\r\n"])


class Shapes:
    """The shapes of one origin's replies: the one met last is tried first."""

    __slots__ = ("_n_compiled", "_n_unmet", "_seen", "known")

    def __init__(self) -> None:
        self.known: list[ReplyShape] = []
        self._seen: set[bytes] = set()
        self._n_unmet = 0
        self._n_compiled = 0

    def met(self, shape: ReplyShape) -> None:
        """One of `known` has matched, and not the first."""
        self.known.remove(shape)
        self.known.insert(0, shape)

    def learn(self, read: bytes, reply: ReplyHead) -> None:
        """A head was parsed. It is learned when its like comes for the second time, and looked at ever more rarely while none
        matches."""
        self._n_unmet += 1
        if self._n_unmet & (self._n_unmet - 1) or self._n_compiled >= MAX_COMPILED:
            return
        layout = layout_of(read, reply)
        if layout is None:
            return
        if layout.key not in self._seen:
            if len(self._seen) >= MAX_COMPILED:
                self._seen.clear()
            self._seen.add(layout.key)
            return
        self._n_compiled += 1
        self._n_unmet = 0
        self.known.insert(0, ReplyShape(layout, reply))
        del self.known[MAX_SHAPES:]
