"""`contents` of a caller's request -> turns.

The vendor's SDK sends a streamed answer back as it came: many contents of the model in a row, each with a piece of a thought or a
text, the signature last in a piece of its own. They are one answer, so they become one turn, and pieces of one kind one part: a
thought that another vendor signed is good only as a whole.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from weighbridge.wire.conversation import Part, Reasoning, Role, Seal, Text, ToolCall, ToolResult, Turn
from weighbridge.wire.fields import Fields, invalid
from weighbridge.wire.gemini_generate.media import read_file, read_inline
from weighbridge.wire.gemini_generate.vocabulary import camel, json_text, listed, message, messages, read_seal, read_step
from weighbridge.wire.json_value import Json, JsonObject
from weighbridge.wire.receipt import Receipt

_ROLES: Final = {"user": Role.USER, "function": Role.USER, "tool": Role.USER, "model": Role.ASSISTANT}
_CONTENT_FIELDS: Final = frozenset(("role", "parts"))
_EMPTY: Final = (Text(""),)


class ContentReader:
    """Reads all contents of one request: results name their call by its id, its name, or only by their order."""

    __slots__ = ("_content", "_count", "_open_calls", "_receipt")

    def __init__(self, receipt: Receipt) -> None:
        self._receipt = receipt
        self._open_calls: dict[str, str] = {}
        """Calls without a result so far: the names of their tools by id, in order."""
        self._content = 0
        self._count = 0

    def read(self, contents: Json, path: str) -> tuple[Turn, ...]:
        """The turns. Raises `GatewayError` INVALID_REQUEST with the field at fault."""
        turns: list[tuple[Role, list[Part]]] = []
        for i, (content, where) in enumerate(listed(contents, path)):
            self._content, self._count = i, 0
            word = content.get("role")
            role = Role.USER if word is None or word == "" else _ROLES.get(word) if isinstance(word, str) else None
            if role is None:
                raise invalid(f"{where}.role", "'user' or 'model'")
            if len(content) > 2:
                Fields(content, where).leftover(self._receipt, ignored=_CONTENT_FIELDS)
            before = turns[-1] if turns else None
            if role is Role.ASSISTANT:
                parts = before[1] if before is not None and before[0] is role else []
                self.read_parts(content.get("parts"), f"{where}.parts", parts, is_model=True)
            else:
                parts = []
                self.read_parts(content.get("parts"), f"{where}.parts", parts, is_model=False)
                if before is not None and before[0] is role and _are_results(parts) and _are_results(before[1]):
                    before[1].extend(parts)
                    continue
            if before is None or parts is not before[1]:
                turns.append((role, parts))
        return tuple(Turn(role, tuple(parts) or _EMPTY) for role, parts in turns)

    def read_parts(self, value: Json, path: str, parts: list[Part], *, is_model: bool) -> None:
        """The parts of one content, added to `parts`."""
        if value.__class__ is list and len(value) == 1:
            first = value[0]
            if first.__class__ is dict and len(first) == 1 and (text := first.get("text")).__class__ is str:
                if text:  # the usual content, without the cost of `Fields`
                    _add_text(parts, Text(text), is_model=is_model)
                return
        for part, where in listed(value, path):
            self._read_part(part, where, parts, is_model=is_model)

    def _read_part(self, given: JsonObject, path: str, parts: list[Part], *, is_model: bool) -> None:
        raw = camel(given)
        step = read_step(raw)
        if step is not None:
            parts.append(step)
            return
        fields = Fields(raw, path)
        signature = fields.text("thoughtSignature")
        is_thought = fields.boolean("thought")
        seal = read_seal(signature) if signature else None
        for name, read in _READERS.items():
            if fields.rest.get(name) is not None:
                parts.append(read(self, fields, seal))
                break
        else:
            text = fields.text("text") or ""
            if is_thought:
                _add_thought(parts, Reasoning(text, seal=seal))
            elif seal is not None and not text:
                _add_seal(parts, seal)
            elif text:
                _add_text(parts, Text(text, seal=seal), is_model=is_model)
        fields.leftover(self._receipt)

    def _inline(self, fields: Fields, _seal: Seal | None) -> Part:
        blob = message(fields, "inlineData")
        assert blob is not None
        part = read_inline(blob)
        blob.leftover(self._receipt)
        return part

    def _file(self, fields: Fields, _seal: Seal | None) -> Part:
        file = message(fields, "fileData")
        assert file is not None
        part = read_file(file)
        file.leftover(self._receipt)
        return part

    def _call(self, fields: Fields, seal: Seal | None) -> Part:
        call = message(fields, "functionCall")
        assert call is not None
        name, arguments = call.required_text("name"), call.json_object("args")
        call_id = call.text("id") or f"call_{self._content}_{self._count}"
        self._count += 1
        self._open_calls[call_id] = name
        call.leftover(self._receipt)
        return ToolCall(call_id, name, json_text(arguments) if arguments else "{}", seal=seal)

    def _result(self, fields: Fields, _seal: Seal | None) -> Part:
        result = message(fields, "functionResponse")
        assert result is not None
        name = result.required_text("name")
        call_id = result.text("id") or next((known for known, tool in self._open_calls.items() if tool == name), None)
        if call_id is None:
            call_id = f"call_{self._content}_{self._count}"
            self._count += 1
        self._open_calls.pop(call_id, None)
        parts, is_error = _read_response(result.json_object("response"))
        for media in messages(result, "parts"):
            if media.rest.get("inlineData") is not None:
                parts.append(self._inline(media, None))
            elif media.rest.get("fileData") is not None:
                parts.append(self._file(media, None))
            media.leftover(self._receipt)
        result.leftover(self._receipt)
        return ToolResult(call_id, tuple(parts), name, is_error)


def _are_results(parts: list[Part]) -> bool:
    return bool(parts) and all(isinstance(part, ToolResult) for part in parts)


def _read_response(response: JsonObject | None) -> tuple[list[Part], bool | None]:
    """`output` and `error` are Google's own names for the one answer of a tool; everything else is an answer in JSON.
    https://ai.google.dev/api/caching#FunctionResponse"""
    if not response:
        return [], None
    if len(response) == 1:
        for name, is_error in (("output", None), ("error", True)):
            value = response.get(name)
            if isinstance(value, str):
                return [Text(value)] if value else [], is_error
            if is_error and value is not None:
                return [Text(json_text(value))], is_error
    return [Text(json_text(response))], None


