"""Step 10: the account of an exchange. Exactly one, whatever happened."""

from __future__ import annotations

from typing import Final

from weighbridge.core.ports import Clock, Sink
from weighbridge.core.rates import PriceState
from weighbridge.core.tasks import Signal
from weighbridge.core.terms import Attempt, Record
from weighbridge.pipeline.attempt import note_attempt
from weighbridge.pipeline.background import resolves
from weighbridge.pipeline.bookkeeper import Bookkeeper
from weighbridge.pipeline.exchange import Exchange

_KNOWN: Final = PriceState.KNOWN
_ESTIMATED: Final = PriceState.ESTIMATED
_UNKNOWN: Final = PriceState.UNKNOWN


def settle(exchange: Exchange, clock: Clock, books: Bookkeeper, sink: Sink) -> Signal | None:
    """Close the books on an exchange, and hand its Record to the journal and the sink. A second call does nothing.

    A signal: the Record is not as safe yet as the configuration demands, and the reply's last byte has to wait for it.
    """
    if exchange.is_settled:
        return None
    exchange.is_settled = True
    account = exchange.account
    if sink.is_full and not exchange.decided_ns and not exchange.attempts and not account.has_taken:
        # A refusal for want of room costs nothing, and its Record would take the room that is wanting.
        return None
    end_ns = clock.now_ns()
    error = exchange.error or exchange.verdict
    kind = note_attempt(exchange, error.kind.value if error is not None else None, end_ns)
    record = _record(exchange, end_ns, kind)
    # Who shows no key of ours can't fill the disk: such refusals are in the access log only.
    signal = books.settle(exchange, record) if exchange.key is not None or exchange.attempts else None
    sink.offer(record)
    return signal


def _record(exchange: Exchange, end_ns: int, error_kind: str | None) -> Record:
    downstream = exchange.downstream
    target = exchange.target
    start_ns = downstream.received_ns
    endpoint = exchange.endpoint
    key = exchange.key
    account = exchange.account
    memo, claimed = exchange.head_memo, exchange.claimed
    # By position: msgspec looks each keyword up among the names, 1.2 µs for a Record.
    return Record(
        exchange.request_id,
        exchange.start_wall_ns,
        key.id if key is not None else "",
        endpoint.dialect,
        endpoint.operation,
        memo.method_text if memo is not None else downstream.method.decode("latin-1"),
        memo.path_text if memo is not None else exchange.path.decode("latin-1"),
        exchange.requested_model,
        target.deployment.provider if target is not None else "",
        (target.deployment.model if claimed is None else claimed.model) if target is not None else "",
        exchange.status,
        error_kind,
        exchange.error.detail if exchange.error is not None else "",
        exchange.is_stream,
        exchange.finish_reason,
        exchange.usage,
        tuple(exchange.edits),
        exchange.request_bytes,
        exchange.reply_bytes,
        tuple(exchange.attempts),
        end_ns - start_ns,
        exchange.first_byte_ns - start_ns if exchange.first_byte_ns else -1,
        exchange.overhead_ns,
        exchange.snapshot.version,
        account.end_user,
        *_cost_of(exchange.attempts),
        exchange.route_name,
        key.team if key is not None else "",
        key.user if key is not None else "",
        key.organisation if key is not None else "",
        account.session,
        account.tags,
        account.trace,
        None if claimed is None else resolves(claimed, exchange.attempts[-1].cost_nanousd),
    )


def _cost_of(attempts: list[Attempt]) -> tuple[int | None, PriceState]:
    """All attempts together: the least sure of them says how sure the sum is."""
    if len(attempts) == 1:
        return attempts[0].cost_nanousd, attempts[0].price_state
    if not attempts:
        return 0, _KNOWN
    costs = [attempt.cost_nanousd for attempt in attempts]
    known = [cost for cost in costs if cost is not None]
    if len(known) < len(costs):
        return (sum(known) if known else None), _UNKNOWN
    return sum(known), _ESTIMATED if any(a.price_state is _ESTIMATED for a in attempts) else _KNOWN
