"""One connection to a provider: requests out, replies in, one at a time.

A request that meets a kept-alive connection which the provider has closed in the meantime is sent again only when it is
*proven* that nothing of it can have been processed. The kernel counts (RFC 4898) the bytes that the other side's kernel has
acknowledged and those that were sent at all: after a FIN none of this request may have been acknowledged, after a reset
none may have been sent. Methods that RFC 9110 §9.2.2 calls safe are sent again without that proof.
"""

from __future__ import annotations

import asyncio
import re
from typing import TYPE_CHECKING, Final, cast

import httptools

from weighbridge.core.errors import ErrorKind, GatewayError
from weighbridge.core.ports import ByteSink, ByteSource
from weighbridge.core.terms import Origin
from weighbridge.http.client_reply import ClientReply, StaleConnectionError, broke_off
from weighbridge.http.limits import MAX_BUFFERED, MAX_INTERIM_REPLIES, MAX_REPLY_HEAD, SMALL_WRITE
from weighbridge.http.pipes import UpstreamPipe
from weighbridge.http.request_body import RequestBody
from weighbridge.http.tcp_info import tcp_counts

if TYPE_CHECKING:
    from weighbridge.http.client import Pool

_CHUNK_SIZE: Final = re.compile(rb"([0-9a-fA-F]{1,7})\r\n").match
"""The line before a chunk, without extensions. Of 16 MB at most: no read holds more."""
_LAST_CHUNK: Final = b"\r\n0\r\n\r\n"
_SAFE_METHODS: Final = frozenset((b"GET", b"HEAD", b"OPTIONS"))
_BODYLESS_METHODS: Final = frozenset((b"GET", b"HEAD", b"DELETE", b"OPTIONS"))


