"""One choice of a stream in the making: which part grows, which calls of tools are open, and what a delta adds to them."""

from __future__ import annotations

import binascii
from base64 import b64decode
from typing import Any

from weighbridge.core.errors import ErrorKind, GatewayError
from weighbridge.wire.conversation import Citation, Seal
from weighbridge.wire.events import (
    ArgumentsDelta,
    AudioDelta,
    CitationAdded,
    Event,
    Finished,
    PartEnded,
    PartKind,
    PartStarted,
    ReasoningDelta,
    RefusalDelta,
    SummaryDelta,
    TextDelta,
)
from weighbridge.wire.loose_json import as_object, as_text
from weighbridge.wire.openai_chat.reply_reader import (
    arguments_text,
    finish_reason,
    is_thought,
    read_images,
    thinking_text,
    unmarked,
)
from weighbridge.wire.openai_chat.stream_chunk import ChunkAudio, ChunkCall, ChunkDelta
from weighbridge.wire.openai_chat.vocabulary import (
    detail_index,
    made_call_id,
    read_annotations,
    read_details,
    read_signature,
    read_thinking_blocks,
)


class _OpenCall:
    __slots__ = ("id", "part", "seal")

    def __init__(self, part: int, call_id: str, seal: Seal | None) -> None:
        self.part = part
        self.id = call_id
        self.seal = seal


