"""AWS's event stream: frames with headers of several types, each guarded by two checksums.

https://docs.aws.amazon.com/transcribe/latest/dg/event-stream.html and https://smithy.io/2.0/aws/amazon-eventstream.html

    total length (4) | headers length (4) | CRC of these eight bytes (4) | headers | payload | CRC of all before (4)

The lengths are checked by their own checksum before anything is awaited: a damaged one would else let us wait for gigabytes. After
damage nothing can be found again, since frames have no mark by which they begin: the stream is over.
"""

from __future__ import annotations

import struct
from enum import IntEnum
from typing import Final, NamedTuple, TypeAlias
from zlib import crc32

from weighbridge.core.errors import ErrorKind, GatewayError

MAX_FRAME_BYTES: Final = 24 * 1024 * 1024
"""One frame; AWS's own SDKs refuse larger payloads (botocore's `_MAX_PAYLOAD_LENGTH`)."""
MAX_HEADERS_BYTES: Final = 128 * 1024
"""The headers of one frame; likewise (`_MAX_HEADERS_LENGTH`)."""

_MAX_KNOWN_HEADERS: Final = 32
"""Header blocks that are remembered: a stream has about six different ones, and no more than these are kept of a hostile one."""
_PRELUDE: Final = struct.Struct(">III")
_LENGTHS: Final = struct.Struct(">II")
_CRC: Final = struct.Struct(">I")
_LEAST: Final = _PRELUDE.size + _CRC.size


class HeaderType(IntEnum):
    """The type of a header's value, by its number on the wire. A UUID is its 16 bytes, a timestamp milliseconds of Unix time."""

    TRUE = 0
    FALSE = 1
    BYTE = 2
    SHORT = 3
    INTEGER = 4
    LONG = 5
    BYTES = 6
    STRING = 7
    TIMESTAMP = 8
    UUID = 9


class HeaderValue(NamedTuple):
    """A header's value with its type. TRUE and FALSE have the value that they say."""

    type: HeaderType
    value: bool | int | bytes | str


Headers: TypeAlias = "dict[str, HeaderValue]"

_NUMBERS: Final = {
    HeaderType.BYTE: struct.Struct(">b"),
    HeaderType.SHORT: struct.Struct(">h"),
    HeaderType.INTEGER: struct.Struct(">i"),
    HeaderType.LONG: struct.Struct(">q"),
    HeaderType.TIMESTAMP: struct.Struct(">q"),
}
_SHORT: Final = struct.Struct(">H")
_UUID_BYTES: Final = 16


class AwsEvent(NamedTuple):
    """One frame."""

    headers: Headers
    payload: bytes

    def header(self, name: str) -> str | None:
        """A header's text (`:event-type`); None where it is missing or no text."""
        found = self.headers.get(name)
        return found.value if found is not None and isinstance(found.value, str) else None


class AwsEventDecoder:
    """Cuts a stream into frames. Any split of the bytes gives the same ones."""

    __slots__ = ("_error", "_held", "_known", "_needed")

    def __init__(self) -> None:
        self._held = bytearray()
        self._needed = _LEAST
        self._known: dict[bytes, Headers] = {}
        self._error: GatewayError | None = None

    @property
    def pending(self) -> bytes:
        """The bytes behind the last whole frame; after the end of a stream, of one that broke off."""
        return bytes(self._held)

    def feed(self, data: bytes) -> list[AwsEvent]:
        """The frames that these bytes complete.

        Raises `GatewayError` PROVIDER_MALFORMED for a damaged or oversized frame; those before it come first, and it is raised by
        the next call.
        """
        self._raise_held()
        held = self._held
        if held:
            held += data
            if len(held) < self._needed:
                return []
            data = bytes(held)
            held.clear()
        frames: list[AwsEvent] = []
        start = 0
        try:
            while (end := _end_of_frame(data, start)) <= len(data):
                frames.append(self._read(data[start:end]))
                start = end
            self._needed = end - start
        except GatewayError as error:
            self._error = error
            if not frames:
                raise
        held += data[start:]
        return frames

    def finish(self) -> list[AwsEvent]:
        """The bytes have ended: nothing more can be made of `pending`. Raises what `feed` still holds back."""
        self._raise_held()
        return []

    def _raise_held(self) -> None:
        if self._error is not None:
            raise self._error

    def _read(self, frame: bytes) -> AwsEvent:
        if crc32(frame[:-4]) != int.from_bytes(frame[-4:], "big"):
            raise _malformed("the checksum of a frame is wrong")
        payload_at = _PRELUDE.size + int.from_bytes(frame[4:8], "big")
        block = frame[_PRELUDE.size : payload_at]
        headers = self._known.get(block)
        if headers is None:
            headers = _read_headers(block)
            if len(self._known) < _MAX_KNOWN_HEADERS:
                self._known[block] = headers
        return AwsEvent(headers, frame[payload_at:-4])


