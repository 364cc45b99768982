"""Turns -> `contents` and `systemInstruction`. https://ai.google.dev/api/caching#Content

Instructions are hoisted, wherever they stood, and neighbouring contents of one role are joined. Results of tools have to be as many
as the calls before them and directly behind these, so they are a content of their own, and what else the user said follows.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

import msgspec

from weighbridge.core.errors import ErrorKind, GatewayError
from weighbridge.wire.conversation import (
    Audio,
    CacheBreakpoint,
    Document,
    Image,
    MediaBytes,
    MediaUrl,
    Part,
    Reasoning,
    Refusal,
    Role,
    Seal,
    ServerTool,
    Text,
    ToolCall,
    ToolResult,
    Turn,
    Video,
)
from weighbridge.wire.gemini_generate.families import Family
from weighbridge.wire.gemini_generate.media import write_media
from weighbridge.wire.gemini_generate.vocabulary import BESIDE_CONTENT, ORIGIN, STAND_IN, arguments_object, call_arguments
from weighbridge.wire.quirks import Quirks
from weighbridge.wire.receipt import Receipt

Block = dict[str, object]

_IN_RESULTS: Final = frozenset(("image/png", "image/jpeg", "image/webp", "application/pdf", "text/plain"))
"""https://ai.google.dev/gemini-api/docs/function-calling#multimodal"""
_INSTRUCTIONS: Final = frozenset((Role.SYSTEM, Role.DEVELOPER))


