"""One request of one client and its reply: the server's side of `core.ports.Downstream`.

The request's body is held until somebody wants it, either whole (`read_body`) or piece by piece (`stream_body`); beyond
a bound the client is paused, so that nobody can fill our memory with a body that no one asked for. The reply's head is
held until its first bytes, so that a small reply is one write.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from weighbridge.core.errors import ErrorKind, GatewayError
from weighbridge.core.ports import ByteSink, ByteSource, RawPipe
from weighbridge.core.tasks import Drive, Signal
from weighbridge.http.limits import MAX_BUFFERED, SMALL_WRITE

if TYPE_CHECKING:
    from weighbridge.http.server_connection import ServerConnection

_CONTINUE: Final = b"HTTP/1.1 100 Continue\r\n\r\n"
_BODYLESS_STATUSES: Final = frozenset((204, 304))
_REASONS: Final[dict[int, bytes]] = {
    100: b"Continue",
    101: b"Switching Protocols",
    200: b"OK",
    201: b"Created",
    202: b"Accepted",
    204: b"No Content",
    206: b"Partial Content",
    301: b"Moved Permanently",
    302: b"Found",
    303: b"See Other",
    304: b"Not Modified",
    307: b"Temporary Redirect",
    308: b"Permanent Redirect",
    400: b"Bad Request",
    401: b"Unauthorized",
    402: b"Payment Required",
    403: b"Forbidden",
    404: b"Not Found",
    405: b"Method Not Allowed",
    408: b"Request Timeout",
    409: b"Conflict",
    410: b"Gone",
    411: b"Length Required",
    413: b"Content Too Large",
    414: b"URI Too Long",
    415: b"Unsupported Media Type",
    417: b"Expectation Failed",
    422: b"Unprocessable Content",
    424: b"Failed Dependency",
    429: b"Too Many Requests",
    431: b"Request Header Fields Too Large",
    500: b"Internal Server Error",
    501: b"Not Implemented",
    502: b"Bad Gateway",
    503: b"Service Unavailable",
    504: b"Gateway Timeout",
    505: b"HTTP Version Not Supported",
    529: b"Site is overloaded",
}
_STATUS_LINES: Final = {status: b"HTTP/1.1 %d %b\r\n" % (status, reason) for status, reason in _REASONS.items()}


def status_line(status: int) -> bytes:
    """The first line of a reply; a status without a registered reason gets an empty one, as RFC 9112 §4 allows."""
    return _STATUS_LINES.get(status) or b"HTTP/1.1 %d \r\n" % status


class _Nobody:
    """Takes what is not wanted any more."""

    def on_data(self, data: bytes) -> None:
        pass

    def on_end(self) -> None:
        pass

    def on_error(self, error: GatewayError) -> None:
        pass


_NOBODY: Final = _Nobody()


class ServerExchange:
    """A request as it was parsed, and the way to answer it. Made by its connection, handed to the handler."""

    # Slots, each filled: reading a default of the class takes 28 ns in Python 3.11, filling and reading a slot 11.
    __slots__ = (
        "_body",
        "_body_limit",
        "_body_signal",
        "_body_size",
        "_connection",
        "_is_bodyless_reply",
        "_is_chunked_reply",
        "_is_close_delimited",
        "_is_throttled",
        "_must_close",
        "_reply_head",
        "_sink",
        "_source",
        "content_length",
        "expects_continue",
        "failure",
        "handling",
        "has_body_ended",
        "has_ended",
        "has_started",
        "headers",
        "http_minor",
        "is_chunked",
        "is_upgrade",
        "keep_alive",
        "memo",
        "method",
        "n_hosts",
        "peer",
        "received_ns",
        "target",
    )

    def __init__(self, connection: ServerConnection, body: bytes | None = None) -> None:
        """`body` is that of a request which came whole in one read; else it is fed."""
        self._connection = connection
        self.peer = connection.peer
        self.memo = connection.memo
        self.method = b""
        self.target = b""
        self.headers: list[tuple[bytes, bytes]] = []
        self.content_length: int | None = None
        self.is_chunked = False
        self.is_upgrade = False
        self.expects_continue = False
        self.n_hosts = 0
        self.http_minor = 1
        self.keep_alive = True
        self.received_ns = 0
        self.handling: Drive[ServerExchange] | None = None
        self.has_body_ended = body is not None
        self.failure: GatewayError | None = None
        self.has_started = False
        """Whether a reply is under way."""
        self.has_ended = False
        self._body = [body] if body is not None else []
        self._body_size = len(body) if body is not None else 0
        self._body_limit: int | None = None
        self._body_signal: Signal | None = None
        self._sink: ByteSink | None = None
        self._source: ByteSource | None = None
        self._is_throttled = False
        self._reply_head: bytes | None = None
        self._is_chunked_reply = False
        self._is_bodyless_reply = False
        self._is_close_delimited = False
        self._must_close = False

    # --- the request's body -------------------------------------------------------------------------------------

    def whole_body(self, limit: int) -> bytes | None:
        """The whole body, at most `limit` bytes, if it is here. Raises `GatewayError` PAYLOAD_TOO_LARGE."""
        if not self.has_body_ended or self.failure is not None:
            return None
        if self._body_size > limit:
            raise too_large(limit)
        body = self._body
        return body[0] if len(body) == 1 else b"".join(body)

    async def read_body(self, limit: int) -> bytes:
        """The whole body, at most `limit` bytes. Raises `GatewayError`: PAYLOAD_TOO_LARGE, or what broke the request off."""
        self._check_length(limit)
        if self._body_size > limit:
            raise too_large(limit)
        if not self.has_body_ended and self.failure is None:
            self._want_body(limit)
            self._body_signal = Signal()
            await self._body_signal
        if self.failure is not None:
            raise self.failure
        if self._body_size > limit:
            raise too_large(limit)
        body = self._body
        return body[0] if len(body) == 1 else b"".join(body)

    def stream_body(self, limit: int) -> ByteSource:
        """The body as it comes, at most `limit` bytes (then the sink's `on_error` is called)."""
        self._check_length(limit)
        self._body_limit = limit
        return self

    def attach(self, sink: ByteSink) -> None:
        """`ByteSource`: give what is here, then what comes."""
        self._sink = sink
        self._want_body(self._body_limit)
        held, self._body = self._body, []
        if self._body_limit is not None and self._body_size > self._body_limit and self.failure is None:
            self.failure = too_large(self._body_limit)
            self._must_close = True
        if self.failure is not None:
            sink.on_error(self.failure)
            return
        for piece in held:
            sink.on_data(piece)
        if self.has_body_ended:
            sink.on_end()

    def pause(self) -> None:
        """`ByteSource`: the taker of the body is slow."""
        self._connection.pause_body()

    def resume(self) -> None:
        """`ByteSource`: the taker of the body has caught up."""
        self._connection.resume_body()

    def _check_length(self, limit: int) -> None:
        if self.content_length is not None and self.content_length > limit:
            raise too_large(limit)

    def _want_body(self, limit: int | None) -> None:
        self._body_limit = limit
        if self.expects_continue and not self.has_body_ended and not self._body_size:
            self.expects_continue = False
            self._connection.write_raw(_CONTINUE)
        self._connection.resume_body()

    def feed_body(self, data: bytes) -> None:
        """From the connection: the next bytes of the request's body."""
        self._body_size += len(data)
        if self.has_ended or self.failure is not None:
            return
        if self._body_limit is not None and self._body_size > self._body_limit:
            self.fail_body(too_large(self._body_limit))
        elif self._sink is not None:
            self._sink.on_data(data)
        else:
            self._body.append(data)
            if self._body_signal is None and self._body_size > MAX_BUFFERED:
                self._connection.pause_body()

    def end_body(self) -> None:
        """From the connection: the request is complete."""
        self.has_body_ended = True
        if self._sink is not None and self.failure is None:
            self._sink.on_end()

    @property
    def is_full(self) -> bool:
        """Whether as much of the body is held as may be, for want of a taker."""
        return self._sink is None and self._body_size > MAX_BUFFERED

    @property
    def is_body_due(self) -> bool:
        """Whether the handler waits for a body that is whole by now, or that will not come (see `wake`)."""
        return self._body_signal is not None and (self.has_body_ended or self.failure is not None)

    def wake(self) -> None:
        """Let the handler go on, once the connection's parser is done with what came: it goes on in this very call."""
        assert self._body_signal is not None
        self._body_signal.set()

    def fail_body(self, error: GatewayError) -> None:
        """The rest of the body will not come, or is not wanted."""
        if self.failure is not None or self.has_body_ended:
            return
        self.failure = error
        self._must_close = True
        if self._sink is not None:
            self._sink.on_error(error)

    def let_go(self) -> None:
        """The handler is over: what still comes of the body is nobody's. Who took it knows the reply, whose request knows this."""
        self.handling = None
        if self._sink is not None:
            self._sink = _NOBODY
        if self.has_ended:
            self._source = None

    @property
    def body_size(self) -> int:
        """Bytes of the request's body so far."""
        return self._body_size

    # --- the reply ----------------------------------------------------------------------------------------------

    @property
    def must_close(self) -> bool:
        """Whether the connection can't carry another request after this reply."""
        return self._must_close or not self.keep_alive or not self.has_body_ended

    def start(self, status: int, header_lines: bytes, length: int | None) -> None:
        """Give the head of the reply (see `core.ports.Downstream.start`)."""
        self.has_started = True
        if status == 101:
            self._reply_head = b"%b%b\r\n" % (status_line(status), header_lines)
            return
        is_bodyless = self._is_bodyless_reply = status in _BODYLESS_STATUSES or self.method == b"HEAD"
        # Once said, it is kept, even if the rest of the request's body still comes. After an offer to upgrade the parser has
        # stopped, so that a connection whose offer was declined can't go on.
        if self._must_close or not self.keep_alive or not self.has_body_ended or self.is_upgrade or self._connection.is_draining:
            connection = b"connection: close\r\n"
            self._must_close = True
        else:
            connection = b"" if self.http_minor else b"connection: keep-alive\r\n"
        if status in _BODYLESS_STATUSES:
            framing = b""
        elif length is not None:
            framing = b"content-length: %d\r\n" % length
        elif self.http_minor:
            framing = b"transfer-encoding: chunked\r\n"
            self._is_chunked_reply = not is_bodyless
        else:
            framing = b""
            connection = b"connection: close\r\n"
            self._must_close = True
            self._is_close_delimited = not is_bodyless
        line = _STATUS_LINES.get(status) or status_line(status)
        self._reply_head = b"%b%b%b%b\r\n" % (line, header_lines, framing, connection)

    def flush(self) -> None:
        """Send the head now."""
        if self._reply_head is not None:
            self._connection.write_raw(self._reply_head)
            self._reply_head = None

    def write(self, data: bytes) -> None:
        """The next bytes of the body."""
        if self._is_bodyless_reply or self.has_ended or not data:
            return  # an empty chunk would read as the end
        if self._is_chunked_reply:
            data = b"%x\r\n%b\r\n" % (len(data), data)
        head = self._reply_head
        if head is None:
            self._connection.write_raw(data)
        else:
            self._reply_head = None
            self._connection.write_pair(head, data)

    def end(self, data: bytes = b"") -> None:
        """The last bytes and the end of the body; the connection goes on to its next request."""
        if self.has_ended:
            return
        head = self._reply_head
        if head is not None and not self._is_chunked_reply and len(data) <= SMALL_WRITE:
            # A whole reply, which most are.
            self._reply_head = None
            self._source = None
            self.has_ended = True
            connection = self._connection
            connection.write_raw(head if self._is_bodyless_reply else head + data)
            connection.exchange_ended(self)
            return
        if data:
            self.write(data)
        self.flush()
        if self._is_chunked_reply:
            self._connection.write_raw(b"0\r\n\r\n")
        self._finish()

    def abort(self) -> None:
        """Break the reply off: what was written is sent, the body's end is not, and the connection closes."""
        if self.has_ended:
            return
        self.flush()
        self._must_close = True
        if self._is_close_delimited:
            # To HTTP/1.0 the orderly end of the connection is the proper end of the body.
            self.has_ended = True
            self._source = None
            self._connection.reset()
            return
        self._finish()

    def _finish(self) -> None:
        self.has_ended = True
        self._source = None
        self._connection.exchange_ended(self)

    # --- backpressure -------------------------------------------------------------------------------------------

    def throttle(self, source: ByteSource | None) -> None:
        """Name the source to pause while the client is slow."""
        self._source = source
        if source is not None and self._is_throttled:
            source.pause()

    def pause_source(self) -> None:
        """From the connection: the client reads more slowly than we write."""
        self._is_throttled = True
        if self._source is not None:
            self._source.pause()

    def resume_source(self) -> None:
        """From the connection: the client has caught up."""
        self._is_throttled = False
        if self._source is not None:
            self._source.resume()

    # --- leaving HTTP -------------------------------------------------------------------------------------------

    def take_over(self, sink: ByteSink) -> RawPipe:
        """After a 101: raw bytes both ways. Raises `GatewayError` CLIENT_CLOSED if the client has left."""
        self.flush()
        return self._connection.become_pipe(sink)


def too_large(limit: int) -> GatewayError:
    """The refusal of a body over `limit` bytes."""
    return GatewayError(ErrorKind.PAYLOAD_TOO_LARGE, f"The request body is larger than the limit of {limit:,} bytes.")
