"""Turns -> `instructions` and `input`.

Reasoning goes back where its vendor can read it: with its encrypted content, or by an id of the provider's. An id goes with the
encryption only if it came with it, since OpenAI refuses a content whose id is another. Callers of other dialects keep the summary
as thinking: it goes back as the summary, since OpenAI refuses any `content` beside the encryption (`array_above_max_length`).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

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
from weighbridge.wire.openai_responses.content_writer import ContentWriter
from weighbridge.wire.openai_responses.vocabulary import ORIGIN, VENDOR_ORIGIN, bounded_call_id, given_id, is_own
from weighbridge.wire.quirks import Quirks
from weighbridge.wire.receipt import Receipt


def write_input(conversation: Conversation, quirks: Quirks, receipt: Receipt) -> tuple[str | None, list[Json]]:
    """The instructions, if there are any, and the items."""
    is_own = conversation.vendor_origin == VENDOR_ORIGIN
    content = ContentWriter(quirks, receipt, keeps_cache=quirks.cache_control or is_own)
    writer = _InputWriter(content, quirks, receipt, is_own=is_own)
    instructions = instructions_of(conversation)
    for i, turn in enumerate(conversation.turns):
        if i or instructions is None:
            writer.take(turn, f"turns[{i}]")
    return instructions, writer.items


def instructions_of(conversation: Conversation) -> str | None:
    """What the first turn says, if it is the SYSTEM's and one plain text."""
    if not conversation.turns or conversation.turns[0].role is not Role.SYSTEM:
        return None
    first = conversation.turns[0].parts
    text = first[0]
    if len(first) == 1 and isinstance(text, Text) and text.text and text.cache is None:
        return text.text
    return None


