"""A batch whose requests are in the request that makes it: each of them is looked at as if it had come by itself.

So a key's models and its bound on outputs hold in a batch, a model may have its provider's name before it, and budgets know the
most that the batch may cost. https://platform.claude.com/docs/en/build-with-claude/batch-processing
"""

from __future__ import annotations

import asyncio
from typing import Final

from weighbridge.core.errors import ErrorKind, GatewayError
from weighbridge.core.tasks import on_a_task
from weighbridge.core.terms import Operation
from weighbridge.pipeline.batch_shares import Shares, bound_of, check_outputs
from weighbridge.pipeline.exchange import Batch, Exchange
from weighbridge.pipeline.prepare import splices_of
from weighbridge.pipeline.receive import take_body
from weighbridge.wire.envelope import Envelope, Splice

_A_TURN: Final = 50
"""Requests that are looked at before others have their turn: 30 µs each."""


async def read_batch(exchange: Exchange) -> None:
    """Take in a batch. One that is too large to be held, or does not tell its size, passes unread, and one that shows no requests
    is as unknown: nothing bounds its cost then.

    Raises `GatewayError` for a request that could not be sent by itself, naming it.
    """
    downstream, limit = exchange.downstream, exchange.snapshot.limits.max_body_bytes
    if downstream.content_length is None or downstream.content_length > limit:
        check_outputs(exchange, None)
        return
    await on_a_task()
    envelope = Envelope.read(take_body(exchange, await downstream.read_body(limit)))
    _check_sole(envelope, "requests")
    shares, splices, edits = Shares(exchange), list[Splice](), dict[str, None]()
    for number, item in enumerate(envelope.objects("requests")):
        _check_sole(item, "params")
        params = item.nested("params")
        if params is not None:
            alone, changes = _added(shares, number, params)
            splices += changes
            edits.update(dict.fromkeys(alone.edits))
        if not number % _A_TURN:
            await asyncio.sleep(0)
    if shares.shares:
        exchange.batch = Batch(*bound_of(exchange, shares.shares), splices, list(edits))


def _added(shares: Shares, number: int, params: Envelope) -> tuple[Exchange, list[Splice]]:
    """One more: by itself, and what is to be changed in it. Raises `GatewayError`."""
    try:
        alone = shares.alone(Operation.MESSAGES, params)
        return alone, splices_of(alone, shares.add(alone))
    except GatewayError as error:
        raise _of_request(number, error) from None


def _of_request(number: int, error: GatewayError) -> GatewayError:
    """The same refusal, with the request that it is about."""
    param = f"requests.{number}.params" + (f".{error.param.rpartition('.')[2]}" if error.param else "")
    return GatewayError(
        error.kind, f"Request {number} of the batch: {error.public}", detail=error.detail, param=param, code=error.code
    )


def _check_sole(envelope: Envelope, name: str) -> None:
    """Of two, a provider could read the other."""
    if not envelope.occurs_once(name) and len(envelope.locate(name)) > 1:
        raise GatewayError(ErrorKind.INVALID_REQUEST, f"The field '{name}' is there more than once.", param=name)
