"""`Reply` -> a whole message for a caller, and what the stream (`event_writer.py`) has in common with it.

What has no place in this dialect: a signature of a text or of a call (Gemini's) and thinking that only its vendor can read
(OpenAI's) become `redacted_thinking` blocks, whose `data` clients send back unread. A seal of a text or call stands behind its
block, since in a stream it comes last; `content_reader.py` puts it back.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import msgspec

from weighbridge.core.codec import encode_json
from weighbridge.core.terms import Usage
from weighbridge.wire.anthropic_messages.content_writer import CUSTOM_INPUT, WRAPPED_ARGUMENTS
from weighbridge.wire.anthropic_messages.vocabulary import ORIGIN, arguments_object, write_citation
from weighbridge.wire.codecs import ReplyContext
from weighbridge.wire.conversation import (
    Audio,
    Citation,
    Document,
    Image,
    Media,
    MediaBytes,
    MediaUrl,
    Part,
    Reasoning,
    Refusal,
    Seal,
    SealKind,
    ServerTool,
    Text,
    ToolCall,
    Video,
)
from weighbridge.wire.events import FinishReason, Reply
from weighbridge.wire.finish_reasons import WRITE_ANTHROPIC
from weighbridge.wire.json_value import JsonObject
from weighbridge.wire.sealing import wrap

Block = dict[str, object]

_TIERS: Final = {
    "standard": "standard",
    "default": "standard",
    "flex": "standard",
    "on_demand": "standard",
    "priority": "priority",
    "fast": "priority",
    "batch": "batch",
}
"""The tier that was served; the schema knows these three."""


def write_reply(reply: Reply, context: ReplyContext) -> bytes:
    """The message. Of several choices there is place for the first."""
    message = message_head(reply.id, reply.model, context)
    content: list[Block] = []
    if reply.choices:
        choice = reply.choices[0]
        for part in choice.parts:
            _WRITERS[type(part)](part, content)
        has_calls = any(isinstance(part, ToolCall) for part in choice.parts)
        message["stop_reason"] = stop_reason(choice.reason, has_calls=has_calls)
        message["stop_sequence"] = choice.stop_sequence
    message["content"] = content
    message["usage"] = write_usage(reply.usage, reply.service_tier)
    return encode_json(message)


def message_head(reply_id: str, model: str, context: ReplyContext) -> dict[str, object]:
    """A message that has just begun, without its usage."""
    made = reply_id or context.request_id
    return {
        "id": made if made.startswith("msg_") else f"msg_{made}",
        "type": "message",
        "role": "assistant",
        "model": model or context.model,
        "content": [],
        "stop_reason": None,
        "stop_sequence": None,
    }


def stop_reason(reason: FinishReason, *, has_calls: bool) -> str:
    """`stop_reason`. Clients run tools because of `tool_use`, not because of a block; some servers say a plain stop."""
    if has_calls and reason is FinishReason.STOP:
        reason = FinishReason.TOOL_CALLS
    return WRITE_ANTHROPIC[reason]


def write_usage(usage: Usage, tier: str | None) -> dict[str, object]:
    """`usage` of a message and of `message_delta`: `input_tokens` is what neither came from a cache nor went into one."""
    written: dict[str, object] = {
        "input_tokens": usage.input + usage.input_audio + usage.input_image,
        "cache_creation_input_tokens": usage.cache_write_5m + usage.cache_write_1h,
        "cache_read_input_tokens": usage.cache_read,
        "cache_creation": {
            "ephemeral_5m_input_tokens": usage.cache_write_5m,
            "ephemeral_1h_input_tokens": usage.cache_write_1h,
        },
        "output_tokens": usage.total_output,
    }
    if usage.reasoning:
        written["output_tokens_details"] = {"thinking_tokens": usage.reasoning}
    if usage.tool_calls:
        written["server_tool_use"] = {"web_search_requests": usage.tool_calls, "web_fetch_requests": 0}
    if tier is not None and (served := _TIERS.get(tier.lower())) is not None:
        written["service_tier"] = served
    return written


def seal_block(seal: Seal) -> Block:
    """A block that carries nothing but a seal."""
    if seal.origin == ORIGIN and seal.kind is SealKind.SIGNATURE:
        return {"type": "thinking", "thinking": "", "signature": seal.text}
    return {"type": "redacted_thinking", "data": wrap(seal, ORIGIN)}


def thinking_text(part: Reasoning) -> str:
    """The thinking, or the vendor's summary of it: Claude's own `thinking` is one."""
    return part.text or "\n\n".join(part.summary)


def written_citations(citations: tuple[Citation, ...]) -> list[JsonObject]:
    """The citations that can be said."""
    return [raw for citation in citations if (raw := write_citation(citation)) is not None]


def call_input(arguments: str, *, is_custom: bool) -> object:
    """`input` of a call, which is an object whatever the model wrote."""
    if is_custom:
        return {CUSTOM_INPUT: arguments}
    given = arguments_object(arguments)
    return {WRAPPED_ARGUMENTS: arguments} if given is None else given


def stand_in(part: Part) -> str:
    """A text in place of a part that no block can hold."""
    source: Media | None = part.source if isinstance(part, (Image, Audio, Video, Document)) else None
    if isinstance(source, MediaUrl):
        return f"![]({source.url})" if isinstance(part, Image) else source.url
    kind = type(part).__name__.lower()
    if isinstance(source, MediaBytes) and not isinstance(part, Audio):  # what kind of sound it is was said in the request
        kind = source.media_type
    return f"[{kind}: the Messages API has no place for it in an answer]"


def _text(part: Text, content: list[Block]) -> None:
    block: Block = {"type": "text", "text": part.text}
    if part.citations and (cited := written_citations(part.citations)):
        block["citations"] = cited
    content.append(block)
    if part.seal is not None:
        content.append(seal_block(part.seal))


def _refusal(part: Refusal, content: list[Block]) -> None:
    content.append({"type": "text", "text": part.text})


def _reasoning(part: Reasoning, content: list[Block]) -> None:
    text = thinking_text(part)
    if text:
        content.append({"type": "thinking", "thinking": text, "signature": "" if part.seal is None else wrap(part.seal, ORIGIN)})
    elif part.seal is not None:
        content.append(seal_block(part.seal))


def _tool_call(part: ToolCall, content: list[Block]) -> None:
    given = call_input(part.arguments, is_custom=part.is_custom)
    content.append({"type": "tool_use", "id": part.id, "name": part.name, "input": given})
    if part.seal is not None:
        content.append(seal_block(part.seal))


def _server_tool(part: ServerTool, content: list[Block]) -> None:
    if part.origin == ORIGIN:
        content.append(dict(part.raw))


def _audio(part: Audio, content: list[Block]) -> None:
    content.append({"type": "text", "text": part.transcript or stand_in(part)})


def _other(part: Part, content: list[Block]) -> None:
    content.append({"type": "text", "text": stand_in(part)})


_WRITERS: Final[dict[type[msgspec.Struct], Callable[..., None]]] = {
    Text: _text,
    Refusal: _refusal,
    Reasoning: _reasoning,
    ToolCall: _tool_call,
    ServerTool: _server_tool,
    Audio: _audio,
    Image: _other,
    Video: _other,
    Document: _other,
}
