"""What relays that translate have in common: nothing is sent before it proves good, and the last bytes wait for the settlement.

A reply that must be read as a whole is held up to a bound. An error of the provider's becomes one in the caller's dialect.
"""

from __future__ import annotations

from typing import Final

from weighbridge.core.clock import NS_PER_US
from weighbridge.core.errors import ErrorKind, GatewayError
from weighbridge.core.ports import Clock, Downstream, UpstreamReply
from weighbridge.core.tasks import Signal
from weighbridge.core.terms import Dialect
from weighbridge.pipeline.exchange import Exchange, attempts_line, lost_race
from weighbridge.pipeline.headers import OF_THE_BODY, returned_lines
from weighbridge.pipeline.limit_lines import limit_lines
from weighbridge.pipeline.refusals import answer_cut
from weighbridge.wire.content_coding import decoder_for
from weighbridge.wire.provider_errors import classify

_MAX_WHOLE_BYTES: Final = 64 * 1024 * 1024
"""A reply that is not streamed is held until it is whole, up to here: an answer with several pictures in base64."""

_MAX_ERROR_BYTES: Final = 1024 * 1024
"""Of an error reply no more is read: vendors' are below 10 kB."""

JSON_LINE: Final = b"content-type: application/json\r\n"


class HeldRelay:
    """The sink of the reply's bytes (`core.ports.ByteSink`), with the face of `relay.Relay`."""

    def __init__(self, exchange: Exchange, reply: UpstreamReply, clock: Clock, spoken: Dialect) -> None:
        """`spoken` is the provider's dialect, in which its errors are."""
        self._exchange = exchange
        self._reply = reply
        self._clock = clock
        self._spoken = spoken
        self._downstream: Downstream = exchange.downstream
        self._decoder = decoder_for(reply.content_encoding) if reply.content_encoding else None
        self._pieces: list[bytes] = []
        self._size = 0
        self._held = b""
        self._over: Signal | None = None
        holding = exchange.holding
        self._watch = holding.watch if holding is not None else None
        self.is_begun = False
        """Whether the client has (or is about to have) a status line."""
        self.is_over = False
        self.error: GatewayError | None = None
        """What broke the reply off, or the error that it was, once it is over."""

    def run(self) -> None:
        """Take the reply's bytes as they come."""
        self._downstream.throttle(self._reply)
        self._reply.attach(self)

    def hold_at_most(self, seconds: float) -> None:
        """Nothing to do: a reply that is translated cannot pass before it can be read."""

    # --- core.ports.ByteSink -------------------------------------------------------------------------------------

    def on_data(self, data: bytes) -> None:
        """The next bytes of the reply."""
        if self.is_over:
            return
        if not self._exchange.first_byte_ns:
            self._exchange.first_byte_ns = self._clock.now_ns()
        if self._exchange.sample is not None:
            self._exchange.sample.take(data)
        try:
            if self._decoder is not None:
                data = self._decoder.feed(data)
            self._take(data)
            if self._watch is not None and self._watch.is_over(data):
                self._reply.abort()
                raise answer_cut()
        except GatewayError as error:
            self._fail(error.bare())

    def on_end(self) -> None:
        """The reply came whole."""
        if self.is_over:
            return
        try:
            self._end_of_reply()
        except GatewayError as error:
            self._fail(error.bare())
        else:
            self._finish(None)

    def on_error(self, error: GatewayError) -> None:
        """The reply broke off."""
        if not self.is_over:
            self._fail(error)

    # --- for the kinds of replies ----------------------------------------------------------------------------------

    def _take(self, data: bytes) -> None:
        """Bytes of the body, unpacked."""
        self._size += len(data)
        if self._reply.status >= 300:
            if self._size <= _MAX_ERROR_BYTES:
                self._pieces.append(data)
            return
        if self._size > _MAX_WHOLE_BYTES:
            raise GatewayError(ErrorKind.PROVIDER_MALFORMED, "The provider's answer is too large to be translated.")
        self._pieces.append(data)

    def _end_of_reply(self) -> None:
        body = b"".join(self._pieces)
        if self._reply.status >= 300:
            headers = dict(self._reply.headers)
            raise classify(self._spoken, self._reply.status, headers, body, now_wall_ns=self._clock.wall_ns())
        self._read_whole(body)

    def _read_whole(self, body: bytes) -> None:
        """A reply that is not streamed."""
        raise NotImplementedError

    def _answer(self, body: bytes) -> None:
        self._begin(JSON_LINE, len(body))
        self._exchange.reply_bytes = len(body)
        self._held = body

    # --- head and end ----------------------------------------------------------------------------------------------

    def _begin(self, own_lines: bytes, length: int | None) -> None:
        exchange = self._exchange
        if exchange.race is not None and not exchange.race.may_begin(exchange):
            raise lost_race()
        self.is_begun = True
        target = exchange.target
        assert target is not None
        exchange.status = 200
        now_ns = self._clock.now_ns()
        exchange.overhead_ns = (exchange.decided_ns - exchange.waited_ns - exchange.downstream.received_ns) + (
            now_ns - (exchange.first_byte_ns or now_ns)
        )
        own = target.reply_lines if not exchange.attempts else target.reply_lines + attempts_line(exchange)
        kept = [pair for pair in self._reply.headers if pair[0] not in OF_THE_BODY]
        theirs = returned_lines(kept)
        if exchange.account.draws:
            own += limit_lines(exchange, theirs)
        lines = b"%b%bx-weighbridge-request-id: %b\r\nx-weighbridge-edits: %b\r\nx-weighbridge-overhead-us: %d\r\n%b" % (
            own_lines,
            theirs,
            exchange.request_id.encode(),
            ",".join(exchange.edits).encode() if exchange.edits else b"none",
            exchange.overhead_ns // NS_PER_US,
            own,
        )
        self._downstream.start(200, lines, length)

    def _fail(self, error: GatewayError) -> None:
        self._held = b""
        self._finish(error)

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

    def break_off(self, error: GatewayError) -> None:  # noqa: ARG002 - for relays whose stream can tell it
        """After a reply that broke off once it had begun: the client can tell by the missing end."""
        self._downstream.abort()
