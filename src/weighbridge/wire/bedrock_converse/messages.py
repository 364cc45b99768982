"""The turns of a conversation as Converse's `system` and `messages`.

Converse wants a user's message first, roles that take turns, answers of tools at the head of the message that follows the
calls, and no empty text. Cache points stand behind what they cache, as blocks of their own.
"""

from __future__ import annotations

import re
from base64 import b64encode
from hashlib import blake2b
from typing import Final, NamedTuple, cast

from weighbridge.core.codec import JsonError, decode_json
from weighbridge.core.errors import ErrorKind, GatewayError
from weighbridge.wire.bedrock_converse.families import Family
from weighbridge.wire.bedrock_converse.media import MediaWriter
from weighbridge.wire.cache_control import anthropic_ttl
from weighbridge.wire.conversation import (
    Audio,
    CacheBreakpoint,
    Conversation,
    Document,
    Image,
    Part,
    Reasoning,
    Refusal,
    Role,
    SealKind,
    ServerTool,
    Text,
    ToolCall,
    ToolResult,
    Turn,
    Video,
)
from weighbridge.wire.json_value import Json, JsonObject
from weighbridge.wire.quirks import Quirks
from weighbridge.wire.receipt import Receipt
from weighbridge.wire.unsaid import nothing_to_answer

CUSTOM_INPUT: Final = "input"
"""The one argument in which free text goes to a tool that takes free text."""

_WRAPPED: Final = "arguments"
"""Where arguments go that are no JSON object, so that the model sees what it had written."""
_CLAUDES_SEALS: Final = "anthropic"
"""Claude's signatures are valid on all platforms (https://platform.claude.com/docs/en/build-with-claude/extended-thinking)."""
_OWN: Final = "bedrock"
_ID: Final = re.compile(r"[A-Za-z0-9_.:-]{1,64}")
_NOT_IN_AN_ID: Final = re.compile(r"[^A-Za-z0-9_.:-]")
_RESULT_RANK: Final = 0
_OTHER_RANK: Final = 1
_SYSTEM_ROLES: Final = frozenset((Role.SYSTEM, Role.DEVELOPER))


class Messages(NamedTuple):
    """What becomes of the turns."""

    system: list[Json]
    messages: list[Json]
    tool_names: list[str]
    """The tools that earlier turns called, in order: Converse wants them declared."""


class _Message:
    """One message in the making; blocks carry the rank by which they are put in order."""

    __slots__ = ("blocks", "role")

    def __init__(self, role: str) -> None:
        self.role = role
        self.blocks: list[tuple[int, JsonObject]] = []

    def finished(self) -> JsonObject:
        blocks = self.blocks
        if any(rank == _RESULT_RANK for rank, _ in blocks):
            blocks = sorted(blocks, key=lambda ranked: ranked[0])
        content: list[Json] = [block for _, block in blocks]
        is_bare_document = any("document" in block for _, block in blocks) and not any("text" in block for _, block in blocks)
        if is_bare_document and self.role == "user":
            content.append({"text": "."})  # a document needs a text beside it (API_runtime_Message)
        return {"role": self.role, "content": content}


