"""The turns of a conversation as Cohere's `messages` and `documents`.

Every answer of a tool is a message of its own. Texts that a caller gives as documents go to `documents`, from which Cohere's models
cite; thinking goes back as a `thinking` block, or as the `tool_plan` of a model that does not think.
"""

from __future__ import annotations

import binascii
from base64 import b64decode
from typing import NamedTuple

from weighbridge.core.codec import encode_json
from weighbridge.core.errors import ErrorKind, GatewayError
from weighbridge.wire.conversation import (
    Audio,
    Conversation,
    Document,
    Image,
    MediaBytes,
    MediaUrl,
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
from weighbridge.wire.data_urls import data_url
from weighbridge.wire.json_value import Json, JsonObject
from weighbridge.wire.quirks import Quirks
from weighbridge.wire.receipt import Receipt
from weighbridge.wire.unsaid import nothing_to_answer

CUSTOM_INPUT = "input"
"""The one argument in which free text goes to a tool that takes free text."""

_DETAILS = frozenset(("auto", "low", "high"))


class Messages(NamedTuple):
    """What becomes of the turns."""

    messages: list[Json]
    documents: list[Json]


class _Writer:
    def __init__(self, quirks: Quirks, receipt: Receipt, *, thinks: bool) -> None:
        self.messages: list[Json] = []
        self.documents: list[Json] = []
        self._quirks = quirks
        self._receipt = receipt
        self._thinks = thinks

    def turn(self, turn: Turn, path: str) -> None:
        if turn.name is not None:
            self._receipt.dropped(f"{path}.name", "no names of participants")
        for j, part in enumerate(turn.parts):
            if getattr(part, "cache", None) is not None:
                self._receipt.dropped(f"{path}.parts[{j}].cache", "caching is automatic")
        if turn.role is Role.ASSISTANT:
            self._assistant(turn, path)
        elif turn.role is Role.USER:
            self._user(turn, path)
        else:
            self._plain(_system_role(self._quirks), turn, path)

    def _plain(self, role: str, turn: Turn, path: str) -> None:
        content: list[Json] = []
        for j, part in enumerate(turn.parts):
            if isinstance(part, Text):
                if part.text:
                    content.append({"type": "text", "text": part.text})
            else:
                self._receipt.dropped(f"{path}.parts[{j}]", "instructions are texts")
        if content:
            self.messages.append({"role": role, "content": _shortest(content)})

    def _user(self, turn: Turn, path: str) -> None:
        content: list[Json] = []
        count = len(self.messages) + len(self.documents)
        for j, part in enumerate(turn.parts):
            where = f"{path}.parts[{j}]"
            if isinstance(part, ToolResult):
                self.messages.append(self._result(part, where))
            elif isinstance(part, Text):
                if part.text:
                    content.append({"type": "text", "text": part.text})
            elif isinstance(part, Image):
                content += self._image(part, where)
            elif isinstance(part, Document):
                self._document(part, where)
            elif isinstance(part, Audio) and part.source is None and part.transcript:
                self._receipt.widened(where, "sound by its transcript")
                content.append({"type": "text", "text": part.transcript})
            else:
                self._receipt.dropped(where, "not taken")
        if content:
            self.messages.append({"role": "user", "content": _shortest(content)})
        elif count == len(self.messages) + len(self.documents) and any(not isinstance(part, Text) for part in turn.parts):
            raise _nothing_left(path)

    def _image(self, part: Image, path: str) -> list[Json]:
        source = part.source
        if self._quirks.images == "none" or not isinstance(source, (MediaBytes, MediaUrl)):
            self._receipt.dropped(path, "the picture cannot be sent")
            return []
        if isinstance(source, MediaUrl) and self._quirks.images == "inline":
            self._receipt.dropped(path, "pictures only within the request")
            return []
        image: JsonObject = {"url": source.url if isinstance(source, MediaUrl) else data_url(source)}
        if part.detail in _DETAILS:
            image["detail"] = part.detail
        elif part.detail is not None:
            self._receipt.mapped(f"{path}.detail", "high")
            image["detail"] = "high"
        return [{"type": "image_url", "image_url": image}]

    def _document(self, part: Document, path: str) -> None:
        text = _text_of(part)
        if text is None or not self._quirks.documents:
            self._receipt.dropped(path, "only documents of text")
            return
        self._receipt.mapped(path, "a document of the whole request")
        self.documents.append(_document_block(part, text, f"doc_{len(self.documents)}"))

    def _result(self, part: ToolResult, path: str) -> Json:
        content: list[Json] = []
        for k, inner in enumerate(part.parts):
            where = f"{path}.parts[{k}]"
            text = _text_of(inner) if isinstance(inner, Document) else None
            if isinstance(inner, Text):
                content.append({"type": "text", "text": inner.text})
            elif isinstance(inner, Document) and text is not None:
                block = _document_block(inner, text, f"{part.call_id}:{k}")
                content.append({"type": "document", "document": block})
            else:
                self._receipt.dropped(where, "answers of tools are texts")
            if getattr(inner, "cache", None) is not None:
                self._receipt.dropped(f"{where}.cache", "caching is automatic")
        if part.is_error:
            self._receipt.dropped(f"{path}.is_error", "a failure is told by its text")
        return {"role": "tool", "tool_call_id": part.call_id, "content": _shortest(content) if content else ""}

    def _assistant(self, turn: Turn, path: str) -> None:
        content: list[Json] = []
        calls: list[Json] = []
        thoughts: list[str] = []
        for j, part in enumerate(turn.parts):
            where = f"{path}.parts[{j}]"
            if isinstance(part, ToolCall):
                calls.append(self._call(part, where))
            elif isinstance(part, Reasoning):
                thought = self._thought(part, where)
                if thought and self._thinks:
                    content.append({"type": "thinking", "thinking": thought})
                elif thought:
                    thoughts.append(thought)
            else:
                content += self._said(part, where)
        message: JsonObject = {"role": "assistant"}
        if content:
            message["content"] = _shortest(content)
        if calls:
            message["tool_calls"] = calls
            if thoughts:
                message["tool_plan"] = "\n".join(thoughts)
        elif thoughts:
            self._receipt.dropped(f"{path}.parts", "the model takes no thinking back")
        if len(message) > 1:
            self.messages.append(message)

    def _said(self, part: Part, path: str) -> list[Json]:
        text = ""
        if isinstance(part, Text):
            text = part.text
            if part.citations:
                self._receipt.dropped(f"{path}.citations", "citations are not taken back")
            if part.seal is not None:
                self._receipt.dropped(f"{path}.seal", f"only {part.seal.origin} can read it")
        elif isinstance(part, Refusal):
            self._receipt.mapped(path, "a refusal is a text here")
            text = part.text
        elif isinstance(part, Audio) and part.transcript:
            self._receipt.widened(path, "sound by its transcript")
            text = part.transcript
        else:
            note = f"a step of {part.origin}'s own tool" if isinstance(part, ServerTool) else "not taken in an answer"
            self._receipt.dropped(path, note)
        return [{"type": "text", "text": text}] if text else []

    def _thought(self, part: Reasoning, path: str) -> str:
        if part.seal is not None:
            self._receipt.dropped(f"{path}.seal", f"only {part.seal.origin} can read it")
        return part.text or "\n".join(part.summary)

    def _call(self, part: ToolCall, path: str) -> Json:
        if part.seal is not None:
            self._receipt.dropped(f"{path}.seal", f"only {part.seal.origin} can read it")
        arguments = custom_arguments(part.arguments) if part.is_custom else part.arguments or "{}"
        return {"id": part.id, "type": "function", "function": {"name": part.name, "arguments": arguments}}


def write_messages(conversation: Conversation, quirks: Quirks, receipt: Receipt, *, thinks: bool) -> Messages:
    """All turns. Raises `GatewayError` INVALID_REQUEST where there are none, or nothing of a user's turn can be sent."""
    writer = _Writer(quirks, receipt, thinks=thinks)
    for i, turn in enumerate(conversation.turns):
        writer.turn(turn, f"turns[{i}]")
    if not writer.messages:
        raise nothing_to_answer()
    return Messages(writer.messages, writer.documents)


def _system_role(quirks: Quirks) -> str:
    return "user" if quirks.system_role == "user" else "system"


def custom_arguments(text: str) -> str:
    """Free text for a tool, as the JSON arguments of a function."""
    return encode_json({CUSTOM_INPUT: text}).decode()


def _shortest(content: list[Json]) -> Json:
    """A single text as such."""
    only = content[0]
    if len(content) == 1 and isinstance(only, dict) and only["type"] == "text":
        return only["text"]
    return content


def _text_of(part: Document) -> str | None:
    if part.plain_text is not None:
        return part.plain_text
    if isinstance(part.source, MediaBytes) and part.source.media_type.startswith("text/"):
        try:
            return b64decode(part.source.base64, validate=True).decode()
        except (binascii.Error, UnicodeDecodeError):
            return None
    return None


def _document_block(part: Document, text: str, document_id: str) -> JsonObject:
    data: JsonObject = {"text": text}
    if part.name is not None:
        data["title"] = part.name
    if part.context is not None:
        data["context"] = part.context
    return {"id": document_id, "data": data}


def _nothing_left(path: str) -> GatewayError:
    return GatewayError(
        ErrorKind.INVALID_REQUEST,
        f"Nothing of {path} can be sent to this model: it takes texts and pictures.",
        param=path,
        code="unsupported_content",
    )