def _end_of_frame(data: bytes, start: int) -> int:
    """Where the frame that begins at `start` ends, or how far we have to read to know."""
    if len(data) - start < _PRELUDE.size:
        return start + _LEAST
    total, headers, crc = _PRELUDE.unpack_from(data, start)
    if crc32(data[start : start + _LENGTHS.size]) != crc:
        raise _malformed("the checksum of a prelude is wrong")
    if total > MAX_FRAME_BYTES or headers > MAX_HEADERS_BYTES:
        raise _malformed(f"a frame of {total} bytes with {headers} bytes of headers")
    if headers + _LEAST > total:
        raise _malformed("a frame is shorter than its headers")
    return start + int(total)


def _malformed(detail: str) -> GatewayError:
    return GatewayError(
        ErrorKind.PROVIDER_MALFORMED, "The provider's event stream is damaged.", detail=f"AWS event stream: {detail}"
    )


def _read_headers(block: bytes) -> Headers:
    headers: Headers = {}
    at = 0
    try:
        while at < len(block):
            name_end = at + 1 + block[at]
            name = block[at + 1 : name_end].decode()
            headers[name], at = _read_value(HeaderType(block[name_end]), block, name_end + 1)
    except (IndexError, ValueError, struct.error):
        raise _malformed("headers make no sense") from None
    if at != len(block):
        raise _malformed("headers are cut short")
    return headers


def _read_value(kind: HeaderType, block: bytes, at: int) -> tuple[HeaderValue, int]:
    if kind is HeaderType.STRING or kind is HeaderType.BYTES:
        start = at + _SHORT.size
        end = start + int(_SHORT.unpack_from(block, at)[0])
        raw = block[start:end]
        return HeaderValue(kind, raw.decode() if kind is HeaderType.STRING else raw), end
    if kind is HeaderType.TRUE or kind is HeaderType.FALSE:
        return HeaderValue(kind, kind is HeaderType.TRUE), at
    if kind is HeaderType.UUID:
        return HeaderValue(kind, block[at : at + _UUID_BYTES]), at + _UUID_BYTES
    number = _NUMBERS[kind]
    return HeaderValue(kind, int(number.unpack_from(block, at)[0])), at + number.size


def encode_event(headers: dict[str, str] | Headers, payload: bytes) -> bytes:
    """One frame. A plain text stands for a header of the type STRING. Raises `ValueError` for what no frame can hold."""
    block = b"".join(_write_header(name, value) for name, value in headers.items())
    total = _LEAST + len(block) + len(payload)
    if total > MAX_FRAME_BYTES or len(block) > MAX_HEADERS_BYTES:
        raise ValueError(f"a frame of {total} bytes")
    lengths = _LENGTHS.pack(total, len(block))
    before = lengths + _CRC.pack(crc32(lengths)) + block + payload
    return before + _CRC.pack(crc32(before))


def _write_header(name: str, header: str | HeaderValue) -> bytes:
    kind, value = (HeaderType.STRING, header) if isinstance(header, str) else header
    raw = name.encode()
    if not 0 < len(raw) < 256:
        raise ValueError(f"a header name of {len(raw)} bytes")
    return bytes((len(raw),)) + raw + bytes((kind,)) + _write_value(kind, value)


def _write_value(kind: HeaderType, value: bool | int | bytes | str) -> bytes:  # noqa: FBT001 - a value of one of several types
    if kind is HeaderType.TRUE or kind is HeaderType.FALSE:
        return b""
    if isinstance(value, (str, bytes)):
        raw = value.encode() if isinstance(value, str) else value
        if len(raw) >= 1 << 15:
            raise ValueError(f"a header value of {len(raw)} bytes")
        return raw if kind is HeaderType.UUID else _SHORT.pack(len(raw)) + raw
    return _NUMBERS[kind].pack(value)
