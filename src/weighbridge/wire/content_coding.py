"""Content codings (RFC 9110, section 8.4), undone on a copy: the bytes that are forwarded stay compressed.

A few hundred bytes can decode to gigabytes. So every stage gives its output in bounded pieces, and each piece is counted
before the next is made. brotli and zstandard are imported when a body first needs them.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Generator, Iterable, Iterator
from typing import Final, Protocol

from weighbridge.core.errors import ErrorKind, GatewayError

MAX_DECODED_BYTES: Final = 64 * 1024 * 1024
"""Output of one coding for one body: as much as an uncompressed request may have, and above any reply that we read."""

MAX_CODINGS: Final = 3
"""Codings on top of one another. One is usual, two are odd; each multiplies the work that a byte can cause."""

MAX_ZSTD_WINDOW_BYTES: Final = 8 * 1024 * 1024
"""What RFC 9659 lets an HTTP sender ask of a receiver's memory."""

MAX_MEMBERS: Final = 1_000
"""gzip members or zstd frames in one body. An empty one takes 20 bytes and 10 µs, so that a large body of them would hold
the event loop for half a minute; one every 64 kB, as some parallel compressors write, is fine."""

_PIECE_BYTES: Final = 256 * 1024
# zlib copies the input that it has not taken after every piece of output: short slices keep that linear.
_SLICE_BYTES: Final = 64 * 1024
# A zstd block takes 4 bytes at least and gives 128 kB at most (RFC 8878), so this much input gives 8 MB at most.
_ZSTD_SLICE_BYTES: Final = 256


class _CorruptError(Exception):
    """The bytes are not of the coding that was declared."""


class _Stage(Protocol):
    """One coding being undone."""

    def decode(self, data: bytes) -> Iterator[bytes]:
        """Bounded pieces of output for these bytes. Raises `_CorruptError`."""
        ...

    def is_complete(self) -> bool:
        """Whether the input may end here."""
        ...


class Decoder:
    """Undoes the codings of one body as it arrives. Errors are `GatewayError`s of the kind given to the maker."""

    __slots__ = ("_counts", "_kind", "_limit", "_stages", "_was_fed")

    def __init__(self, stages: list[_Stage], *, limit: int, kind: ErrorKind) -> None:
        """`stages` in the order of decoding, the last applied coding first. See :func:`decoder_for`."""
        self._stages = stages
        self._counts = [0] * len(stages)
        self._limit = limit
        self._kind = kind
        self._was_fed = False

    def feed(self, data: bytes) -> bytes:
        """All that these bytes decode to. Raises `GatewayError` if they are corrupt or the output exceeds the limit."""
        if not self._stages or not data:
            return data
        self._was_fed = True
        pieces: Iterable[bytes] = [data[start : start + _SLICE_BYTES] for start in range(0, len(data), _SLICE_BYTES)]
        for index, stage in enumerate(self._stages):
            pieces = self._run(index, stage, pieces)
        try:
            return b"".join(pieces)
        except _CorruptError:
            raise GatewayError(self._kind, "The body is not in its declared content encoding.") from None

    def finish(self) -> bytes:
        """The end of the body: what was held back (nothing, in these codings). Raises `GatewayError` if it broke off."""
        if self._was_fed and not all(stage.is_complete() for stage in self._stages):
            raise GatewayError(self._kind, "The body ends before its content encoding does.")
        return b""

    def _run(self, index: int, stage: _Stage, pieces: Iterable[bytes]) -> Iterator[bytes]:
        for piece in pieces:
            for decoded in stage.decode(piece):
                self._counts[index] += len(decoded)
                if self._counts[index] > self._limit:
                    raise self._too_long()
                yield decoded

    def _too_long(self) -> GatewayError:
        # Towards the client the size has a status of its own; a provider's reply is simply unusable.
        kind = ErrorKind.PAYLOAD_TOO_LARGE if self._kind is ErrorKind.INVALID_REQUEST else self._kind
        return GatewayError(kind, f"The body is larger than {self._limit} bytes when decoded.")


def decoder_for(content_encoding: bytes | str, *, limit: int = MAX_DECODED_BYTES) -> Decoder | None:
    """A decoder for a copy of a provider's reply; None if a coding is unknown or there are more than `MAX_CODINGS`.

    `content_encoding` is the header's value, several codings in the order in which they were applied; empty is identity.
    The decoder's errors are of kind PROVIDER_MALFORMED.
    """
    return _decoder(content_encoding, limit=limit, kind=ErrorKind.PROVIDER_MALFORMED)


def decode_body(content_encoding: bytes | str, body: bytes, *, limit: int = MAX_DECODED_BYTES) -> bytes:
    """A whole request body, decoded.

    Raises `GatewayError`: UNSUPPORTED_MEDIA_TYPE for a coding that is unknown (RFC 9110, section 15.5.16),
    INVALID_REQUEST for corrupt or incomplete bytes, PAYLOAD_TOO_LARGE when more than `limit` bytes come out.
    """
    decoder = _decoder(content_encoding, limit=limit, kind=ErrorKind.INVALID_REQUEST)
    if decoder is None:
        raise GatewayError(
            ErrorKind.UNSUPPORTED_MEDIA_TYPE,
            f"The content encoding is not supported: send {', '.join(_STAGES)}, or none.",
        )
    return decoder.feed(body) + decoder.finish()


