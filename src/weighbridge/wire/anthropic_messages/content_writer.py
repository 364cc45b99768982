"""Parts of turns -> content blocks of a request, with a receipt of what no block can say."""

from __future__ import annotations

import binascii
from base64 import b64decode
from collections.abc import Callable
from typing import Final

import msgspec

from weighbridge.wire.anthropic_messages.vocabulary import ORIGIN, arguments_object, safe_id, sendable_citation
from weighbridge.wire.cache_control import write_cache
from weighbridge.wire.conversation import (
    Audio,
    CacheBreakpoint,
    Document,
    Image,
    Media,
    MediaBytes,
    MediaFile,
    MediaUrl,
    Part,
    Reasoning,
    Refusal,
    SealKind,
    ServerTool,
    Text,
    ToolCall,
    ToolResult,
    Video,
)
from weighbridge.wire.quirks import Quirks
from weighbridge.wire.receipt import Receipt

Block = dict[str, object]
Place = tuple[int, ...]
"""Where a part stands: turn, part, and part of a tool's result."""

CUSTOM_INPUT: Final = "input"
"""The one argument of a tool that takes free text, since every tool takes an object here."""
WRAPPED_ARGUMENTS: Final = "arguments"
"""Where arguments go that are no JSON object, so that the model sees what it had written."""

_MEDIA_TYPES: Final = {"image/jpg": "image/jpeg"}
"""Common misspellings of the four types that are taken (jpeg, png, gif, webp)."""
_PDF: Final = "application/pdf"
_WEB: Final = ("https://", "http://")


def path_of(place: Place) -> str:
    """The name of a place in receipts: `turns[2].parts[0]`."""
    turn, *parts = place
    return f"turns[{turn}]" + "".join(f".parts[{part}]" for part in parts)


