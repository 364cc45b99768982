"""Step 9: the reply's bytes, from the provider to the client, past the meter.

The head goes out with the first bytes of the body, so that a reply which breaks off before them can still become an honest
error. While a reply is being proved (`proof.py`) its bytes are held: what is found wanting can be asked for elsewhere, and what is
not is sent as it came. The last bytes are held until the exchange is settled, so that no client has a whole reply that is not in
the books.
"""

from __future__ import annotations

from asyncio import TimerHandle, get_running_loop

from weighbridge.core.clock import NS_PER_US
from weighbridge.core.errors import GatewayError
from weighbridge.core.ports import Clock, Downstream, UpstreamReply
from weighbridge.core.tasks import Signal
from weighbridge.pipeline.exchange import Exchange, attempts_line, lost_race
from weighbridge.pipeline.limit_lines import limit_lines
from weighbridge.pipeline.proof import Proof
from weighbridge.pipeline.refusals import answer_cut
from weighbridge.pipeline.sample import Sample
from weighbridge.wire.error_bodies import render_stream_error
from weighbridge.wire.meter import meter_for, meter_of_upload
from weighbridge.wire.results_url import ResultsUrlFilter
from weighbridge.wire.stream_usage import UsageChunkFilter


class Relay:
    """The sink of the reply's bytes (`core.ports.ByteSink`)."""

    __slots__ = (
        "_arrived_ns",
        "_clock",
        "_downstream",
        "_exchange",
        "_filter",
        "_held",
        "_hold_timer",
        "_is_cut",
        "_is_plain",
        "_is_whole",
        "_meter",
        "_opening",
        "_over",
        "_proof",
        "_remaining",
        "_reply",
        "_said",
        "_sample",
        "_watch",
        "broken",
        "error",
        "is_begun",
        "is_live",
        "is_over",
    )

    def __init__(self, exchange: Exchange, reply: UpstreamReply, clock: Clock, proof: Proof | None = None) -> None:
        self._exchange = exchange
        self._reply = reply
        self._meter = exchange.meter = (
            meter_for(exchange.endpoint, content_type=reply.content_type, content_encoding=reply.content_encoding)
            if exchange.file_watch is None
            else meter_of_upload(reply.content_encoding)
        )
        self._clock = clock
        self._downstream: Downstream = exchange.downstream
        self._remaining = reply.content_length
        self._held = b""
        self._proof = proof
        self._opening: list[bytes] = []
        """What has come while the reply is being proved."""
        self._arrived_ns = 0
        """When the bytes came that let the head go."""
        self._hold_timer: TimerHandle | None = None
        self._is_whole = False
        """All of the reply has come."""
        self._said = exchange.said if self._remaining is None else None
        self._sample = exchange.sample
        """Who keeps the first bytes, until it has enough of them."""
        self._is_plain = False
        """The head is out, and nothing is withheld, kept or counted down: bytes only pass."""
        self._over: Signal | None = None
        holding = exchange.holding
        self._watch = holding.watch if holding is not None and self._remaining is None else None
        self._is_cut = False
        self.is_live = False
        """Whether bytes come as the provider sends them; before, those that were held are handed over."""
        self.is_begun = False
        """Whether the client has (or is about to have) a status line."""
        self.is_over = False
        self.error: GatewayError | None = None
        """What broke the reply off, or what is wrong with it, once it is over."""
        self.broken: GatewayError | None = None
        """What broke the reply off: nothing more will come."""
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
            if self._sample is not None:
                self._sample.take(whole)
            if self._proof is not None and not self._is_good(self._proof, whole):
                return
            race = self._exchange.race
            if race is not None and not race.may_begin(self._exchange):
                self._finish(lost_race())
                return
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
            if self._watch is not None and self._watch.is_over(data):
                self._cut()
        elif not self._is_cut:
            if self._sample is not None:
                self._keep(self._sample, data)
            self._take(data)
            if self._watch is not None and self._watch.is_over(data) and self.is_begun:
                self._cut()

    def _keep(self, sample: Sample, data: bytes) -> None:
        sample.take(data)
        if sample.is_full:
            self._sample = None
            self._is_plain = self.is_begun and self._remaining is None and self._filter is None and self._said is None

    def _cut(self) -> None:
        """The stream has come to more than its budgets have for it: no more of it is wanted."""
        self._is_plain, self._is_cut = False, True
        self._reply.abort()
        if not self.is_over:
            self._finish(answer_cut())

    def _take(self, data: bytes) -> None:
        exchange = self._exchange
        if not exchange.first_byte_ns:
            exchange.first_byte_ns = self._clock.now_ns()
        self._meter.feed(data)
        if self._proof is not None:
            self._arrived_ns = self._clock.now_ns()
            self._opening.append(data)
            if self.is_over or not self._proves(data):
                return
            data = self._opened()
        self._pass(data)

    def _pass(self, data: bytes) -> None:
        exchange = self._exchange
        if self._filter is not None:
            data = self._filter.feed(data)
            if not data:
                return
        if self._said is not None:
            data = self._said.take_bytes(data)
            if not data:
                return
        if not self.is_begun:
            if exchange.race is not None and not exchange.race.may_begin(exchange):
                return
            self._begin()
            self._is_plain = self._remaining is None and self._filter is None and self._said is None and self._sample is None
        exchange.reply_bytes += len(data)
        if self._remaining is not None:
            self._remaining -= len(data)
            if self._remaining <= 0:
                self._held = data
                return
        self._downstream.write(data)

    def on_end(self) -> None:
        """The reply came whole."""
        if self._is_cut:
            return
        self._is_whole = True
        if self._proof is not None:
            if self.is_over or not self._proves_at_its_end():
                return
            self._pass(self._opened())
        self._end_of_reply()

    def _end_of_reply(self) -> None:
        if self._filter is not None:
            self._held = self._filter.finish()
            self._exchange.reply_bytes += len(self._held)
            if isinstance(self._filter, ResultsUrlFilter) and self._filter.has_edited:
                self._exchange.edits.append(ResultsUrlFilter.edit)
        if self._said is not None:
            self._held += self._said.rest()
        if not self.is_begun:
            race = self._exchange.race
            if race is not None and not race.may_begin(self._exchange):
                self._finish(lost_race())
                return
            if self._filter is not None:
                self._remaining = len(self._held)
            self._begin()
        self._finish(None)

    def on_error(self, error: GatewayError) -> None:
        """The reply broke off."""
        self.broken = error
        if not self.is_over:
            self._finish(error)

    # --- proof --------------------------------------------------------------------------------------------------

    def _is_good(self, proof: Proof, whole: bytes) -> bool:
        """Whether a reply that is all here is good; otherwise it is over, with what is wrong about it."""
        try:
            if not proof.feed(whole):
                proof.finish()
        except GatewayError as error:
            self._opening.append(whole)
            self._is_whole = True
            self._finish(error.bare())
            return False
        self._proof = None
        return True

    def _proves(self, data: bytes) -> bool:
        assert self._proof is not None
        try:
            return self._proof.feed(data)
        except GatewayError as error:
            self._finish(error.bare())
            return False

    def _proves_at_its_end(self) -> bool:
        assert self._proof is not None
        try:
            self._proof.finish()
        except GatewayError as error:
            self._finish(error.bare())
            return False
        return True

    def _opened(self) -> bytes:
        """What was held; from now on everything passes."""
        self._proof = None
        if self._hold_timer is not None:
            self._hold_timer.cancel()
            self._hold_timer = None
        opening, self._opening = self._opening, []
        return b"".join(opening)

    def hold_at_most(self, seconds: float) -> None:
        """Let the reply pass after this long although nothing has proved it good: a caller must not wait for a head forever."""
        if self._proof is not None and not self.is_over:
            self._hold_timer = get_running_loop().call_later(seconds, self._held_long_enough)

    def _held_long_enough(self) -> None:
        self._hold_timer = None
        if self._proof is not None and not self.is_over and self._opening:
            self._pass(self._opened())

    def release(self) -> None:
        """Send a reply that proved wanting after all, as it came: nobody else is to be asked. It may not be over yet."""
        self.error = None
        self.is_over = False
        self._over = None
        opening = self._opened()
        if opening:
            self._pass(opening)
        if self._is_whole:
            self._end_of_reply()

    # --- the head -----------------------------------------------------------------------------------------------

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
        arrived_ns = self._arrived_ns or (exchange.first_byte_ns if self.is_live else reply.first_byte_ns)
        decided_ns = exchange.decided_ns - exchange.waited_ns
        overhead_ns = (decided_ns - exchange.downstream.received_ns) + (self._clock.now_ns() - arrived_ns)
        exchange.overhead_ns = overhead_ns
        own = target.reply_lines if not exchange.attempts else target.reply_lines + attempts_line(exchange)
        lines = reply.header_lines()
        if exchange.account.draws:
            own += limit_lines(exchange, lines)
        return b"%bx-weighbridge-request-id: %b\r\nx-weighbridge-edits: %b\r\nx-weighbridge-overhead-us: %d\r\n%b" % (
            lines,
            exchange.request_id.encode(),
            ",".join(exchange.edits).encode() if exchange.edits else b"none",
            overhead_ns // NS_PER_US,
            own,
        )

    def _finish(self, error: GatewayError | None) -> None:
        if self._hold_timer is not None:
            self._hold_timer.cancel()
            self._hold_timer = None
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