class _Writer:
    def __init__(self, family: Family, quirks: Quirks, receipt: Receipt) -> None:
        self.system: list[Json] = []
        self.messages: list[_Message] = []
        self.tool_names: dict[str, None] = {}
        self._family = family
        self._receipt = receipt
        self._media = MediaWriter(quirks, receipt)

    def turn(self, turn: Turn, path: str) -> None:
        if turn.name is not None:
            self._receipt.dropped(f"{path}.name", "no names of participants")
        if turn.role in _SYSTEM_ROLES:
            if self.messages:
                self._receipt.mapped(path, "instructions stand before all messages")
            self._system(turn, path)
            return
        role = "assistant" if turn.role is Role.ASSISTANT else "user"
        blocks = self._blocks(turn, path)
        if not blocks:
            if role == "user" and any(not isinstance(part, Text) for part in turn.parts):
                raise _nothing_left(path)
            return
        if not self.messages or self.messages[-1].role != role:
            self.messages.append(_Message(role))
        self.messages[-1].blocks += blocks

    def _system(self, turn: Turn, path: str) -> None:
        for j, part in enumerate(turn.parts):
            if isinstance(part, Text):
                if part.text:
                    self.system.append({"text": part.text})
                self.system.extend(self._cache_points(part.cache, f"{path}.parts[{j}]"))
            else:
                self._receipt.dropped(f"{path}.parts[{j}]", "instructions are texts")

    def _blocks(self, turn: Turn, path: str) -> list[tuple[int, JsonObject]]:
        blocks: list[tuple[int, JsonObject]] = []
        for j, part in enumerate(turn.parts):
            if type(part) is Text and part.cache is None and not part.citations and part.seal is None:
                if part.text:  # nearly all parts of nearly all conversations
                    blocks.append((_OTHER_RANK, {"text": part.text}))
                continue
            where = f"{path}.parts[{j}]"
            rank = _RESULT_RANK if isinstance(part, ToolResult) else _OTHER_RANK
            block = self._block(part, where)
            if block is not None:
                blocks.append((rank, block))
            cache = getattr(part, "cache", None)
            blocks += [(rank, point) for point in (self._cache_points(cache, where) if blocks else ())]
        return blocks

    def _cache_points(self, cache: CacheBreakpoint | None, path: str) -> list[JsonObject]:
        if cache is None:
            return []
        if not self._family.caches:
            self._receipt.dropped(f"{path}.cache", "the model has no prompt cache")
            return []
        return [cache_point(cache, f"{path}.cache", self._receipt)]

    def _block(self, part: Part, path: str) -> JsonObject | None:
        if isinstance(part, Text):
            return self._text(part, path)
        if isinstance(part, ToolCall):
            return self._call(part, path)
        if isinstance(part, ToolResult):
            return self._result(part, path)
        if isinstance(part, Reasoning):
            return self._reasoning(part, path)
        if isinstance(part, Refusal):
            self._receipt.mapped(path, "a refusal is a text here")
            return {"text": part.text} if part.text else None
        if isinstance(part, ServerTool):
            if part.origin == _OWN:
                return part.raw
            self._receipt.dropped(path, f"a step of {part.origin}'s own tool")
            return None
        return self._file(part, path)

    def _file(self, part: Image | Audio | Video | Document, path: str) -> JsonObject | None:
        if isinstance(part, Image):
            return self._media.image(part, path)
        if isinstance(part, Document):
            return self._media.document(part, path)
        if isinstance(part, Video):
            return self._media.video(part, path)
        if part.source is None and part.transcript:
            self._receipt.widened(path, "sound by its transcript")
            return {"text": part.transcript}
        return self._media.audio(part, path)

    def _text(self, part: Text, path: str) -> JsonObject | None:
        if part.seal is not None:
            self._receipt.dropped(f"{path}.seal", f"only {part.seal.origin} can read it")
        if part.citations and all(citation.origin == _OWN for citation in part.citations):
            cited: JsonObject = {"citations": [citation.raw for citation in part.citations]}
            if part.text:
                cited["content"] = [{"text": part.text}]
            return {"citationsContent": cited}
        if part.citations:
            self._receipt.dropped(f"{path}.citations", "citations of another vendor")
        return {"text": part.text} if part.text else None

    def _call(self, part: ToolCall, path: str) -> JsonObject:
        if part.seal is not None:
            self._receipt.dropped(f"{path}.seal", f"only {part.seal.origin} can read it")
        self.tool_names[part.name] = None
        custom: JsonObject = {CUSTOM_INPUT: part.arguments}
        arguments = custom if part.is_custom else self._arguments(part.arguments, path)
        return {"toolUse": {"toolUseId": tool_use_id(part.id), "name": part.name, "input": arguments}}

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
        content: list[Json] = []
        for k, inner in enumerate(part.parts):
            where = f"{path}.parts[{k}]"
            block = self._block(inner, where) if isinstance(inner, (Text, Image, Document, Video)) else None
            if block is not None and "citationsContent" not in block:
                content.append(block)
            elif not isinstance(inner, (Text, Image, Document, Video)):
                self._receipt.dropped(where, "not within an answer of a tool")
            if getattr(inner, "cache", None) is not None:
                self._receipt.dropped(f"{where}.cache", "a cache point stands behind the whole answer")
        result: JsonObject = {"toolUseId": tool_use_id(part.call_id), "content": content}
        if part.is_error is not None:
            result["status"] = "error" if part.is_error else "success"
        return {"toolResult": result}

    def _reasoning(self, part: Reasoning, path: str) -> JsonObject | None:
        seal = part.seal
        if seal is None or not self._family.takes_reasoning:
            self._receipt.dropped(path, "only thinking that its own model signed is taken back")
            return None
        if seal.kind is SealKind.REDACTED and seal.origin in {_CLAUDES_SEALS, _OWN}:
            # A blob of AWS's is base64 of the bytes, and Claude's are text.
            data = seal.text if seal.origin == _OWN else b64encode(seal.text.encode()).decode()
            return {"reasoningContent": {"redactedContent": data}}
        if seal.kind is SealKind.SIGNATURE and seal.origin == _CLAUDES_SEALS:
            return {"reasoningContent": {"reasoningText": {"text": part.text, "signature": seal.text}}}
        self._receipt.dropped(path, f"only {seal.origin} can read it")
        return None


