"""Content codings, whole and piecemeal."""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Iterable, Iterator

import brotli
import zstandard

from weighbridge.testing.reply import Chunk, RefusalError


def decoded(body: bytes, coding: str | None) -> bytes:
    """A request body without its content coding. Raises `RefusalError` 400 for bytes that are not in it, 415 for an unknown one."""
    try:
        match coding:
            case None | "identity":
                return body
            case "gzip":
                return gzip.decompress(body)
            case "br":
                return bytes(brotli.decompress(body))
            case "zstd":
                return zstandard.ZstdDecompressor().decompressobj().decompress(body)
    except (OSError, EOFError, zlib.error, brotli.error, zstandard.ZstdError) as error:
        raise RefusalError(400, f"The body is not valid {coding}.") from error
    raise RefusalError(415, f"Unsupported content-encoding: {coding}")


class _Encoder:
    """Compresses a stream so that each piece can be decoded as soon as it comes."""

    def __init__(self, coding: str) -> None:
        self._zlib = zlib.compressobj(wbits=31) if coding == "gzip" else None
        self._brotli = brotli.Compressor() if coding == "br" else None
        self._zstd = zstandard.ZstdCompressor().compressobj() if coding == "zstd" else None
        if not (self._zlib or self._brotli or self._zstd):
            raise ValueError(f"no such content coding: {coding}")

    def piece(self, data: bytes) -> bytes:
        if self._zlib:
            return self._zlib.compress(data) + self._zlib.flush(zlib.Z_SYNC_FLUSH)
        if self._brotli:
            return bytes(self._brotli.process(data) + self._brotli.flush())
        assert self._zstd is not None
        return self._zstd.compress(data) + self._zstd.flush(zstandard.COMPRESSOBJ_FLUSH_BLOCK)

    def finish(self) -> bytes:
        if self._zlib:
            return self._zlib.flush()
        if self._brotli:
            return bytes(self._brotli.finish())
        assert self._zstd is not None
        return self._zstd.flush()


def encoded(chunks: Iterable[Chunk], coding: str) -> Iterator[Chunk]:
    """Chunks compressed, one for one, and the coding's trailer."""
    encoder = _Encoder(coding)
    generated = 0
    for chunk in chunks:
        generated = chunk.generated
        yield Chunk(encoder.piece(chunk.data), generated)
    yield Chunk(encoder.finish(), generated)


def rechunked(chunks: Iterable[Chunk], nbytes: int) -> Iterator[Chunk]:
    """The same bytes in chunks of `nbytes`, the last one aside."""
    pending = bytearray()
    generated = 0
    for chunk in chunks:
        generated = chunk.generated
        pending += chunk.data
        while len(pending) >= nbytes:
            yield Chunk(bytes(pending[:nbytes]), generated)
            del pending[:nbytes]
    if pending:
        yield Chunk(bytes(pending), generated)
