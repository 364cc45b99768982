"""Who has not said what an attempt used: its text, for a tokenizer to count, where the control plane has one.

A sample of the reply's bytes is kept while it comes, and goes with the exchange. It is sent with the request's body to the control
plane of this host, which answers two numbers and keeps nothing: no text reaches a Record, a journal or a log.
"""

from __future__ import annotations

from typing import Final

from weighbridge.core.ports import TextSeen, TokenCounter, TokensSeen
from weighbridge.core.tasks import Signal
from weighbridge.core.terms import Provenance
from weighbridge.pipeline.background import goes_on
from weighbridge.pipeline.bounds import WRITES_TEXT, shows_all_it_asks
from weighbridge.pipeline.exchange import Exchange
from weighbridge.pipeline.sample import Sample

_MAX_ASKED: Final = 4 * 1024 * 1024
"""A larger request is not sent to be counted: a tenth of a second of a processor's time."""
_UNKNOWN: Final = Provenance.UNKNOWN


def sample_for(exchange: Exchange) -> Sample | None:
    """What will keep a sample of the reply that comes now; None where nothing of it could be counted."""
    reply = exchange.reply
    if reply is None or reply.status >= 300 or reply.content_encoding or exchange.endpoint.operation not in WRITES_TEXT:
        return None
    return Sample()


def may_need_count(exchange: Exchange) -> bool:
    """Whether it may be that the provider has not said what its answer took. Nothing more is metered then."""
    meter = exchange.meter
    if meter is None or exchange.sample is None or exchange.holding is None:
        return False
    meter.finish()
    if goes_on(exchange):
        return False
    return exchange.error is not None or meter.usage.provenance is _UNKNOWN


async def count_tokens(exchange: Exchange, counter: TokenCounter) -> None:
    """Have the text counted that was seen of an attempt whose usage was not told, for `exchange.counted`, if it is done in time."""
    seen = _text_seen(exchange)
    if seen is None:
        return
    answered = Signal()

    def take(tokens: TokensSeen | None) -> None:
        exchange.counted = tokens
        answered.set()

    counter.count(seen, take)
    await answered


def _text_seen(exchange: Exchange) -> TextSeen | None:
    meter, sample, target = exchange.meter, exchange.sample, exchange.target
    if meter is None or sample is None or target is None:
        return None
    told = meter.usage
    is_whole = exchange.error is None or meter.finish_reason is not None
    if (told.provenance is not _UNKNOWN and is_whole) or not sample.n_bytes:
        return None
    body = exchange.body
    lacks_input = told.provenance is _UNKNOWN or not told.total_input
    is_countable = lacks_input and body is not None and len(body) <= _MAX_ASKED and shows_all_it_asks(exchange)
    asked = body if is_countable and body is not None else b""
    # A reply that is forwarded is told of no further once enough is kept; what came of it went to the client.
    n_written = sample.n_bytes if target.translated_into is not None else max(sample.n_bytes, exchange.reply_bytes)
    return TextSeen(target.deployment.model, asked, sample.kept(), n_written)
