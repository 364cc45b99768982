"""Whether a reply is good, found out before the caller has any of it: only then may another target still be asked.

A provider that fails does not always say so by its status. Some answer 200 with an error inside, with nothing inside, or with what
is no JSON at all; so the beginning of a stream, and a whole reply of moderate size, are looked at first. What is looked at is
forwarded as it came: a proof reads a copy.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final, Protocol

from weighbridge.core.codec import JsonError, decode_json
from weighbridge.core.errors import ErrorKind, GatewayError
from weighbridge.core.ports import UpstreamReply
from weighbridge.core.terms import Dialect, Operation, WireFormat
from weighbridge.wire.codecs import EventReader
from weighbridge.wire.content_coding import Decoder, decoder_for
from weighbridge.wire.conversation import Part, Refusal, Text
from weighbridge.wire.events import (
    Ended,
    Event,
    Failed,
    Finished,
    FinishReason,
    KeepAlive,
    PartEnded,
    PartKind,
    PartStarted,
    Started,
    UsageReported,
)
from weighbridge.wire.provider_errors import classify, classify_failed
from weighbridge.wire.translate import FORMAT_OF, OUTBOUND

_MAX_ERROR_BYTES: Final = 1024 * 1024
"""Of an error reply no more is held: vendors' are below 10 kB."""

_MAX_WHOLE_BYTES: Final = 60_000
"""A reply that is longer is not empty; what else could be wrong with it is not worth the delay (less than one read of 64 kB)."""

_MAX_OPENING_BYTES: Final = 256 * 1024
"""A stream that has sent as much without one token is let through (Responses repeats the whole request in its first event)."""

_MORSEL: Final = 512
"""About two events."""

_STOP: Final = FinishReason.STOP
_PROMISES_NOTHING: Final = (Started, KeepAlive, UsageReported, PartEnded, Ended)

_SAYS_SOMETHING: Final[dict[WireFormat, re.Pattern[bytes]]] = {
    WireFormat.OPENAI_CHAT: re.compile(rb'"(?:content|refusal)"\s*:\s*"[^"]|"(?:tool_calls"\s*:\s*\[|function_call"\s*:)\s*\{'),
    WireFormat.ANTHROPIC_MESSAGES: re.compile(rb'"text"\s*:\s*"[^"]|"type"\s*:\s*"tool_use"'),
    WireFormat.GEMINI_GENERATE: re.compile(rb'"text"\s*:\s*"[^"]|"functionCall"\s*:\s*\{'),
    WireFormat.OPENAI_RESPONSES: re.compile(rb'"text"\s*:\s*"[^"]|"type"\s*:\s*"function_call"'),
}
"""What a reply has that says something: found in a microsecond, where reading a small chat takes eight."""

_MAX_GLANCE: Final = 4096
"""Where an error would stand: at the beginning, or in the last choice."""

_PLAINLY: Final = {
    WireFormat.OPENAI_CHAT: b'"content":"',
    WireFormat.ANTHROPIC_MESSAGES: b'"text":"',
    WireFormat.OPENAI_RESPONSES: b'"text":"',
}
"""How vendors themselves write it, found faster still."""
_QUOTE: Final = 0x22

UNKNOWN_SHAPE: Final = "unknown_shape"
"""The code of a reply that is JSON, but none that is known: it may mean something to the caller."""


class Proof(Protocol):
    """Looks at a reply as it comes."""

    def feed(self, data: bytes) -> bool:
        """The next bytes; True once the reply has proved good, after which nothing more need be fed. Raises `GatewayError`."""
        ...

    def finish(self) -> None:
        """The reply came whole. Raises `GatewayError` if it is a failure."""
        ...


