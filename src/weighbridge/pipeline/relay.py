"""Step 9: the reply's bytes, from the provider to the client, past the meter.

The head goes out with the first bytes of the body, so that a reply which breaks off before them can still become an honest
error. The last bytes are held until the exchange is settled, so that no client has a whole reply that is not in the books.
"""

from __future__ import annotations

from weighbridge.core.clock import NS_PER_US
from weighbridge.core.errors import GatewayError
from weighbridge.core.ports import Clock, Downstream, UpstreamReply
from weighbridge.core.tasks import Signal
from weighbridge.pipeline.exchange import Exchange
from weighbridge.wire.error_bodies import render_stream_error
from weighbridge.wire.meter import meter_for
from weighbridge.wire.results_url import ResultsUrlFilter
from weighbridge.wire.stream_usage import UsageChunkFilter


class Relay:
    """The sink of the reply's bytes (`core.ports.ByteSink`)."""

    __slots__ = (
        "_clock",
        "_downstream",
        "_exchange",
        "_filter",
        "_held",
        "_is_plain",
        "_meter",
        "_over",
        "_remaining",
        "_reply",
        "error",
        "is_begun",
        "is_live",
        "is_over",
    )

    def __init__(self, exchange: Exchange, reply: UpstreamReply, clock: Clock) -> None:
        self._exchange = exchange
        self._reply = reply
        self._meter = exchange.meter = meter_for(
            exchange.endpoint, content_type=reply.content_type, content_encoding=reply.content_encoding
        )
        self._clock = clock
        self._downstream: Downstream = exchange.downstream
        self._remaining = reply.content_length
        self._held = b""
        self._is_plain = False
        """The head is out, and nothing is withheld or counted down: bytes only pass."""
        self._over: Signal | None = None
        self.is_live = False
        """Whether bytes come as the provider sends them; before, those that were held are handed over."""
        self.is_begun = False
        """Whether the client has (or is about to have) a status line."""
        self.is_over = False
        self.error: GatewayError | None = None
        """What broke the reply off, once it is over."""
        self._filter: UsageChunkFilter | ResultsUrlFilter | None = None
        if exchange.edits_reply and reply.status == 200 and exchange.downstream.method != b"HEAD":
            self._filter = self._filter_for(exchange, reply)
            if self._filter is not None:
                self._remaining = None

    def _filter_for(self, exchange: Exchange, reply: UpstreamReply) -> UsageChunkFilter | ResultsUrlFilter | None:
        if exchange.withholds_usage:
            return UsageChunkFilter() if _is_text_stream(reply) else None
        is_json = reply.content_type.startswith(b"application/json") and reply.content_encoding in (b"", b"identity")
        assert exchange.target is not None
        return ResultsUrlFilter(exchange.target.unversioned_path) if is_json else None

    def run(self) -> None:
        """Take the reply's bytes: at once if all of them are here, else as they come."""
        reply = self._reply
        whole = reply.whole
        if whole and self._filter is None:
            self._exchange.first_byte_ns = self._clock.now_ns()
            self._meter.feed(whole)
            self._begin()
            self._exchange.reply_bytes = len(whole)
            self._held = whole
            self.is_over = True
            return
        self._downstream.throttle(reply)
        reply.attach(self)
        self.is_live = True

    def on_data(self, data: bytes) -> None:
        """The next bytes of the reply."""
        if self._is_plain:
            # In the midst of a stream, where this is called once for each token.
            self._meter.feed(data)
            self._exchange.reply_bytes += len(data)
            self._downstream.write(data)
        else:
            self._take(data)

    def _take(self, data: bytes) -> None:
        exchange = self._exchange
        if not exchange.first_byte_ns:
            exchange.first_byte_ns = self._clock.now_ns()
        self._meter.feed(data)
        if self._filter is not None:
            data = self._filter.feed(data)
            if not data:
                return
        if not self.is_begun:
            self._begin()
            self._is_plain = self._remaining is None and self._filter is None
        exchange.reply_bytes += len(data)
        if self._remaining is not None:
            self._remaining -= len(data)
            if self._remaining <= 0:
                self._held = data
                return
        self._downstream.write(data)

    def on_end(self) -> None:
        """The reply came whole."""
        if self._filter is not None:
            self._held = self._filter.finish()
            self._exchange.reply_bytes += len(self._held)
            if isinstance(self._filter, ResultsUrlFilter) and self._filter.has_edited:
                self._exchange.edits.append(ResultsUrlFilter.edit)
        if not self.is_begun:
            if self._filter is not None:
                self._remaining = len(self._held)
            self._begin()
        self._finish(None)

    def on_error(self, error: GatewayError) -> None:
        """The reply broke off."""
        self._finish(error)

    def _begin(self) -> None:
        self.is_begun = True
        exchange = self._exchange
        exchange.status = self._reply.status
        self._downstream.start(self._reply.status, self._head_lines(), self._remaining)

    def _head_lines(self) -> bytes:
        exchange = self._exchange
        target = exchange.target
        assert target is not None
        reply = self._reply
        # Bytes that were there before we listened have waited for us since the reply's first byte; later ones have not.
        arrived_ns = exchange.first_byte_ns if self.is_live else reply.first_byte_ns
        overhead_ns = (exchange.decided_ns - exchange.downstream.received_ns) + (self._clock.now_ns() - arrived_ns)
        exchange.overhead_ns = overhead_ns
        return b"%bx-weighbridge-request-id: %b\r\nx-weighbridge-edits: %b\r\nx-weighbridge-overhead-us: %d\r\n%b" % (
            reply.header_lines(),
            exchange.request_id.encode(),
            ",".join(exchange.edits).encode() if exchange.edits else b"none",
            overhead_ns // NS_PER_US,
            target.reply_lines,
        )

    def _finish(self, error: GatewayError | None) -> None:
        self.is_over = True
        self.error = error
        if self._over is not None:
            self._over.set()

    async def outcome(self) -> GatewayError | None:
        """Wait until the reply is over. The error that broke it off, or None."""
        if not self.is_over:
            self._over = Signal()
            await self._over
        return self.error

    def end(self) -> None:
        """Send what was held, and the end. Called once the exchange is settled."""
        self._downstream.end(self._held)

    def break_off(self, error: GatewayError) -> None:
        """After a reply that broke off: a stream ends with an error event of its dialect, and never with a proper end."""
        if self._remaining is None and _is_text_stream(self._reply):
            # A blank line first: the event may have been cut in the middle of a line.
            event = render_stream_error(error, self._exchange.endpoint, self._exchange.request_id)
            self._downstream.write(b"\n\n" + event)
        self._downstream.abort()


def _is_text_stream(reply: UpstreamReply) -> bool:
    return reply.content_type.startswith(b"text/event-stream") and reply.content_encoding in (b"", b"identity")
