"""Pictures, documents, films and sound as Converse's blocks: bytes within the request or a place in S3, nothing else.

https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_ContentBlock.html
"""

from __future__ import annotations

import re
from base64 import b64encode
from typing import Final

from weighbridge.wire.conversation import Audio, Document, Image, Media, MediaBytes, MediaUrl, Video
from weighbridge.wire.json_value import JsonObject
from weighbridge.wire.quirks import Quirks
from weighbridge.wire.receipt import Receipt

_IMAGES: Final = {"image/png": "png", "image/jpeg": "jpeg", "image/jpg": "jpeg", "image/gif": "gif", "image/webp": "webp"}
_IMAGE_MAGIC: Final = {"iVBO": "png", "/9j/": "jpeg", "R0lG": "gif", "UklG": "webp"}
"""How the base64 of each format begins: a wrong media type is common, and Bedrock refuses it."""
_DOCUMENTS: Final = {
    "application/pdf": "pdf",
    "text/csv": "csv",
    "application/msword": "doc",
    "application/vnd.openxmlformats-officedocument.wordprocessingml.document": "docx",
    "application/vnd.ms-excel": "xls",
    "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet": "xlsx",
    "text/html": "html",
    "text/plain": "txt",
    "text/markdown": "md",
}
_EXTENSIONS: Final = frozenset(_DOCUMENTS.values())
_VIDEOS: Final = {
    "video/x-matroska": "mkv",
    "video/quicktime": "mov",
    "video/mp4": "mp4",
    "video/webm": "webm",
    "video/x-flv": "flv",
    "video/mpeg": "mpeg",
    "video/x-ms-wmv": "wmv",
    "video/3gpp": "three_gp",
}
_SOUNDS: Final = {
    "audio/mpeg": "mp3",
    "audio/mp3": "mp3",
    "audio/opus": "opus",
    "audio/wav": "wav",
    "audio/x-wav": "wav",
    "audio/aac": "aac",
    "audio/flac": "flac",
    "audio/mp4": "mp4",
    "audio/ogg": "ogg",
    "audio/webm": "webm",
    "audio/pcm": "pcm",
}
_NOT_IN_A_NAME: Final = re.compile(r"[^A-Za-z0-9\-()\[\]]+")
_MAX_NAME: Final = 200


class MediaWriter:
    """Writes the files of one request; the names of its documents have to differ from one another."""

    __slots__ = ("_names", "_quirks", "_receipt")

    def __init__(self, quirks: Quirks, receipt: Receipt) -> None:
        self._quirks = quirks
        self._receipt = receipt
        self._names: set[str] = set()

    def image(self, part: Image, path: str) -> JsonObject | None:
        """An `image` block; None, with a note in the receipt, for what cannot be sent."""
        if self._quirks.images == "none":
            return self._dropped(path, "no pictures")
        media_type = part.source.media_type or ""
        form = _IMAGES.get(media_type)
        if isinstance(part.source, MediaBytes):
            form = _IMAGE_MAGIC.get(part.source.base64[:4], form)
        return self._block("image", form, part.source, path)

    def video(self, part: Video, path: str) -> JsonObject | None:
        """A `video` block, likewise."""
        return self._block("video", _VIDEOS.get(part.source.media_type or ""), part.source, path)

    def audio(self, part: Audio, path: str) -> JsonObject | None:
        """An `audio` block, likewise."""
        if part.source is None or not self._quirks.audio_input:
            return self._dropped(path, "no sound")
        return self._block("audio", _SOUNDS.get(part.source.media_type or ""), part.source, path)

    def document(self, part: Document, path: str) -> JsonObject | None:
        """A `document` block, likewise. Its name is brought into the alphabet that is allowed and made unique."""
        source: JsonObject | None
        if not self._quirks.documents:
            return self._dropped(path, "no documents")
        if part.plain_text is not None:
            form: str | None = "txt"
            # Text as such is for citing; any model takes it as a file.
            plain = part.plain_text
            source = {"text": plain} if part.cites else {"bytes": b64encode(plain.encode()).decode()}
        else:
            form = self._document_format(part)
            source = None if part.source is None or form is None else _source(part.source)
        if source is None:
            return self._dropped(path, "only bytes or s3, of a known type")
        block: JsonObject = {"format": form, "name": self._name(part.name, path), "source": source}
        if part.context is not None:
            block["context"] = part.context
        if part.cites is not None:
            block["citations"] = {"enabled": part.cites}
        return {"document": block}

    def _document_format(self, part: Document) -> str | None:
        media_type = (part.source.media_type if part.source is not None else None) or ""
        form = _DOCUMENTS.get(media_type.partition(";")[0])
        extension = (part.name or "").rpartition(".")[2].lower()
        if form is None or (form == "txt" and extension in _EXTENSIONS):
            form = extension if extension in _EXTENSIONS else form
        if form is None and media_type.startswith("text/"):
            return "txt"
        return form

    def _name(self, wanted: str | None, path: str) -> str:
        name = " ".join(_NOT_IN_A_NAME.sub(" ", wanted or "").split())[:_MAX_NAME].strip() or "Document"
        unique, count = name, 1
        while unique in self._names:
            count += 1
            unique = f"{name[: _MAX_NAME - 8]} ({count})"
        self._names.add(unique)
        if wanted is not None and unique != wanted:
            self._receipt.mapped(f"{path}.name", "only letters, digits, blanks, hyphens and brackets, and each name once")
        return unique

    def _block(self, kind: str, form: str | None, media: Media, path: str) -> JsonObject | None:
        source = _source(media)
        if source is None:
            return self._dropped(path, "only bytes or s3, not by its address")
        if form is None:
            return self._dropped(path, f"{media.media_type or 'no media type'} is not taken")
        return {kind: {"format": form, "source": source}}

    def _dropped(self, path: str, note: str) -> JsonObject | None:
        self._receipt.dropped(path, note)
        return None


def _source(media: Media) -> JsonObject | None:
    if isinstance(media, MediaBytes):
        return {"bytes": media.base64}
    if isinstance(media, MediaUrl) and media.url.startswith("s3:"):
        return {"s3Location": {"uri": media.url}}
    return None
