"""Step 10: the account of an exchange. Exactly one, whatever happened."""

from __future__ import annotations

from weighbridge.core.ports import Clock, Sink
from weighbridge.core.terms import Record
from weighbridge.pipeline.attempt import answered
from weighbridge.pipeline.exchange import Exchange


def settle(exchange: Exchange, clock: Clock, sink: Sink) -> None:
    """Close the books on an exchange and hand its Record to the sink. A second call does nothing."""
    if exchange.is_settled:
        return
    exchange.is_settled = True
    if not exchange.attempts and exchange.reply is None and sink.is_full:
        # A refusal for want of room costs nothing, and its Record would take the room that is wanting.
        return
    end_ns = clock.now_ns()
    error = exchange.error
    meter = exchange.meter
    if meter is not None:
        meter.finish()
        exchange.usage = meter.usage
        exchange.finish_reason = meter.finish_reason
    target = exchange.target
    kind = error.kind.value if error is not None else meter.stream_error if meter is not None else None
    if exchange.reply is not None and target is not None:
        exchange.attempts.append(answered(exchange, target, end_ns, kind))
    sink.offer(_record(exchange, end_ns, kind))


def _record(exchange: Exchange, end_ns: int, error_kind: str | None) -> Record:
    downstream = exchange.downstream
    target = exchange.target
    start_ns = downstream.received_ns
    return Record(
        request_id=exchange.request_id,
        start_wall_ns=exchange.start_wall_ns,
        key_id=exchange.key_id,
        dialect=exchange.endpoint.dialect,
        operation=exchange.endpoint.operation,
        method=downstream.method.decode("latin-1"),
        path=exchange.path.decode("latin-1"),
        requested_model=exchange.requested_model,
        provider=target.deployment.provider if target is not None else "",
        model=target.deployment.model if target is not None else "",
        status=exchange.status,
        error=error_kind,
        detail=exchange.error.detail if exchange.error is not None else "",
        is_stream=exchange.is_stream,
        finish_reason=exchange.finish_reason,
        usage=exchange.usage,
        edits=tuple(exchange.edits),
        request_bytes=exchange.request_bytes,
        reply_bytes=exchange.reply_bytes,
        attempts=tuple(exchange.attempts),
        duration_ns=end_ns - start_ns,
        first_byte_ns=exchange.first_byte_ns - start_ns if exchange.first_byte_ns else -1,
        overhead_ns=exchange.overhead_ns,
        config_version=exchange.snapshot.version,
    )
