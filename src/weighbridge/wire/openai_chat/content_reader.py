"""Messages of a caller's request as turns."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from weighbridge.wire.cache_control import read_cache
from weighbridge.wire.conversation import (
    Audio,
    Document,
    Image,
    Media,
    MediaBytes,
    MediaFile,
    MediaUrl,
    Part,
    Reasoning,
    Refusal,
    Role,
    Text,
    ToolCall,
    ToolResult,
    Turn,
    Video,
)
from weighbridge.wire.data_urls import parse_data_url
from weighbridge.wire.fields import Fields, invalid
from weighbridge.wire.json_value import Json, JsonObject
from weighbridge.wire.openai_chat.reply_reader import arguments_text, read_images, read_thoughts, sign_parts
from weighbridge.wire.openai_chat.vocabulary import ORIGIN, read_signature, read_thinking_blocks
from weighbridge.wire.receipt import Receipt

_ROLES: Final = {
    "system": Role.SYSTEM,
    "developer": Role.DEVELOPER,
    "user": Role.USER,
    "assistant": Role.ASSISTANT,
    "tool": Role.USER,
    "function": Role.USER,
}
_AUDIO_TYPES: Final = {"mp3": "audio/mpeg", "wav": "audio/wav"}
_NO_CONTENT: Final = (Text(""),)


class MessageReader:
    """Reads `messages` in order; remembers the names of called tools, which their results do not repeat."""

    def __init__(self, receipt: Receipt) -> None:
        self._receipt = receipt
        self._called: dict[str, ToolCall] = {}
        self._legacy_calls = 0
        self._calls_without_id = 0
        self._waiting: list[str] = []

    def read(self, messages: list[Fields]) -> tuple[Turn, ...]:
        """The turns; results of tools that came one after another share one."""
        turns: list[Turn] = []
        was_result = False
        for message in messages:
            word = message.required_text("role")
            role = _ROLES.get(word)
            if role is None:
                raise invalid(message.at("role"), "one of " + ", ".join(f"'{known}'" for known in _ROLES))
            is_result = word in ("tool", "function")
            parts = self._result(message, word) if is_result else self._parts(message, role)
            if is_result and was_result:
                turns[-1] = Turn(Role.USER, (*turns[-1].parts, *parts))
            else:
                turns.append(Turn(role, parts or _NO_CONTENT, None if is_result else message.text("name")))
            was_result = is_result
            message.leftover(self._receipt, ignored=_SILENT)
        return tuple(turns)

    def _parts(self, message: Fields, role: Role) -> tuple[Part, ...]:
        cache = read_cache(message.value("cache_control"))
        content = self._content(message, "content")
        if cache is not None and content:
            content[-1] = _with_cache(content[-1], cache)
        if role is not Role.ASSISTANT:
            return tuple(content)
        thoughts = read_thoughts({name: message.value(name) for name in _THOUGHTS})
        parts: list[Part] = [*thoughts, *content] if thoughts else content
        if refusal := message.text("refusal"):
            parts.append(Refusal(refusal))
        audio = message.nested("audio")
        if audio is not None and any(audio.rest.values()):
            parts.append(Audio(id=audio.text("id"), transcript=audio.text("transcript")))
        parts += read_images(message.array("images") or [])
        parts += [self._call(call) for call in message.objects("tool_calls") or ()]
        legacy = message.nested("function_call")
        if legacy is not None and any(legacy.rest.values()):
            parts.append(self._legacy_call(legacy))
        seal = read_signature(message.value("extra_content"))
        if seal is not None:
            sign_parts(parts, seal)
        return tuple(parts)

    def _call(self, call: Fields) -> ToolCall:
        seal = read_signature(call.value("extra_content"))
        kind = call.text("type") or "function"
        inner = call.nested(kind)
        if inner is None:
            call.missing(kind)
        is_custom = kind == "custom"
        text = arguments_text(inner.value("input" if is_custom else "arguments"))
        call_id = call.text("id") or self._made_id()
        read = ToolCall(call_id, inner.required_text("name"), text, is_custom, seal, cache=read_cache(call.value("cache_control")))
        self._called[call_id] = read
        call.leftover(self._receipt, ignored=_SILENT)
        return read

    def _made_id(self) -> str:
        """Google's own endpoint leaves ids of calls empty, so that those of their results are, too: these meet in their order."""
        self._calls_without_id += 1
        call_id = f"call_made_{self._calls_without_id}"
        self._waiting.append(call_id)
        return call_id

    def _legacy_call(self, call: Fields) -> ToolCall:
        self._legacy_calls += 1
        return ToolCall(f"call_legacy_{self._legacy_calls}", call.required_text("name"), call.text("arguments") or "")

    def _result(self, message: Fields, word: str) -> tuple[Part, ...]:
        parts = tuple(self._content(message, "content")) or _NO_CONTENT
        cache = read_cache(message.value("cache_control"))
        name = message.text("name")
        if word == "function":
            return (ToolResult(f"call_legacy_{self._legacy_calls}", parts, name, cache=cache),)
        call_id = message.text("tool_call_id") or ""
        if not call_id and self._waiting:
            call_id = self._waiting.pop(0)
        if not call_id:
            message.missing("tool_call_id")
        called = self._called.get(call_id)
        if called is not None:
            return (ToolResult(call_id, parts, name or called.name, is_custom=called.is_custom, cache=cache),)
        return (ToolResult(call_id, parts, name, cache=cache),)

    def _content(self, message: Fields, name: str) -> list[Part]:
        value = message.value(name)
        if value is None:
            return []
        if isinstance(value, str):
            return [Text(value)] if value else []
        if not isinstance(value, list):
            raise invalid(message.at(name), "a string or an array of content parts")
        parts: list[Part] = []
        for i, item in enumerate(value):
            path = f"{message.at(name)}[{i}]"
            if isinstance(item, str):
                parts.append(Text(item))
                continue
            if not isinstance(item, dict):
                raise invalid(path, "an object")
            part = self._part(Fields(item, path))
            if part is not None and not (isinstance(part, Text) and not part.text):
                parts.append(part)
        return parts

    def _part(self, fields: Fields) -> Part | None:
        kind = fields.required_text("type")
        cache = read_cache(fields.value("cache_control")) or read_cache(fields.value("prompt_cache_breakpoint"))
        read = _PARTS.get(kind)
        if read is None:
            self._receipt.dropped(fields.path, f"a part of type '{kind}' is not known")
            return None
        part = read(fields)
        fields.leftover(self._receipt, ignored=_SILENT)
        return part if cache is None else _with_cache(part, cache)