class ContentWriter:
    """Writes the turns of one request."""

    __slots__ = ("_family", "_has_results", "_names", "_quirks", "_receipt", "contents", "system")

    def __init__(self, family: Family, quirks: Quirks, receipt: Receipt) -> None:
        self._family = family
        self._quirks = quirks
        self._receipt = receipt
        self._names: dict[str, str] = {}
        """Names of the tools that were called, by the ids of the calls."""
        self._has_results = False
        self.contents: list[Block] = []
        self.system: list[Block] = []

    def write(self, turns: Sequence[Turn]) -> None:
        """Fill `contents` and `system`. Raises `GatewayError` INVALID_REQUEST where nothing of a user's message can be said."""
        for i, turn in enumerate(turns):
            if turn.name is not None:
                self._receipt.dropped(f"turns[{i}].name", "participants have no names")
            if turn.role in _INSTRUCTIONS:
                self._instruct(turn, i)
            else:
                self._write_turn(turn, i)
        if self._has_results:
            self.contents = _with_results_apart(self.contents)
        if self.system and (not self._family.has_system or self._quirks.system_role == "user"):
            self._receipt.widened("turns.system", "the model knows no instructions: they begin the user's text")
            self._hand_to_user()
        elif self.system and not self.contents:
            self._receipt.mapped("turns", "instructions alone are sent as the user's text")
            self._hand_to_user()

    def _hand_to_user(self) -> None:
        first = self.contents[0] if self.contents else None
        if first is not None and first["role"] == "user":
            parts = first["parts"]
            assert isinstance(parts, list)
            parts[:0] = self.system
        else:
            self.contents.insert(0, {"role": "user", "parts": self.system})
        self.system = []

    def _instruct(self, turn: Turn, i: int) -> None:
        if self.contents:
            self._receipt.mapped(f"turns[{i}]", "moved to the beginning, with the other instructions")
        elif turn.role is Role.DEVELOPER:
            self._receipt.mapped(f"turns[{i}].role", "system")
        for j, part in enumerate(turn.parts):
            if isinstance(part, Text):
                self._drop_cache(part.cache, f"turns[{i}].parts[{j}]")
                if part.text:
                    self.system.append({"text": part.text})
            else:
                self._receipt.dropped(f"turns[{i}].parts[{j}]", "instructions are text")

    def _write_turn(self, turn: Turn, i: int) -> None:
        role = "model" if turn.role is Role.ASSISTANT else "user"
        last = self.contents[-1] if self.contents else None
        joined = last["parts"] if last is not None and last["role"] == role else None
        written: list[Block] = joined if isinstance(joined, list) else []
        before = len(written)
        for j, part in enumerate(turn.parts):
            if part.__class__ is Text and part.cache is None and part.seal is None:
                if part.text:
                    written.append({"text": part.text})
            else:
                _WRITERS[type(part)](self, part, written, f"turns[{i}].parts[{j}]")
        if len(written) == before and role == "user":
            if any(not (isinstance(part, Text) and not part.text) for part in turn.parts):
                raise _nothing_left(i)
            if not written:
                written.append({"text": ""})
        if written and written is not joined:
            self.contents.append({"role": role, "parts": written})

    def _text(self, part: Text, written: list[Block], path: str) -> None:
        self._drop_cache(part.cache, path)
        signature = self._own(part.seal, path)
        if part.text or signature is not None:
            written.append({"text": part.text} if signature is None else {"text": part.text, "thoughtSignature": signature})

    def _refusal(self, part: Refusal, written: list[Block], path: str) -> None:
        self._receipt.mapped(path, "a refusal, as text")
        written.append({"text": part.text})

    def _reasoning(self, part: Reasoning, written: list[Block], path: str) -> None:
        """A thought needs no signature: Google's SDK sends back what it was shown, of which only some parts have one."""
        signature = self._own(part.seal, path)
        text = part.text or "\n\n".join(part.summary)
        block: Block = {"text": text}
        if text:
            block["thought"] = True
        if signature is not None:
            block["thoughtSignature"] = signature
        if len(block) > 1:
            written.append(block)

    def _call(self, part: ToolCall, written: list[Block], path: str) -> None:
        self._drop_cache(part.cache, path)
        self._names[part.id] = part.name
        args = call_arguments(part.arguments, is_custom=part.is_custom)
        call: Block = {"name": part.name, "args": args}
        if part.id:
            call["id"] = part.id
        block: Block = {"functionCall": call}
        signature = self._own(part.seal, path)
        is_first = not any("functionCall" in other for other in written)
        if signature is None and is_first and self._family.validates_signatures:
            signature = STAND_IN
            if part.seal is None:
                self._receipt.mapped(f"{path}.seal", "a stand-in: another model made the call")
        if signature is not None:
            block["thoughtSignature"] = signature
        written.append(block)

    def _own(self, seal: Seal | None, path: str) -> str | None:
        """A signature that Gemini itself made."""
        if seal is None:
            return None
        if seal.origin == ORIGIN:
            return seal.text
        self._receipt.dropped(f"{path}.seal", "of another vendor")
        return None

    def _result(self, part: ToolResult, written: list[Block], path: str) -> None:
        self._drop_cache(part.cache, path)
        name = self._names.get(part.call_id) or part.name
        texts = [inner.text for inner in part.parts if isinstance(inner, Text)]
        text = "\n".join(texts)
        if name is None:
            self._receipt.widened(path, "its call is not in the conversation: sent as text")
            written.append({"text": f"Result of the tool call {part.call_id}: {text}"})
        inside: list[Block] = []
        behind: list[Block] = []
        for k, inner in enumerate(part.parts):
            where = f"{path}.parts[{k}]"
            if isinstance(inner, Text):
                self._drop_cache(inner.cache, where)
            elif name is not None and self._goes_inside(inner):
                _WRITERS[type(inner)](self, inner, inside, where)
            else:
                self._receipt.mapped(where, "follows behind the results")
                _WRITERS[type(inner)](self, inner, behind, where)
        if name is not None:
            result: Block = {"name": name, "response": _response(text, is_error=bool(part.is_error))}
            if part.call_id:
                result["id"] = part.call_id
            if inside:
                result["parts"] = inside
            written.append({"functionResponse": result})
            self._has_results = True
        written += behind

    def _goes_inside(self, part: Part) -> bool:
        if not self._family.is_versatile or not isinstance(part, (Image, Document)):
            return False
        return isinstance(part.source, MediaBytes) and part.source.media_type in _IN_RESULTS

    def _image(self, part: Image, written: list[Block], path: str) -> None:
        if part.detail is not None and part.detail != "auto":
            self._receipt.dropped(f"{path}.detail", "it is one setting for the whole request")
        if self._quirks.images == "none" or (self._quirks.images == "inline" and isinstance(part.source, MediaUrl)):
            self._receipt.dropped(path, "the provider takes no such picture")
            return
        self._media(part, written, path)

    def _document(self, part: Document, written: list[Block], path: str) -> None:
        for name in ("context", "cites"):
            if getattr(part, name):
                self._receipt.dropped(f"{path}.{name}")
        if part.plain_text is None and part.source is not None:
            before = len(written)
            self._media(part, written, path)
            if part.name and len(written) > before:  # the Gemini API takes files without a name (`displayName` is Vertex's)
                self._receipt.mapped(f"{path}.name", "as a text before the file")
                written.insert(before, {"text": part.name})
            return
        self._drop_cache(part.cache, path)
        self._receipt.mapped(path, "as text")
        title = f"{part.name}\n\n" if part.name else ""
        written.append({"text": title + (part.plain_text or "")})

    def _media(self, part: Image | Audio | Video | Document, written: list[Block], path: str) -> None:
        self._drop_cache(part.cache, path)
        block = None if part.source is None else write_media(part, part.source)
        if block is not None:
            written.append(dict(block))
        elif isinstance(part, Audio) and part.transcript:
            self._receipt.mapped(path, "its transcript")
            written.append({"text": part.transcript})
        else:
            self._receipt.dropped(path, "a file of another vendor")

    def _step(self, part: ServerTool, written: list[Block], path: str) -> None:
        if part.origin != ORIGIN:
            self._receipt.dropped(path, "a step of another vendor's tool")
        elif BESIDE_CONTENT.isdisjoint(part.raw):
            written.append(dict(part.raw))

    def _drop_cache(self, cache: CacheBreakpoint | None, path: str) -> None:
        if cache is not None:
            self._receipt.dropped(f"{path}.cache", "Gemini caches by itself")


