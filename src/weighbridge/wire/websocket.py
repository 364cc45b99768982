"""WebSocket frames (RFC 6455), observed: a pipe forwards the bytes untouched and shows them to a `FrameReader`.

Each direction has its own reader: frames of a client are masked, those of a server are not (section 5.1). No extension
is understood, so the opening handshake must not agree on one: reserved bits are a violation.
"""

from __future__ import annotations

import base64
import hashlib
from enum import IntEnum
from typing import Final, NamedTuple

from weighbridge.core.errors import ErrorKind, GatewayError

MAX_MESSAGE_BYTES: Final = 16 * 1024 * 1024
"""One message that is kept for reading. Realtime audio comes in pieces of some 100 kB; an image may take several MB."""

MAX_CONTROL_BYTES: Final = 125
"""Payload of a control frame (RFC 6455, section 5.5)."""

_KEY_SUFFIX: Final = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
_FIN: Final = 0x80
_RESERVED: Final = 0x70
_MASKED: Final = 0x80


class Opcode(IntEnum):
    """What a frame is (RFC 6455, section 5.2)."""

    CONTINUATION = 0
    TEXT = 1
    BINARY = 2
    CLOSE = 8
    PING = 9
    PONG = 10


_OPCODES: Final = {int(opcode): opcode for opcode in Opcode}


class Message(NamedTuple):
    """A whole message or a control frame. `opcode` is never CONTINUATION.

    `payload` is unmasked and joined; empty if the message `is_truncated`, that is longer than the limit. `size` is its
    length in any case. `close_code` is set for CLOSE only: 1005 if the frame carries none (section 7.1.5).
    """

    opcode: Opcode
    payload: bytes
    size: int
    is_truncated: bool = False
    close_code: int | None = None


class FrameReader:
    """Reads one direction of a connection. `masked`: whether it is the client's."""

    __slots__ = ("_frame", "_head", "_is_over", "_limit", "_masked", "_message", "_message_opcode", "_message_size")

    def __init__(self, *, masked: bool, limit: int = MAX_MESSAGE_BYTES) -> None:
        self._masked = masked
        self._limit = limit
        self._head = bytearray()
        self._frame: _Frame | None = None
        self._message = bytearray()
        self._message_opcode: Opcode | None = None
        self._message_size = 0
        self._is_over = False

    @property
    def is_between(self) -> bool:
        """Whether a message of somebody else's may stand here: no frame has begun, and no message goes on."""
        return self._frame is None and not self._head and self._message_opcode is None and not self._is_over

    def feed(self, data: bytes) -> list[Message]:
        """The messages and control frames that these bytes complete. What follows a close frame is not looked at.

        Raises `GatewayError` on a violation of RFC 6455: INVALID_REQUEST for the client's direction, else
        PROVIDER_MALFORMED.
        """
        messages: list[Message] = []
        position = 0
        while position < len(data) and not self._is_over:
            frame = self._frame
            if frame is None:
                position = self._read_head(data, position)
                frame = self._frame
            if frame is not None:
                position = self._read_payload(frame, data, position)
                if frame.remaining == 0 and (message := self._end_frame(frame)) is not None:
                    messages.append(message)
        return messages

    def _read_head(self, data: bytes, position: int) -> int:
        """Collect the head; with its last byte `_frame` is set."""
        head = self._head
        while position < len(data):
            # The first two bytes say how long the head is.
            needed = 2 if len(head) < 2 else _head_length(head[1])
            taken = data[position : position + needed - len(head)]
            head += taken
            position += len(taken)
            if len(head) >= 2 and len(head) == _head_length(head[1]):
                self._frame = self._begin_frame(head)
                head.clear()
                break
        return position

    def _begin_frame(self, head: bytearray) -> _Frame:
        opcode = _OPCODES.get(head[0] & 0x0F)
        if opcode is None or head[0] & _RESERVED:
            raise self._violation("an unknown kind of frame or an extension that was not agreed on")
        if bool(head[1] & _MASKED) is not self._masked:
            raise self._violation("a frame without its mask" if self._masked else "a masked frame")
        length = self._payload_length(head)
        is_final = bool(head[0] & _FIN)
        if opcode >= Opcode.CLOSE:
            if length > MAX_CONTROL_BYTES or not is_final:
                raise self._violation("a control frame that is fragmented or too long")
            return _Frame(opcode, bytes(head[-4:]) if self._masked else b"", length, is_final=True, is_kept=True)
        if (opcode is Opcode.CONTINUATION) is (self._message_opcode is None):
            raise self._violation("fragments out of order")
        if opcode is not Opcode.CONTINUATION:
            self._message_opcode = opcode
        self._message_size += length
        is_kept = self._message_size <= self._limit
        if not is_kept:
            self._message.clear()
        return _Frame(opcode, bytes(head[-4:]) if self._masked else b"", length, is_final=is_final, is_kept=is_kept)

    def _payload_length(self, head: bytearray) -> int:
        short = head[1] & 0x7F
        if short < 126:
            return short
        length = int.from_bytes(head[2 : 4 if short == 126 else 10], "big")
        # Section 5.2: the shortest form must be used, and the highest of 64 bits is zero.
        if length < (126 if short == 126 else 65_536) or length >> 63:
            raise self._violation("a length that is not in its shortest form")
        return length

    def _read_payload(self, frame: _Frame, data: bytes, position: int) -> int:
        end = min(len(data), position + frame.remaining)
        if frame.is_kept:
            frame.payload += data[position:end]
        frame.remaining -= end - position
        return end

    def _end_frame(self, frame: _Frame) -> Message | None:
        self._frame = None
        payload = _unmask(bytes(frame.payload), frame.mask) if frame.mask else bytes(frame.payload)
        if frame.opcode >= Opcode.CLOSE:
            return self._control(frame.opcode, payload)
        if frame.is_kept:
            self._message += payload
        if not frame.is_final:
            return None
        is_truncated = self._message_size > self._limit
        opcode = self._message_opcode or frame.opcode
        message = Message(opcode, bytes(self._message), self._message_size, is_truncated)
        self._message.clear()
        self._message_opcode = None
        self._message_size = 0
        return message

    def _control(self, opcode: Opcode, payload: bytes) -> Message:
        if opcode is not Opcode.CLOSE:
            return Message(opcode, payload, len(payload))
        self._is_over = True
        if len(payload) == 1:
            raise self._violation("a close frame with half a code")
        code = int.from_bytes(payload[:2], "big") if payload else 1005
        return Message(opcode, payload, len(payload), close_code=code)

    def _violation(self, what: str) -> GatewayError:
        if self._masked:
            return GatewayError(ErrorKind.INVALID_REQUEST, f"The WebSocket connection carried {what}.")
        return GatewayError(ErrorKind.PROVIDER_MALFORMED, "The provider broke the WebSocket protocol.", detail=f"sent {what}")


