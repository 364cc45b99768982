"""What can go wrong at a provider, as values that are switched on for a server."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from enum import Enum
from fnmatch import fnmatchcase
from typing import Final

import msgspec

MEGABYTE: Final = 1_000_000


class Ending(Enum):
    """How a reply stops too early."""

    HANG = "hang"
    """Nothing more comes until the client leaves or the server closes."""
    FIN = "fin"
    """An orderly close of the connection."""
    RST = "rst"
    """The connection is reset."""


class Fault(msgspec.Struct, frozen=True, kw_only=True):
    """One fault; made by the functions below, of which several may be on at once.

    *Manners* (pace, drip, encoding, chunking, size, `connection: close`, a late head) add up. Of the others the first one
    that matches applies.
    """

    error_status: int | None = None
    error_message: str | None = None
    error_code: str | None = None
    error_headers: tuple[tuple[str, str], ...] = ()
    before_head: Ending | None = None
    raw_head: bytes | None = None
    ending: Ending | None = None
    after_chunks: int | None = None
    after_bytes: int | None = None
    inserted: bytes | None = None
    inserted_at: int = 0
    error_event_at: int | None = None
    is_empty_content: bool = False
    is_empty_body: bool = False
    length_error: int = 0
    pace_s: float = 0.0
    drip_bytes: int = 0
    drip_s: float = 0.0
    head_delay_s: float = 0.0
    encoding: str | None = None
    rechunk_bytes: int = 0
    huge_bytes: int = 0
    is_boundless: bool = False
    is_close: bool = False

    @property
    def is_manner(self) -> bool:
        """Whether it leaves the reply's meaning alone."""
        return all(getattr(self, name) == getattr(NO_FAULT, name) for name in _FAILING)

    @staticmethod
    def status(
        status: int,
        *,
        retry_after: float | None = None,
        retry_after_ms: int | None = None,
        headers: tuple[tuple[str, str], ...] = (),
        message: str | None = None,
        code: str | None = None,
    ) -> Fault:
        """The vendor's error body for a status. `retry_after` is in seconds."""
        lines = [*headers]
        if retry_after is not None:
            lines.append(("retry-after", f"{retry_after:g}"))
        if retry_after_ms is not None:
            lines.append(("retry-after-ms", str(retry_after_ms)))
        return Fault(error_status=status, error_headers=tuple(lines), error_message=message, error_code=code)

    @staticmethod
    def hang_before_head() -> Fault:
        """The request is taken and nothing ever comes."""
        return Fault(before_head=Ending.HANG)

    @staticmethod
    def close_before_head(*, reset: bool = False) -> Fault:
        """The connection ends before the first byte of a reply."""
        return Fault(before_head=Ending.RST if reset else Ending.FIN)

    @staticmethod
    def hang_after(*, chunks: int) -> Fault:
        """Nothing more after so many chunks (SSE events) of the body; 0 is right after the head."""
        return Fault(ending=Ending.HANG, after_chunks=chunks)

    @staticmethod
    def cut_after(*, chunks: int | None = None, nbytes: int | None = None, reset: bool = False) -> Fault:
        """The connection ends after so many chunks, or bytes on the wire after the head (chunk framing counts)."""
        ending = Ending.RST if reset else Ending.FIN
        return Fault(ending=ending, after_chunks=chunks, after_bytes=nbytes)

    @staticmethod
    def malformed_sse(*, at: int = 1, data: bytes = b'data: {"broken": \n\n') -> Fault:
        """Garbage before the chunk number `at`, after which the stream goes on."""
        return Fault(inserted=data, inserted_at=at)

    @staticmethod
    def error_event(*, at: int = 1) -> Fault:
        """The vendor's error event instead of chunk number `at`, within a reply of status 200, which then ends orderly."""
        return Fault(error_event_at=at)

    @staticmethod
    def empty_content() -> Fault:
        """A well-formed 200 in which the model says nothing."""
        return Fault(is_empty_content=True)

    @staticmethod
    def empty_body() -> Fault:
        """A 200 without a body."""
        return Fault(is_empty_body=True)

    @staticmethod
    def malformed_head(head: bytes = b"HTTP/1.1 two hundred\r\nnonsense\r\n\r\n") -> Fault:
        """Bytes that are no HTTP, then the end of the connection."""
        return Fault(raw_head=head)

    @staticmethod
    def wrong_content_length(*, by: int) -> Fault:
        """A content-length that is `by` bytes too long (or too short, if negative), then the end of the connection."""
        return Fault(length_error=by)

    @staticmethod
    def slow_head(*, seconds: float) -> Fault:
        """A head that comes late (a manner)."""
        return Fault(head_delay_s=seconds)

    @staticmethod
    def pace(*, every_ms: float) -> Fault:
        """A chunk every so many milliseconds, on a fixed schedule (a manner)."""
        return Fault(pace_s=every_ms / 1000)

    @staticmethod
    def drip(*, nbytes: int, every_ms: float) -> Fault:
        """So many bytes at a time, framing included (a manner)."""
        return Fault(drip_bytes=nbytes, drip_s=every_ms / 1000)

    @staticmethod
    def encoded(coding: str) -> Fault:
        """The body in `gzip`, `br` or `zstd`; a stream is flushed at each chunk (a manner)."""
        return Fault(encoding=coding)

    @staticmethod
    def rechunked(*, nbytes: int) -> Fault:
        """HTTP chunks of so many bytes, wherever events begin and end (a manner)."""
        return Fault(rechunk_bytes=nbytes)

    @staticmethod
    def huge(*, megabytes: float) -> Fault:
        """The generated text is so many millions of bytes (a manner)."""
        return Fault(huge_bytes=int(megabytes * MEGABYTE))

    @staticmethod
    def boundless() -> Fault:
        """The bound on the output (`max_tokens` and its kin) is ignored (a manner)."""
        return Fault(is_boundless=True)

    @staticmethod
    def connection_close() -> Fault:
        """`connection: close` and the end of the connection after a whole reply (a manner)."""
        return Fault(is_close=True)


