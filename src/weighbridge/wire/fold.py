"""Events -> whole reply, and back: the law is `fold(stream) == whole`, and `fold(unfold(reply)) == reply`."""

from __future__ import annotations

from base64 import b64decode, b64encode
from collections.abc import Iterable, Iterator

from weighbridge.core.terms import NO_USAGE
from weighbridge.wire.conversation import Audio, Citation, MediaBytes, Part, Reasoning, Refusal, Seal, ServerTool, Text, ToolCall
from weighbridge.wire.events import (
    ArgumentsDelta,
    AudioDelta,
    Choice,
    CitationAdded,
    Ended,
    Event,
    Failed,
    Finished,
    FinishReason,
    KeepAlive,
    LogprobsAdded,
    PartEnded,
    PartKind,
    PartStarted,
    ReasoningDelta,
    RefusalDelta,
    Reply,
    Started,
    SummaryDelta,
    TextDelta,
    UsageReported,
)
from weighbridge.wire.json_value import JsonObject

_AUDIO_TYPE = "audio/*"
"""What kind of sound it is was said in the request, not in the reply."""


class _OpenPart:
    """A part in the making."""

    __slots__ = ("audio_expires_at", "audio_id", "citations", "seal", "sound", "start", "summary", "texts")

    def __init__(self, start: PartStarted) -> None:
        self.start = start
        self.texts: list[str] = []
        self.summary: list[list[str]] = []
        self.citations: list[Citation] = []
        self.seal: Seal | None = None
        self.sound: list[bytes] = []
        self.audio_id: str | None = None
        self.audio_expires_at: int | None = None

    def close(self) -> Part:
        start = self.start
        if start.whole is not None:
            return start.whole
        text = "".join(self.texts)
        if start.kind is PartKind.TEXT:
            return Text(text, citations=tuple(self.citations), seal=self.seal)
        if start.kind is PartKind.TOOL_CALL:
            return ToolCall(start.call_id, start.name, text, start.is_custom, self.seal, start.item_id)
        if start.kind is PartKind.REASONING:
            return Reasoning(text, tuple("".join(paragraph) for paragraph in self.summary), self.seal, start.item_id)
        if start.kind is PartKind.REFUSAL:
            return Refusal(text)
        source = MediaBytes(b64encode(b"".join(self.sound)).decode(), _AUDIO_TYPE) if self.sound else None
        return Audio(source, self.audio_id, text or None, self.audio_expires_at)


class _OpenChoice:
    __slots__ = ("finished", "logprobs", "parts", "refusal_logprobs")

    def __init__(self) -> None:
        self.parts: list[_OpenPart] = []
        self.logprobs: list[JsonObject] = []
        self.refusal_logprobs: list[JsonObject] = []
        self.finished: Finished | None = None

    def close(self) -> Choice:
        end = self.finished or Finished(0, FinishReason.OTHER)
        parts = tuple(part.close() for part in self.parts)
        logprobs = (tuple(self.logprobs), tuple(self.refusal_logprobs))
        return Choice(parts, end.reason, end.native, end.stop_sequence, *logprobs)


class Folder:
    """Takes events one by one; `reply` is what they add up to so far."""

    __slots__ = ("_choices", "_reported", "_started", "_tier", "failed", "is_ended")

    def __init__(self) -> None:
        self._started = Started()
        self._choices: dict[int, _OpenChoice] = {}
        self._reported = UsageReported(NO_USAGE)
        self._tier: str | None = None
        self.failed: Failed | None = None
        self.is_ended = False

    def take(self, event: Event) -> None:
        """The next event."""
        if isinstance(event, Started):
            self._started = event
            self._tier = event.service_tier or self._tier
        elif isinstance(event, UsageReported):
            self._reported = event
            self._tier = event.service_tier or self._tier
        elif isinstance(event, Ended):
            self.is_ended = True
        elif isinstance(event, Failed):
            self.failed = event
        elif isinstance(event, Finished):
            self._choice(event.choice).finished = event
        elif isinstance(event, LogprobsAdded):
            choice = self._choice(event.choice)
            (choice.refusal_logprobs if event.is_refusal else choice.logprobs).extend(event.tokens)
        elif isinstance(event, PartStarted):
            self._choice(event.choice).parts.append(_OpenPart(event))
        elif not isinstance(event, KeepAlive):
            _add(self._choice(event.choice).parts[event.part], event)

    @property
    def reply(self) -> Reply:
        """The reply so far. A choice that has not finished has the reason OTHER and no native word."""
        choices = tuple(self._choices[index].close() for index in sorted(self._choices))
        start, told = self._started, self._reported
        return Reply(choices, start.id, start.model, start.created_s, told.usage, self._tier, told.region, told.apart)

    def _choice(self, index: int) -> _OpenChoice:
        choice = self._choices.get(index)
        if choice is None:
            choice = self._choices[index] = _OpenChoice()
        return choice


