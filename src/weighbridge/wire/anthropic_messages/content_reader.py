"""Content blocks of a caller's messages -> parts of turns."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from weighbridge.wire.anthropic_messages.vocabulary import ORIGIN, json_text, read_citations, read_server_tool
from weighbridge.wire.cache_control import read_cache
from weighbridge.wire.conversation import (
    Document,
    Image,
    Media,
    MediaBytes,
    MediaFile,
    MediaUrl,
    Part,
    Reasoning,
    Seal,
    SealKind,
    Text,
    ToolCall,
    ToolResult,
)
from weighbridge.wire.fields import Fields, invalid
from weighbridge.wire.json_value import Json, JsonObject
from weighbridge.wire.receipt import Receipt
from weighbridge.wire.sealing import unwrap

_SIGNATURE: Final = SealKind.SIGNATURE


class ContentReader:
    """Reads the content of all messages of one request: results name their tool only by the id of its call."""

    __slots__ = ("_receipt", "_tool_names")

    def __init__(self, receipt: Receipt) -> None:
        self._receipt = receipt
        self._tool_names: dict[str, str] = {}

    def read(self, content: Json, path: str) -> tuple[Part, ...]:
        """A `content`: text, or an array of blocks. Raises `GatewayError` INVALID_REQUEST with the field at fault."""
        if isinstance(content, str):
            return (Text(content),)
        if not isinstance(content, list):
            raise invalid(path, "a string or an array of content blocks")
        parts: list[Part] = []
        for i, block in enumerate(content):
            if not isinstance(block, dict):
                raise invalid(f"{path}[{i}]", "an object")
            if block.get("type") == "text" and len(block) == 2 and isinstance(text := block.get("text"), str):
                if text:  # the usual block, without the cost of `Fields`
                    parts.append(Text(text))
            else:
                self._read_block(block, f"{path}[{i}]", parts)
        return tuple(parts)

    def _read_block(self, block: JsonObject, path: str, parts: list[Part]) -> None:
        kind = block.get("type")
        if not isinstance(kind, str):
            raise invalid(f"{path}.type", "a string")
        read = _READERS.get(kind)
        if read is None:  # server tools, and whatever Anthropic adds: it knows them, nobody else does
            parts.append(read_server_tool(block))
            return
        fields = Fields(block, path)
        del fields.rest["type"]
        part = read(self, fields)
        if isinstance(part, Reasoning) and part.seal is not None and _is_of_previous(part, parts):
            parts[-1] = _sealed(parts[-1], part.seal)
        elif part is not None:
            parts.append(part)
        fields.leftover(self._receipt)

    def _text(self, fields: Fields) -> Part | None:
        text = fields.required_text("text")
        cache = read_cache(fields.value("cache_control"))
        citations = read_citations(fields.value("citations"))
        return Text(text, cache, citations) if text else None

    def _image(self, fields: Fields) -> Part:
        source = _required_source(fields)
        return Image(self._media(source), None, read_cache(fields.value("cache_control")))

    def _document(self, fields: Fields) -> Part:
        source = _required_source(fields)
        kind = source.rest.get("type")
        media: Media | None = None
        text: str | None = None
        if kind == "text":
            text = source.required_text("data")
        elif kind == "content":
            text = self._joined(source)
        else:
            media = self._media(source)
        cites = fields.nested("citations")
        is_cited = None if cites is None else cites.boolean("enabled")
        cache = read_cache(fields.value("cache_control"))
        return Document(media, text, fields.text("title"), fields.text("context"), is_cited, cache)

    def _search_result(self, fields: Fields) -> Part:
        """The caller's own search: to others it is a document with a title."""
        text = self._joined(fields)
        cites = fields.nested("citations")
        is_cited = None if cites is None else cites.boolean("enabled")
        cache = read_cache(fields.value("cache_control"))
        return Document(None, text, fields.text("title"), fields.text("source"), is_cited, cache)

    def _joined(self, fields: Fields) -> str:
        """Content given in blocks as one text; the blocks are what citations would point at."""
        parts = self.read(fields.value("content"), fields.at("content"))
        if any(not isinstance(part, Text) for part in parts):
            self._receipt.dropped(fields.at("content"), "pictures within a document")
        for name in ("cache", "citations"):
            if any(getattr(part, name, None) for part in parts):
                self._receipt.dropped(f"{fields.at('content')}.{name}", "within a document")
        return "\n\n".join(part.text for part in parts if isinstance(part, Text))

    def _media(self, source: Fields) -> Media:
        kind = source.required_text("type")
        media_type = source.text("media_type")
        if kind == "base64":
            return MediaBytes(source.required_text("data"), media_type or "application/octet-stream")
        if kind == "url":
            return MediaUrl(source.required_text("url"), media_type)
        if kind == "file":
            return MediaFile(source.required_text("file_id"), ORIGIN, media_type)
        raise invalid(source.at("type"), "'base64', 'url' or 'file'")

    def _tool_use(self, fields: Fields) -> Part:
        call_id, name = fields.required_text("id"), fields.required_text("name")
        self._tool_names[call_id] = name
        given = fields.json_object("input")
        cache = read_cache(fields.value("cache_control"))
        if fields.rest.get("caller") == {"type": "direct"}:
            del fields.rest["caller"]
        return ToolCall(call_id, name, json_text(given) if given else "{}", cache=cache)

    def _tool_result(self, fields: Fields) -> Part:
        call_id = fields.required_text("tool_use_id")
        content = fields.value("content")
        parts = () if content is None or content == "" else self.read(content, fields.at("content"))
        cache = read_cache(fields.value("cache_control"))
        return ToolResult(call_id, parts, self._tool_names.get(call_id), fields.boolean("is_error"), cache=cache)

    def _thinking(self, fields: Fields) -> Part | None:
        text, signature = fields.text("thinking") or "", fields.text("signature")
        seal = unwrap(signature, ORIGIN, _SIGNATURE) if signature else None
        return Reasoning(text, seal=seal) if text or seal is not None else None

    def _redacted_thinking(self, fields: Fields) -> Part:
        return Reasoning(seal=unwrap(fields.required_text("data"), ORIGIN, SealKind.REDACTED))


