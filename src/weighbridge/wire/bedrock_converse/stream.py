"""The stream of ConverseStream: AWS frames with one event each, named in a header.

    messageStart (contentBlockStart? contentBlockDelta* contentBlockStop)* messageStop metadata

Texts and thinking begin without a `contentBlockStart`. `metadata`, which has the usage, is the last event: with it the stream has
ended. https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_ConverseStreamOutput.html
"""

from __future__ import annotations

from typing import ClassVar, Final

import msgspec

from weighbridge.core.codec import UNREADABLE, decode_json
from weighbridge.core.errors import GatewayError
from weighbridge.wire.aws_events import AwsEvent, AwsEventDecoder
from weighbridge.wire.bedrock_converse.blocks import (
    SERVER_TOOL_USE,
    citation_of,
    picture,
    redacted_seal,
    server_call,
    server_result,
    signature_seal,
)
from weighbridge.wire.conversation import Part
from weighbridge.wire.events import (
    ArgumentsDelta,
    CitationAdded,
    Ended,
    Event,
    Failed,
    Finished,
    FinishReason,
    PartEnded,
    PartKind,
    PartStarted,
    ReasoningDelta,
    Started,
    TextDelta,
    UsageReported,
)
from weighbridge.wire.finish_reasons import READ_BEDROCK
from weighbridge.wire.json_value import Json, JsonObject
from weighbridge.wire.loose_json import as_index, as_list, as_object, as_text, read_any_object
from weighbridge.wire.usage_bedrock import read_bedrock_usage

_STATUSES: Final = {
    "internalServerException": 500,
    "modelStreamErrorException": 424,
    "modelTimeoutException": 408,
    "serviceUnavailableException": 503,
    "throttlingException": 429,
    "validationException": 400,
}
"""What an exception's status would have been, had it come before the stream (the service's own description)."""


class _ToolDelta(msgspec.Struct, gc=False):
    input: str = ""


class _Delta(msgspec.Struct, gc=False):
    text: str | None = None
    toolUse: _ToolDelta | None = None  # noqa: N815 - as on the wire: a rename costs nothing, but these are read beside it


class _DeltaEvent(msgspec.Struct, gc=False):
    contentBlockIndex: int = 0  # noqa: N815 - likewise
    delta: _Delta | None = None


_read_delta: Final = msgspec.json.Decoder(_DeltaEvent).decode


class _Block:
    """A content block in the making."""

    __slots__ = ("arguments", "form", "is_open", "kind", "number", "pieces", "redacted", "signature", "start")

    def __init__(self, kind: PartKind, number: int) -> None:
        self.kind = kind
        self.number = number
        """Of the part among the parts of the answer."""
        self.is_open = True
        self.arguments = False
        """Whether any arguments came."""
        self.signature = ""
        self.redacted = ""
        self.start: JsonObject = {}
        """What a block that comes in one piece began with; its `pieces` follow."""
        self.pieces: list[Json] = []
        self.form = ""


