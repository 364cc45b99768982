"""A reply before it is sent: head, chunks, and what each chunk costs."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from weighbridge.core.codec import encode_json, pretty_json
from weighbridge.testing.invoice import Bill

JSON_TYPE = "application/json"
SSE_TYPE = "text/event-stream; charset=utf-8"


class Chunk(msgspec.Struct, frozen=True):
    """A piece of body that goes out as one HTTP chunk: for a stream, one event.

    `generated` is how many output tokens have been generated, all told, when it begins to be sent.
    """

    data: bytes
    generated: int = 0


class Reply(msgspec.Struct, frozen=True, kw_only=True):
    """Status, headers and body.

    A stream goes out chunk by chunk; a whole reply in one piece, with a content-length unless `is_chunked`. `bills` come due
    when the head has left; `error_event` is what the vendor sends within a stream that fails.
    """

    status: int = 200
    headers: tuple[tuple[str, str], ...] = ()
    content_type: str = JSON_TYPE
    chunks: Iterable[Chunk] = ()
    is_stream: bool = False
    is_chunked: bool = False
    bills: tuple[Bill, ...] = ()
    error_event: bytes = b""


class RefusalError(Exception):
    """A request that the vendor would refuse; the provider renders it in the vendor's shape."""

    def __init__(
        self,
        status: int,
        message: str,
        *,
        kind: str = "",
        code: str | None = None,
        param: str | None = None,
        details: tuple[dict[str, object], ...] = (),
    ) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.kind = kind
        self.code = code
        self.param = param
        self.details = details


def json_reply(
    value: object,
    *,
    status: int = 200,
    headers: tuple[tuple[str, str], ...] = (),
    content_type: str = JSON_TYPE,
    bills: tuple[Bill, ...] = (),
    is_pretty: bool = False,
) -> Reply:
    """A whole JSON reply."""
    body = pretty_json(value).encode() + b"\n" if is_pretty else encode_json(value)
    return Reply(status=status, headers=headers, content_type=content_type, chunks=whole(body, bills), bills=bills)


def whole(body: bytes, bills: tuple[Bill, ...] = ()) -> tuple[Chunk]:
    """A body in one piece: everything was generated before it leaves."""
    return (Chunk(body, sum(bill.usage.output for bill in bills)),)


def sse(value: object, event: str | None = None) -> bytes:
    """One server-sent event with JSON data, lines ended by LF as OpenAI does."""
    head = f"event: {event}\n".encode() if event else b""
    return head + b"data: " + encode_json(value) + b"\n\n"
