"""What goes into the demo provider and what comes out: plain values, no sockets and no clock."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Sequence
from typing import Final, NamedTuple, TypeVar

import msgspec

from weighbridge.core.codec import JsonError, decode_json, encode_json
from weighbridge.core.ports import Headers
from weighbridge.core.terms import Dialect

T = TypeVar("T")
JSON_TYPE: Final = (b"content-type", b"application/json")
SSE_TYPE: Final = (b"content-type", b"text/event-stream; charset=utf-8")


class DemoRequest(msgspec.Struct, frozen=True):
    """One request. `path` is relative to the dialect's base (`/chat/completions`) and without the query."""

    method: str
    path: str
    query: str
    headers: Headers
    body: bytes
    dialect: Dialect


class DemoChunk(msgspec.Struct, frozen=True, gc=False):
    """The next bytes of a reply and how long to wait before them."""

    delay_ns: int
    data: bytes


class DemoReply(msgspec.Struct, frozen=True):
    """A reply as it is to be played back. A whole reply is one chunk and has a `content-length`; a stream has none."""

    status: int
    headers: list[tuple[bytes, bytes]]
    chunks: Sequence[DemoChunk]


class DemoError(Exception):
    """The request cannot be served. Each dialect renders it in its vendor's shape."""

    def __init__(self, status: int, message: str, *, param: str | None = None, code: str | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.param = param
        self.code = code

    @property
    def retry_after_s(self) -> int | None:
        """One second where the vendors send `retry-after`, so that a demonstration of retries is quick."""
        return 1 if self.status in {429, 503, 529} else None


class Stamp(msgspec.Struct, frozen=True):
    """Time and identity of one request. All ids of its reply are hashes of `seed`, hence stable and unique."""

    now_s: int
    seed: bytes

    def id(self, prefix: str, part: str = "", *, length: int = 24) -> str:
        """An id such as `chatcmpl-3f9a…`; `part` tells the things of one reply apart."""
        return prefix + hashlib.sha256(self.seed + prefix.encode() + part.encode()).hexdigest()[:length]


def stamp(request: DemoRequest, *, now_s: int, request_number: int) -> Stamp:
    """The stamp of a request: its content, its time and its number together make it unique."""
    head = f"{request.dialect.value} {request.path} {now_s} {request_number} ".encode()
    return Stamp(now_s=now_s, seed=hashlib.sha256(head + request.body).digest())


def read_body(request: DemoRequest, kind: type[T], *, respell: Callable[[object], object] | None = None) -> T:
    """The body as a Struct; unknown fields are ignored. Raises `DemoError` 400 or 415.

    `respell` turns the decoded body into the spelling that the Struct has, where a dialect allows several.
    """
    if any(name == b"content-encoding" and value != b"identity" for name, value in request.headers):
        raise DemoError(415, "The demo provider reads uncompressed bodies only.")
    try:
        if respell is not None:
            return msgspec.convert(respell(decode_json(request.body)), kind)
        return msgspec.json.decode(request.body, type=kind)
    except msgspec.ValidationError as error:
        raise DemoError(400, f"Invalid request: {error}") from None
    except (JsonError, RecursionError, UnicodeDecodeError):
        raise DemoError(400, "We could not parse the JSON body of your request.") from None


class StreamEvent(NamedTuple):
    """A piece of a stream and how many tokens' time it takes: none for framing. Without `data` it is a pause only."""

    data: bytes
    tokens: int = 0


def sse_event(data: object, *, name: str | None = None) -> bytes:
    """One server-sent event with a JSON payload."""
    head = f"event: {name}\n".encode() if name else b""
    return head + b"data: " + encode_json(data) + b"\n\n"


def whole(
    body: object, *, status: int = 200, headers: Iterable[tuple[bytes, bytes]] = (JSON_TYPE,), delay_ns: int = 0
) -> DemoReply:
    """A reply that comes in one piece."""
    data = encode_json(body)
    lines = [*headers, (b"content-length", str(len(data)).encode())]
    return DemoReply(status=status, headers=lines, chunks=(DemoChunk(delay_ns, data),))
