"""Responses that go on in the background, and batches: nobody is told what they took until somebody asks for them.

Such a response is answered as `queued`, or its stream is left, and the provider goes on and bills it. So its attempt counts for its
bound, and what is needed to put that right is kept under the response's id. Whoever first fetches the response when it is done is
charged what it took, in the name of whoever asked for it, and the bound is given back. One that nobody fetches stays at its bound.
https://platform.openai.com/docs/guides/background

Of a batch it is the same: OpenAI tells its usage with its state, Anthropic in the lines of its results. What it may take
is in the requests that it is made of (`inline_batch.py`, `file_batch.py`); where these were not seen, hard budgets refuse it, and
others have only its own size until then.
https://platform.openai.com/docs/api-reference/batch/object, https://docs.anthropic.com/en/api/retrieving-message-batch-results
"""

from __future__ import annotations

from typing import Final

import msgspec

from weighbridge.core.allowances import Unit
from weighbridge.core.codec import encode_json
from weighbridge.core.ports import ResponseKeeper
from weighbridge.core.tasks import on_a_task
from weighbridge.core.terms import NO_USAGE, Operation, Provenance, Record, Resolves, Usage
from weighbridge.ledger.tariffs import Customer
from weighbridge.ledger.terms import Charge, Pending
from weighbridge.limits.accounts import PLACES
from weighbridge.limits.counters import parse_counter
from weighbridge.pipeline.account import Holding
from weighbridge.pipeline.exchange import Exchange
from weighbridge.wire.meter import Meter

FETCHES: Final = frozenset((Operation.RESPONSES_STORED, Operation.BATCHES_STORED, Operation.MESSAGE_BATCHES_STORED))
"""Operations that ask for what was made before."""
_FAILED: Final = "failed"
_decode: Final = msgspec.json.Decoder(Pending).decode


def goes_on(exchange: Exchange) -> bool:
    """Whether the provider works on although it has answered, and has not said yet what that takes."""
    meter = exchange.meter
    return meter is not None and meter.is_background and meter.finish_reason is None and exchange.endpoint.operation not in FETCHES


def note_pending(exchange: Exchange, holding: Holding) -> None:
    """Remember what an attempt that goes on is counted at. To be called while it is not among the exchange's attempts yet."""
    target, meter, account, key = exchange.target, exchange.meter, exchange.account, exchange.key
    if target is None or meter is None or meter.response_id is None or key is None:
        return
    exchange.pending = Pending(
        _name(target.deployment.provider, meter.response_id),
        exchange.request_id,
        len(exchange.attempts),
        target.deployment.provider,
        target.deployment.model,
        exchange.start_wall_ns,
        0 if target.own is not None else holding.nanousd,
        exchange.requested_model,
        exchange.route_name,
        key.id,
        key.team,
        key.user,
        key.organisation,
        account.end_user,
        account.session,
        account.tags,
        tuple([Charge(hold.slot.name, amount) for hold, amount in zip(holding.holds, holding.spent(), strict=True)]),
    )


def keep_pending(exchange: Exchange, keeper: ResponseKeeper) -> None:
    """Have it kept, once it is in the books."""
    pending = exchange.pending
    if pending is not None:
        keeper.keep(exchange.key_id, pending.name, encode_json(pending))


def may_settle(exchange: Exchange) -> bool:
    """Whether what was fetched says what was taken in the background. Nothing more is metered then."""
    meter = exchange.meter
    if meter is None or exchange.error is not None:
        return False
    meter.finish()
    return meter.is_background and bool(_id(exchange, meter)) and _taken(meter) is not NO_USAGE


async def claim(exchange: Exchange, keeper: ResponseKeeper) -> None:
    """Take the charge on, if nobody has yet."""
    meter, target = exchange.meter, exchange.target
    if meter is None or target is None:
        return
    await on_a_task()
    content = await keeper.claim(_name(target.deployment.provider, _id(exchange, meter)))
    if content is None:
        return
    claimed = _decode(content)
    if not claimed.model:  # of a batch its requests say it
        claimed = msgspec.structs.replace(claimed, model=meter.served_model or "")
    exchange.claimed = claimed
    exchange.usage = _taken(meter)
    exchange.finish_reason = meter.finish_reason
    _ask_as(exchange, claimed)


def _ask_as(exchange: Exchange, claimed: Pending) -> None:
    """It is booked in the name of whoever asked for it."""
    exchange.requested_model, exchange.route_name = claimed.requested_model, claimed.route
    account, key = exchange.account, exchange.key
    account.end_user, account.session, account.tags = claimed.end_user, claimed.session, claimed.tags
    if key is not None and key.id != claimed.key_id:
        owner = {"team": claimed.team, "user": claimed.user, "organisation": claimed.organisation}
        exchange.key = msgspec.structs.replace(key, id=claimed.key_id, **owner)


def exchanged(exchange: Exchange, claimed: Pending, record: Record) -> list[Charge]:
    """What budgets count more, or less, for what it took than for its bound. Where nobody knows what that costs, they count the
    bound of it still."""
    cost, units = record.cost_nanousd, [parse_counter(each.counter).unit for each in claimed.charges]
    charge = _charge(exchange, claimed, record) if Unit.CREDITS in units else 0
    came_to = (cost, record.usage.total_input + record.usage.total_output, charge)
    counted = [(each, came_to[PLACES[unit]]) for each, unit in zip(claimed.charges, units, strict=True)]
    return [Charge(each.counter, amount - each.amount) for each, amount in counted if amount is not None]


def _charge(exchange: Exchange, claimed: Pending, record: Record) -> int:
    """What a customer who has paid in advance is charged: whoever asked for it."""
    customer = Customer(claimed.key_id, claimed.team, claimed.user, claimed.organisation, claimed.route, claimed.tags)
    tariff, target = exchange.snapshot.tariffs.of_customer(customer), exchange.target
    is_own = target is not None and target.own is not None
    return exchange.account.charge(record.cost_nanousd, record.usage, tariff, is_own=is_own)


def resolves(claimed: Pending, cost: int | None) -> Resolves | None:
    """The bound that is taken back; None where the cost is not known yet, and where the customer's own provider bills, of which the
    books ask nothing."""
    if cost is None or not claimed.nanousd:
        return None
    return Resolves(claimed.request_id, claimed.attempt, claimed.provider, claimed.nanousd, claimed.wall_ns)


def _id(exchange: Exchange, meter: Meter) -> str:
    """Whose usage it is: Anthropic's results do not say it, so it is the path's."""
    if exchange.endpoint.operation is Operation.MESSAGE_BATCHES_STORED and exchange.match is not None:
        return exchange.match.path.removeprefix("/messages/batches/").partition("/")[0]
    return meter.response_id or ""


def _taken(meter: Meter) -> Usage:
    """What it took; nothing if it failed, as any error of a provider."""
    if meter.finish_reason == _FAILED and meter.usage is NO_USAGE:
        return Usage(provenance=Provenance.DERIVED)
    return meter.usage if meter.finish_reason is not None else NO_USAGE


def _name(provider: str, response_id: str) -> str:
    """What no caller can ask for: the separator is in no path."""
    return f"pending\x1f{provider}\x1f{response_id}"
