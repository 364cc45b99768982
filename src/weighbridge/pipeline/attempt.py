"""Step 8: one attempt at one target, from the prepared request to the head of the reply.

An attempt that ended, however it ended, is noted with what is known of its usage: every one that a provider may bill has
to be in the books.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Final

import msgspec

from weighbridge.core.clock import NS_PER_MS
from weighbridge.core.errors import ErrorKind
from weighbridge.core.money import Nanousd
from weighbridge.core.ports import Authorizer, TokensSeen, Upstream, UpstreamReply, UpstreamRequest
from weighbridge.core.rates import PriceState
from weighbridge.core.tasks import on_a_task
from weighbridge.core.terms import Attempt, Provenance, Usage, WireFormat
from weighbridge.ledger.apart import Circumstances, price_with_parts, saved_with_parts
from weighbridge.ledger.pricing import NO_PIECES, UNKNOWN, Pieces, Price, Pricer
from weighbridge.ledger.terms import Pending
from weighbridge.pipeline.account import Holding
from weighbridge.pipeline.background import FETCHES, goes_on, note_pending
from weighbridge.pipeline.document_translation import prepare_document
from weighbridge.pipeline.exchange import Exchange
from weighbridge.pipeline.pieces import likely_pieces
from weighbridge.pipeline.prepare import prepare
from weighbridge.pipeline.slices import Slices
from weighbridge.pipeline.target import Target
from weighbridge.pipeline.translation import prepare_translated
from weighbridge.wire.usage import as_derived

FindAuthorizer = Callable[[str], Authorizer | None]
"""By the name of a provider, who signs its requests."""


_NOTHING: Final = Price(Nanousd(0), PriceState.KNOWN)
_NEVER_SENT: Final = frozenset((ErrorKind.PROVIDER_UNREACHABLE.value,))


def prepare_for(exchange: Exchange, target: Target, turn: int) -> UpstreamRequest:
    """The request to send to a target with one of its credentials. Raises `GatewayError` where the target cannot be asked it."""
    if target.translated_into is None:
        return prepare(exchange, target, turn)
    prepare_anew = prepare_translated if isinstance(target.translated_into, WireFormat) else prepare_document
    return prepare_anew(exchange, target, turn)


async def send_signed(
    request: UpstreamRequest, target: Target, upstream: Upstream, find_authorizer: FindAuthorizer
) -> UpstreamReply:
    """Sign the request, send it and wait for the reply's head. Raises `GatewayError` of kind PROVIDER_*."""
    authorizer = find_authorizer(target.deployment.provider)
    if authorizer is None:
        return await upstream.send(request)
    await _sign(request, target, authorizer)
    reply = await upstream.send(request)
    if reply.status in (401, 403):
        authorizer.invalidate()
    return reply


async def _sign(request: UpstreamRequest, target: Target, authorizer: Authorizer) -> None:
    """Add what proves who we are; what expires was fetched beforehand, but for the first time."""
    if not authorizer.ready():
        await on_a_task()
        await authorizer.refresh()
    start = len(request.method) + 1
    path_and_query = request.head[start : request.head.index(b" HTTP/1.1\r\n")]
    pieces = request.body if isinstance(request.body, list) else []
    request.head += authorizer.header_lines(request.method, target.host, path_and_query, pieces)


