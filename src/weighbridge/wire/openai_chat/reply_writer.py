"""`Reply` -> the answer to a caller, whole."""

from __future__ import annotations

from typing import Final

from weighbridge.core.codec import encode_json
from weighbridge.wire.codecs import ReplyContext
from weighbridge.wire.conversation import Audio, Image, MediaBytes, MediaUrl, Reasoning, Refusal, Text, ToolCall
from weighbridge.wire.data_urls import data_url
from weighbridge.wire.events import Choice, FinishReason, Reply
from weighbridge.wire.finish_reasons import WRITE_OPENAI_CHAT
from weighbridge.wire.json_value import Json, JsonObject
from weighbridge.wire.loose_json import as_object
from weighbridge.wire.openai_chat.usage_writer import write_usage
from weighbridge.wire.openai_chat.vocabulary import (
    ORIGIN,
    made_call_id,
    sealed_text,
    write_annotation,
    write_details,
    write_signature,
)
from weighbridge.wire.service_tiers import tier_for

_REASONS: Final = WRITE_OPENAI_CHAT | {FinishReason.ERROR: "error"}
"""OpenRouter's word where the vendor gave up: `stop` would make half an answer look whole."""


def write_reply(reply: Reply, context: ReplyContext) -> bytes:
    """The body."""
    body: JsonObject = {
        "id": reply_id(reply.id, context),
        "object": "chat.completion",
        "created": reply.created_s or context.created_s,
        "model": reply.model or context.model,
        "choices": [_choice(index, choice, context) for index, choice in enumerate(reply.choices)],
    }
    usage = write_usage(reply.usage)
    if usage is not None:
        body["usage"] = usage
    if reply.service_tier is not None and (tier := tier_for(ORIGIN, reply.service_tier)) is not None:
        body["service_tier"] = tier
    return encode_json(body)


def reply_id(given: str, context: ReplyContext) -> str:
    """The provider's id, by which it can be asked about the reply; ours where it gives none."""
    return given or f"chatcmpl-{context.request_id}"


def _choice(index: int, choice: Choice, context: ReplyContext) -> JsonObject:
    written: JsonObject = {
        "index": index,
        "message": _message(choice, context),
        "finish_reason": reason_word(choice.reason, context),
        "logprobs": None,
    }
    if choice.logprobs or choice.refusal_logprobs:
        written["logprobs"] = {"content": list(choice.logprobs) or None, "refusal": list(choice.refusal_logprobs) or None}
    return written


def reason_word(reason: FinishReason, context: ReplyContext) -> str:
    """The finish reason as this caller knows it."""
    return "function_call" if reason is FinishReason.TOOL_CALLS and context.conversation.wants_function_call else _REASONS[reason]


def _message(choice: Choice, context: ReplyContext) -> JsonObject:
    message: JsonObject = {"role": "assistant", "content": None, "refusal": None}
    thoughts: list[Reasoning] = []
    calls: list[Json] = []
    for part in choice.parts:
        if isinstance(part, Text):
            _add_text(message, part)
        elif isinstance(part, ToolCall):
            calls.append(write_call(part, made_call_id(context.request_id, len(calls))))
        elif isinstance(part, Reasoning):
            thoughts.append(part)
        elif isinstance(part, Refusal):
            message["refusal"] = part.text
        elif isinstance(part, Audio):
            message["audio"] = _audio(part)
        elif isinstance(part, Image):
            images = message.setdefault("images", [])
            assert isinstance(images, list)
            images.append(write_image(part))
    if calls and context.conversation.wants_function_call:
        message["function_call"] = as_object(calls[0])["function"]
    elif calls:
        message["tool_calls"] = calls
    if thoughts:
        _write_thoughts(message, thoughts, hides=hides_thoughts(context))
    return message


def _add_text(message: JsonObject, part: Text) -> None:
    before = message["content"] or ""
    assert isinstance(before, str)
    content = message["content"] = before + part.text
    annotations = [
        written
        for citation in part.citations
        if (written := write_annotation(citation, len(before), len(content))) is not None
    ]  # fmt: skip
    if annotations:
        known = message.setdefault("annotations", [])
        assert isinstance(known, list)
        known += annotations
    if part.seal is not None:
        message["extra_content"] = write_signature(part.seal)


def hides_thoughts(context: ReplyContext) -> bool:
    """Whether the caller asked not to see any reasoning (`reasoning.exclude`)."""
    wish = context.conversation.reasoning
    return wish is not None and wish.summary == "omitted"


def _write_thoughts(message: JsonObject, thoughts: list[Reasoning], *, hides: bool) -> None:
    """As a text for people (`reasoning_content`, DeepSeek's word), and with its seals to be sent back (OpenRouter's).

    Where the caller wants none of it, what has no readable text is kept: it proves the turn to its vendor and shows nothing.
    """
    if hides:
        thoughts = [part for part in thoughts if not part.text and not part.summary]
    text = "\n\n".join(text for part in thoughts for text in (*part.summary, part.text) if text)
    if text:
        message["reasoning_content"] = text
    details: list[Json] = [entry for i, part in enumerate(thoughts) for entry in write_details(part, i, sealed_text(part.seal))]
    if details:
        message["reasoning_details"] = details


def write_call(call: ToolCall, made_id: str) -> JsonObject:
    """One call of a tool, by `made_id` if it has no id of its own."""
    written: JsonObject
    call_id = call.id or made_id
    if call.is_custom:
        written = {"id": call_id, "type": "custom", "custom": {"name": call.name, "input": call.arguments}}
    else:
        written = {"id": call_id, "type": "function", "function": {"name": call.name, "arguments": call.arguments or "{}"}}
    if call.seal is not None:
        written["extra_content"] = write_signature(call.seal)
    return written


def write_image(image: Image) -> JsonObject:
    """A picture that the model made, as OpenRouter has them."""
    source = image.source
    url = data_url(source) if isinstance(source, MediaBytes) else source.url if isinstance(source, MediaUrl) else ""
    return {"type": "image_url", "image_url": {"url": url}}


def _audio(audio: Audio) -> JsonObject:
    data = audio.source.base64 if isinstance(audio.source, MediaBytes) else ""
    return {"id": audio.id or "", "data": data, "transcript": audio.transcript or "", "expires_at": audio.expires_at or 0}
