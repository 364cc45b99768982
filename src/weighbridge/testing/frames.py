"""The server's side of WebSocket (RFC 6455), as much as a realtime session needs: whole and fragmented texts, ping, close."""

from __future__ import annotations

import base64
import hashlib
import struct
from typing import Final

from weighbridge.testing.reply import RefusalError
from weighbridge.testing.server import ClientGoneError, Wire

_GUID: Final = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
_CONTINUATION, _TEXT, _BINARY, _CLOSE, _PING, _PONG = 0x0, 0x1, 0x2, 0x8, 0x9, 0xA
_NORMAL: Final = struct.pack(">H", 1000)
_PROTOCOL_ERROR: Final = struct.pack(">H", 1002)


def accept_token(key: str | None) -> str:
    """The `Sec-WebSocket-Accept` for a client's key. Raises `RefusalError` without one."""
    if not key:
        raise RefusalError(400, "Missing Sec-WebSocket-Key.")
    return base64.b64encode(hashlib.sha1(key.encode() + _GUID, usedforsecurity=False).digest()).decode()


class WebSocket:
    """An upgraded connection. What is sent and received is noted in the journal's reply as payloads, one after another."""

    def __init__(self, wire: Wire) -> None:
        self._wire = wire

    async def receive(self) -> bytes | None:
        """The next whole message, or None when the client closed. Raises `ClientGoneError` when it just vanished."""
        message = b""
        while True:
            is_last, opcode, payload = await self._frame()
            if opcode == _CLOSE:
                await self._send(_CLOSE, payload[:2] or _NORMAL)
                return None
            if opcode == _PING:
                await self._send(_PONG, payload)
            elif opcode in {_TEXT, _BINARY, _CONTINUATION}:
                message += payload
                if is_last:
                    return message

    async def send(self, payload: bytes) -> None:
        """One text message."""
        await self._send(_TEXT, payload)
        self._wire.sent.add_body(payload)

    async def close(self) -> None:
        """The server's closing handshake."""
        await self._send(_CLOSE, _NORMAL)

    async def _send(self, opcode: int, payload: bytes) -> None:
        size = len(payload)
        if size < 126:
            head = struct.pack(">BB", 0x80 | opcode, size)
        elif size < 65_536:
            head = struct.pack(">BBH", 0x80 | opcode, 126, size)
        else:
            head = struct.pack(">BBQ", 0x80 | opcode, 127, size)
        await self._wire.write(head + payload)

    async def _frame(self) -> tuple[bool, int, bytes]:
        first, second = await self._wire.read_exactly(2)
        if not second & 0x80 or first & 0x70:
            # RFC 6455, 5.1: a client masks every frame; 5.2: no extension was agreed on.
            await self._send(_CLOSE, _PROTOCOL_ERROR)
            self._wire.sent.ending = "cut"
            raise ClientGoneError
        size = second & 0x7F
        if size == 126:
            size = int(struct.unpack(">H", await self._wire.read_exactly(2))[0])
        elif size == 127:
            size = int(struct.unpack(">Q", await self._wire.read_exactly(8))[0])
        mask = await self._wire.read_exactly(4)
        payload = await self._wire.read_exactly(size)
        return bool(first & 0x80), first & 0x0F, _unmasked(payload, mask)


def _unmasked(payload: bytes, mask: bytes) -> bytes:
    size = len(payload)
    key = int.from_bytes((mask * (size // 4 + 1))[:size], "big")
    return (int.from_bytes(payload, "big") ^ key).to_bytes(size, "big")
