"""The text in a request's or a reply's bytes, of whatever dialect and however broken off, for counting its tokens.

A reply is not decoded, since it may end in the midst of an event or of a string. What stands beside the text (ids, signatures)
is left out.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final, NamedTuple

from weighbridge.core.codec import UNREADABLE, decode_json, encode_json
from weighbridge.wire.json_value import Json

_MAX_NESTING: Final = 64
"""Deeper values are not looked into; vendors refuse them."""
_ASKED: Final = frozenset(
    ("messages", "input", "contents", "prompt", "system", "instructions", "systemInstruction", "system_instruction", "message")
)
"""Where a request has what the model reads."""
_TOOLS: Final = frozenset(("tools", "functions", "toolConfig"))
_OFFERED: Final = frozenset((*_TOOLS, "response_format", "text"))
"""What vendors write into the prompt as it is, more or less."""
_NO_TEXT: Final = frozenset(
    (
        *("type", "role", "status", "strict", "detail", "cache_control", "signature", "thoughtSignature", "encrypted_content"),
        *("id", "tool_call_id", "tool_use_id", "call_id", "toolUseId", "file_id"),
        *("data", "url", "media_type", "mimeType", "mime_type"),
    )
)
"""Fields whose strings no model reads."""

_STRING: Final = rb'"((?:[^"\\]|\\.)*)'
_DELTA: Final = re.compile(rb'"delta"\s*:\s*' + _STRING)
_WRITTEN: Final = re.compile(
    rb'"(?:content|text|thinking|reasoning_content|reasoning|refusal|partial_json|arguments|thought|response|name)"\s*:\s*'
    + _STRING
)
"""Fields in which vendors send what a model writes; a call's name is written, too."""
_ARGUMENTS: Final = re.compile(rb'"(?:input|args|parameters)"\s*:\s*(\{[^{}]*(?:\{[^{}]*\}[^{}]*)*\})')
"""Of a call, where they are an object and no text."""
_CALLS: Final = re.compile(
    rb'"type"\s*:\s*"(?:tool_use|function_call|custom_tool_call)"|"functionCall"|"toolUseId"'
    rb'|"function"\s*:\s*\{\s*"(?:arguments"\s*:\s*"[^"]*"\s*,\s*"name|name)"'
)
_RESPONSES_EVENT: Final = re.compile(rb'"type"\s*:\s*"response\.')
"""The Responses API repeats at the end of each part all that its deltas have said."""


class AskedText(NamedTuple):
    """What a request gives the model to read."""

    text: str
    n_turns: int
    has_tools: bool


class WrittenText(NamedTuple):
    """What a model has written, calls of tools among it."""

    text: str
    n_calls: int


def asked_text(body: bytes) -> AskedText | None:
    """The text of a request. None: it cannot be read."""
    try:
        fields = decode_json(body)
    except UNREADABLE:
        return None
    if not isinstance(fields, dict):
        return None
    pieces: list[str] = []
    n_turns = 0
    for name, value in fields.items():
        if name in _ASKED:
            pieces += _strings(value, 0)
            n_turns += len(value) if isinstance(value, list) else 1
        elif name in _OFFERED:
            pieces.append(encode_json(value).decode())
    return AskedText("\n".join(pieces), n_turns, any(fields.get(name) for name in _TOOLS))


def _strings(value: Json, depth: int) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif depth > _MAX_NESTING:
        return
    elif isinstance(value, list):
        for each in value:
            yield from _strings(each, depth + 1)
    elif isinstance(value, dict):
        for name, each in value.items():
            if name not in _NO_TEXT:
                yield from _strings(each, depth + 1)


def written_text(data: bytes) -> WrittenText:
    """What is written in the bytes of a reply: events of a stream, frames, or a part of a document."""
    if _RESPONSES_EVENT.search(data) is not None:
        started = data.count(b'"response.output_item.added"')
        return WrittenText("".join(map(_unescaped, _DELTA.findall(data))), min(started, len(_CALLS.findall(data))))
    arguments = (each.decode("utf-8", "replace") for each in _ARGUMENTS.findall(data))
    return WrittenText("".join((*map(_unescaped, _WRITTEN.findall(data)), *arguments)), len(_CALLS.findall(data)))


def _unescaped(raw: bytes) -> str:
    plain = raw.decode("utf-8", "replace")  # which may be broken off within a character
    if b"\\" not in raw:
        return plain
    try:
        text = decode_json(b'"' + plain.encode() + b'"')
    except UNREADABLE:  # broken off within an escape
        return plain
    return text if isinstance(text, str) else ""
