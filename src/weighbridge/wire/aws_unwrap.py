"""Claude's stream through Bedrock's `invoke-with-response-stream`: the vendor's own events, each in base64 in a frame of AWS's.

They are taken out and framed as the server-sent events that they are at the vendor's own address.
https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_InvokeModelWithResponseStream.html
"""

from __future__ import annotations

import binascii
from base64 import b64decode

import msgspec

from weighbridge.core.codec import UNREADABLE, JsonError
from weighbridge.core.errors import ErrorKind, GatewayError
from weighbridge.wire.aws_events import AwsEventDecoder


class _Chunk(msgspec.Struct, gc=False):
    bytes: str = ""


class _Typed(msgspec.Struct, gc=False):
    type: str = "message"


_chunk = msgspec.json.Decoder(_Chunk).decode
_typed = msgspec.json.Decoder(_Typed).decode


class InvokeUnwrapper:
    """Frames in, server-sent events out."""

    __slots__ = ("_decoder",)

    def __init__(self) -> None:
        self._decoder = AwsEventDecoder()

    def feed(self, data: bytes) -> bytes:
        """The events that these bytes complete. Raises `GatewayError` PROVIDER_MALFORMED for a damaged frame."""
        return b"".join(_event(frame.payload, frame.header(":exception-type")) for frame in self._decoder.feed(data))


def _event(payload: bytes, exception: str | None) -> bytes:
    if exception is not None:
        # An exception ends the stream; it is told as the vendor tells its errors.
        return b'event: error\ndata: {"type":"error","error":{"type":"%b","message":%b}}\n\n' % (
            exception.encode(),
            msgspec.json.encode(_message(payload)),
        )
    try:
        inner = b64decode(_chunk(payload).bytes, validate=True)
        kind = _typed(inner).type
    except (JsonError, binascii.Error) as error:
        raise GatewayError(ErrorKind.PROVIDER_MALFORMED, "The provider sent a damaged event.", detail=str(error)) from None
    return b"event: %b\ndata: %b\n\n" % (kind.encode(), inner)


class _Exception(msgspec.Struct, gc=False):
    message: str = ""


_exception = msgspec.json.Decoder(_Exception).decode


def _message(payload: bytes) -> str:
    try:
        return _exception(payload).message
    except UNREADABLE:
        return ""