class _Frame:
    """A data or control frame whose payload is still coming."""

    __slots__ = ("is_final", "is_kept", "mask", "opcode", "payload", "remaining")

    def __init__(self, opcode: Opcode, mask: bytes, length: int, *, is_final: bool, is_kept: bool) -> None:
        self.opcode = opcode
        self.mask = mask
        self.remaining = length
        self.is_final = is_final
        self.is_kept = is_kept
        self.payload = bytearray()


def accept_key(key: bytes) -> bytes:
    """`Sec-WebSocket-Accept` for a client's `Sec-WebSocket-Key` (RFC 6455, section 4.2.2)."""
    return base64.b64encode(hashlib.sha1(key + _KEY_SUFFIX, usedforsecurity=False).digest())


def encode_frame(opcode: Opcode, payload: bytes, *, mask: bytes | None) -> bytes:
    """A final frame. `mask` is four random bytes towards a server, None towards a client.

    Raises `ValueError` for a control frame of more than 125 bytes or a mask of another length.
    """
    length = len(payload)
    if opcode >= Opcode.CLOSE and length > MAX_CONTROL_BYTES:
        raise ValueError("a control frame carries at most 125 bytes")
    if mask is not None and len(mask) != 4:
        raise ValueError("a mask has four bytes")
    masked = 0 if mask is None else _MASKED
    if length < 126:
        head = bytes((_FIN | opcode, masked | length))
    elif length < 65_536:
        head = bytes((_FIN | opcode, masked | 126)) + length.to_bytes(2, "big")
    else:
        head = bytes((_FIN | opcode, masked | 127)) + length.to_bytes(8, "big")
    return head + payload if mask is None else head + mask + _unmask(payload, mask)


def encode_close(code: int, reason: str = "", *, mask: bytes | None) -> bytes:
    """A close frame. The reason is cut, between characters, to what a control frame holds."""
    text = reason.encode()[: MAX_CONTROL_BYTES - 2].decode("utf-8", "ignore").encode()
    return encode_frame(Opcode.CLOSE, code.to_bytes(2, "big") + text, mask=mask)


def _head_length(second: int) -> int:
    extended = {126: 2, 127: 8}.get(second & 0x7F, 0)
    return 2 + extended + (4 if second & _MASKED else 0)


def _unmask(payload: bytes, mask: bytes) -> bytes:
    # One XOR of two long integers: some 4 ns a byte, against 50 in a loop over bytes. Masking is the same operation.
    length = len(payload)
    repeated = (mask * (length // 4 + 1))[:length]
    return (int.from_bytes(payload, "little") ^ int.from_bytes(repeated, "little")).to_bytes(length, "little")