class _InputWriter:
    __slots__ = ("_content", "_held", "_is_own", "_receipt", "_roles", "items")

    def __init__(self, content: ContentWriter, quirks: Quirks, receipt: Receipt, *, is_own: bool) -> None:
        self._is_own = is_own
        self._content = content
        self._receipt = receipt
        self.items: list[Json] = []
        self._held: list[tuple[str, Part]] = []
        """Content of a message that is not written yet."""
        self._roles = _ROLES if quirks.system_role == "system" else {**_ROLES, Role.SYSTEM: quirks.system_role}
        if quirks.system_role == "user":
            self._roles = {**self._roles, Role.DEVELOPER: "user"}

    def take(self, turn: Turn, path: str) -> None:
        """The next turn."""
        if turn.name is not None:
            self._receipt.dropped(f"{path}.name", "no place for it here")
        if turn.role is Role.ASSISTANT:
            for j, part in enumerate(turn.parts):
                self._said(part, f"{path}.parts[{j}]")
            return
        role = self._roles[turn.role]
        parts = turn.parts
        if len(parts) == 1 and type(parts[0]) is Text:
            self._held.append((f"{path}.parts[0]", parts[0]))
        else:
            for j, part in enumerate(parts):
                self._asked(part, f"{path}.parts[{j}]", role)
        self._flush(role)

    def _flush(self, role: str) -> None:
        if self._held:
            content = self._content.write(self._held)
            self._held.clear()
            if content != []:
                self.items.append({"role": role, "content": content})

    def _asked(self, part: Part, path: str, role: str) -> None:
        if isinstance(part, ToolResult):
            self._flush(role)
            self._result(part, path)
        elif isinstance(part, ServerTool):
            self._flush(role)
            self._server_tool(part, path)
        else:
            self._held.append((path, part))

    def _result(self, part: ToolResult, path: str) -> None:
        if part.is_error:
            self._receipt.dropped(f"{path}.is_error", "no place for it here: the text has to say it")
        self._content.drop_cache(part.cache, path)
        inner = [(f"{path}.parts[{k}]", each) for k, each in enumerate(part.parts)]
        output = self._content.write(inner)
        item: JsonObject = {
            "type": "custom_tool_call_output" if part.is_custom else "function_call_output",
            "call_id": bounded_call_id(part.call_id),
            "output": output or "",
        }
        self.items.append(item)

    def _said(self, part: Part, path: str) -> None:
        write = _SAID.get(type(part))
        if write is None:
            self._receipt.dropped(path, "no place for it in what the model said")
        else:
            write(self, part, path)

    def _text(self, part: Text, path: str) -> None:
        self._content.drop_cache(part.cache, path)
        self._drop_seal(part, path)
        citations: list[Json] = [citation.raw for citation in part.citations if is_own(citation)]
        if len(citations) < len(part.citations):
            self._receipt.dropped(f"{path}.citations", "of another vendor")
        if citations:
            self._message({"type": "output_text", "text": part.text, "annotations": citations, "logprobs": []})
        elif part.text:
            self.items.append({"role": "assistant", "content": part.text})

    def _refusal(self, part: Refusal, _path: str) -> None:
        self._message({"type": "refusal", "refusal": part.text})

    def _audio(self, part: Audio, path: str) -> None:
        if part.transcript:
            self._receipt.mapped(path, "its transcript")
            self.items.append({"role": "assistant", "content": part.transcript})
        else:
            self._receipt.dropped(path, "no place for sound")

    def _message(self, content: JsonObject) -> None:
        item_id = f"msg_{len(self.items)}"  # required here, and nobody's
        self.items.append({"type": "message", "id": item_id, "status": "completed", "role": "assistant", "content": [content]})

    def _call(self, part: ToolCall, path: str) -> None:
        self._drop_seal(part, path)
        self._content.drop_cache(part.cache, path)
        item: JsonObject = {
            "type": "custom_tool_call" if part.is_custom else "function_call",
            "call_id": bounded_call_id(part.id),
            "name": part.name,
        }
        item["input" if part.is_custom else "arguments"] = part.arguments
        if (item_id := given_id(part.item_id)) is not None:
            item["id"] = item_id
        self.items.append(item)

    def _reasoning(self, part: Reasoning, path: str) -> None:
        seal, item_id = part.seal, given_id(part.id)
        if (seal is not None and seal.origin != ORIGIN) or (seal is None and item_id is None):
            self._receipt.dropped(path, "reasoning of another vendor" if seal is not None else "reasoning without its seal")
            return
        text, paragraphs = part.text, part.summary
        if seal is not None and text and not self._is_own:
            text, paragraphs = "", paragraphs or (text,)
        summary: list[Json] = [{"type": "summary_text", "text": paragraph} for paragraph in paragraphs]
        item: JsonObject = {"type": "reasoning", "summary": summary}
        if item_id is not None:
            item["id"] = item_id
        if text:
            item["content"] = [{"type": "reasoning_text", "text": text}]
        if seal is not None:
            item["encrypted_content"] = seal.text
        self.items.append(item)

    def _server_tool(self, part: ServerTool, path: str) -> None:
        if part.origin == ORIGIN:
            self.items.append(part.raw)
        else:
            self._receipt.dropped(path, f"a step of a tool of {part.origin}")

    def _drop_seal(self, part: Text | ToolCall, path: str) -> None:
        if part.seal is not None:
            self._receipt.dropped(f"{path}.seal", "of another vendor")


_ROLES: Final[dict[Role, str]] = {Role.SYSTEM: "system", Role.DEVELOPER: "developer", Role.USER: "user"}
_W = _InputWriter
_SAID: Final[dict[type[Part], Callable[..., None]]] = {
    Text: _W._text,  # noqa: SLF001 - the class's own table
    Refusal: _W._refusal,  # noqa: SLF001
    Audio: _W._audio,  # noqa: SLF001
    ToolCall: _W._call,  # noqa: SLF001
    ToolResult: _W._result,  # noqa: SLF001
    Reasoning: _W._reasoning,  # noqa: SLF001
    ServerTool: _W._server_tool,  # noqa: SLF001
}
