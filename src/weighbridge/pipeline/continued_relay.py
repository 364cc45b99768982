"""Step 9 for a stream that somebody else goes on with: the caller has its beginning already, and gets the rest as events.

A comment in the stream tells who goes on: clients pass over comments.
https://html.spec.whatwg.org/multipage/server-sent-events.html#event-stream-interpretation
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from weighbridge.core.errors import ErrorKind, GatewayError
from weighbridge.core.ports import Clock, UpstreamReply, UpstreamRequest
from weighbridge.core.terms import WireFormat
from weighbridge.pipeline.exchange import Exchange
from weighbridge.pipeline.held_relay import HeldRelay
from weighbridge.pipeline.output_cap import capped
from weighbridge.pipeline.prepare import prepare
from weighbridge.pipeline.said import Graft, Said
from weighbridge.pipeline.target import Target
from weighbridge.pipeline.translation import caller_format, is_sse_asked, post, read_conversation, reshaped
from weighbridge.wire.aws_unwrap import InvokeUnwrapper
from weighbridge.wire.codecs import EventReader, Framing, TargetContext
from weighbridge.wire.continuation import going_on
from weighbridge.wire.event_meter import EventMeter
from weighbridge.wire.events import Ended, Event, Failed, Finished, FinishReason
from weighbridge.wire.fold import unfold
from weighbridge.wire.provider_errors import classify_failed
from weighbridge.wire.receipt import Receipt
from weighbridge.wire.translate import DIALECT_OF, OUTBOUND

EDIT = "continued"
"""In a Record's edits: the head, which names the others, had gone out before."""


def format_for(exchange: Exchange, target: Target) -> WireFormat:
    """In which format a target is asked to go on."""
    into = target.translated_into
    return into if isinstance(into, WireFormat) else caller_format(exchange)


def prepare_continuation(exchange: Exchange, target: Target, turn: int, said: str) -> UpstreamRequest:
    """The request to go on with `said`. It is written anew in any case. Raises `GatewayError` INVALID_REQUEST."""
    conversation = msgspec.structs.replace(
        capped(exchange, going_on(read_conversation(exchange), said)),
        stream=True,
        include_usage=True,
        store=None,
        previous_response_id=None,
    )
    into = format_for(exchange, target)
    body = OUTBOUND[into].write_request(conversation, TargetContext(target.deployment.model, target.provider.quirks), Receipt())
    if target.call is not None:
        call = target.call
        is_whole = call.model_in_body and call.stream_in_body and not call.body_fields
        return post(exchange, target, turn, body if is_whole else reshaped(body, call, target))
    edits = exchange.edits
    request = prepare(exchange, target, turn)
    exchange.edits = edits
    return UpstreamRequest(request.method, request.origin, request.head, [body], len(body), request.deadlines)


class ContinuedRelay(HeldRelay):
    """The rest of an answer, from another provider."""

    def __init__(self, exchange: Exchange, reply: UpstreamReply, clock: Clock, said: Said) -> None:
        target = exchange.target
        assert target is not None
        into = format_for(exchange, target)
        super().__init__(exchange, reply, clock, DIALECT_OF[into])
        self.is_begun = True
        self._into = into
        self._said = said
        self._graft = Graft(said)
        self._meter = exchange.meter = EventMeter()
        is_streamed = reply.status < 300 and not reply.content_type.lower().startswith(b"application/json")
        is_framed = target.call is not None and target.call.framing is Framing.AWS
        self._unwrapper = InvokeUnwrapper() if is_framed and is_streamed else None
        self._reader: EventReader | None = OUTBOUND[into].event_reader() if is_streamed else None
        self._has_told = False

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

    def _read_whole(self, body: bytes) -> None:
        self._pass_on(list(unfold(OUTBOUND[self._into].read_reply(body))))

    def _pass_on(self, events: Sequence[Event]) -> None:
        self._meter.take(events)
        for event in events:
            if isinstance(event, Failed):
                raise classify_failed(event, self._spoken)
            if isinstance(event, Finished) and event.reason is FinishReason.ERROR:
                raise GatewayError(ErrorKind.PROVIDER_INTERNAL, "The provider gave up on its answer.")
        grafted = self._graft.take(events)
        if not grafted:
            return
        data = self._mark() + self._said.writer.write(grafted)
        self._said.take(grafted)
        self._exchange.reply_bytes += len(data)
        if self._held or isinstance(grafted[-1], Ended):
            self._held += data
        elif data:
            self._downstream.write(data)

    def _mark(self) -> bytes:
        """A comment that says who goes on, before the first event of the other answer."""
        exchange = self._exchange
        target = exchange.target
        if self._has_told or target is None or not is_sse_asked(exchange):
            return b""
        self._has_told = True
        exchange.edits = [*exchange.edits, EDIT]
        return b": continued by %b/%b\n\n" % (target.provider.name.encode(), target.model_quoted)

    def break_off(self, error: GatewayError) -> None:
        """Nobody went on to the end: one error event of the caller's dialect, and never a proper end."""
        self._downstream.write(self._said.writer.fail(error))
        self._downstream.abort()
