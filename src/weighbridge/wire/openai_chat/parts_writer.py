"""Parts of a message as content parts: texts, pictures, sounds, files, and cache breakpoints upon them."""

from __future__ import annotations

import binascii
from base64 import b64decode
from typing import Final

from weighbridge.wire.cache_control import write_breakpoint, write_cache
from weighbridge.wire.conversation import (
    Audio,
    CacheBreakpoint,
    Conversation,
    Document,
    Image,
    Media,
    MediaBytes,
    MediaFile,
    MediaUrl,
    Part,
    Refusal,
    Text,
    Video,
)
from weighbridge.wire.data_urls import data_url
from weighbridge.wire.json_value import JsonObject
from weighbridge.wire.openai_chat.vocabulary import ORIGIN, own_fields
from weighbridge.wire.quirks import Quirks
from weighbridge.wire.receipt import Receipt

_AUDIO_FORMATS: Final = {"audio/mpeg": "mp3", "audio/mp3": "mp3", "audio/wav": "wav", "audio/x-wav": "wav", "audio/wave": "wav"}


class PartsWriter:
    """Writes parts for one provider. What it cannot say goes into the receipt."""

    def __init__(self, conversation: Conversation, quirks: Quirks, receipt: Receipt) -> None:
        self._quirks = quirks
        self._receipt = receipt
        # OpenAI's own breakpoints: models before GPT-5.6 refuse them, so they go to callers' models only if they know of them
        # (https://platform.openai.com/docs/guides/prompt-caching).
        self._has_own_marks = "prompt_cache_options" in own_fields(conversation, quirks)
        self.marks_cache = quirks.cache_control or self._has_own_marks
        """Whether breakpoints can be said at all."""

    def mark(self, entry: JsonObject, cache: CacheBreakpoint, path: str) -> bool:
        """Put a breakpoint upon an entry; False, and a note, where the provider has none."""
        if self._quirks.cache_control:
            entry["cache_control"] = write_cache(cache, f"{path}.cache", self._receipt)
            return True
        if self._has_own_marks:
            entry["prompt_cache_breakpoint"] = write_breakpoint(cache, f"{path}.cache", self._receipt)
            return True
        self.drop_cache(cache, path)
        return False

    def drop_cache(self, cache: CacheBreakpoint | None, path: str) -> None:
        """Note a breakpoint as dropped, if there is one."""
        if cache is not None:
            self._receipt.dropped(f"{path}.cache", "the provider caches by itself, or not at all")

    def write(self, part: Part, path: str) -> JsonObject | None:
        """The content part; None, and a note, where the provider takes none of the kind."""
        entry = self._entry(part, path)
        cache = getattr(part, "cache", None)
        if entry is not None and cache is not None:
            self.mark(entry, cache, path)
        return entry

    def _entry(self, part: Part, path: str) -> JsonObject | None:
        if isinstance(part, Text):
            return {"type": "text", "text": part.text}
        if isinstance(part, Refusal):
            return {"type": "refusal", "refusal": part.text}
        if isinstance(part, Image):
            return self._image(part, path)
        if isinstance(part, Audio):
            return self._audio(part, path)
        if isinstance(part, Document):
            return self._document(part, path)
        if isinstance(part, Video) and not isinstance(part.source, MediaFile) and not self._quirks.is_strict_about_fields:
            return {"type": "video_url", "video_url": {"url": _url(part.source)}}
        return self._drop(path, "there is no such part")

    def _drop(self, path: str, note: str) -> JsonObject | None:
        self._receipt.dropped(path, note)
        return None

    def _image(self, image: Image, path: str) -> JsonObject | None:
        understood = self._quirks.images
        if understood == "none" or isinstance(image.source, MediaFile):
            return self._drop(path, "the provider takes no such picture")
        if understood == "inline" and isinstance(image.source, MediaUrl):
            return self._drop(path, "the provider takes pictures within the request only")
        url: JsonObject = {"url": _url(image.source)}
        if image.detail is not None:
            url["detail"] = image.detail
        return {"type": "image_url", "image_url": url}

    def _audio(self, audio: Audio, path: str) -> JsonObject | None:
        if not self._quirks.audio_input or not isinstance(audio.source, MediaBytes):
            return self._drop(path, "the provider takes no such sound")
        kind = audio.source.media_type
        name = _AUDIO_FORMATS.get(kind, kind.partition("/")[2])
        return {"type": "input_audio", "input_audio": {"data": audio.source.base64, "format": name}}

    def _document(self, document: Document, path: str) -> JsonObject | None:
        for name in ("context", "cites"):
            if getattr(document, name):
                self._receipt.dropped(f"{path}.{name}")
        plain = document.plain_text if document.plain_text is not None else _plain(document.source)
        if plain is not None:
            title = f"{document.name}\n\n" if document.name else ""
            self._receipt.mapped(path, "as text")
            return {"type": "text", "text": title + plain}
        source = document.source
        if source is None or not self._quirks.documents:
            return self._drop(path, "the provider takes no files")
        if isinstance(source, MediaFile):
            if source.origin != ORIGIN:
                return self._drop(path, "a file of another vendor")
            return {"type": "file", "file": {"file_id": source.file_id}}
        if isinstance(source, MediaUrl) and not self._quirks.cache_control:
            return self._drop(path, "the provider takes files within the request only")
        return {"type": "file", "file": {"filename": document.name or "document.pdf", "file_data": _url(source)}}


def _plain(source: Media | None) -> str | None:
    """The text of a text file, which this format takes as text only: its files are PDF
    (https://platform.openai.com/docs/guides/pdf-files)."""
    if not isinstance(source, MediaBytes) or not source.media_type.startswith("text/"):
        return None
    try:
        return b64decode(source.base64).decode()
    except (binascii.Error, UnicodeDecodeError):
        return None


def _url(source: Media) -> str:
    if isinstance(source, MediaBytes):
        return data_url(source)
    assert isinstance(source, MediaUrl)
    return source.url
