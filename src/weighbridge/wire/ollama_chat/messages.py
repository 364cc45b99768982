"""The turns of a conversation as Ollama's `messages`: one text each, with pictures and calls beside it.

Ollama's `arguments` are objects, and its answers of tools name the tool.
"""

from __future__ import annotations

import binascii
from base64 import b64decode
from typing import cast

from weighbridge.core.codec import JsonError, decode_json
from weighbridge.core.errors import ErrorKind, GatewayError
from weighbridge.wire.conversation import (
    Audio,
    Conversation,
    Document,
    Image,
    MediaBytes,
    Part,
    Reasoning,
    Refusal,
    Role,
    ServerTool,
    Text,
    ToolCall,
    ToolResult,
    Turn,
)
from weighbridge.wire.json_value import Json, JsonObject
from weighbridge.wire.quirks import Quirks
from weighbridge.wire.receipt import Receipt
from weighbridge.wire.unsaid import nothing_to_answer

CUSTOM_INPUT = "input"
"""The one argument in which free text goes to a tool that takes free text."""

_WRAPPED = "arguments"
"""Where arguments go that are no JSON object, so that the model sees what it had written."""


class _Message:
    """What a message says, gathered from the parts of a turn."""

    __slots__ = ("calls", "images", "texts", "thoughts")

    def __init__(self) -> None:
        self.texts: list[str] = []
        self.images: list[Json] = []
        self.calls: list[Json] = []
        self.thoughts: list[str] = []

    def written(self, role: str) -> JsonObject | None:
        if not (self.texts or self.images or self.calls or self.thoughts):
            return None
        message: JsonObject = {"role": role, "content": "\n".join(self.texts)}
        if self.thoughts:
            message["thinking"] = "\n".join(self.thoughts)
        if self.images:
            message["images"] = self.images
        if self.calls:
            message["tool_calls"] = self.calls
        return message


class _Writer:
    def __init__(self, quirks: Quirks, receipt: Receipt) -> None:
        self.messages: list[Json] = []
        self._names: dict[str, str] = {}
        self._quirks = quirks
        self._receipt = receipt

    def turn(self, turn: Turn, path: str) -> None:
        if turn.name is not None:
            self._receipt.dropped(f"{path}.name", "no names of participants")
        message = _Message()
        count = len(self.messages)
        for j, part in enumerate(turn.parts):
            where = f"{path}.parts[{j}]"
            if getattr(part, "cache", None) is not None:
                self._receipt.dropped(f"{where}.cache", "caching is automatic")
            if isinstance(part, ToolResult):
                self.messages.append(self._result(part, where))
            else:
                self._add(message, part, where)
        is_system = turn.role is Role.SYSTEM or turn.role is Role.DEVELOPER
        written = message.written("user" if is_system and self._quirks.system_role == "user" else _ROLES[turn.role])
        if written is not None:
            self.messages.append(written)
        elif count == len(self.messages) and turn.role is Role.USER and any(not isinstance(part, Text) for part in turn.parts):
            raise _nothing_left(path)

    def _add(self, message: _Message, part: Part, path: str) -> None:
        if isinstance(part, Text):
            self._note_marks(part, path)
            if part.text:
                message.texts.append(part.text)
        elif isinstance(part, Image):
            if isinstance(part.source, MediaBytes) and self._quirks.images != "none":
                message.images.append(part.source.base64)
            else:
                self._receipt.dropped(path, "pictures only within the request")
        elif isinstance(part, Document):
            self._add_document(message, part, path)
        elif isinstance(part, ToolCall):
            message.calls.append(self._call(part, path))
        elif isinstance(part, Reasoning):
            self._add_thought(message, part, path)
        elif isinstance(part, Refusal):
            self._receipt.mapped(path, "a refusal is a text here")
            message.texts.append(part.text)
        elif isinstance(part, Audio) and part.transcript:
            self._receipt.widened(path, "sound by its transcript")
            message.texts.append(part.transcript)
        else:
            note = f"a step of {part.origin}'s own tool" if isinstance(part, ServerTool) else "not taken"
            self._receipt.dropped(path, note)

    def _note_marks(self, part: Text, path: str) -> None:
        if part.citations:
            self._receipt.dropped(f"{path}.citations", "citations are not taken back")
        if part.seal is not None:
            self._receipt.dropped(f"{path}.seal", f"only {part.seal.origin} can read it")

    def _add_document(self, message: _Message, part: Document, path: str) -> None:
        text = _text_of(part)
        if text is None or not self._quirks.documents:
            self._receipt.dropped(path, "only documents of text")
            return
        self._receipt.mapped(path, "a document is a text here")
        message.texts.append(f"{part.name}:\n{text}" if part.name else text)

    def _add_thought(self, message: _Message, part: Reasoning, path: str) -> None:
        if part.seal is not None:
            self._receipt.dropped(f"{path}.seal", f"only {part.seal.origin} can read it")
        thought = part.text or "\n".join(part.summary)
        if thought:
            message.thoughts.append(thought)

    def _call(self, part: ToolCall, path: str) -> JsonObject:
        if part.seal is not None:
            self._receipt.dropped(f"{path}.seal", f"only {part.seal.origin} can read it")
        self._names[part.id] = part.name
        custom: JsonObject = {CUSTOM_INPUT: part.arguments}
        arguments = custom if part.is_custom else self._arguments(part.arguments, path)
        return {"id": part.id, "function": {"name": part.name, "arguments": arguments}}

    def _arguments(self, text: str, path: str) -> JsonObject:
        try:
            value = decode_json(text.encode()) if text.strip() else {}
        except (JsonError, RecursionError):
            value = text
        if isinstance(value, dict):
            return cast("JsonObject", value)
        self._receipt.mapped(f"{path}.arguments", f"no JSON object: sent within `{_WRAPPED}`")
        return {_WRAPPED: text}

    def _result(self, part: ToolResult, path: str) -> JsonObject:
        inner = _Message()
        for k, piece in enumerate(part.parts):
            self._add(inner, piece, f"{path}.parts[{k}]")
        message = inner.written("tool") or {"role": "tool", "content": ""}
        name = part.name or self._names.get(part.call_id)
        if name is not None:
            message["tool_name"] = name
        message["tool_call_id"] = part.call_id
        if part.is_error:
            self._receipt.dropped(f"{path}.is_error", "a failure is told by its text")
        return message


_ROLES = {Role.SYSTEM: "system", Role.DEVELOPER: "system", Role.USER: "user", Role.ASSISTANT: "assistant"}


def write_messages(conversation: Conversation, quirks: Quirks, receipt: Receipt) -> list[Json]:
    """All turns. Raises `GatewayError` INVALID_REQUEST where there are none, or nothing of a user's turn can be sent."""
    writer = _Writer(quirks, receipt)
    for i, turn in enumerate(conversation.turns):
        writer.turn(turn, f"turns[{i}]")
    if not writer.messages:
        raise nothing_to_answer()
    return writer.messages


def _text_of(part: Document) -> str | None:
    if part.plain_text is not None:
        return part.plain_text
    if isinstance(part.source, MediaBytes) and part.source.media_type.startswith("text/"):
        try:
            return b64decode(part.source.base64, validate=True).decode()
        except (binascii.Error, UnicodeDecodeError):
            return None
    return None


def _nothing_left(path: str) -> GatewayError:
    return GatewayError(
        ErrorKind.INVALID_REQUEST,
        f"Nothing of {path} can be sent to this model: it takes texts, and pictures within the request.",
        param=path,
        code="unsupported_content",
    )