def write_messages(conversation: Conversation, family: Family, quirks: Quirks, receipt: Receipt) -> Messages:
    """All turns. Raises `GatewayError` INVALID_REQUEST where there are none, or nothing of a user's turn can be sent."""
    writer = _Writer(family, quirks, receipt)
    for i, turn in enumerate(conversation.turns):
        writer.turn(turn, f"turns[{i}]")
    messages = writer.messages
    system = writer.system
    if not messages and system:
        receipt.mapped("turns", "instructions alone are the user's message")
        messages.append(_Message("user"))
        messages[0].blocks = [(_OTHER_RANK, cast("JsonObject", block)) for block in system]
        system = []
    if not messages:
        raise nothing_to_answer()
    if messages[0].role == "assistant":
        receipt.mapped("turns[0]", "a conversation begins with the user")
        messages.insert(0, _Message("user"))
        messages[0].blocks = [(_OTHER_RANK, {"text": "."})]
    if system and not (family.takes_system and quirks.system_role != "user"):
        receipt.mapped("turns", "instructions are the beginning of the user's message")
        messages[0].blocks[:0] = [(_OTHER_RANK, cast("JsonObject", block)) for block in system]
        system = []
    _trim_prefill(messages, receipt)
    if conversation.cache is not None:
        if family.caches:
            receipt.mapped("cache", "a cache point behind the last message")
            messages[-1].blocks.append((_OTHER_RANK, cache_point(conversation.cache, "cache", receipt)))
        else:
            receipt.dropped("cache", "the model has no prompt cache")
    return Messages(system, [message.finished() for message in messages], list(writer.tool_names))


def cache_point(cache: CacheBreakpoint, path: str, receipt: Receipt) -> JsonObject:
    """The block behind what is cached. Five minutes are what no `ttl` means, and older models refuse the field."""
    point: JsonObject = {"type": "default"}
    ttl = anthropic_ttl(cache, path, receipt)
    if ttl is not None and ttl != "5m":
        point["ttl"] = ttl
    return {"cachePoint": point}


def tool_use_id(call_id: str) -> str:
    """A call's id in the alphabet and length that Converse takes; always the same for the same id."""
    if _ID.fullmatch(call_id):
        return call_id
    digest = blake2b(call_id.encode(), digest_size=8).hexdigest()
    return f"{_NOT_IN_AN_ID.sub('_', call_id)[:40]}_{digest}"


def _trim_prefill(messages: list[_Message], receipt: Receipt) -> None:
    """The beginning of an answer must not end in blanks (Claude refuses it)."""
    if not messages or messages[-1].role != "assistant" or not messages[-1].blocks:
        return
    text = messages[-1].blocks[-1][1].get("text")
    if isinstance(text, str) and text != text.rstrip():
        receipt.mapped("turns[-1]", "blanks at the end of a begun answer are left out")
        if text.strip():
            messages[-1].blocks[-1] = (_OTHER_RANK, {"text": text.rstrip()})
        else:
            messages[-1].blocks.pop()
            if not messages[-1].blocks:
                messages.pop()


def _nothing_left(path: str) -> GatewayError:
    return GatewayError(
        ErrorKind.INVALID_REQUEST,
        f"Nothing of {path} can be sent to this model: files must be within the request, or in S3.",
        param=path,
        code="unsupported_content",
    )