_THOUGHTS: Final = ("reasoning_details", "thinking_blocks", "reasoning_content", "reasoning")
_SILENT: Final = frozenset(("index", "annotations", "name", "id", "status", "phase", "provider_specific_fields", "parsed"))
"""What SDKs repeat of a reply when an application sends its message back: nothing that a model could use."""


def _with_cache(part: Part, cache: object) -> Part:
    if isinstance(part, (Reasoning, Refusal)) or not hasattr(part, "cache"):
        return part
    values = {name: getattr(part, name) for name in part.__struct_fields__} | {"cache": cache}
    return type(part)(**values)


def _text(fields: Fields) -> Part:
    return Text(fields.text("text") or "")


def _refusal(fields: Fields) -> Part:
    return Refusal(fields.text("refusal") or "")


def _thinking(fields: Fields) -> Part:
    """Mistral's and Anthropic's own kind of part in an assistant's message."""
    value = fields.value("thinking")
    if isinstance(value, list):
        value = "".join(str(piece.get("text", "")) for piece in value if isinstance(piece, dict))
    block: JsonObject = {"type": "thinking", "thinking": value, "signature": fields.value("signature")}
    fields.value("closed")
    return read_thinking_blocks([block])[0]


def _media(url: str) -> Media:
    return parse_data_url(url) or MediaUrl(url)


def _image(fields: Fields) -> Part:
    value: Json = fields.value("image_url")
    if isinstance(value, str):  # some clients' spelling
        return Image(_media(value))
    if not isinstance(value, dict):
        raise invalid(fields.at("image_url"), "an object with 'url'")
    inner = Fields(value, fields.at("image_url"))
    return Image(_media(inner.required_text("url")), inner.text("detail"))


def _video(fields: Fields) -> Part:
    inner = fields.nested("video_url")
    if inner is None:
        fields.missing("video_url")
    return Video(_media(inner.required_text("url")))


def _audio(fields: Fields) -> Part:
    inner = fields.nested("input_audio")
    if inner is None:
        fields.missing("input_audio")
    kind = inner.text("format") or "wav"
    return Audio(MediaBytes(inner.required_text("data"), _AUDIO_TYPES.get(kind, f"audio/{kind}")))


def _file(fields: Fields) -> Part:
    inner = fields.nested("file")
    if inner is None:
        fields.missing("file")
    name = inner.text("filename")
    data, file_id = inner.text("file_data"), inner.text("file_id")
    media_type = inner.text("format")
    if data is not None:
        source: Media = parse_data_url(data) or (
            MediaUrl(data) if data.startswith("http") else MediaBytes(data, media_type or "application/pdf")
        )
    elif file_id is not None:
        source = MediaFile(file_id, ORIGIN, media_type)
    else:
        inner.missing("file_data")
    return Document(source, name=name)


def _document(fields: Fields) -> Part:
    """Mistral's."""
    return Document(_media(fields.required_text("document_url")), name=fields.text("document_name"))


_PARTS: Final[dict[str, Callable[[Fields], Part]]] = {
    "text": _text,
    "input_text": _text,
    "output_text": _text,
    "refusal": _refusal,
    "thinking": _thinking,
    "image_url": _image,
    "input_image": _image,
    "video_url": _video,
    "input_audio": _audio,
    "file": _file,
    "document_url": _document,
}
