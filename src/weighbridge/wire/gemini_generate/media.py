"""`inlineData` and `fileData` -> parts, and back."""

from __future__ import annotations

import binascii
from base64 import b64decode
from typing import Final

from weighbridge.wire.conversation import Audio, Document, Image, Media, MediaBytes, MediaFile, MediaUrl, Part, Video
from weighbridge.wire.fields import Fields
from weighbridge.wire.gemini_generate.vocabulary import ORIGIN
from weighbridge.wire.json_value import JsonObject

_FILES_API: Final = "https://generativelanguage.googleapis.com/"
"""Where files are that were uploaded to Google before."""
_FILMS: Final = ("https://www.youtube.com/", "https://youtube.com/", "https://youtu.be/")

# https://ai.google.dev/gemini-api/docs/file-input-methods: the type is told by the caller, never found out by Google.
_TYPES: Final = {
    "jpg": "image/jpeg",
    "jpeg": "image/jpeg",
    "png": "image/png",
    "webp": "image/webp",
    "gif": "image/gif",
    "heic": "image/heic",
    "heif": "image/heif",
    "pdf": "application/pdf",
    "txt": "text/plain",
    "md": "text/markdown",
    "html": "text/html",
    "csv": "text/csv",
    "mp3": "audio/mpeg",
    "wav": "audio/wav",
    "ogg": "audio/ogg",
    "flac": "audio/flac",
    "aac": "audio/aac",
    "mp4": "video/mp4",
    "mov": "video/quicktime",
    "webm": "video/webm",
}
_USUAL: Final = {Image: "image/jpeg", Audio: "audio/mpeg", Video: "video/mp4", Document: "application/pdf"}
_STANDARD_ALPHABET: Final = str.maketrans("-_", "+/")
_USUAL_ALPHABET: Final = str.maketrans("-_", "+/")
_UNNAMED: Final = frozenset(("", "application/octet-stream", "audio/*"))


def read_inline(blob: Fields) -> Part:
    """`inlineData`."""
    media_type = blob.text("mimeType") or "application/octet-stream"
    # Google's own SDK writes the URL-safe alphabet, which protobuf's JSON takes as well, and which nobody else does.
    data = blob.required_text("data").translate(_STANDARD_ALPHABET)
    return media_part(MediaBytes(data, media_type), media_type, blob.text("displayName"))


def read_file(file: Fields) -> Part:
    """`fileData`."""
    url, media_type = file.required_text("fileUri"), file.text("mimeType")
    source: Media = MediaFile(url, ORIGIN, media_type) if url.startswith(_FILES_API) else MediaUrl(url, media_type)
    known = media_type or ("video/mp4" if url.startswith(_FILMS) else type_by_name(url)) or ""
    return media_part(source, known, file.text("displayName"))


def decodable(data: str) -> str:
    """Base64 in its usual alphabet; empty for what is none. Pieces of sound are joined after decoding."""
    usual = data.translate(_USUAL_ALPHABET)
    try:
        b64decode(usual, validate=True)
    except binascii.Error:
        return ""
    return usual


def media_part(source: Media, media_type: str, name: str | None = None) -> Part:
    """A picture, sound, film or document, as its type says."""
    kind = media_type.partition("/")[0]
    if kind == "image":
        return Image(source)
    if kind == "audio":
        return Audio(source)
    return Video(source) if kind == "video" else Document(source, name=name)


def type_by_name(url: str) -> str | None:
    """The media type that the ending of an address tells."""
    path = url.partition("?")[0].partition("#")[0]
    return _TYPES.get(path.rpartition(".")[2].lower())


def write_media(part: Image | Audio | Video | Document, source: Media) -> JsonObject | None:
    """A part of a content; None for a file of another vendor."""
    usual = _USUAL[type(part)]
    media_type = source.media_type or ""
    if isinstance(source, MediaBytes):
        kind = usual if media_type in _UNNAMED else media_type
        return {"inlineData": {"mimeType": kind, "data": source.base64}}
    if isinstance(source, MediaFile):
        if source.origin != ORIGIN:
            return None
        url = source.file_id
    else:
        url = source.url
        media_type = media_type or type_by_name(url) or usual
    file: JsonObject = {"fileUri": url}
    if media_type:
        file["mimeType"] = media_type
    return {"fileData": file}