def _required_source(fields: Fields) -> Fields:
    source = fields.nested("source")
    if source is None:
        fields.missing("source")
    return source


def _is_of_previous(part: Reasoning, parts: list[Part]) -> bool:
    """Whether a seal is that of the text or call before it: Gemini signs those as well, and this dialect has no place for that
    but a block of its own behind them (`reply_writer.py`)."""
    seal = part.seal
    if seal is None or part.text or seal.origin == ORIGIN or seal.kind is not _SIGNATURE or not parts:
        return False
    previous = parts[-1]
    return isinstance(previous, (Text, ToolCall)) and previous.seal is None


def _sealed(part: Part, seal: Seal) -> Part:
    if isinstance(part, Text):
        return Text(part.text, part.cache, part.citations, seal)
    assert isinstance(part, ToolCall)
    return ToolCall(part.id, part.name, part.arguments, part.is_custom, seal, part.item_id, part.cache)


_R = ContentReader
_READERS: Final[dict[str, Callable[[ContentReader, Fields], Part | None]]] = {
    "text": _R._text,  # noqa: SLF001 - the class's own table
    "image": _R._image,  # noqa: SLF001
    "document": _R._document,  # noqa: SLF001
    "search_result": _R._search_result,  # noqa: SLF001
    "tool_use": _R._tool_use,  # noqa: SLF001
    "tool_result": _R._tool_result,  # noqa: SLF001
    "thinking": _R._thinking,  # noqa: SLF001
    "redacted_thinking": _R._redacted_thinking,  # noqa: SLF001
}