NO_FAULT: Final = Fault()
_FAILING: Final = (
    "error_status", "before_head", "raw_head", "ending", "inserted",
    "error_event_at", "is_empty_content", "is_empty_body", "length_error",
)  # fmt: skip


class _Switch:
    """One fault that is on. `left` is None while it stays on until removed."""

    __slots__ = ("fault", "left", "path", "skip")

    def __init__(self, fault: Fault, times: int | None, path: str, skip: int) -> None:
        self.fault = fault
        self.left = times
        self.path = path
        self.skip = skip

    def take(self) -> bool:
        if self.skip:
            self.skip -= 1
            return False
        if self.left is not None:
            self.left -= 1
        return True


class Faults:
    """The switchboard of one server."""

    def __init__(self) -> None:
        self._switches: list[_Switch] = []

    def add(self, fault: Fault, *, times: int | None = None, path: str = "*", skip: int = 0) -> None:
        """Switch a fault on: for the next `times` requests or, if None, until :meth:`clear`.

        `path` is a glob over the request's path (`*/chat/completions`); the first `skip` requests that match are spared.
        """
        self._switches.append(_Switch(fault, times, path, skip))

    @contextmanager
    def on(self, fault: Fault, *, path: str = "*") -> Iterator[None]:
        """Switch a fault on for the duration of a `with` block."""
        switch = _Switch(fault, None, path, 0)
        self._switches.append(switch)
        try:
            yield
        finally:
            self._switches = [other for other in self._switches if other is not switch]

    def clear(self) -> None:
        """Switch everything off."""
        self._switches.clear()

    def take(self, path: str) -> Fault:
        """All that applies to one request, as one fault."""
        merged = NO_FAULT
        for switch in [switch for switch in self._switches if fnmatchcase(path, switch.path)]:
            if (switch.fault.is_manner or merged.is_manner) and switch.take():
                merged = _merge(merged, switch.fault)
        self._switches = [switch for switch in self._switches if switch.left != 0]
        return merged


def _merge(first: Fault, second: Fault) -> Fault:
    defaults = msgspec.structs.asdict(NO_FAULT)
    added = {
        name: value
        for name, value in msgspec.structs.asdict(second).items()
        if value != defaults[name] and getattr(first, name) == defaults[name]
    }
    return msgspec.structs.replace(first, **added)
