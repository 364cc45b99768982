"""`input` -> turns.

What the model said (its messages, calls, reasoning, its vendor's tools) is one turn as long as nobody else speaks in between, and
so are results of tools that follow one another. An item that only OpenAI understands is a `ServerTool` with its own words.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from weighbridge.wire.conversation import (
    Image,
    MediaBytes,
    Part,
    Reasoning,
    Role,
    Seal,
    SealKind,
    Text,
    ToolCall,
    ToolResult,
    Turn,
)
from weighbridge.wire.fields import Fields, invalid
from weighbridge.wire.json_value import Json, JsonObject
from weighbridge.wire.openai_responses.content_reader import NO_CONTENT, read_content
from weighbridge.wire.openai_responses.vocabulary import ORIGIN, given_id, is_own_id, may_be_seal_id, role_of, server_tool
from weighbridge.wire.receipt import Receipt
from weighbridge.wire.sealing import unwrap

_ROLES: Final = {"user": Role.USER, "assistant": Role.ASSISTANT, "system": Role.SYSTEM, "developer": Role.DEVELOPER}
_SIGNS_ALL: Final = frozenset(("gemini",))
"""Vendors who sign calls and texts, too: such a seal stands in a reasoning item behind them (`reply_items.py`)."""
_MESSAGE_FIELDS: Final = frozenset(("type", "id", "status", "role", "content", "phase"))
_SAYS_NOTHING: Final = frozenset(("type", "id", "status"))


def read_input(value: Json, path: str, receipt: Receipt) -> tuple[Turn, ...]:
    """The turns. Raises `GatewayError` INVALID_REQUEST with the item at fault."""
    if isinstance(value, str):
        return (Turn(Role.USER, (Text(value),)),)
    if not isinstance(value, list):
        raise invalid(path, "a string or an array of items")
    reader = _InputReader(receipt)
    for i, item in enumerate(value):
        if not isinstance(item, dict):
            raise invalid(f"{path}[{i}]", "an object")
        reader.take(item, f"{path}[{i}]")
    return reader.turns


class _InputReader:
    __slots__ = ("_names", "_open", "_receipt", "_role", "_turns")

    def __init__(self, receipt: Receipt) -> None:
        self._receipt = receipt
        self._turns: list[Turn] = []
        self._role: Role | None = None
        """Whose turn is open: the model's, or the USER's with results of tools."""
        self._open: list[Part] = []
        self._names: dict[str, str] = {}

    @property
    def turns(self) -> tuple[Turn, ...]:
        self._close()
        return tuple(self._turns)

    def take(self, item: JsonObject, path: str) -> None:
        word = item.get("type")
        if word is None:
            word = "message" if "role" in item else "item_reference"
        elif not isinstance(word, str):
            raise invalid(f"{path}.type", "a string")
        if word == "message":
            self._message(item, path)
            return
        read = _ITEMS.get(word)
        if read is None:
            self._of_vendor(item, word, path)
            return
        fields = Fields(item, path)
        read(self, fields)
        fields.leftover(self._receipt, ignored=_SAYS_NOTHING)

    def _close(self) -> None:
        if self._role is not None:
            self._turns.append(Turn(self._role, tuple(self._open)))
            self._role, self._open = None, []

    def _add(self, role: Role, parts: tuple[Part, ...]) -> None:
        if self._role is not role:
            self._close()
            self._role = role
        self._open += parts

    def _message(self, item: JsonObject, path: str) -> None:
        word = item.get("role")
        role = _ROLES.get(word) if isinstance(word, str) else None
        if role is None:
            raise invalid(f"{path}.role", "'user', 'assistant', 'system' or 'developer'")
        parts = read_content(item.get("content"), f"{path}.content", self._receipt) or NO_CONTENT
        if len(item) > 2:
            Fields(item, path).leftover(self._receipt, ignored=_MESSAGE_FIELDS)
            if item.get("phase") is not None:
                self._receipt.dropped(f"{path}.phase", "no other dialect tells a comment from the answer")
        if role is Role.ASSISTANT:
            self._add(role, parts)
        else:
            self._close()
            self._turns.append(Turn(role, parts))

    def _of_vendor(self, item: JsonObject, word: str, path: str) -> None:
        if not is_own_id(item.get("id")):
            self._add(role_of(word), (server_tool(item),))
        elif word == "image_generation_call" and isinstance(result := item.get("result"), str):
            media_type = f"image/{item.get('output_format') or 'png'}"
            self._add(Role.ASSISTANT, (Image(MediaBytes(result, media_type)),))
        else:
            self._receipt.mapped(path, "the gateway's own account of another vendor's tool")

    def _function_call(self, fields: Fields) -> None:
        call_id, name = fields.required_text("call_id"), fields.required_text("name")
        self._names[call_id] = name
        item_id = given_id(fields.text("id"))
        self._add(Role.ASSISTANT, (ToolCall(call_id, name, fields.text("arguments") or "", item_id=item_id),))

    def _custom_call(self, fields: Fields) -> None:
        call_id, name = fields.required_text("call_id"), fields.required_text("name")
        self._names[call_id] = name
        item_id = given_id(fields.text("id"))
        self._add(Role.ASSISTANT, (ToolCall(call_id, name, fields.text("input") or "", is_custom=True, item_id=item_id),))

    def _result(self, fields: Fields) -> None:
        self._add_result(fields, is_custom=False)

    def _custom_result(self, fields: Fields) -> None:
        self._add_result(fields, is_custom=True)

    def _add_result(self, fields: Fields, *, is_custom: bool) -> None:
        call_id = fields.required_text("call_id")
        parts = read_content(fields.value("output"), fields.at("output"), self._receipt)
        name = fields.text("name") or self._names.get(call_id)
        self._add(Role.USER, (ToolResult(call_id, parts, name, is_custom=is_custom),))

    def _reasoning(self, fields: Fields) -> None:
        summary, text = _texts(fields, "summary"), "".join(_texts(fields, "content"))
        encrypted, item_id = fields.text("encrypted_content"), fields.text("id")
        seal = unwrap(encrypted, ORIGIN, SealKind.ENCRYPTED) if encrypted else None
        if seal is not None and not text and not summary and may_be_seal_id(item_id) and self._seal_last(seal):
            return
        item_id = given_id(item_id)
        if text or summary or seal is not None or item_id is not None:
            self._add(Role.ASSISTANT, (Reasoning(text, summary, seal, item_id),))

    def _seal_last(self, seal: Seal) -> bool:
        """Whether a seal is that of the text or call before it, which it then is given."""
        if seal.origin not in _SIGNS_ALL or seal.kind is not SealKind.SIGNATURE or self._role is not Role.ASSISTANT:
            return False
        last = self._open[-1]
        if isinstance(last, Text) and last.seal is None:
            self._open[-1] = Text(last.text, last.cache, last.citations, seal)
        elif isinstance(last, ToolCall) and last.seal is None:
            self._open[-1] = ToolCall(last.id, last.name, last.arguments, last.is_custom, seal, last.item_id, last.cache)
        else:
            return False
        return True


def _texts(fields: Fields, name: str) -> tuple[str, ...]:
    return tuple(entry.required_text("text") for entry in fields.objects(name) or ())


_I = _InputReader
_ITEMS: Final[dict[str, Callable[[_InputReader, Fields], None]]] = {
    "function_call": _I._function_call,  # noqa: SLF001 - the class's own table
    "function_call_output": _I._result,  # noqa: SLF001
    "custom_tool_call": _I._custom_call,  # noqa: SLF001
    "custom_tool_call_output": _I._custom_result,  # noqa: SLF001
    "reasoning": _I._reasoning,  # noqa: SLF001
}
