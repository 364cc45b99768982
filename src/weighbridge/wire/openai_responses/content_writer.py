"""Parts of a message, or of a tool's result -> the content that may stand in `input`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

from weighbridge.wire.cache_control import write_breakpoint
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
    Refusal,
    Text,
)
from weighbridge.wire.data_urls import data_url
from weighbridge.wire.json_value import Json, JsonObject
from weighbridge.wire.openai_responses.vocabulary import ORIGIN
from weighbridge.wire.quirks import Quirks
from weighbridge.wire.receipt import Receipt

_EXTENSIONS: Final = {"application/pdf": "pdf", "text/plain": "txt", "text/csv": "csv", "application/json": "json"}
_AUDIO_FORMATS: Final = {
    "audio/mpeg": "mp3",
    "audio/mp3": "mp3",
    "audio/wav": "wav",
    "audio/x-wav": "wav",
    "audio/wave": "wav",
}


class ContentWriter:
    """Writes the content of one request. `keeps_cache` says whether marks of cached prefixes are understood."""

    __slots__ = ("_keeps_cache", "_quirks", "_receipt")

    def __init__(self, quirks: Quirks, receipt: Receipt, *, keeps_cache: bool) -> None:
        self._quirks = quirks
        self._receipt = receipt
        self._keeps_cache = keeps_cache

    def write(self, parts: Sequence[tuple[str, Part]]) -> Json:
        """Parts, each with its path: a single plain text is a string, all else an array."""
        if len(parts) == 1:
            only = parts[0][1]
            if isinstance(only, Text) and only.cache is None and only.seal is None and not only.citations:
                return only.text
        content: list[Json] = []
        for path, part in parts:
            entry = self._entry(part, path)
            if entry is not None:
                content.append(entry)
        return content

    def drop_cache(self, cache: CacheBreakpoint | None, path: str) -> None:
        """Note that a mark is lost where the API has no place for one."""
        if cache is not None:
            self._receipt.dropped(f"{path}.cache", "no place for it here")

    def _entry(self, part: Part, path: str) -> JsonObject | None:
        write = _WRITERS.get(type(part))
        entry = None if write is None else write(self, part, path)
        if entry is None:
            if write is None:
                self._receipt.dropped(path, "no place for it in a message")
            return None
        cache: CacheBreakpoint | None = getattr(part, "cache", None)
        if cache is not None:
            self._mark(entry, cache, path)
        return entry

    def _mark(self, entry: JsonObject, cache: CacheBreakpoint, path: str) -> None:
        if not self._keeps_cache:
            self._receipt.dropped(f"{path}.cache", "prefixes are cached automatically, if at all")
            return
        # Supported by gpt-5.6 and later models.
        entry["prompt_cache_breakpoint"] = write_breakpoint(cache, f"{path}.cache", self._receipt)

    def _text(self, part: Text, path: str) -> JsonObject:
        if part.citations:
            self._receipt.dropped(f"{path}.citations", "only answers cite")
        if part.seal is not None:
            self._receipt.dropped(f"{path}.seal", "of another vendor")
        return {"type": "input_text", "text": part.text}

    def _refusal(self, part: Refusal, _path: str) -> JsonObject:
        return {"type": "input_text", "text": part.text}

    def _image(self, part: Image, path: str) -> JsonObject | None:
        allowed = self._quirks.images
        if allowed == "none" or (allowed == "inline" and isinstance(part.source, MediaUrl)):
            self._receipt.dropped(path, "the provider takes no such pictures")
            return None
        address = self._address(part.source, path)
        if address is None:
            return None
        name = "file_id" if isinstance(part.source, MediaFile) else "image_url"
        entry: JsonObject = {"type": "input_image", name: address, "detail": part.detail or "auto"}
        return entry

    def _audio(self, part: Audio, path: str) -> JsonObject | None:
        source = part.source
        if source is None and part.transcript is not None:
            self._receipt.mapped(path, "its transcript")
            return {"type": "input_text", "text": part.transcript}
        audio_format = _AUDIO_FORMATS.get(source.media_type) if isinstance(source, MediaBytes) else None
        if audio_format is None or not self._quirks.audio_input:
            self._receipt.dropped(path, "no place for sound")
            return None
        assert isinstance(source, MediaBytes)
        return {"type": "input_audio", "input_audio": {"data": source.base64, "format": audio_format}}

    def _document(self, part: Document, path: str) -> JsonObject | None:
        for name in ("context", "cites"):
            if getattr(part, name):
                self._receipt.dropped(f"{path}.{name}", "no place for it here")
        if part.source is None:
            self._receipt.mapped(path, "as text")
            title = f"{part.name}\n\n" if part.name else ""
            return {"type": "input_text", "text": title + (part.plain_text or "")}
        address = self._address(part.source, path)
        if address is None or not self._quirks.documents:
            if address is not None:
                self._receipt.dropped(path, "the provider takes no files")
            return None
        if isinstance(part.source, MediaFile):
            return {"type": "input_file", "file_id": address}
        if isinstance(part.source, MediaUrl):
            entry: JsonObject = {"type": "input_file", "file_url": address}
            if part.name is not None:
                entry["filename"] = part.name
            return entry
        name = part.name or f"file.{_EXTENSIONS.get(part.source.media_type, 'bin')}"
        return {"type": "input_file", "filename": name, "file_data": address}

    def _address(self, source: Media, path: str) -> str | None:
        if isinstance(source, MediaBytes):
            return data_url(source)
        if isinstance(source, MediaFile):
            if source.origin == ORIGIN:
                return source.file_id
            self._receipt.dropped(path, f"a file at {source.origin}")
            return None
        if source.url[:8].lower().startswith(("https://", "http://", "data:")):
            return source.url
        self._receipt.dropped(path, "an address that only its own cloud can read")
        return None


_C = ContentWriter
_WRITERS: Final[dict[type[Part], Callable[..., JsonObject | None]]] = {
    Text: _C._text,  # noqa: SLF001 - the class's own table
    Refusal: _C._refusal,  # noqa: SLF001
    Image: _C._image,  # noqa: SLF001
    Audio: _C._audio,  # noqa: SLF001
    Document: _C._document,  # noqa: SLF001
}