def note_attempt(exchange: Exchange, error: str | None, end_ns: int) -> str | None:
    """Put the attempt that is over into the account, if one was made: with what its meter has counted, failed or not.

    The error's word: the one that is given, else the one that the meter has seen in the reply, if any.
    """
    target, reply = exchange.target, exchange.reply
    meter = exchange.meter
    if meter is not None:
        meter.finish()
        if exchange.endpoint.operation not in FETCHES:  # what is fetched was charged when it was made, or is claimed
            exchange.usage = meter.usage
            exchange.finish_reason = meter.finish_reason
            error = error or meter.stream_error
    holding = exchange.holding
    if target is None or not exchange.decided_ns:
        if holding is not None:  # announced, and never sent
            exchange.holding = holding.watch = holding.slices = None
            if holding.counts:
                exchange.account.over.append(holding)
        return error
    start = exchange.downstream.received_ns
    if reply is not None and reply.status == _SWITCHED and is_by_time(target) and exchange.usage.provenance is _UNKNOWN_USAGE:
        exchange.usage = Usage(provenance=Provenance.ESTIMATED, audio_ms=(end_ns - reply.first_byte_ns) // NS_PER_MS)
    claimed = exchange.claimed
    cost, reserved = _NOTHING, 0  # what nothing is held for is free: files, lists, what is fetched
    if claimed is not None:
        cost = _cost_of_claimed(exchange, target, claimed)
    elif holding is not None:
        cost, reserved = weigh(exchange, target, holding, _cost(exchange, target, error), error)
        exchange.holding = holding.watch = holding.slices = None  # the latter hold the exchange
    exchange.attempts.append(
        Attempt(  # by position: see settle.py
            target.deployment.provider,
            target.deployment.model if claimed is None else claimed.model,
            credential_name(target, exchange.credential_turn),
            reply.status if reply is not None else 0,
            error,
            exchange.usage,
            (reply.sent_ns if reply is not None else exchange.decided_ns) - start,
            reply.first_byte_ns - start if reply is not None else -1,
            end_ns - start,
            cost.amount,
            cost.state,
            reserved,
            (exchange.meter.service_tier or "") if exchange.meter is not None else "",
            _cache_saved(exchange, target),
            exchange.meter.apart if exchange.meter is not None else (),
            exchange.meter.region if exchange.meter is not None else "",
        )
    )
    return error


def _cost(exchange: Exchange, target: Target, error: str | None) -> Price:
    """What the provider charges for an attempt: nothing for a refusal, and for what never reached it."""
    reply = exchange.reply
    if reply is None:
        return _NOTHING if error in _NEVER_SENT else UNKNOWN
    if reply.status >= 400:
        return _NOTHING
    if target.pricer is None:
        told = exchange.usage.told_nanousd
        return UNKNOWN if told is None else Price(Nanousd(told), PriceState.KNOWN)
    meter = exchange.meter
    if meter is None:
        return target.pricer.price(exchange.usage, at_wall_ns=exchange.start_wall_ns, region=region_of(target))
    tier, region = meter.service_tier, meter.region or region_of(target)
    if meter.apart:
        where = Circumstances(tier, exchange.start_wall_ns, region)
        return price_with_parts(exchange.usage, meter.apart, target.pricer, _pricers_beside(exchange, target), where)
    return target.pricer.price(exchange.usage, tier=tier, at_wall_ns=exchange.start_wall_ns, region=region)


def is_by_time(target: Target) -> bool:
    """Whether its model is charged by the time of audio alone. A realtime session with one tells nothing of that: it takes as long
    as the session lasts."""
    pricer = target.pricer
    return pricer is not None and pricer.counts_pieces and not pricer.has_tokens


def _cost_of_claimed(exchange: Exchange, target: Target, claimed: Pending) -> Price:
    """What a response took that went on in the background, by the prices of when it was asked for."""
    meter = exchange.meter
    pricer = exchange.snapshot.pricer_of(claimed.provider, claimed.model)
    if pricer is None or meter is None:
        return UNKNOWN
    where = Circumstances(meter.service_tier, claimed.wall_ns, meter.region or region_of(target))
    return price_with_parts(exchange.usage, meter.apart, pricer, _pricers_beside(exchange, target), where)


def _pricers_beside(exchange: Exchange, target: Target) -> Callable[[str], Pricer | None]:
    """The prices of the provider's other models."""
    return partial(exchange.snapshot.pricer_of, target.deployment.provider)


def _cache_saved(exchange: Exchange, target: Target) -> int:
    """What the provider's prompt cache has saved of the attempt's cost."""
    usage, meter = exchange.usage, exchange.meter
    if target.pricer is None or not (usage.cache_read or usage.cache_write_5m or usage.cache_write_1h):
        return 0
    if meter is None:
        return target.pricer.cache_saved(usage, at_wall_ns=exchange.start_wall_ns, region=region_of(target))
    tier, region = meter.service_tier, meter.region or region_of(target)
    if meter.apart:
        where = Circumstances(tier, exchange.start_wall_ns, region)
        return saved_with_parts(usage, meter.apart, target.pricer, _pricers_beside(exchange, target), where)
    return target.pricer.cache_saved(usage, tier=tier, at_wall_ns=exchange.start_wall_ns, region=region)


def region_of(target: Target) -> str:
    """Where it serves, as prices know it."""
    return target.provider.variables.get("region", "") if target.provider.variables else ""


def weigh(exchange: Exchange, target: Target, holding: Holding, cost: Price, error: str | None) -> tuple[Price, int]:
    """What an attempt came to, for the budgets and limits that count it. Its cost, and what it is booked at where nobody knows
    that.

    A reply that was not told to its end is estimated from what came of it: each token of it is a byte at least, and a provider is
    not far ahead of what it has sent. That is what budgets count, so that they hold; the account has what a tokenizer says, if it
    says something. Of one that never began nothing is known, so all that was held stays counted.
    """
    if holding.counts:
        exchange.account.over.append(holding)
    reply = exchange.reply
    reserved = holding.nanousd
    if holding.slices is not None and reply is not None and reply.status == _SWITCHED:
        return _weigh_session(exchange, target, holding, holding.slices)
    if cost.amount == 0 and (reply is None or reply.status >= 400):
        return cost, reserved
    usage = exchange.usage
    if not _is_told(exchange, error):
        if goes_on(exchange):
            holding.came_to_all()
            holding.spent_charge = holding.held_of_credits()
            note_pending(exchange, holding)
            return UNKNOWN, reserved
        if reply is None or not exchange.reply_bytes:
            holding.came_to_all()
            return UNKNOWN, reserved
        seen = exchange.reply_bytes if error is None else exchange.reply_bytes + _AHEAD_TOKENS
        told, usage = usage, _estimated(exchange, target, usage, holding, seen)
        exchange.usage = usage
        cost = _cost(exchange, target, error)
        if exchange.counted is not None:
            exchange.usage = _counted(told, usage, exchange.counted, _n_seen(holding))
    if cost.amount is None:
        reserved = _at_ceiling(exchange, target, usage, holding)
    holding.came_to(reserved if cost.amount is None else cost.amount, usage)
    if exchange.usage is not usage:
        cost = _cost(exchange, target, error)
    tariff = exchange.account.accounts.tariff
    if tariff is not None:
        holding.spent_charge = exchange.account.charge(cost.amount, exchange.usage, tariff, is_own=target.own is not None)
    return cost, reserved


def _weigh_session(exchange: Exchange, target: Target, holding: Holding, slices: Slices) -> tuple[Price, int]:
    """The same of a realtime session that was held in slices: each response has told what it took, but for those under way, which
    count for their slices in budgets."""
    usage = exchange.usage
    if not slices.n_open and usage.provenance is _UNKNOWN_USAGE:  # nothing was answered
        usage = exchange.usage = Usage(provenance=Provenance.DERIVED)
    elif slices.n_open:  # a floor, of which customers pay what was told
        usage = exchange.usage = as_derived(usage)
    cost = _cost(exchange, target, None)
    holding.spent_nanousd, (holding.spent_input, holding.spent_output, *_pieces) = slices.bound(slices.n_open, usage)
    tariff = exchange.account.accounts.tariff
    if tariff is not None:
        holding.spent_charge = exchange.account.charge(cost.amount, usage, tariff, is_own=target.own is not None)
    return cost, holding.spent_nanousd


def _is_told(exchange: Exchange, error: str | None) -> bool:
    """Whether the provider has said what all of its answer took."""
    if exchange.usage.provenance is _UNKNOWN_USAGE:
        return False
    # A realtime session tells as it goes.
    return error is None or exchange.finish_reason is not None or exchange.status == 101


def _estimated(exchange: Exchange, target: Target, told: Usage, holding: Holding, most_output: int) -> Usage:
    if holding.pieces is not NO_PIECES and told.provenance is _UNKNOWN_USAGE:
        pieces = likely_pieces(exchange, holding.pieces)
        if target.pricer is not None and not target.pricer.has_tokens:
            by = Provenance.COUNTED if pieces.characters else Provenance.ESTIMATED
            return _of_pieces(pieces, by)
        told = _of_pieces(pieces, _UNKNOWN_USAGE)
    output = max(told.output, min(holding.output_tokens, most_output), _n_seen(holding))
    if told.provenance is _UNKNOWN_USAGE or not told.total_input:
        return msgspec.structs.replace(told, input=holding.input_tokens, output=output, provenance=Provenance.ESTIMATED)
    return msgspec.structs.replace(told, output=output, provenance=Provenance.ESTIMATED)


def _of_pieces(pieces: Pieces, provenance: Provenance) -> Usage:
    return Usage(
        provenance=provenance,
        audio_ms=pieces.audio_ms,
        characters=pieces.characters,
        search_units=pieces.search_units,
    )


def _n_seen(holding: Holding) -> int:
    """Tokens that have surely come out."""
    return holding.watch.n_seen if holding.watch is not None else 0


def _counted(told: Usage, bounded: Usage, tokens: TokensSeen, least_output: int) -> Usage:
    """What a tokenizer says of a usage that was told in part, as far as it says something; never more than the bounds."""
    into = told.input if told.provenance is not _UNKNOWN_USAGE and told.total_input else tokens.input
    is_counted = tokens.output is not None and into is not None
    return msgspec.structs.replace(
        bounded,
        input=bounded.input if into is None else min(bounded.input, into),
        output=bounded.output if tokens.output is None else max(told.output, least_output, min(bounded.output, tokens.output)),
        provenance=Provenance.COUNTED if is_counted else Provenance.ESTIMATED,
    )


def _at_ceiling(exchange: Exchange, target: Target, usage: Usage, holding: Holding) -> int:
    """What a usage is booked at whose price nobody knows."""
    if target.ceiling is None:
        return holding.nanousd
    amount = target.ceiling.price(usage, at_wall_ns=exchange.start_wall_ns, region=region_of(target)).amount
    return holding.nanousd if amount is None else amount


_SWITCHED: Final = 101
"""To the realtime protocol."""
_UNKNOWN_USAGE: Final = Provenance.UNKNOWN
_AHEAD_TOKENS: Final = 2_048
"""How far a provider may be ahead of what has come: ten seconds of the fastest models' output."""


def credential_name(target: Target, turn: int) -> str:
    """What Records show instead of a provider's key."""
    return target.credentials[turn].name if target.credentials else ""