def _response(text: str, *, is_error: bool) -> Block | msgspec.Raw:
    """`response`, which is an object: the tool's own one, or its text under Google's name for it."""
    if is_error:
        return {"error": text}
    own = arguments_object(text) if text else None
    return {"output": text} if own is None else own


def _with_results_apart(contents: list[Block]) -> list[Block]:
    apart: list[Block] = []
    for content in contents:
        parts = content["parts"]
        assert isinstance(parts, list)
        results = [part for part in parts if "functionResponse" in part] if content["role"] == "user" else []
        if results and len(results) < len(parts):
            apart.append({"role": "user", "parts": results})
            apart.append({"role": "user", "parts": [part for part in parts if "functionResponse" not in part]})
        else:
            apart.append(content)
    return apart


def _nothing_left(i: int) -> GatewayError:
    return GatewayError(
        ErrorKind.INVALID_REQUEST, "The provider takes nothing of what a message holds.", param=f"turns[{i}]", code="nothing_left"
    )


_W = ContentWriter
_WRITERS: Final[dict[type[msgspec.Struct], Callable[..., None]]] = {
    Text: _W._text,  # noqa: SLF001 - the class's own table
    Refusal: _W._refusal,  # noqa: SLF001
    Reasoning: _W._reasoning,  # noqa: SLF001
    ToolCall: _W._call,  # noqa: SLF001
    ToolResult: _W._result,  # noqa: SLF001
    Image: _W._image,  # noqa: SLF001
    Audio: _W._media,  # noqa: SLF001
    Video: _W._media,  # noqa: SLF001
    Document: _W._document,  # noqa: SLF001
    ServerTool: _W._step,  # noqa: SLF001
}
