"""Turns as messages."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from weighbridge.core.errors import ErrorKind, GatewayError
from weighbridge.wire.conversation import (
    Audio,
    Conversation,
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
from weighbridge.wire.openai_chat.parts_writer import PartsWriter
from weighbridge.wire.openai_chat.vocabulary import native_text, write_details, write_signature
from weighbridge.wire.quirks import Quirks
from weighbridge.wire.receipt import Receipt
from weighbridge.wire.unsaid import nothing_to_answer

_Placed = tuple[Part, str]
"""A part, and its path in the receipt."""
_FAILED: Final = "Error: "


def write_messages(
    conversation: Conversation, quirks: Quirks, receipt: Receipt, instruction: str | None = None
) -> list[JsonObject]:
    """The messages, with an `instruction` of our own put before them. Raises `GatewayError` INVALID_REQUEST for a turn of which
    nothing would be left, and where there is none at all."""
    writer = _Writer(conversation, quirks, receipt)
    messages: list[JsonObject] = []
    if instruction is not None:
        messages.append({"role": quirks.system_role, "content": instruction})
    before = len(messages)
    for i, turn in enumerate(conversation.turns):
        messages += writer.messages(turn, f"turns[{i}]")
    if len(messages) == before:
        raise nothing_to_answer()
    return messages


class _Writer:
    def __init__(self, conversation: Conversation, quirks: Quirks, receipt: Receipt) -> None:
        self._quirks = quirks
        self._receipt = receipt
        self._parts = PartsWriter(conversation, quirks, receipt)

    def messages(self, turn: Turn, path: str) -> list[JsonObject]:
        if any(isinstance(part, ServerTool) for part in turn.parts) and not self._says_more(turn, path):
            return []
        if turn.role is Role.ASSISTANT:
            return [self._assistant(turn, path)]
        if turn.role is not Role.USER:
            return [self._instructions(turn, path)]
        return self._user(turn, path)

    def _says_more(self, turn: Turn, path: str) -> bool:
        """Whether a turn holds more than steps of a vendor's own tools. These go nowhere."""
        for j, part in enumerate(turn.parts):
            if isinstance(part, ServerTool):
                self._receipt.dropped(f"{path}.parts[{j}]", "a step of a vendor's own tool")
        return any(not isinstance(part, ServerTool) for part in turn.parts)

    def _user(self, turn: Turn, path: str) -> list[JsonObject]:
        """Every result first: between a call and its results nothing else may stand
        (https://platform.openai.com/docs/guides/function-calling)."""
        messages: list[JsonObject] = []
        rest: list[_Placed] = []
        for j, part in enumerate(turn.parts):
            where = f"{path}.parts[{j}]"
            if isinstance(part, ToolResult):
                messages.append(self._result(part, where, rest))
            elif not isinstance(part, ServerTool):
                rest.append((part, where))
        if rest:
            # Who takes no pictures often takes no list of parts either.
            content = self._content(rest, path, gap="\n\n" if self._quirks.images == "none" else None)
            messages.append(_named({"role": "user", "content": content}, turn))
        return messages

    def _instructions(self, turn: Turn, path: str) -> JsonObject:
        role = turn.role.value
        if self._quirks.system_role != "developer" and role == "developer":
            role = self._quirks.system_role
            self._receipt.mapped(f"{path}.role", role)
        if self._quirks.system_role == "user":
            role = "user"
            self._receipt.widened(f"{path}.role", "the provider knows no system role")
        parts: list[_Placed] = []
        for j, part in enumerate(turn.parts):
            if isinstance(part, Text):
                parts.append((part, f"{path}.parts[{j}]"))
            elif not isinstance(part, ServerTool):
                self._receipt.dropped(f"{path}.parts[{j}]", "instructions are texts")
        return _named({"role": role, "content": self._content(parts, path, gap="\n\n")}, turn)

    def _assistant(self, turn: Turn, path: str) -> JsonObject:
        message: JsonObject = {"role": "assistant", "content": None}
        said: list[_Placed] = []
        thoughts: list[Reasoning] = []
        calls: list[Json] = []
        for j, part in enumerate(turn.parts):
            where = f"{path}.parts[{j}]"
            if isinstance(part, ToolCall):
                calls.append(self._call(part, where))
            elif isinstance(part, Reasoning):
                thoughts.append(part)
                self._note_thought(part, where)
            elif isinstance(part, Refusal):
                message["refusal"] = part.text
            elif isinstance(part, Audio):
                self._spoken(part, where, message, said)
            elif isinstance(part, Text):
                said.append((part, where))
            elif not isinstance(part, ServerTool):
                self._receipt.dropped(where, "what the model said is text here")
        if said:
            message["content"] = self._content(said, path, gap="")
        elif not calls and len(message) == 2:
            message["content"] = ""
        if calls:
            message["tool_calls"] = calls
        self._write_thoughts(message, thoughts)
        return _named(message, turn)

    def _spoken(self, audio: Audio, where: str, message: JsonObject, said: list[_Placed]) -> None:
        """What the model said aloud goes by its id; of another vendor's, its words."""
        if audio.id is not None and self._quirks.audio_input:
            message["audio"] = {"id": audio.id}
        elif audio.transcript:
            self._receipt.mapped(where, "as its transcript")
            said.append((Text(audio.transcript), where))
        else:
            self._receipt.dropped(where, "the provider takes no such sound")

    def _has_place_for_thoughts(self) -> bool:
        """OpenAI's chat has none, and wants none back."""
        quirks = self._quirks
        return quirks.reasoning_field != "reasoning_content" or quirks.reasoning_style not in ("effort", "none")

    def _note_thought(self, part: Reasoning, where: str) -> None:
        if not self._has_place_for_thoughts():
            self._receipt.dropped(where, "there is no place for reasoning")
        elif part.seal is not None and (self._quirks.reasoning_field != "reasoning_details" or native_text(part.seal) is None):
            self._receipt.dropped(f"{where}.seal", "there is no place for it")

    def _write_thoughts(self, message: JsonObject, thoughts: list[Reasoning]) -> None:
        if not thoughts or not self._has_place_for_thoughts():
            return
        field = self._quirks.reasoning_field
        if field == "reasoning_details":
            entries: list[Json] = [e for i, part in enumerate(thoughts) for e in write_details(part, i, native_text(part.seal))]
            if entries:
                message[field] = entries
            return
        text = "\n\n".join(text for part in thoughts for text in (*part.summary, part.text) if text)
        if text:
            message[field] = text

    def _call(self, call: ToolCall, path: str) -> JsonObject:
        entry: JsonObject
        if call.is_custom:
            entry = {"id": call.id, "type": "custom", "custom": {"name": call.name, "input": call.arguments}}
        else:
            # Passed on as it is, also where a model once wrote what is no JSON: here it is a text, and the conversation goes on.
            entry = {"id": call.id, "type": "function", "function": {"name": call.name, "arguments": call.arguments or "{}"}}
        if call.seal is not None:
            if call.seal.origin == "gemini" and self._quirks.gemini_signatures:
                entry["extra_content"] = write_signature(call.seal)
            else:
                self._receipt.dropped(f"{path}.seal", "of another vendor")
        if call.cache is not None:
            self._receipt.dropped(f"{path}.cache")
        return entry

    def _result(self, result: ToolResult, path: str, rest: list[_Placed]) -> JsonObject:
        """A result takes texts only; its pictures and files follow in the user's message, behind the results of all calls."""
        texts = [part for part in result.parts if isinstance(part, Text)]
        others = [part for part in result.parts if not isinstance(part, (Text, ServerTool))]
        if len(texts) + len(others) < len(result.parts):
            self._receipt.dropped(f"{path}.parts", "a step of a vendor's own tool")
        content = "\n".join(part.text for part in texts)
        others = [part for part in others if self._parts.write(part, path) is not None]
        if others:
            self._receipt.mapped(f"{path}.parts", "pictures and files follow in a user's message")
            rest += [(part, path) for part in others]
            content = content or "See the next message."
        if result.is_error:
            self._receipt.mapped(f"{path}.is_error", "the text tells it")
            content = content if content.lower().startswith("error") else _FAILED + content
        message: JsonObject = {"role": "tool", "tool_call_id": result.call_id, "content": content}
        cache = result.cache or next((part.cache for part in reversed(texts) if part.cache is not None), None)
        if cache is not None:
            entry: JsonObject = {"type": "text", "text": content}
            if self._parts.mark(entry, cache, path):
                message["content"] = [entry]
        return message

    def _content(self, parts: Sequence[_Placed], path: str, *, gap: str | None) -> Json:
        """Plain text as a string, which every server takes: several texts joined by `gap`, unless that is None; else parts.

        Groq and DeepSeek take lists of parts of users only. Raises if nothing is left.
        """
        if len(parts) == 1 and isinstance(first := parts[0][0], Text) and first.cache is None:  # the usual message
            return first.text
        texts = [(part, where) for part, where in parts if isinstance(part, Text)]
        is_plain = len(texts) == len(parts) and (len(parts) == 1 or gap is not None)
        if is_plain and not any(part.cache is not None and self._parts.marks_cache for part, _ in texts):
            for part, where in texts:
                self._parts.drop_cache(part.cache, where)
            return (gap or "").join(part.text for part, _ in texts)
        written = [entry for part, where in parts if (entry := self._parts.write(part, where)) is not None]
        if not written:
            raise GatewayError(
                ErrorKind.INVALID_REQUEST, "The provider takes nothing of what a message holds.", param=path, code="nothing_left"
            )
        return list(written)


def _named(message: JsonObject, turn: Turn) -> JsonObject:
    if turn.name is not None:
        message["name"] = turn.name
    return message
