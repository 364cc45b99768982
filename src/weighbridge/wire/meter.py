"""Watches the bytes of a reply, which it never changes, for usage, finish reason, served model and the protocol's own end.

A meter is fed what the client is sent and never raises: bytes that make no sense leave the usage unknown. Its memory is
bounded by the caps in `whole_meter.py` and `sse.py`. Compressed replies are decoded on a copy.
"""

from __future__ import annotations

from contextlib import suppress
from typing import Final

from weighbridge.core.codec import JsonError
from weighbridge.core.terms import NO_USAGE, Endpoint, Operation, Usage, UsageApart
from weighbridge.wire.batch_meter import BatchResultsMeter, read_batch
from weighbridge.wire.content_coding import Decoder, decoder_for
from weighbridge.wire.event_markers import (
    MESSAGE_MARKERS,
    OPENAI_MARKERS,
    RESPONSE_MARKERS,
    message_tells,
    openai_tells,
    realtime_tells,
    response_tells,
)
from weighbridge.wire.reply_facts import (
    ReplyFacts,
    read_file,
    read_gemini,
    read_message,
    read_message_event,
    read_openai,
    read_openai_audio,
    read_openai_image,
    read_realtime_event,
    read_reranked,
    read_response,
    read_response_event,
)
from weighbridge.wire.stream_meter import ChatSseMeter, GeminiSseMeter, SseMeter
from weighbridge.wire.usage import add
from weighbridge.wire.whole_meter import GeminiArrayMeter, Meter, Read, WholeMeter

__all__ = ["Meter", "RealtimeMeter", "meter_for", "meter_of_upload"]

# Bound once: reaching a member through its class costs 0.1 µs on CPython 3.11.
_CHAT: Final = Operation.CHAT
_COMPLETIONS: Final = Operation.COMPLETIONS
_RESPONSES: Final = Operation.RESPONSES
_MESSAGES: Final = Operation.MESSAGES
_GENERATE: Final = Operation.GENERATE
_STREAM_GENERATE: Final = Operation.STREAM_GENERATE
# An operation belongs to one dialect, but for those whose replies hold no usage. What a stored response took was charged when it
# was made, but for one that went on in the background.
_WHOLE: Final[dict[Operation, Read]] = {
    _CHAT: read_openai,
    _COMPLETIONS: read_openai,
    Operation.EMBEDDINGS: read_openai,
    Operation.RERANK: read_reranked,
    Operation.MODERATIONS: read_openai,
    Operation.AUDIO: read_openai_audio,
    Operation.IMAGES: read_openai_image,
    _RESPONSES: read_response,
    Operation.RESPONSES_STORED: read_response,
    Operation.BATCHES: read_batch,
    Operation.BATCHES_STORED: read_batch,
    Operation.MESSAGE_BATCHES: read_batch,
    _MESSAGES: read_message,
    _GENERATE: read_gemini,
    Operation.EMBED: read_gemini,
}


def meter_for(endpoint: Endpoint, *, content_type: bytes, content_encoding: bytes) -> Meter:
    """The meter for a reply to `endpoint` with these header values (empty where absent)."""
    if content_type == b"application/json" and endpoint.operation is _CHAT and not content_encoding:
        return WholeMeter(read_openai)  # as below, without the search
    if endpoint.operation is Operation.MESSAGE_BATCHES_STORED:
        return BatchResultsMeter(decoder_for(content_encoding) if content_encoding else None)
    kind = content_type.lower()
    is_json = kind.startswith(b"application/json") or kind.find(b"json") >= 0
    if not is_json and not kind.startswith(b"text/event-stream"):
        return Meter()
    decoder = None
    if content_encoding and (decoder := decoder_for(content_encoding)) is None:
        return Meter()
    operation = endpoint.operation
    if not is_json:
        return _stream_meter(operation, decoder)
    if operation is _CHAT:  # before the table: hashing an Enum costs 0.15 µs
        return WholeMeter(read_openai, decoder)
    if operation is _STREAM_GENERATE:
        return GeminiArrayMeter(decoder)
    read = _WHOLE.get(operation)
    return Meter() if read is None else WholeMeter(read, decoder)


def meter_of_upload(content_encoding: bytes) -> Meter:
    """The meter for the reply to an upload, which says under which id it is kept."""
    decoder = None
    if content_encoding and (decoder := decoder_for(content_encoding)) is None:
        return Meter()
    return WholeMeter(read_file, decoder)


def _stream_meter(operation: Operation, decoder: Decoder | None) -> Meter:
    if operation is _CHAT or operation is _COMPLETIONS:
        return ChatSseMeter(decoder)
    if operation is _RESPONSES or operation is Operation.RESPONSES_STORED:
        return SseMeter(read_response_event, response_tells, RESPONSE_MARKERS, probes=0, decoder=decoder)
    if operation is _MESSAGES:
        return SseMeter(read_message_event, message_tells, MESSAGE_MARKERS, probes=0, decoder=decoder)
    if operation is _STREAM_GENERATE or operation is _GENERATE:
        return GeminiSseMeter(decoder)
    if operation is Operation.IMAGES:
        return SseMeter(read_openai_image, openai_tells, OPENAI_MARKERS, probes=0, decoder=decoder)
    if operation is Operation.AUDIO:
        return SseMeter(read_openai_audio, openai_tells, OPENAI_MARKERS, probes=0, decoder=decoder)
    return Meter()


class RealtimeMeter(ReplyFacts):
    """One realtime session: the usage of its responses and transcriptions, added up. Fed with whole server messages.

    What the user says is written down by another model, at its own price
    (https://platform.openai.com/docs/guides/realtime-costs#input-transcription-costs).
    """

    def __init__(self) -> None:
        ReplyFacts.__init__(self)
        self._transcriber = ""

    def feed(self, message_text: bytes) -> None:
        """One text message of the server."""
        if not realtime_tells(message_text):
            return
        before, self.usage = self.usage, NO_USAGE
        with suppress(JsonError):
            event = read_realtime_event(self, message_text)
            if event.session is not None:
                self._transcriber = event.session.transcriber or self._transcriber
            if event.type != "response.done" and self.usage is not NO_USAGE:
                self.apart = _with_part(self.apart, self._transcriber, self.usage)
        self.usage = add(before, self.usage)


def _with_part(apart: tuple[UsageApart, ...], model: str, usage: Usage) -> tuple[UsageApart, ...]:
    """One part for each model, however often it was run; none for one that nobody named, which is taken for the session's own."""
    if not model:
        return apart
    before = [part for part in apart if part.model == model]
    others = tuple(part for part in apart if part.model != model)
    return (*others, UsageApart(model, add(before[0].usage, usage) if before else usage))