class ErrorProof:
    """An error reply: read whole, so that it can be told what it means. Never good."""

    __slots__ = ("_decoder", "_dialect", "_pieces", "_reply", "_size", "_wall_ns")

    def __init__(self, reply: UpstreamReply, dialect: Dialect, wall_ns: int) -> None:
        self._reply = reply
        self._dialect = dialect
        self._wall_ns = wall_ns
        self._pieces: list[bytes] = []
        self._size = 0
        self._decoder = decoder_for(reply.content_encoding) if reply.content_encoding else None

    def feed(self, data: bytes) -> bool:
        """See `Proof`. An error that goes on and on is judged by its beginning."""
        self._size += len(data)
        self._pieces.append(data)
        if self._size > _MAX_ERROR_BYTES:
            self.finish()
        return False

    def finish(self) -> None:
        """See `Proof`."""
        body = b"".join(self._pieces)
        if self._decoder is not None:
            try:
                body = self._decoder.feed(body)
            except GatewayError:
                body = b""
        reply = self._reply
        raise classify(self._dialect, reply.status, dict(reply.headers), body, now_wall_ns=self._wall_ns)


class EventJudge:
    """Tells from events whether an answer has begun: a token, a tool call, a refusal, or an end that needs no words."""

    __slots__ = ("_dialect", "_is_empty_failure", "_stopped")

    def __init__(self, dialect: Dialect, *, is_empty_failure: bool) -> None:
        self._dialect = dialect
        self._is_empty_failure = is_empty_failure
        self._stopped = False

    def proves(self, event: Event) -> bool:
        """Whether this event proves the reply good. Raises `GatewayError` for one that says that it is not."""
        if isinstance(event, _PROMISES_NOTHING):
            if isinstance(event, Ended):
                self.finish()
                return True
            return False
        if isinstance(event, PartStarted):
            return event.kind is not PartKind.TEXT and event.kind is not PartKind.REASONING
        if isinstance(event, Failed):
            raise classify_failed(event, self._dialect)
        if isinstance(event, Finished):
            if event.reason is FinishReason.ERROR:
                raise gave_up()
            if event.reason is FinishReason.CONTENT_FILTER:
                raise filtered()
            self._stopped = True
            return event.reason is not _STOP
        return True

    def finish(self) -> None:
        """The events have ended and none of them proved anything. Raises `GatewayError` PROVIDER_EMPTY, if that is a failure."""
        if self._stopped and self._is_empty_failure:
            raise said_nothing()


class StreamProof:
    """The opening of a stream, as the events that it holds."""

    __slots__ = ("_decoder", "_judge", "_reader", "_size")

    def __init__(self, reader: EventReader, judge: EventJudge, decoder: Decoder | None) -> None:
        self._reader = reader
        self._judge = judge
        self._decoder = decoder
        self._size = 0

    def feed(self, data: bytes) -> bool:
        """See `Proof`."""
        self._size += len(data)
        if self._decoder is not None:
            data = self._decoder.feed(data)
        if len(data) <= _MORSEL:
            return self._takes(self._reader.feed(data)) or self._size > _MAX_OPENING_BYTES
        # The first token stands near the beginning: what comes behind it need not be read.
        return any(self._takes(self._reader.feed(data[at : at + _MORSEL])) for at in range(0, len(data), _MORSEL)) or (
            self._size > _MAX_OPENING_BYTES
        )

    def finish(self) -> None:
        """See `Proof`."""
        if self._takes(self._reader.finish()):
            return
        if not self._reader.is_ended:
            raise GatewayError(ErrorKind.PROVIDER_BROKE_OFF, "The provider broke off its answer.")
        self._judge.finish()

    def _takes(self, events: Sequence[Event]) -> bool:
        return any(map(self._judge.proves, events))


