"""The stream of Ollama's chat API: a JSON object a line, the last of which is `done` and has the counts.

An error within a stream is a line with `error` alone. Calls come whole, with arguments as objects, and older servers give them no
id: it is made from the moment and the call then, so that it is the same whenever the same reply is read.
"""

from __future__ import annotations

from datetime import datetime
from hashlib import blake2b
from typing import Any, Final

import msgspec

from weighbridge.core.codec import UNREADABLE, encode_json
from weighbridge.core.errors import ErrorKind, GatewayError
from weighbridge.wire.events import (
    ArgumentsDelta,
    Ended,
    Event,
    Failed,
    Finished,
    FinishReason,
    LogprobsAdded,
    PartEnded,
    PartKind,
    PartStarted,
    ReasoningDelta,
    Started,
    TextDelta,
    UsageReported,
)
from weighbridge.wire.finish_reasons import READ_OLLAMA
from weighbridge.wire.json_value import Json, JsonObject
from weighbridge.wire.loose_json import as_object, as_text
from weighbridge.wire.tolerant_decoder import tolerant_decoder
from weighbridge.wire.usage import Count
from weighbridge.wire.usage_ollama import from_ollama

MAX_LINE_BYTES: Final = 16 * 1024 * 1024
"""One line; it has a few tokens, and of a whole reply all of them."""


class _Message(msgspec.Struct, gc=False):
    content: str | None = None
    thinking: str | None = None
    tool_calls: list[Any] | None = None


class _Line(msgspec.Struct, gc=False):
    message: _Message | None = None
    done: bool | None = False
    model: str | None = None
    created_at: str | None = None
    done_reason: str | None = None
    prompt_eval_count: Count = None
    eval_count: Count = None
    logprobs: list[Any] | None = None
    error: Any = None


_decode_exactly: Final = msgspec.json.Decoder(_Line).decode
_decode_any: Final = tolerant_decoder(_Line)


class OllamaReader:
    """Reads a stream of Ollama's (`codecs.EventReader`)."""

    __slots__ = ("_calls", "_count", "_held", "_is_started", "_open", "has_message", "is_ended")

    def __init__(self) -> None:
        self._held = b""
        self._is_started = False
        self._open: PartKind | None = None
        self._count = 0
        """Parts that were begun."""
        self._calls = 0
        self.has_message = False
        self.is_ended = False

    def feed(self, data: bytes) -> list[Event]:
        """The events that these bytes complete. Raises `GatewayError` PROVIDER_MALFORMED for a line that is no JSON."""
        events: list[Event] = []
        lines = (self._held + data).split(b"\n")
        self._held = lines.pop()
        if len(self._held) > MAX_LINE_BYTES:
            raise _malformed(f"a line of more than {MAX_LINE_BYTES} bytes")
        for line in lines:
            self._take(line, events)
        return events

    def read(self, document: bytes) -> list[Event]:
        """The events of one object, however it is laid out: a whole reply."""
        events: list[Event] = []
        self._take(document, events)
        return events

    def finish(self) -> list[Event]:
        """A last line may lack its line feed."""
        events: list[Event] = []
        line, self._held = self._held, b""
        if line.strip():
            try:
                self._take(line, events)
            except GatewayError:
                return []  # cut short: the stream broke off
        return events

    def _take(self, text: bytes, events: list[Event]) -> None:
        if self.is_ended or not text.strip():
            return
        try:
            line = _decode_exactly(text)
        except (msgspec.DecodeError, UnicodeDecodeError):
            line = _tolerated(text)
        if line.error is not None:
            self.is_ended = True
            events.append(_failure(line.error))
            return
        if not self._is_started:
            self._is_started = True
            events.append(Started(model=line.model or "", created_s=_unix_time(line.created_at)))
        message = line.message
        if message is not None:
            self.has_message = True
            if message.thinking:
                number = self._part(PartKind.REASONING, events)
                events.append(ReasoningDelta(0, number, message.thinking))
            if message.content:
                number = self._part(PartKind.TEXT, events)
                events.append(TextDelta(0, number, message.content))
            if message.tool_calls:
                self._take_calls(message.tool_calls, line.created_at or "", events)
        if line.logprobs:
            tokens = tuple(token for raw in line.logprobs if "token" in (token := as_object(raw)))
            events.append(LogprobsAdded(0, tokens))
        if line.done:
            self._end(line, events)

    def _part(self, kind: PartKind, events: list[Event]) -> int:
        if self._open is not kind:
            self._close(events)
            self._open = kind
            events.append(PartStarted(0, self._count, kind))
            self._count += 1
        return self._count - 1

    def _close(self, events: list[Event]) -> None:
        if self._open is not None:
            events.append(PartEnded(0, self._count - 1))
            self._open = None

    def _take_calls(self, calls: list[Any], moment: str, events: list[Event]) -> None:
        self._close(events)
        for raw in calls:
            call = as_object(raw)
            function = as_object(call.get("function"))
            name = as_text(function.get("name"))
            arguments = function.get("arguments")
            text = arguments if isinstance(arguments, str) else encode_json({} if arguments is None else arguments).decode()
            call_id = as_text(call.get("id")) or _made_id(moment, self._calls, name, text)
            number = self._count
            self._count += 1
            self._calls += 1
            events.append(PartStarted(0, number, PartKind.TOOL_CALL, call_id, name))
            events += (ArgumentsDelta(0, number, text or "{}"), PartEnded(0, number))

    def _end(self, line: _Line, events: list[Event]) -> None:
        self._close(events)
        native = line.done_reason or ""
        reason = READ_OLLAMA.get(native, FinishReason.OTHER if native else FinishReason.STOP)
        if self._calls and reason is FinishReason.STOP:
            reason = FinishReason.TOOL_CALLS  # Ollama's own word does not tell them apart
        events += (Finished(0, reason, native), UsageReported(from_ollama(line.prompt_eval_count, line.eval_count)), Ended())
        self.is_ended = True


def _tolerated(text: bytes) -> _Line:
    try:
        return _decode_any(text)
    except UNREADABLE:
        raise _malformed(f"a line of {len(text)} bytes is no JSON object") from None


def _malformed(detail: str) -> GatewayError:
    return GatewayError(ErrorKind.PROVIDER_MALFORMED, "The provider sent what is not valid JSON.", detail=detail)


def _failure(error: Json) -> Failed:
    """Ollama's own servers send a text; proxies before them what OpenAI's dialect sends."""
    if isinstance(error, str):
        return Failed(error)
    fields: JsonObject = as_object(error)
    return Failed(as_text(fields.get("message")), as_text(fields.get("type")), as_text(fields.get("code")))


def _unix_time(moment: str | None) -> int:
    try:
        return int(datetime.fromisoformat(moment).timestamp()) if moment else 0
    except ValueError:
        return 0


def _made_id(moment: str, place: int, name: str, arguments: str) -> str:
    digest = blake2b(f"{moment}\0{place}\0{name}\0{arguments}".encode(), digest_size=12)
    return f"call_{digest.hexdigest()}"
