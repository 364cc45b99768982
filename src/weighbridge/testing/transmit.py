"""Sends a reply through a wire, as well or as badly as a fault says."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import NoReturn

from weighbridge.testing.codings import encoded, rechunked
from weighbridge.testing.faults import Ending, Fault
from weighbridge.testing.reply import Chunk, Reply
from weighbridge.testing.server import CutReachedError, Wire


class Progress:
    """How far a reply got: None before its first chunk, then the output tokens that had been generated."""

    __slots__ = ("generated",)

    def __init__(self) -> None:
        self.generated: int | None = None


async def transmit(reply: Reply, wire: Wire, fault: Fault, progress: Progress) -> None:
    """Send it. Raises `ClientGoneError` when the client left or the fault has cut the connection."""
    if fault.head_delay_s:
        await wire.pause(fault.head_delay_s)
    if fault.before_head is not None:
        await _stop(wire, fault.before_head)
    if fault.raw_head is not None:
        await wire.write(fault.raw_head)
        wire.cut(is_reset=False)
    chunks = _altered(reply, fault)
    length: int | None = None
    if fault.length_error or not (reply.is_stream or fault.rechunk_bytes):
        joined = _joined(chunks)
        chunks = (joined,)
        length = len(joined.data) if fault.length_error or not reply.is_chunked else None
    wire.is_unframed = bool(fault.length_error)
    await wire.head(reply.status, _headers(reply, length, fault))
    progress.generated = 0
    wire.drip = (fault.drip_bytes, fault.drip_s) if fault.drip_bytes else None
    wire.bytes_left = fault.after_bytes
    try:
        await _send_body(reply, chunks, wire, fault, progress)
    except CutReachedError:
        await _stop(wire, fault.ending or Ending.FIN)
    if fault.is_close or fault.length_error:
        wire.connection.writer.close()


def _altered(reply: Reply, fault: Fault) -> Iterable[Chunk]:
    chunks = () if fault.is_empty_body else reply.chunks
    if fault.encoding:
        chunks = encoded(chunks, fault.encoding)
    return rechunked(chunks, fault.rechunk_bytes) if fault.rechunk_bytes else chunks


def _joined(chunks: Iterable[Chunk]) -> Chunk:
    pieces = list(chunks)
    return Chunk(b"".join(piece.data for piece in pieces), max((piece.generated for piece in pieces), default=0))


def _headers(reply: Reply, length: int | None, fault: Fault) -> list[tuple[str, str]]:
    headers = [("content-type", reply.content_type), *reply.headers]
    if length is not None:
        headers.append(("content-length", str(max(0, length + fault.length_error))))
    if fault.encoding:
        headers.append(("content-encoding", fault.encoding))
    if fault.is_close or fault.length_error:
        headers.append(("connection", "close"))
    return headers


async def _send_body(reply: Reply, chunks: Iterable[Chunk], wire: Wire, fault: Fault, progress: Progress) -> None:
    loop = asyncio.get_running_loop()
    start = loop.time()
    count = 0
    for count, chunk in enumerate(chunks, 1):
        before = count - 1
        if fault.ending is not None and fault.after_chunks == before:
            await _stop(wire, fault.ending)
        if fault.error_event_at == before:
            await wire.data(reply.error_event)
            return await wire.end()
        if fault.inserted is not None and fault.inserted_at == before:
            await wire.data(fault.inserted)
        if fault.pace_s and (wait_s := start + before * fault.pace_s - loop.time()) > 0:
            await wire.pause(wait_s)
        progress.generated = chunk.generated
        await wire.data(chunk.data)
    if fault.ending is not None and fault.after_chunks == count:
        await _stop(wire, fault.ending)
    return await wire.end()


async def _stop(wire: Wire, ending: Ending) -> NoReturn:
    if ending is Ending.HANG:
        await wire.hang()
    wire.cut(is_reset=ending is Ending.RST)