class OpenChoice:
    """See the module's text. `events` is where the events of the present bytes go."""

    __slots__ = (
        "_calls", "_detail", "_is_marked", "_item_id", "_opened", "_parts", "_reply_id", "_seal", "_signature", "current", "events",
        "index", "is_finished", "kind",
    )  # fmt: skip

    def __init__(self, index: int, reply_id: str) -> None:
        self.index = index
        self.events: list[Event] = []
        self.current = -1
        """The part that grows, of this `kind`."""
        self.kind: PartKind | None = None
        self.is_finished = False
        self._reply_id = reply_id
        self._parts = 0
        self._detail = -1
        """Which entry of `reasoning_details` grows; -1 if none does."""
        self._item_id: str | None = None
        """The id of the reasoning, which is known when a part begins or begins another one."""
        self._seal: Seal | None = None
        self._signature: Seal | None = None
        """Gemini's, told beside the calls: that of the first."""
        self._is_marked = False
        """Google's own endpoint puts its thoughts between marks."""
        self._calls: dict[int, _OpenCall] = {}
        """By the provider's number for it, the latest."""
        self._opened: list[_OpenCall] = []

    def take(self, delta: ChunkDelta) -> None:
        """What a delta adds, whatever it is."""
        self._take_thinking(delta)
        content = delta.content
        if isinstance(content, list):
            self._take_listed(content)
        elif content:
            self._take_content(content, delta)
        if delta.extra_content is not None and (seal := read_signature(delta.extra_content)) is not None:
            self._take_signature(seal, delta)
        if delta.refusal:
            self.events.append(RefusalDelta(self.index, self._part(PartKind.REFUSAL), delta.refusal))
        if delta.audio is not None:
            self._take_audio(delta.audio)
        if delta.images:
            self._take_images(delta.images)
        for call in delta.tool_calls or ():
            self._take_call(call)
        legacy = delta.function_call
        if legacy is not None and (legacy.name or legacy.arguments):
            self._take_call(ChunkCall(index=0, function=legacy))
        if delta.annotations:
            self.cite(read_annotations(delta.annotations))

    def take_text(self, text: str) -> None:
        """More text."""
        self.events.append(TextDelta(self.index, self._part(PartKind.TEXT), text))

    def cite(self, citations: tuple[Citation, ...]) -> None:
        """What the text cites."""
        part = self._part(PartKind.TEXT)
        self.events += [CitationAdded(self.index, part, citation) for citation in citations]

    def finish(self, native: str) -> None:
        """Every part ends, and the choice."""
        if self._signature is not None and self._opened:
            self._opened[0].seal = self._opened[0].seal or self._signature
        self._close()
        self.events += [PartEnded(self.index, call.part, call.seal) for call in self._opened]
        self.is_finished = True
        self.events.append(Finished(self.index, finish_reason(native, has_calls=bool(self._opened)), native))

    def _part(self, kind: PartKind, item_id: str | None = None) -> int:
        """The open part of this kind; another kind that was open ends."""
        if self.kind is kind:
            return self.current
        self._close()
        self.current = self._parts
        self._parts += 1
        self.kind = kind
        self._item_id = item_id
        self.events.append(PartStarted(self.index, self.current, kind, item_id=item_id))
        return self.current

    def _close(self) -> None:
        if self.kind is not None:
            self.events.append(PartEnded(self.index, self.current, self._seal))
            self.kind = self._seal = None
            self._detail = -1

    def _take_thinking(self, delta: ChunkDelta) -> None:
        """The places that hold it, those with seals first; the bare text counts where the first hold none."""
        reasoning = delta.reasoning
        text = delta.reasoning_content or (reasoning if isinstance(reasoning, str) else "")
        if delta.reasoning_details:
            text = self._take_details(delta.reasoning_details, text)
        elif delta.thinking_blocks:
            text = self._take_blocks(delta.thinking_blocks, text)
        if text:
            self._think(text)

    def _think(self, text: str) -> None:
        if self._seal is not None and self.kind is PartKind.REASONING and self._detail < 0:
            self._close()  # a block that is signed is complete
        self.events.append(ReasoningDelta(self.index, self._part(PartKind.REASONING), text))

    def _take_details(self, details: list[Any], bare_text: str) -> str:
        """OpenRouter's. Returns the bare text if none is in them."""
        for value in details:
            detail = as_object(value)
            index = detail_index(detail)
            (read,) = read_details([detail])
            is_other = self._detail not in (-1, index) or (read.id is not None and read.id != self._item_id)
            if self.kind is PartKind.REASONING and is_other:
                self._close()
            part = self._part(PartKind.REASONING, read.id)
            self._detail = index
            if read.text:
                self._think(read.text)
            self.events += [SummaryDelta(self.index, part, 0, paragraph) for paragraph in read.summary]
            self._seal = read.seal or self._seal
            if read.text or read.summary:
                bare_text = ""
        return bare_text

    def _take_blocks(self, blocks: list[Any], bare_text: str) -> str:
        """LiteLLM's, which repeat the bare text."""
        for block in read_thinking_blocks(blocks):
            if block.text:
                self._think(block.text)
                bare_text = ""
            elif block.seal is not None:
                if self._seal is not None:
                    self._close()
                self._part(PartKind.REASONING)
            self._seal = block.seal or self._seal
        return bare_text

    def _take_content(self, text: str, delta: ChunkDelta) -> None:
        if delta.extra_content is not None and is_thought(delta.extra_content):
            self._is_marked = True
            self._think(unmarked(text))
            return
        if self._is_marked:
            self._is_marked = False
            text = unmarked(text)
        if text:
            self.take_text(text)

    def _take_signature(self, seal: Seal, delta: ChunkDelta) -> None:
        if self.kind is PartKind.TEXT and not delta.tool_calls:
            self._seal = seal
        else:
            self._signature = seal

    def _take_listed(self, content: list[Any]) -> None:
        """Mistral's content in parts."""
        for value in content:
            part = as_object(value)
            if part.get("type") == "thinking":
                if text := thinking_text(part):
                    self._think(text)
            elif text := as_text(part.get("text")):
                self.take_text(text)

    def _take_audio(self, audio: ChunkAudio) -> None:
        if audio.id or audio.data or audio.transcript or audio.expires_at:
            _check_base64(audio.data or "")
            part = self._part(PartKind.AUDIO)
            facts = (audio.data or "", audio.transcript or "", audio.id or None, audio.expires_at or None)
            self.events.append(AudioDelta(self.index, part, *facts))

    def _take_images(self, images: list[Any]) -> None:
        for image in read_images(images):
            self._close()
            self.events.append(PartStarted(self.index, self._parts, PartKind.IMAGE, whole=image))
            self.events.append(PartEnded(self.index, self._parts))
            self._parts += 1

    def _take_call(self, call: ChunkCall) -> None:
        inner = call.inner
        place = call.index
        if place is None:  # a call that is named begins, another one goes on with the last
            is_new = inner is not None and bool(inner.name)
            place = len(self._opened) if is_new or not self._opened else max(self._calls)
        known = self._calls.get(place)
        # Some servers count every parallel call as number 0: another id, with a name, is another call.
        if known is None or (call.id and call.id != known.id and inner is not None and inner.name):
            known = self._open_call(call, place)
        elif call.extra_content is not None:
            known.seal = read_signature(call.extra_content) or known.seal
        if inner is not None and (text := arguments_text(inner.input if call.is_custom else inner.arguments)):
            self.events.append(ArgumentsDelta(self.index, known.part, text))

    def _open_call(self, call: ChunkCall, place: int) -> _OpenCall:
        self._close()
        inner = call.inner
        call_id = call.id or made_call_id(self._reply_id, len(self._opened))
        opened = self._calls[place] = _OpenCall(self._parts, call_id, read_signature(call.extra_content))
        self._opened.append(opened)
        self._parts += 1
        name = inner.name or "" if inner is not None else ""
        self.events.append(PartStarted(self.index, opened.part, PartKind.TOOL_CALL, call_id, name, call.is_custom))
        return opened


def _check_base64(text: str) -> None:
    try:
        b64decode(text)
    except binascii.Error:
        raise GatewayError(ErrorKind.PROVIDER_MALFORMED, "The provider sent sound that is not base64.") from None