def _decoder(content_encoding: bytes | str, *, limit: int, kind: ErrorKind) -> Decoder | None:
    text = content_encoding.decode("latin-1") if isinstance(content_encoding, bytes) else content_encoding
    codings = [coding for part in text.split(",") if (coding := part.strip().lower()) not in {"", "identity"}]
    if len(codings) > MAX_CODINGS or not all(coding in _STAGES for coding in codings):
        return None
    return Decoder([_STAGES[coding]() for coding in reversed(codings)], limit=limit, kind=kind)


class _Zlib:
    """gzip, of one member or several, or deflate."""

    def __init__(self, *, is_gzip: bool) -> None:
        self._members_left = MAX_MEMBERS if is_gzip else 1
        self._is_gzip = is_gzip
        self._inflate: zlib._Decompress | None = None
        self._first = b""
        self._is_over = False

    def decode(self, data: bytes) -> Iterator[bytes]:
        while data:
            if self._inflate is None:
                if self._members_left == 0:
                    raise _CorruptError
                data = self._begin(data)
            if self._inflate is not None:
                data = yield from self._inflate_member(self._inflate, data)

    def is_complete(self) -> bool:
        return self._is_over and self._inflate is None

    def _begin(self, data: bytes) -> bytes:
        """Choose the format; returns the bytes to go on with, empty if more are needed to tell."""
        if self._is_gzip:
            self._inflate = zlib.decompressobj(16 + zlib.MAX_WBITS)
            return data
        head = self._first + data
        if len(head) < 2:
            self._first = head
            return b""
        # RFC 9110 means zlib's format; some servers send bare deflate. A zlib head says 8 and is divisible by 31.
        is_zlib = head[0] & 0x0F == 8 and (head[0] << 8 | head[1]) % 31 == 0
        self._inflate = zlib.decompressobj(zlib.MAX_WBITS if is_zlib else -zlib.MAX_WBITS)
        return head

    def _inflate_member(self, inflate: zlib._Decompress, data: bytes) -> Generator[bytes, None, bytes]:
        """Output of one gzip member or deflate stream; returns the bytes behind its end."""
        decoded = b""
        # A full piece may leave output within zlib although all input is taken.
        while not inflate.eof and (data or len(decoded) == _PIECE_BYTES):
            try:
                decoded = inflate.decompress(data, _PIECE_BYTES)
            except zlib.error:
                raise _CorruptError from None
            if decoded:
                yield decoded
            data = inflate.unconsumed_tail
        if not inflate.eof:
            return b""
        self._inflate = None
        self._is_over = True
        self._members_left -= 1
        return inflate.unused_data


class _Brotli:
    def __init__(self) -> None:
        import brotli  # noqa: PLC0415 - rare, and slow to import

        self._error: type[Exception] = brotli.error
        self._decompressor = brotli.Decompressor()

    def decode(self, data: bytes) -> Iterator[bytes]:
        decompressor = self._decompressor
        try:
            decoded = decompressor.process(data, output_buffer_limit=_PIECE_BYTES)
            yield decoded
            # A full piece may leave output within brotli, whatever `can_accept_more_data` says.
            while len(decoded) >= _PIECE_BYTES or not decompressor.can_accept_more_data():
                decoded = decompressor.process(b"", output_buffer_limit=_PIECE_BYTES)
                yield decoded
        except self._error:
            raise _CorruptError from None

    def is_complete(self) -> bool:
        finished: bool = self._decompressor.is_finished()
        return finished


class _Zstd:
    """One frame or several."""

    def __init__(self) -> None:
        import zstandard  # noqa: PLC0415 - 1 MB of library that most processes never need

        self._error: type[Exception] = zstandard.ZstdError
        self._context = zstandard.ZstdDecompressor(max_window_size=MAX_ZSTD_WINDOW_BYTES)
        self._frame: zstandard.ZstdDecompressionObj | None = None
        self._frames_left = MAX_MEMBERS
        self._is_over = False

    def decode(self, data: bytes) -> Iterator[bytes]:
        for start in range(0, len(data), _ZSTD_SLICE_BYTES):
            part = data[start : start + _ZSTD_SLICE_BYTES]
            while part:
                if self._frames_left == 0:
                    raise _CorruptError
                frame = self._frame or self._context.decompressobj()
                try:
                    yield frame.decompress(part)
                except self._error:
                    raise _CorruptError from None
                self._is_over = frame.eof
                self._frames_left -= frame.eof
                self._frame = None if frame.eof else frame
                part = frame.unused_data if frame.eof else b""

    def is_complete(self) -> bool:
        return self._is_over


_STAGES: Final[dict[str, Callable[[], _Stage]]] = {
    "gzip": lambda: _Zlib(is_gzip=True),
    "x-gzip": lambda: _Zlib(is_gzip=True),
    "deflate": lambda: _Zlib(is_gzip=False),
    "br": _Brotli,
    "zstd": _Zstd,
}