class WholeProof:
    """A reply that is not streamed."""

    __slots__ = ("_decoder", "_dialect", "_format", "_is_empty_failure", "_pieces", "_size")

    def __init__(self, spoken: WireFormat, dialect: Dialect, decoder: Decoder | None, *, is_empty_failure: bool) -> None:
        self._format = spoken
        self._dialect = dialect
        self._decoder = decoder
        self._is_empty_failure = is_empty_failure
        self._pieces: list[bytes] = []
        self._size = 0

    def feed(self, data: bytes) -> bool:
        """See `Proof`."""
        self._size += len(data)
        self._pieces.append(data)
        return self._size > _MAX_WHOLE_BYTES

    def finish(self) -> None:
        """See `Proof`."""
        body = b"".join(self._pieces)
        if self._decoder is not None:
            body = self._decoder.feed(body)
        if not glance(self._format, body):
            self._read(body)

    def _read(self, body: bytes) -> None:
        try:
            reply = OUTBOUND[self._format].read_reply(body)
        except GatewayError as malformed:
            if b'"error"' in body[:_MAX_GLANCE]:
                raise classify(self._dialect, 200, {}, body, now_wall_ns=0) from None
            if _is_json(body):
                raise GatewayError(malformed.kind, malformed.public, detail=malformed.detail, code=UNKNOWN_SHAPE) from None
            raise malformed from None
        reasons = {choice.reason for choice in reply.choices}
        if FinishReason.ERROR in reasons:
            raise gave_up()
        if any(_says_something(part) for choice in reply.choices for part in choice.parts):
            return
        if FinishReason.CONTENT_FILTER in reasons:
            raise filtered()
        if reasons == {_STOP} and self._is_empty_failure:
            raise said_nothing()


def glance(spoken: WireFormat, body: bytes) -> bool:
    """Whether a whole body can be seen to be good without being read."""
    size = len(body)
    if size > _MAX_GLANCE:
        if b'"error"' in body[:_MAX_GLANCE] or b'"error"' in body[-_MAX_GLANCE:]:
            return False
    elif b'"error"' in body:
        return False
    if body[-1:] != b"}" and body[-3:].rstrip()[-1:] != b"}":
        return False
    plainly = _PLAINLY.get(spoken)
    if plainly is not None and (at := body.find(plainly)) >= 0 and body[at + len(plainly)] != _QUOTE:
        return True
    pattern = _SAYS_SOMETHING.get(spoken)
    return pattern is not None and pattern.search(body) is not None


def proof_for(reply: UpstreamReply, operation: Operation, dialect: Dialect, *, is_empty_failure: bool) -> Proof | None:
    """The proof for a reply in the caller's own format; None where it is good already, or nothing is known of a good one."""
    spoken = FORMAT_OF.get(operation)
    if spoken is None or reply.status >= 300:
        return None
    if reply.whole:
        if not reply.content_encoding and glance(spoken, reply.whole):
            return None
    elif reply.content_length is not None and reply.content_length > _MAX_WHOLE_BYTES:
        return None
    outbound = OUTBOUND.get(spoken)
    decoder = None
    if outbound is None or (reply.content_encoding and (decoder := decoder_for(reply.content_encoding)) is None):
        return None
    if reply.content_type.startswith(b"text/event-stream"):
        judge = EventJudge(dialect, is_empty_failure=is_empty_failure)
        return StreamProof(outbound.event_reader(), judge, decoder)
    if operation is Operation.STREAM_GENERATE:  # Gemini's other stream, a JSON array
        return None
    return WholeProof(spoken, dialect, decoder, is_empty_failure=is_empty_failure)


def _says_something(part: Part) -> bool:
    return bool(part.text) if isinstance(part, (Text, Refusal)) else True


def _is_json(body: bytes) -> bool:
    try:
        decode_json(body)
    except JsonError:
        return False
    return True


def said_nothing() -> GatewayError:
    """A 200 without an answer."""
    return GatewayError(ErrorKind.PROVIDER_EMPTY, "The provider answered with nothing.")


def gave_up() -> GatewayError:
    """A finish reason that says that the provider failed."""
    return GatewayError(ErrorKind.PROVIDER_INTERNAL, "The provider gave up on its answer.")


def filtered() -> GatewayError:
    """A 200 in which the provider's filter left no answer."""
    return GatewayError(ErrorKind.CONTENT_POLICY_VIOLATION, "The provider's content filter withheld the answer.")