def _add(part: _OpenPart, event: Event) -> None:
    if isinstance(event, (TextDelta, ReasoningDelta, ArgumentsDelta, RefusalDelta)):
        part.texts.append(event.text)
    elif isinstance(event, SummaryDelta):
        while len(part.summary) <= event.index:
            part.summary.append([])
        part.summary[event.index].append(event.text)
    elif isinstance(event, CitationAdded):
        part.citations.append(event.citation)
    elif isinstance(event, PartEnded):
        part.seal = event.seal or part.seal
    elif isinstance(event, AudioDelta):
        if event.base64:
            part.sound.append(b64decode(event.base64))
        part.texts.append(event.transcript)
        part.audio_id = event.id or part.audio_id
        part.audio_expires_at = event.expires_at or part.audio_expires_at


def fold(events: Iterable[Event]) -> Reply:
    """All events of a stream as the whole reply."""
    folder = Folder()
    for event in events:
        folder.take(event)
    return folder.reply


def unfold(reply: Reply) -> Iterator[Event]:
    """A whole reply as the fewest events that fold to it."""
    yield Started(reply.id, reply.model, reply.created_s)
    for i, choice in enumerate(reply.choices):
        for j, part in enumerate(choice.parts):
            yield from _unfold_part(i, j, part)
        if choice.logprobs:
            yield LogprobsAdded(i, choice.logprobs)
        if choice.refusal_logprobs:
            yield LogprobsAdded(i, choice.refusal_logprobs, is_refusal=True)
        yield Finished(i, choice.reason, choice.native, choice.stop_sequence)
    if reply.usage is not NO_USAGE or reply.service_tier is not None:
        yield UsageReported(reply.usage, reply.service_tier, reply.region, reply.apart)
    yield Ended()


def _unfold_part(i: int, j: int, part: Part) -> Iterator[Event]:
    seal: Seal | None = None
    if isinstance(part, Text):
        seal = part.seal
        yield PartStarted(i, j, PartKind.TEXT)
        if part.text:
            yield TextDelta(i, j, part.text)
        for citation in part.citations:
            yield CitationAdded(i, j, citation)
    elif isinstance(part, ToolCall):
        seal = part.seal
        yield PartStarted(i, j, PartKind.TOOL_CALL, part.id, part.name, part.is_custom, part.item_id)
        if part.arguments:
            yield ArgumentsDelta(i, j, part.arguments)
    elif isinstance(part, Reasoning):
        seal = part.seal
        yield PartStarted(i, j, PartKind.REASONING, item_id=part.id)
        if part.text:
            yield ReasoningDelta(i, j, part.text)
        for k, paragraph in enumerate(part.summary):
            yield SummaryDelta(i, j, k, paragraph)
    elif isinstance(part, Refusal):
        yield PartStarted(i, j, PartKind.REFUSAL)
        if part.text:
            yield RefusalDelta(i, j, part.text)
    elif isinstance(part, Audio):
        yield PartStarted(i, j, PartKind.AUDIO)
        sound = part.source.base64 if isinstance(part.source, MediaBytes) else ""
        yield AudioDelta(i, j, sound, part.transcript or "", part.id, part.expires_at)
    else:
        kind = PartKind.SERVER_TOOL if isinstance(part, ServerTool) else PartKind.IMAGE
        yield PartStarted(i, j, kind, whole=part)
    yield PartEnded(i, j, seal)
