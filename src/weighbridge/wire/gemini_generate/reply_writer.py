"""`Reply` -> a whole response for a caller, and what the stream (`event_writer.py`) has in common with it.

What has no place in this dialect (another vendor's signature, sealed reasoning) becomes a `thoughtSignature`, which clients send
back unread; it is base64, as `bytes` in protobuf's JSON have to be.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final

import msgspec

from weighbridge.core.codec import encode_json
from weighbridge.wire.codecs import ReplyContext
from weighbridge.wire.conversation import (
    Audio,
    Citation,
    Document,
    Image,
    MediaBytes,
    Part,
    Reasoning,
    Refusal,
    Seal,
    SealKind,
    ServerTool,
    Text,
    ToolCall,
    Video,
)
from weighbridge.wire.events import Choice, Reply
from weighbridge.wire.finish_reasons import READ_GEMINI, WRITE_GEMINI
from weighbridge.wire.gemini_generate.grounding import GroundingWriter
from weighbridge.wire.gemini_generate.logprobs import write_logprobs
from weighbridge.wire.gemini_generate.media import write_media
from weighbridge.wire.gemini_generate.usage_writer import write_usage
from weighbridge.wire.gemini_generate.vocabulary import BESIDE_CONTENT, GROUNDING, ORIGIN, call_arguments
from weighbridge.wire.json_value import JsonObject
from weighbridge.wire.sealing import wrap

Block = dict[str, object]

_BASE64: Final = re.compile(r"[A-Za-z0-9+/_-]*={0,2}\Z").match
_SOUNDS: Final = {
    "wav": "audio/wav",
    "mp3": "audio/mpeg",
    "flac": "audio/flac",
    "opus": "audio/ogg",
    "aac": "audio/aac",
    "pcm16": "audio/L16;codec=pcm;rate=24000",
}
"""OpenAI's formats of sound, of which the reply does not say which one it is."""


def write_reply(reply: Reply, context: ReplyContext) -> bytes:
    """The response."""
    body: Block = {"candidates": [_candidate(i, choice, context) for i, choice in enumerate(reply.choices)]}
    usage = write_usage(reply.usage, reply.service_tier)
    if usage is not None:
        body["usageMetadata"] = usage
    body["modelVersion"] = reply.model or context.model
    body["responseId"] = reply.id or context.request_id
    return encode_json(body)


def _candidate(index: int, choice: Choice, context: ReplyContext) -> Block:
    writer = CandidateWriter(context)
    parts: list[Block] = []
    for part in choice.parts:
        parts += writer.part(part)
    candidate: Block = {"content": {"parts": parts, "role": "model"}, "finishReason": finish_reason(choice), "index": index}
    candidate.update(writer.beside())
    if choice.logprobs:
        candidate["logprobsResult"] = write_logprobs(choice.logprobs)
    return candidate


def finish_reason(choice: Choice) -> str:
    """The word for an end: the provider's own one if it is Google's and means the same, else by the table."""
    if READ_GEMINI.get(choice.native) is choice.reason:
        return choice.native
    return WRITE_GEMINI[choice.reason]


def signature(seal: Seal) -> str:
    """A `thoughtSignature`, base64 whatever it was."""
    text = wrap(seal, ORIGIN)
    return text if _BASE64(text) else wrap(Seal(ORIGIN, SealKind.SIGNATURE, text), "")


def sound(audio: Audio, context: ReplyContext) -> list[Block]:
    """Sound as a blob, and what is said in it as text: a candidate has no other place for it."""
    blocks: list[Block] = []
    if isinstance(audio.source, MediaBytes):
        wish = context.conversation.audio
        named = audio.source.media_type
        kind = _SOUNDS.get((wish.format if wish is not None else None) or "pcm16", _SOUNDS["pcm16"]) if "*" in named else named
        blocks.append({"inlineData": {"mimeType": kind, "data": audio.source.base64}})
    if audio.transcript:
        blocks.append({"text": audio.transcript})
    return blocks


class CandidateWriter:
    """Parts of one candidate, and what stands beside them. The texts are kept: citations count in all of them."""

    __slots__ = ("_beside", "_context", "_grounding", "_offset", "_texts")

    def __init__(self, context: ReplyContext) -> None:
        self._context = context
        self._grounding = GroundingWriter()
        self._beside: Block = {}
        self._texts: list[str] = []
        self._offset = 0

    def part(self, part: Part) -> list[Block]:
        """A part of an answer as parts of a content."""
        return _WRITERS[type(part)](self, part)

    def cite(self, citations: tuple[Citation, ...], text: str) -> None:
        """Note a whole text of the answer, and what it cites."""
        if citations:
            self._grounding.add(citations, text, self._offset)
        self._texts.append(text)
        self._offset += len(text) if text.isascii() else len(text.encode("utf-8", "replace"))

    def beside(self) -> Block:
        """`groundingMetadata` and `urlContextMetadata`: Google's own if it came, else made of the citations."""
        if GROUNDING not in self._beside:
            made = self._grounding.metadata("".join(self._texts))
            if made is not None:
                return {**self._beside, GROUNDING: made}
        return self._beside

    def _text(self, part: Text) -> list[Block]:
        self.cite(part.citations, part.text)
        return [{"text": part.text} if part.seal is None else {"text": part.text, "thoughtSignature": signature(part.seal)}]

    def _refusal(self, part: Refusal) -> list[Block]:
        self.cite((), part.text)
        return [{"text": part.text}]

    def _reasoning(self, part: Reasoning) -> list[Block]:
        text = part.text or "\n\n".join(part.summary)
        if part.seal is None:
            return [{"text": text, "thought": True}] if text else []
        return [seal_block(text, part.seal)]

    def _call(self, part: ToolCall) -> list[Block]:
        return [call_block(part.id, part.name, call_arguments(part.arguments, is_custom=part.is_custom), part.seal)]

    def _media(self, part: Image | Video | Document) -> list[Block]:
        block = None if part.source is None else write_media(part, part.source)
        return [] if block is None else [dict(block)]

    def _audio(self, part: Audio) -> list[Block]:
        self.cite((), part.transcript or "")
        return sound(part, self._context)

    def _step(self, part: ServerTool) -> list[Block]:
        if part.origin != ORIGIN:
            return []
        if BESIDE_CONTENT.isdisjoint(part.raw):
            return [dict(part.raw)]
        self._beside.update(part.raw)
        return []


def seal_block(text: str, seal: Seal) -> Block:
    """A thought with its seal. Gemini's own seal without a text is that of no thought."""
    block: Block = {"text": text, "thoughtSignature": signature(seal)}
    if text or seal.origin != ORIGIN:
        block["thought"] = True
    return block


def call_block(made_id: str, name: str, args: object, seal: Seal | None) -> Block:
    """A call of a function."""
    call: JsonObject = {"id": made_id} if made_id else {}
    block: Block = {"functionCall": {**call, "name": name, "args": args}}
    if seal is not None:
        block["thoughtSignature"] = signature(seal)
    return block


_W = CandidateWriter
_WRITERS: Final[dict[type[msgspec.Struct], Callable[..., list[Block]]]] = {
    Text: _W._text,  # noqa: SLF001 - the class's own table
    Refusal: _W._refusal,  # noqa: SLF001
    Reasoning: _W._reasoning,  # noqa: SLF001
    ToolCall: _W._call,  # noqa: SLF001
    Image: _W._media,  # noqa: SLF001
    Video: _W._media,  # noqa: SLF001
    Document: _W._media,  # noqa: SLF001
    Audio: _W._audio,  # noqa: SLF001
    ServerTool: _W._step,  # noqa: SLF001
}