class UpstreamConnection(asyncio.Protocol):
    """The protocol object of one socket to an origin."""

    __slots__ = (
        "_acked_before",
        "_barren_bytes",
        "_has_message_ended",
        "_has_upgraded",
        "_head_bytes",
        "_headers",
        "_is_at_chunk",
        "_is_chunked",
        "_is_counted",
        "_is_keep_alive",
        "_is_replaying",
        "_is_request_sent",
        "_is_reusable",
        "_is_until_close",
        "_n_interim",
        "_n_requests",
        "_n_written",
        "_parser",
        "_pieces",
        "_pipe",
        "_pool",
        "_reply",
        "_request_source",
        "_rest",
        "_shapes",
        "_transport",
        "idle_since_ns",
        "is_dead",
        "on_body",
        "origin",
    )

    def __init__(self, pool: Pool, origin: Origin) -> None:
        self._pool = pool
        self.origin = origin
        self._transport: asyncio.Transport = None  # type: ignore[assignment]  # set by connection_made, before anything else
        self._shapes = pool.shapes
        self._pieces: list[bytes] = []
        self.on_body = self._pieces.append
        """The parser's callback for bytes of a body: no function of ours, since a read may hold hundreds of chunks."""
        self._parser = httptools.HttpResponseParser(self)
        self._reply: ClientReply | None = None
        self._pipe: UpstreamPipe | None = None
        self._request_source: ByteSource | None = None
        self._rest = b""
        self._n_requests = 0
        self._n_interim = 0
        self._head_bytes = 0
        self._headers: list[tuple[bytes, bytes]] = []
        self._acked_before = -1
        self._n_written = 0
        self._is_counted = origin.scheme == "http" and origin.proxy is None
        self._is_chunked = False
        self._is_at_chunk = False
        """The body is chunked, the next byte begins a chunk, and the parser has not seen this reply."""
        self._is_replaying = False
        """The parser is being told where we stand."""
        self._is_request_sent = False
        self._has_message_ended = False
        self._is_keep_alive = False
        self._is_until_close = False
        self._is_reusable = True
        self._has_upgraded = False
        self._barren_bytes = 0
        self.is_dead = False
        self.idle_since_ns = 0

    # --- sending ------------------------------------------------------------------------------------------------

    def begin(self, reply: ClientReply, now_ns: int) -> None:
        """Send a request on this idle connection."""
        request = reply.request
        self._reply = reply
        reply.connection = self
        reply.sent_ns = now_ns
        self._has_message_ended = False
        n_before = self._n_requests
        self._n_requests = n_before + 1
        # What the kernel says before a request: all that was ever written, since the provider has answered it. On a plain
        # socket we know that without asking (the SYN counts as one byte), which saves a system call a request.
        if not n_before:
            self._acked_before = -1
        elif self._is_counted:
            self._acked_before = 1 + self._n_written
        else:
            self._acked_before = tcp_counts(self._transport).acked
        head = request.head
        if self._pool.is_absolute:
            head = self._pool.adapt_head(head)
        pieces = request.body
        if not isinstance(pieces, list):
            self._begin_upload(reply, head, pieces)
            return
        length = request.body_length or 0
        if length or request.method not in _BODYLESS_METHODS:
            head = b"%bcontent-length: %d\r\n\r\n" % (head, length)
        else:
            head += b"\r\n"
        self._is_request_sent = True
        self._n_written += len(head) + length
        if length <= SMALL_WRITE:
            self._transport.write(head + pieces[0] if len(pieces) == 1 else b"".join([head, *pieces]))
        else:
            self._transport.writelines([head, *pieces])
        expires_ns = now_ns + request.deadlines.first_byte_ns
        reply.expires_ns = min(reply.expires_ns, expires_ns)

    def _begin_upload(self, reply: ClientReply, head: bytes, body: ByteSource) -> None:
        length = reply.request.body_length
        self._is_request_sent = False
        self._is_counted = False
        framing = b"transfer-encoding: chunked" if length is None else b"content-length: %d" % length
        self._transport.write(b"%b%b\r\n\r\n" % (head, framing))
        self._request_source = body
        body.attach(RequestBody(self, reply, is_chunked=length is None))

    def request_sent(self, reply: ClientReply) -> None:
        """A streamed request body is out."""
        if self._reply is not reply:
            return
        self._is_request_sent = True
        self._request_source = None
        now = self._pool.clock.now_ns()
        reply.sent_ns = now
        if not reply.first_byte_ns:
            reply.expires_ns = min(now + reply.request.deadlines.first_byte_ns, reply.total_expires_ns)

    def request_broken(self, reply: ClientReply, error: GatewayError) -> None:
        """A streamed request body broke off: so does the request, and the caller learns why."""
        if self._reply is reply:
            self._fail(reply, error)

    # --- transport callbacks ------------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Connected (and TLS is up)."""
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        """The next bytes of replies."""
        reply = self._reply
        if reply is None:
            if self._pipe is not None:
                self._pipe.sink.on_data(data)
                return
            # Nobody asked: a provider may say "408, closing" on an idle connection. It can't be used again.
            self.drop()
            return
        if self._has_upgraded:
            self._hold_for_pipe(data)
            return
        reply.has_progress = True
        if self._is_at_chunk:
            self._receive_chunk(reply, data)
            return
        if not reply.first_byte_ns:
            reply.first_byte_ns = self._pool.clock.now_ns()
            if self._receive_known(reply, data):
                return
            self._head_bytes = self._barren_bytes = self._n_interim = 0
            self._parse(reply, data)
            if reply.status and not self._has_upgraded:
                self._shapes.learn(data, reply)
        else:
            self._parse(reply, data)
        if reply.status and not reply.head.is_set:
            # Only now, since who waits for it goes on in this very call.
            reply.head.set()

    def _receive_known(self, reply: ClientReply, data: bytes) -> bool:
        """Take the first read of a reply without the parser, which stands between two messages, if its head has a known shape and
        its body is plain to see."""
        known = self._shapes.known
        for shape in known:
            found = shape.match(data)
            if found is not None:
                break
        else:
            return False
        values = found.groups()
        rest = data[found.end() :]
        group = shape.length_group
        if reply.request.method == b"HEAD" or (group and int(values[group - 1]) != len(rest)):
            return False
        if shape is not known[0]:
            self._shapes.met(shape)
        reply.take_shape(shape, values)
        if group:
            reply.take_whole(rest)
            self._reply = None
            self._request_source = None
            reply.connection = None
            self._pool.finished(self, reply, is_reusable=self._is_reusable and self._is_request_sent)
        else:
            self._is_at_chunk = True
            if rest:
                self._receive_chunk(reply, rest)
        reply.head.set()
        return True

    def _receive_chunk(self, reply: ClientReply, data: bytes) -> None:
        """A read in the midst of a chunked body, for a stream once a token: most are one chunk, the last with the body's end."""
        size = _CHUNK_SIZE(data)
        if size is not None:
            start = size.end()
            end = start + int(size[1], 16)
            rest = data[end:]
            if start < end and rest in (b"\r\n", _LAST_CHUNK):
                piece = data[start:end]
                if reply.sink is not None:
                    reply.sink.on_data(piece)
                else:
                    reply.hold(piece)
                if rest == b"\r\n" or self._reply is not reply:
                    return
                self._end_chunks(reply)
                return
            if data == b"0\r\n\r\n":
                self._end_chunks(reply)
                return
        # Several chunks, or a part of one: the parser takes over, from a head that has the same framing.
        self._is_at_chunk = False
        self._is_replaying = True
        self._parser.feed_data(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n")
        self._is_replaying = False
        self._barren_bytes = 0
        self._parse(reply, data)

    def _end_chunks(self, reply: ClientReply) -> None:
        self._is_at_chunk = False
        self._is_keep_alive = True
        self._finish(reply)

    def _parse(self, reply: ClientReply, data: bytes) -> None:
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade as upgrade:
            self._has_upgraded = True
            self._hold_for_pipe(data[upgrade.args[0] :])
            return
        except httptools.HttpParserError as error:
            if not self._has_message_ended:
                self._fail(reply, _parse_failure(error))
                return
            # The reply is whole and was paid for; what follows it is noise, after which nothing can be trusted.
            self._is_reusable = False
        if not reply.status:
            self._head_bytes += len(data)
            if self._head_bytes > MAX_REPLY_HEAD:
                self._fail(reply, GatewayError(ErrorKind.PROVIDER_MALFORMED, "The provider's reply headers are too large."))
        elif self._pieces or self._has_message_ended:
            self._deliver(reply)
        else:
            self._note_barren(reply, len(data))

    def _deliver(self, reply: ClientReply) -> None:
        pieces = self._pieces
        if pieces:
            data = pieces[0] if len(pieces) == 1 else b"".join(pieces)
            pieces.clear()
            self._barren_bytes = 0
            reply.feed(data)
        if self._has_message_ended and self._reply is reply:
            self._finish(reply)

    def _note_barren(self, reply: ClientReply, n_bytes: int) -> None:
        """Chunk extensions and trailers: the parser holds the latter until they are whole."""
        self._barren_bytes += n_bytes
        if self._barren_bytes > MAX_REPLY_HEAD:
            self._fail(reply, GatewayError(ErrorKind.PROVIDER_MALFORMED, "The provider's reply trailers are too large."))

    def _hold_for_pipe(self, data: bytes) -> None:
        """Bytes after a 101, before anybody has taken the connection over."""
        self._rest += data
        if len(self._rest) > MAX_BUFFERED:
            self.pause_reading()

    def _finish(self, reply: ClientReply) -> None:
        self._reply = None
        reply.connection = None
        # A provider that answered before it had the whole upload does not want the rest.
        is_reusable = self._is_keep_alive and self._is_reusable and self._is_request_sent and not reply.is_paused
        self._request_source = None
        self._pool.finished(self, reply, is_reusable=is_reusable)
        reply.end()

    def eof_received(self) -> bool:
        """The provider sends no more; `connection_lost` follows."""
        if self._reply is None:
            self.is_dead = True
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        """The connection is gone."""
        self.is_dead = True
        self._pool.lost(self)
        if self._pipe is not None:
            self._pipe.sink.on_end()
            return
        reply, self._reply = self._reply, None
        if reply is None:
            return
        if reply.status and self._is_until_close and exc is None:
            self._pool.forget(reply)
            reply.connection = None
            reply.end()
        elif self._is_unprocessed(reply, exc):
            self._pool.forget(reply)
            reply.fail(StaleConnectionError())
        else:
            self._pool.forget(reply)
            reply.fail(broke_off(repr(exc), is_begun=bool(reply.status)))

    def _is_unprocessed(self, reply: ClientReply, exc: Exception | None) -> bool:
        """Whether the request can be sent again without doubt: see the module's text."""
        if self._n_requests < 2 or reply.first_byte_ns or not isinstance(reply.request.body, list):
            return False
        if reply.request.method in _SAFE_METHODS:
            return True
        if self._acked_before < 0:
            return False
        counts = tcp_counts(self._transport)
        # A FIN acknowledges all that had come. A reset does not: Linux takes no acknowledgement from it, so that what the
        # provider has read may count as unacknowledged. After one, only what was never sent is proven unread.
        return (counts.acked if exc is None else counts.sent) == self._acked_before

    def pause_writing(self) -> None:
        """The provider reads more slowly than we write."""
        if self._pipe is not None:
            self._pipe.pause_source()
        elif self._request_source is not None:
            self._request_source.pause()

    def resume_writing(self) -> None:
        """The provider has caught up."""
        if self._pipe is not None:
            self._pipe.resume_source()
        elif self._request_source is not None:
            self._request_source.resume()

    # --- parser callbacks ---------------------------------------------------------------------------------------

    def on_message_begin(self) -> None:
        """A reply begins; a second one to the same request is none of ours."""
        if self._has_message_ended:
            raise GatewayError(ErrorKind.PROVIDER_MALFORMED, "The provider sent more than one reply.")
        if self._reply is not None and not self._is_replaying:
            self._headers = []
            self._is_chunked = False
            self._is_until_close = False

    def on_status(self, reason: bytes) -> None:
        """The reason phrase, or a piece of it."""
        if self._reply is not None and not self._is_replaying:
            self._reply.reason += reason

    def on_header(self, name: bytes, value: bytes) -> None:
        """One header line (or a trailer, into a list that nobody reads). Looked at when the head is complete."""
        self._headers.append((name.lower(), value))

    def _take_headers(self, reply: ClientReply) -> None:
        headers = reply.headers = self._headers
        self._headers = []
        fields = dict(headers)
        reply.content_type = fields.get(b"content-type", b"")
        reply.content_encoding = fields.get(b"content-encoding", b"")
        length = fields.get(b"content-length")
        if length is not None:
            reply.content_length = int(length)
            headers.remove((b"content-length", length))
        if b"transfer-encoding" in fields:
            for name, value in headers:
                if name == b"transfer-encoding":
                    self._take_coding(value.strip(b" \t").lower())

    def _take_coding(self, coding: bytes) -> None:
        self._is_chunked = coding == b"chunked"
        # RFC 9112 §7.4: we send no TE, so that chunked is all that may come; identity is from RFC 2616 and changes nothing.
        if not self._is_chunked and coding != b"identity":
            raise GatewayError(ErrorKind.PROVIDER_MALFORMED, "The provider's reply has an unknown transfer coding.")

    def on_headers_complete(self) -> None:
        """The head is whole: the waiting task goes on, unless it is an interim reply."""
        reply = self._reply
        if reply is None or self._is_replaying:
            return
        status: int = self._parser.get_status_code()
        if 100 <= status < 200 and status != 101:
            self._n_interim += 1
            if self._n_interim > MAX_INTERIM_REPLIES:
                raise GatewayError(ErrorKind.PROVIDER_MALFORMED, "The provider sent too many interim replies.")
            reply.reason = b""
            return
        if status == 101 and b"\r\nupgrade:" not in reply.request.head.lower():
            raise GatewayError(ErrorKind.PROVIDER_MALFORMED, "The provider switched protocols unasked.")
        self._take_headers(reply)
        reply.status = status
        if reply.request.method == b"HEAD":
            # llhttp can't be told that this reply has no body, so the connection is not used again.
            self._is_reusable = False
            self._has_message_ended = True
        elif reply.content_length is None and not self._is_chunked and status not in (101, 204, 304):
            self._is_until_close = True
            self._is_reusable = False

    def on_message_complete(self) -> None:
        """The reply is whole. `should_keep_alive` must be read here: llhttp forgets it with the next byte."""
        reply = self._reply
        if reply is not None and reply.status and reply.status != 101:
            self._has_message_ended = True
            self._is_keep_alive = self._parser.should_keep_alive()

    # --- flow and end -------------------------------------------------------------------------------------------

    def pause_reading(self) -> None:
        """Let TCP slow the provider down."""
        if not self.is_dead:
            self._transport.pause_reading()

    def resume_reading(self) -> None:
        """Read on; the provider's silence counts from now."""
        if self.is_dead:
            return
        reply = self._reply
        if reply is not None:
            now = self._pool.clock.now_ns()
            reply.expires_ns = min(now + reply.request.deadlines.between_bytes_ns, reply.total_expires_ns)
        self._transport.resume_reading()

    def write_raw(self, data: bytes) -> None:
        """Bytes as they are; dropped when the provider is gone."""
        if not self.is_dead:
            self._transport.write(data)

    def become_pipe(self, sink: ByteSink) -> UpstreamPipe:
        """Leave HTTP after a 101."""
        reply, self._reply = self._reply, None
        if reply is not None:
            self._pool.forget(reply)
        self._pipe = UpstreamPipe(self, sink)
        rest, self._rest = self._rest, b""
        if rest:
            sink.on_data(rest)
        if self.is_dead:
            sink.on_end()
        else:
            self._transport.resume_reading()
        return self._pipe

    def close(self) -> None:
        """Flush what a pipe still holds, and close."""
        self.is_dead = True
        if self._pipe is None and self._transport.get_write_buffer_size():
            self._transport.abort()  # the rest of an upload that nobody wants: flushing it could take for ever
        else:
            self._transport.close()

    def drop(self) -> None:
        """Close at once; what is under way is not answered any more."""
        self.is_dead = True
        self._request_source = None
        reply, self._reply = self._reply, None
        if reply is not None:
            self._pool.forget(reply)
        self._transport.abort()

    def shut_down(self) -> None:
        """The client closes: whoever waits here learns it."""
        reply = self._reply
        if reply is not None:
            self._fail(reply, broke_off("the client was closed", is_begun=bool(reply.status)))
        else:
            self.drop()

    def _fail(self, reply: ClientReply, error: GatewayError) -> None:
        self.drop()
        reply.connection = None
        reply.fail(error)

    def expire(self, reply: ClientReply) -> None:
        """From the client's sweep: a deadline of this reply has passed."""
        deadlines = reply.request.deadlines
        if reply.expires_ns >= reply.total_expires_ns:
            what = f"did not finish within {deadlines.total_ns / 1e9:g} s"
        elif not reply.first_byte_ns:
            what = f"did not begin to answer within {deadlines.first_byte_ns / 1e9:g} s"
        else:
            what = f"was silent for {deadlines.between_bytes_ns / 1e9:g} s in the middle of its answer"
        self._fail(reply, GatewayError(ErrorKind.PROVIDER_TIMEOUT, f"The provider {what}."))


def _parse_failure(error: httptools.HttpParserError) -> GatewayError:
    cause = error.__context__
    if isinstance(cause, GatewayError):
        return cause
    return GatewayError(ErrorKind.PROVIDER_MALFORMED, "The provider's reply is not valid HTTP/1.1.", detail=str(error))
