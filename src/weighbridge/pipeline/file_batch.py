"""A batch whose requests are in a file that was uploaded before: they are looked at as the file passes.

What all of them may take is kept under the file's id, for the key that uploaded it, and stands for the batch that is made of it. A
file passes as it is: one with a request that the gateway would have to change, or not let pass, stands for nothing, as does one
that was uploaded elsewhere. https://platform.openai.com/docs/guides/batch
"""

from __future__ import annotations

from typing import Final

import msgspec

from weighbridge.core.codec import encode_json
from weighbridge.core.errors import ErrorKind, GatewayError
from weighbridge.core.ports import ByteSink, ByteSource, ResponseKeeper
from weighbridge.core.tasks import on_a_task
from weighbridge.core.terms import Dialect
from weighbridge.pipeline.batch_shares import Share, Shares, bound_of, check_outputs, provider_of
from weighbridge.pipeline.exchange import Batch, Exchange
from weighbridge.pipeline.prepare import splices_of
from weighbridge.pipeline.receive import take_body
from weighbridge.wire.batch_lines import BatchLines
from weighbridge.wire.endpoints import match
from weighbridge.wire.envelope import Envelope

_POST: Final = b"POST"
_FILES_PATH: Final = "/files"
_decode_shares: Final = msgspec.json.Decoder(list[Share]).decode


class FileWatch:
    """Looks at a file of batch requests on its way to the provider."""

    __slots__ = ("_lines", "_shares", "_source")

    def __init__(self, exchange: Exchange) -> None:
        self._source: ByteSource | None = None
        self._shares: Shares | None = Shares(exchange)
        self._lines = BatchLines(exchange.header(b"content-type").decode("latin-1"), self._add)

    def over(self, source: ByteSource) -> ByteSource:
        """The upload's body, watched."""
        self._source = source
        return self

    @property
    def shares(self) -> list[Share]:
        """What its requests may take; nothing where that cannot be told."""
        return self._shares.shares if self._shares is not None and self._lines.is_sound else []

    def let_go(self) -> None:
        """It is over: nothing of it points back (docs/decisions/0016)."""
        self._source = self._shares = None
        self._lines.let_go()

    # --- the source that it watches

    def attach(self, sink: ByteSink) -> None:
        """Hand its bytes on, and look at them."""
        assert self._source is not None
        self._source.attach(_Tee(sink, self._lines))

    def pause(self) -> None:
        """As it is told, unless it is over."""
        if self._source is not None:
            self._source.pause()

    def resume(self) -> None:
        """As it is told, unless it is over."""
        if self._source is not None:
            self._source.resume()

    def _add(self, line: bytes) -> None:
        assert self._shares is not None
        try:
            request = Envelope.read(line)
            body = request.nested("body")
            if body is None or len(request.locate("body")) > 1 or len(request.locate("url")) > 1:
                raise _unclear()
            found = match(_POST, (request.string("url") or "").encode(), providers=(), prefers=None)
            alone = self._shares.alone(found.endpoint.operation, body)
            target = self._shares.add(alone)
            if splices_of(alone, target):
                raise _unclear()
        except GatewayError:
            self._lines.is_sound = False


class _Tee:
    """A body's bytes to two, the second of whom only looks."""

    __slots__ = ("_lines", "_sink")

    def __init__(self, sink: ByteSink, lines: BatchLines) -> None:
        self._sink = sink
        self._lines = lines

    def on_data(self, data: bytes) -> None:
        self._lines.feed(data)
        self._sink.on_data(data)

    def on_end(self) -> None:
        self._lines.finish()
        self._sink.on_end()

    def on_error(self, error: GatewayError) -> None:
        self._lines.is_sound = False
        self._sink.on_error(error)


def watch_upload(exchange: Exchange) -> None:
    """Have a file looked at that may hold batch requests. Raises `GatewayError` where nobody takes it."""
    found = exchange.match
    is_upload = found is not None and found.path == _FILES_PATH and exchange.dialect is Dialect.OPENAI
    if is_upload and exchange.downstream.method == _POST and exchange.header(b"content-encoding") in (b"", b"identity"):
        exchange.file_watch = FileWatch(exchange)


def keep_file(exchange: Exchange, keeper: ResponseKeeper) -> None:
    """Keep what the requests in an uploaded file may take. Nobody looks at it any more."""
    watch, meter, target = exchange.file_watch, exchange.meter, exchange.target
    if watch is None:
        return
    shares = watch.shares
    exchange.file_watch = None
    watch.let_go()
    if shares and meter is not None and target is not None and exchange.error is None and 200 <= exchange.status < 300:
        meter.finish()
        if meter.response_id is not None:
            keeper.keep(exchange.key_id, _name(target.deployment.provider, meter.response_id), encode_json(shares))


async def read_batch_of_file(exchange: Exchange, keeper: ResponseKeeper) -> None:
    """Take in a request for a batch, and find what the requests in its file may take. Raises `GatewayError` where the key may not
    ask for one of them."""
    await on_a_task()
    envelope = Envelope.read(take_body(exchange, await exchange.downstream.read_body(exchange.snapshot.limits.max_body_bytes)))
    if len(envelope.locate("input_file_id")) == 1 and (file_id := envelope.string("input_file_id")):
        kept = await keeper.find(exchange.key_id, _name(provider_of(exchange), file_id))
        if kept is not None:
            shares = _decode_shares(kept)
            exchange.batch = Batch(*bound_of(exchange, shares), [], [])
            check_outputs(exchange, shares)
            return
    check_outputs(exchange, None)


def _unclear() -> GatewayError:
    return GatewayError(ErrorKind.INVALID_REQUEST, "The line is no request, or none that can pass as it is.")


def _name(provider: str, file_id: str) -> str:
    """What no caller can ask for: the separator is in no path."""
    return f"file\x1f{provider}\x1f{file_id}"