class ContentWriter:
    """Writes the content of all messages of one request."""

    __slots__ = ("_quirks", "_receipt")

    def __init__(self, quirks: Quirks, receipt: Receipt) -> None:
        self._quirks = quirks
        self._receipt = receipt

    def write(self, part: Part, place: Place) -> Block | None:
        """The block for a part; None where there is none, which the receipt then tells, or where the part is an empty text."""
        return _WRITERS[type(part)](self, part, place)

    def _text(self, part: Text, place: Place) -> Block | None:
        text = part.text
        if not text or text.isspace():
            # "text content blocks must contain non-whitespace text"
            if text:
                self._receipt.mapped(path_of(place), "nothing but blanks: left out")
            if part.cache is not None:
                self._receipt.dropped(f"{path_of(place)}.cache", "on an empty text")
            return None
        block: Block = {"type": "text", "text": text}
        if part.citations:
            cited = [raw for citation in part.citations if (raw := sendable_citation(citation)) is not None]
            if cited:
                block["citations"] = cited
            if len(cited) < len(part.citations):
                self._receipt.dropped(f"{path_of(place)}.citations", "another vendor's")
        if part.seal is not None:
            self._receipt.dropped(f"{path_of(place)}.seal", "another vendor's")
        return self._cached(block, part.cache, place)

    def _refusal(self, part: Refusal, place: Place) -> Block | None:
        if not part.text or part.text.isspace():
            return None
        self._receipt.mapped(path_of(place), "a refusal as text")
        return {"type": "text", "text": part.text}

    def _image(self, part: Image, place: Place) -> Block | None:
        if self._quirks.images == "none":
            return self._drop(place, "no pictures")
        if self._quirks.images == "inline" and not isinstance(part.source, MediaBytes):
            return self._drop(place, "pictures only within the request")
        source = _source(part.source)
        if source is None:
            return self._drop(place, "a picture that the provider cannot reach")
        if part.detail is not None and part.detail != "auto":
            self._receipt.dropped(f"{path_of(place)}.detail", "pictures have one resolution")
        return self._cached({"type": "image", "source": source}, part.cache, place)

    def _document(self, part: Document, place: Place) -> Block | None:
        source = self._document_source(part, place)
        if source is None:
            return None
        block: Block = {"type": "document", "source": source}
        if part.name:
            block["title"] = part.name
        if part.context:
            block["context"] = part.context
        if part.cites is not None:
            block["citations"] = {"enabled": part.cites}
        return self._cached(block, part.cache, place)

    def _document_source(self, part: Document, place: Place) -> Block | None:
        media = part.source
        if part.plain_text is not None:
            return _plain_text(part.plain_text)
        if media is None:
            return self._drop(place, "a document without content")
        if not self._quirks.documents:
            return self._drop(place, "no documents")
        if isinstance(media, MediaBytes) and media.media_type != _PDF:
            text = _decoded_text(media)
            if text is None:
                return self._drop(place, f"a document of type {media.media_type}")
            self._receipt.mapped(path_of(place), "a file of text as text")
            return _plain_text(text)
        return _source(media) or self._drop(place, "a document that the provider cannot reach")

    def _audio(self, part: Audio, place: Place) -> Block | None:
        if part.transcript and not part.transcript.isspace():
            self._receipt.widened(path_of(place), "what was said as text")
            return {"type": "text", "text": part.transcript}
        return self._drop(place, "no sound")

    def _video(self, _part: Video, place: Place) -> Block | None:
        return self._drop(place, "no films")

    def _tool_call(self, part: ToolCall, place: Place) -> Block:
        given: object
        if part.is_custom:
            given = {CUSTOM_INPUT: part.arguments}
        elif (given := arguments_object(part.arguments)) is None:
            self._receipt.mapped(f"{path_of(place)}.arguments", f"no JSON object: sent within `{WRAPPED_ARGUMENTS}`")
            given = {WRAPPED_ARGUMENTS: part.arguments}
        if part.seal is not None:
            self._receipt.dropped(f"{path_of(place)}.seal", "another vendor's")
        block: Block = {"type": "tool_use", "id": self._id(part.id, place, "id"), "name": part.name, "input": given}
        return self._cached(block, part.cache, place)

    def _tool_result(self, part: ToolResult, place: Place) -> Block:
        block: Block = {"type": "tool_result", "tool_use_id": self._id(part.call_id, place, "call_id")}
        parts = part.parts
        if len(parts) == 1 and isinstance(first := parts[0], Text) and first.cache is None and not first.citations:
            block["content"] = first.text
        elif parts:
            written = [self._within_result(inner, (*place, k)) for k, inner in enumerate(parts)]
            block["content"] = [inner for inner in written if inner is not None]
        if part.is_error is not None:
            block["is_error"] = part.is_error
        return self._cached(block, part.cache, place)

    def _within_result(self, part: Part, place: Place) -> Block | None:
        if isinstance(part, (ToolCall, ToolResult, Reasoning)):
            return self._drop(place, "not within a result")
        return self.write(part, place)

    def _reasoning(self, part: Reasoning, place: Place) -> Block | None:
        seal = part.seal
        if seal is None:
            return self._drop(place, "thinking without a signature")
        if seal.origin != ORIGIN:
            return self._drop(place, f"thinking sealed by {seal.origin}")
        if seal.kind is SealKind.REDACTED:
            return {"type": "redacted_thinking", "data": seal.text}
        # A caller of another dialect may have kept the text as the vendor's summary of it, which for Claude it is.
        return {"type": "thinking", "thinking": part.text or "\n\n".join(part.summary), "signature": seal.text}

    def _server_tool(self, part: ServerTool, place: Place) -> Block | None:
        if part.origin != ORIGIN:
            return self._drop(place, f"a step of a tool of {part.origin}")
        return dict(part.raw)

    def _id(self, call_id: str, place: Place, field: str) -> str:
        safe = safe_id(call_id)
        if safe != call_id:
            self._receipt.mapped(f"{path_of(place)}.{field}", "characters that are not taken")
        return safe

    def _cached(self, block: Block, cache: CacheBreakpoint | None, place: Place) -> Block:
        if cache is not None:
            block["cache_control"] = write_cache(cache, f"{path_of(place)}.cache", self._receipt)
        return block

    def _drop(self, place: Place, note: str) -> Block | None:
        self._receipt.dropped(path_of(place), note)
        return None


def _plain_text(text: str) -> Block:
    return {"type": "text", "media_type": "text/plain", "data": text}


def _source(media: Media) -> Block | None:
    if isinstance(media, MediaBytes):
        media_type = _MEDIA_TYPES.get(media.media_type, media.media_type)
        return {"type": "base64", "media_type": media_type, "data": media.base64}
    if isinstance(media, MediaUrl):
        return {"type": "url", "url": media.url} if media.url.startswith(_WEB) else None
    assert isinstance(media, MediaFile)
    return {"type": "file", "file_id": media.file_id} if media.origin == ORIGIN else None


def _decoded_text(media: MediaBytes) -> str | None:
    if not media.media_type.startswith("text/") and media.media_type not in _TEXTUAL:
        return None
    try:
        return b64decode(media.base64, validate=True).decode()
    except (binascii.Error, ValueError):
        return None


_TEXTUAL: Final = frozenset(("application/json", "application/xml", "application/yaml"))

_W = ContentWriter
_WRITERS: Final[dict[type[msgspec.Struct], Callable[..., Block | None]]] = {
    Text: _W._text,  # noqa: SLF001 - the class's own table
    Refusal: _W._refusal,  # noqa: SLF001
    Image: _W._image,  # noqa: SLF001
    Audio: _W._audio,  # noqa: SLF001
    Video: _W._video,  # noqa: SLF001
    Document: _W._document,  # noqa: SLF001
    ToolCall: _W._tool_call,  # noqa: SLF001
    ToolResult: _W._tool_result,  # noqa: SLF001
    Reasoning: _W._reasoning,  # noqa: SLF001
    ServerTool: _W._server_tool,  # noqa: SLF001
}
