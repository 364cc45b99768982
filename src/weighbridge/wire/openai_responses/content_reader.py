"""The content of a message, or of a tool's result -> parts."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from weighbridge.wire.cache_control import read_cache
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
from weighbridge.wire.data_urls import parse_data_url
from weighbridge.wire.fields import Fields, invalid
from weighbridge.wire.json_value import Json, JsonObject
from weighbridge.wire.openai_responses.vocabulary import ORIGIN, read_annotations
from weighbridge.wire.receipt import Receipt

NO_CONTENT: Final = (Text(""),)
"""A message always has a part."""


def read_content(content: Json, path: str, receipt: Receipt) -> tuple[Part, ...]:
    """The parts: empty texts are left out. Raises `GatewayError` INVALID_REQUEST for what is no content."""
    if isinstance(content, str):
        return (Text(content),) if content else ()
    if not isinstance(content, list):
        raise invalid(path, "a string or an array of content")
    parts: list[Part] = []
    for i, entry in enumerate(content):
        if not isinstance(entry, dict):
            raise invalid(f"{path}[{i}]", "an object")
        part = _read_entry(entry, f"{path}[{i}]", receipt)
        if part is not None:
            parts.append(part)
    return tuple(parts)


def _read_entry(entry: JsonObject, path: str, receipt: Receipt) -> Part | None:
    word = entry.get("type")
    text = entry.get("text")
    if word == "input_text" and len(entry) == 2 and isinstance(text, str):  # most of them
        return Text(text) if text else None
    read = _READERS.get(word) if isinstance(word, str) else None
    if read is None:
        raise invalid(f"{path}.type", "one of " + ", ".join(_READERS))
    fields = Fields(entry, path)
    part = read(fields)
    fields.leftover(receipt, ignored=_SAYS_NOTHING)
    return part


_SAYS_NOTHING: Final = frozenset(("type", "logprobs"))
"""Log probabilities of an earlier answer are no part of a prompt."""


def _cache(fields: Fields) -> CacheBreakpoint | None:
    return read_cache(fields.value("prompt_cache_breakpoint"))


def _text(fields: Fields) -> Part | None:
    text = fields.required_text("text")
    cache = _cache(fields)
    citations = read_annotations(fields.value("annotations"))
    return Text(text, cache, citations) if text or cache is not None else None


def _refusal(fields: Fields) -> Part:
    return Refusal(fields.required_text("refusal"))


def _image(fields: Fields) -> Part:
    url, file_id = fields.text("image_url"), fields.text("file_id")
    detail, cache = fields.text("detail"), _cache(fields)
    if not url and not file_id:
        fields.missing("image_url")
    source = (parse_data_url(url) or MediaUrl(url)) if url else MediaFile(file_id or "", ORIGIN)
    return Image(source, detail, cache)


def _file(fields: Fields) -> Part:
    data, url, file_id = fields.text("file_data"), fields.text("file_url"), fields.text("file_id")
    source: Media
    if data:
        source = parse_data_url(data) or MediaBytes(data, "application/pdf")
    elif url:
        source = parse_data_url(url) or MediaUrl(url)
    elif file_id:
        source = MediaFile(file_id, ORIGIN)
    else:
        fields.missing("file_data")
    return Document(source, name=fields.text("filename"), cache=_cache(fields))


def _audio(fields: Fields) -> Part:
    # As in chat: {"input_audio": {"data": base64, "format": "mp3" or "wav"}}.
    audio = fields.nested("input_audio")
    if audio is None:
        fields.missing("input_audio")
    source = MediaBytes(audio.required_text("data"), f"audio/{audio.text('format') or 'wav'}")
    return Audio(source, cache=_cache(fields))


_READERS: Final[dict[str, Callable[[Fields], Part | None]]] = {
    "input_text": _text,
    "output_text": _text,
    "text": _text,
    "refusal": _refusal,
    "input_image": _image,
    "computer_screenshot": _image,
    "input_file": _file,
    "input_audio": _audio,
}