class ConverseReader:
    """Reads a stream of ConverseStream (`codecs.EventReader`)."""

    __slots__ = ("_blocks", "_count", "_decoder", "_is_finished", "_usage_seen", "is_ended")

    def __init__(self) -> None:
        self._decoder = AwsEventDecoder()
        self._blocks: dict[int, _Block] = {}
        self._count = 0
        self._is_finished = False
        self._usage_seen = False
        self.is_ended = False

    def feed(self, data: bytes) -> list[Event]:
        """The events that these bytes complete. Raises `GatewayError` PROVIDER_MALFORMED for a damaged frame."""
        return [] if self.is_ended else self._read(data)

    def _read(self, data: bytes) -> list[Event]:
        events: list[Event] = []
        for frame in self._decoder.feed(data):
            if not self.is_ended:
                self._take(frame, events)
        return events

    def finish(self) -> list[Event]:
        """`Ended` where everything but the usage came."""
        if self.is_ended:
            return []
        self._decoder.finish()
        if not self._is_finished or self._decoder.pending:
            return []
        self.is_ended = True
        return [Ended()]

    def _take(self, frame: AwsEvent, events: list[Event]) -> None:
        kind = frame.header(":event-type")
        if kind == "contentBlockDelta":
            self._take_delta(frame.payload, events)
        elif kind is None:
            self._take_exception(frame, events)
        else:
            take = self._TAKERS.get(kind)
            if take is not None:
                take(self, read_any_object(frame.payload), events)
            elif kind in _STATUSES:
                self._fail(kind, as_text(read_any_object(frame.payload).get("message")), events)

    def _take_delta(self, payload: bytes, events: list[Event]) -> None:
        try:
            event = _read_delta(payload)
        except (msgspec.DecodeError, UnicodeDecodeError):
            self._take_rare(read_any_object(payload), events)
            return
        delta = event.delta
        if delta is None:
            return
        if delta.text is not None:
            block = self._open(event.contentBlockIndex, PartKind.TEXT, events) if delta.text else None
            if block is not None:
                events.append(TextDelta(0, block.number, delta.text))
        elif delta.toolUse is not None:
            self._take_arguments(event.contentBlockIndex, delta.toolUse.input, events)
        else:
            self._take_rare(read_any_object(payload), events)

    def _take_arguments(self, index: int, text: str, events: list[Event]) -> None:
        block = self._blocks.get(index)
        if block is None or not text:
            return
        if block.kind is PartKind.TOOL_CALL:
            block.arguments = True
            events.append(ArgumentsDelta(0, block.number, text))
        else:
            block.pieces.append(text)

    def _take_rare(self, event: JsonObject, events: list[Event]) -> None:
        """Deltas other than of texts and calls."""
        place = as_index(event.get("contentBlockIndex"))
        delta = as_object(event.get("delta"))
        if isinstance(delta.get("reasoningContent"), dict):
            self._take_reasoning(place, as_object(delta["reasoningContent"]), events)
        elif isinstance(delta.get("citation"), dict):
            block = self._open(place, PartKind.TEXT, events)
            if block is not None:
                events.append(CitationAdded(0, block.number, citation_of(as_object(delta["citation"]))))
        elif "toolResult" in delta and place in self._blocks:
            self._blocks[place].pieces += as_list(delta["toolResult"])
        elif isinstance(delta.get("image"), dict) and place in self._blocks:
            self._blocks[place].pieces.append(as_object(delta["image"]).get("source"))

    def _take_reasoning(self, place: int, content: JsonObject, events: list[Event]) -> None:
        block = self._open(place, PartKind.REASONING, events)
        if block is None:
            return
        text = as_text(content.get("text"))
        if text:
            events.append(ReasoningDelta(0, block.number, text))
        block.signature += as_text(content.get("signature"))
        block.redacted += as_text(content.get("redactedContent"))

    def _take_block_start(self, event: JsonObject, events: list[Event]) -> None:
        place = as_index(event.get("contentBlockIndex"))
        start = as_object(event.get("start"))
        use = start.get("toolUse")
        if isinstance(use, dict) and use.get("type") != SERVER_TOOL_USE:
            self._close(place, events)
            block = self._blocks[place] = _Block(PartKind.TOOL_CALL, self._count)
            self._count += 1
            call_id, name = as_text(use.get("toolUseId")), as_text(use.get("name"))
            events.append(PartStarted(0, block.number, PartKind.TOOL_CALL, call_id, name))
        elif "toolUse" in start or "toolResult" in start or "image" in start:
            self._close(place, events)
            # It comes in one piece, when it is complete: its number is given then.
            kind = PartKind.IMAGE if "image" in start else PartKind.SERVER_TOOL
            block = self._blocks[place] = _Block(kind, -1)
            block.start = start

    def _take_block_stop(self, event: JsonObject, events: list[Event]) -> None:
        self._close(as_index(event.get("contentBlockIndex")), events)

    def _take_start(self, _event: JsonObject, events: list[Event]) -> None:
        events.append(Started())

    def _take_stop(self, event: JsonObject, events: list[Event]) -> None:
        for place in sorted(self._blocks):
            self._close(place, events)
        if not self._is_finished:
            self._is_finished = True
            native = as_text(event.get("stopReason"))
            events.append(Finished(0, READ_BEDROCK.get(native, FinishReason.OTHER), native))
        self._end_if_complete(events)

    def _take_metadata(self, event: JsonObject, events: list[Event]) -> None:
        tier = as_text(as_object(event.get("serviceTier")).get("type")) or None
        events.append(UsageReported(read_bedrock_usage(event.get("usage")), tier))
        self._usage_seen = True
        self._end_if_complete(events)

    def _end_if_complete(self, events: list[Event]) -> None:
        if self._is_finished and self._usage_seen:
            self.is_ended = True
            events.append(Ended())

    def _take_exception(self, frame: AwsEvent, events: list[Event]) -> None:
        kind = frame.header(":exception-type")
        if kind is not None:
            try:
                message = as_text(read_any_object(frame.payload).get("message"))
            except GatewayError:
                message = ""
            self._fail(kind, message, events)
        elif frame.header(":message-type") == "error":
            # An error outside of the service's description has its text in headers.
            self._fail(frame.header(":error-code") or "", frame.header(":error-message") or "", events)

    def _fail(self, kind: str, message: str, events: list[Event]) -> None:
        self.is_ended = True
        events.append(Failed(message, kind, status=_STATUSES.get(kind, 0)))

    _TAKERS: ClassVar = {
        "messageStart": _take_start,
        "contentBlockStart": _take_block_start,
        "contentBlockStop": _take_block_stop,
        "messageStop": _take_stop,
        "metadata": _take_metadata,
    }
    """The events but the most frequent one; those of other names say nothing that could be handed on."""

    def _open(self, place: int, kind: PartKind, events: list[Event]) -> _Block | None:
        """The open block at this place, begun if need be; None if it is of another kind."""
        block = self._blocks.get(place)
        if block is None:
            block = self._blocks[place] = _Block(kind, self._count)
            self._count += 1
            events.append(PartStarted(0, block.number, kind))
        return block if block.kind is kind else None

    def _close(self, place: int, events: list[Event]) -> None:
        block = self._blocks.pop(place, None)
        if block is None:
            return
        if block.number < 0:
            whole = _whole(block)
            if whole is not None:
                events += [PartStarted(0, self._count, block.kind, whole=whole), PartEnded(0, self._count)]
                self._count += 1
            return
        if block.kind is PartKind.TOOL_CALL and not block.arguments:
            events.append(ArgumentsDelta(0, block.number, "{}"))  # Claude sends nothing for a tool without arguments
        seal = redacted_seal(block.redacted) if block.redacted else signature_seal(block.signature)
        events.append(PartEnded(0, block.number, seal))


def _whole(block: _Block) -> Part | None:
    """A block that is handed on in one piece, as Converse would have written it."""
    if "image" in block.start:
        form = as_text(as_object(block.start["image"]).get("format"))
        # Each piece is a blob of its own, of which the first has all in every stream that is known.
        return next((image for piece in block.pieces if (image := picture(form, as_object(piece))) is not None), None)
    if "toolResult" in block.start:
        return server_result({"toolResult": as_object(block.start["toolResult"]) | {"content": block.pieces}})
    text = "".join(piece for piece in block.pieces if isinstance(piece, str))
    try:
        arguments: Json = decode_json(text.encode()) if text else {}
    except UNREADABLE:
        arguments = text
    return server_call({"toolUse": as_object(block.start["toolUse"]) | {"input": arguments}})