def _add_text(parts: list[Part], text: Text, *, is_model: bool) -> None:
    before = parts[-1] if parts else None
    if is_model and isinstance(before, Text) and before.seal is None:
        parts[-1] = Text(before.text + text.text, seal=text.seal)
    else:
        parts.append(text)


def _add_thought(parts: list[Part], thought: Reasoning) -> None:
    before = parts[-1] if parts else None
    if isinstance(before, Reasoning) and before.seal is None:
        parts[-1] = Reasoning(before.text + thought.text, seal=thought.seal)
    elif thought.text or thought.seal is not None:
        parts.append(thought)


def _add_seal(parts: list[Part], seal: Seal) -> None:
    """The end of a streamed text: its signature, in a part without a text."""
    before = parts[-1] if parts else None
    if isinstance(before, Text) and before.seal is None:
        parts[-1] = Text(before.text, seal=seal)
    else:
        parts.append(Reasoning(seal=seal))


_R = ContentReader
_READERS: Final[dict[str, Callable[[ContentReader, Fields, Seal | None], Part]]] = {
    "functionCall": _R._call,  # noqa: SLF001 - the class's own table
    "functionResponse": _R._result,  # noqa: SLF001
    "inlineData": _R._inline,  # noqa: SLF001
    "fileData": _R._file,  # noqa: SLF001
}
