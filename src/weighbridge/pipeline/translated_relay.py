"""Step 9 where caller and provider speak different dialects: the provider's bytes become events, and these the caller's bytes.

The head goes out with the first event that proves the reply good, so that an error which comes first, also inside of a 200, still
becomes an error response with the right status. A reply that broke off never looks finished.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from weighbridge.core.errors import ErrorKind, GatewayError
from weighbridge.core.ports import Clock, UpstreamReply
from weighbridge.core.terms import Dialect, WireFormat
from weighbridge.pipeline.exchange import Exchange
from weighbridge.pipeline.held_relay import JSON_LINE, HeldRelay
from weighbridge.pipeline.translation import caller_format, is_sse_asked, reply_context
from weighbridge.wire.aws_unwrap import InvokeUnwrapper
from weighbridge.wire.codecs import EventReader, EventWriter, Framing
from weighbridge.wire.event_meter import EventMeter
from weighbridge.wire.events import (
    Ended,
    Event,
    Failed,
    Finished,
    FinishReason,
    KeepAlive,
    PartKind,
    PartStarted,
    Started,
    UsageReported,
)
from weighbridge.wire.fold import Folder, unfold
from weighbridge.wire.gemini_generate import array_event_writer
from weighbridge.wire.provider_errors import classify_failed
from weighbridge.wire.translate import DIALECT_OF, INBOUND, OUTBOUND

_SSE_LINES: Final = b"content-type: text/event-stream; charset=utf-8\r\ncache-control: no-cache\r\n"
_STREAMED: Final = (
    b"text/event-stream",
    b"application/vnd.amazon.eventstream",
    b"application/x-ndjson",
    b"application/stream+json",
)


class TranslatedRelay(HeldRelay):
    """A reply to a request for an answer."""

    def __init__(self, exchange: Exchange, reply: UpstreamReply, clock: Clock) -> None:
        target = exchange.target
        assert target is not None
        assert isinstance(target.translated_into, WireFormat)
        into = target.translated_into
        super().__init__(exchange, reply, clock, DIALECT_OF[into])
        self._into = into
        self._meter = exchange.meter = EventMeter()
        is_good = reply.status < 300
        is_streamed = is_good and reply.content_type.lower().startswith(_STREAMED)
        is_framed = target.call is not None and target.call.framing is Framing.AWS
        self._unwrapper = InvokeUnwrapper() if is_framed and is_streamed else None
        self._reader: EventReader | None = OUTBOUND[into].event_reader() if is_streamed else None
        self._writer: EventWriter | None = writer_for(exchange) if is_good and exchange.is_stream else None
        self._folder: Folder | None = Folder() if is_streamed and self._writer is None else None
        self._pending: list[Event] = []

    def _take(self, data: bytes) -> None:
        if self._reader is None:
            super()._take(data)
        else:
            self._pass_on(self._reader.feed(data if self._unwrapper is None else self._unwrapper.feed(data)))

    def _end_of_reply(self) -> None:
        if self._reader is None:
            super()._end_of_reply()
            return
        self._pass_on(self._reader.finish())
        if not self._reader.is_ended:
            raise GatewayError(ErrorKind.PROVIDER_BROKE_OFF, "The provider broke off its answer.")
        if self._folder is not None:  # the provider streamed although it was not asked to
            reply = self._folder.reply
            self._answer(INBOUND[caller_format(self._exchange)].write_reply(reply, reply_context(self._exchange)))

    def _read_whole(self, body: bytes) -> None:
        reply = OUTBOUND[self._into].read_reply(body)
        self._meter.take_reply(reply)
        if any(choice.reason is FinishReason.ERROR for choice in reply.choices):
            raise _gave_up()
        if self._writer is not None:  # the provider did not stream although it was asked to
            self._pass_on(list(unfold(reply)))
            return
        self._answer(INBOUND[caller_format(self._exchange)].write_reply(reply, reply_context(self._exchange)))

    def _pass_on(self, events: Sequence[Event]) -> None:
        """Events to the caller; those before a failure too. Raises `GatewayError` for an error inside of the stream."""
        self._meter.take(events)
        for place, event in enumerate(events):
            if isinstance(event, Failed):
                self._write(events[:place])
                raise classify_failed(event, self._spoken)
            if isinstance(event, Finished) and event.reason is FinishReason.ERROR:
                # Every dialect would tell it as a good end.
                self._write(events[:place])
                raise _gave_up()
        self._write(events)

    def _write(self, events: Sequence[Event]) -> None:
        writer = self._writer
        if not events:
            return
        if writer is None:
            if self._folder is not None:
                for event in events:
                    self._folder.take(event)
            return
        if not self.is_begun:
            # Nothing is promised yet: the next event may be an error.
            self._pending += [event for event in events if not isinstance(event, KeepAlive)]
            if not any(map(_is_good, events)):
                return
            events, self._pending = self._pending, []
        data = writer.write(events)
        if self._exchange.said is not None:
            self._exchange.said.take(events)
        if not self.is_begun:
            self._begin(_SSE_LINES if is_sse_asked(self._exchange) else JSON_LINE, None)
        self._exchange.reply_bytes += len(data)
        if self._held or isinstance(events[-1], Ended):
            self._held += data
        elif data:
            self._downstream.write(data)

    @property
    def writer(self) -> EventWriter | None:
        """Who writes the caller's stream; None where it asked for none."""
        return self._writer

    @property
    def last_bytes(self) -> bytes:
        """What waits for the settlement: the whole answer, or the end of a stream."""
        return self._held

    def break_off(self, error: GatewayError) -> None:
        """After a reply that broke off: a stream ends with an error event of the caller's dialect, and never with a proper end."""
        if self._writer is not None:
            self._downstream.write(self._writer.fail(error))
        self._downstream.abort()


def _is_good(event: Event) -> bool:
    """Whether an event proves that the provider has begun to answer: a token, or the end. What comes before promises nothing."""
    if isinstance(event, PartStarted):
        return event.kind not in (PartKind.TEXT, PartKind.REASONING)
    return not isinstance(event, (Started, KeepAlive, UsageReported))


def _gave_up() -> GatewayError:
    return GatewayError(ErrorKind.PROVIDER_INTERNAL, "The provider gave up on its answer.")


def writer_for(exchange: Exchange) -> EventWriter:
    """Who writes events as the stream that the caller asked for."""
    context = reply_context(exchange)
    if exchange.dialect is Dialect.GEMINI and not is_sse_asked(exchange):
        return array_event_writer(context)
    return INBOUND[caller_format(exchange)].event_writer(context)
