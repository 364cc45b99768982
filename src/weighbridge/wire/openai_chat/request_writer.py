"""`Conversation` -> a request for a chat completion, with the provider's quirks applied."""

from __future__ import annotations

from fnmatch import fnmatchcase
from typing import Final

from msgspec.structs import replace

from weighbridge.core.codec import encode_json
from weighbridge.wire.codecs import TargetContext
from weighbridge.wire.conversation import AnswerFormat, Conversation, FormatKind, Text
from weighbridge.wire.format_instruction import format_instruction
from weighbridge.wire.json_value import JsonObject
from weighbridge.wire.openai_chat.messages_writer import write_messages
from weighbridge.wire.openai_chat.thinking_writer import write_wish
from weighbridge.wire.openai_chat.tools_writer import write_tools
from weighbridge.wire.openai_chat.vocabulary import ORIGIN, VENDOR_ORIGIN, own_fields
from weighbridge.wire.quirks import Quirks
from weighbridge.wire.receipt import Receipt
from weighbridge.wire.service_tiers import tier_for
from weighbridge.wire.unsaid import drop_unsaid, drop_vendor_fields, limited_stops, without_refused

_SAME: Final = (
    "temperature", "top_p", "seed", "n", "presence_penalty", "frequency_penalty", "logit_bias", "logprobs", "top_logprobs",
    "verbosity", "user", "safety_identifier", "metadata", "store", "prompt_cache_key", "prompt_cache_retention",
)  # fmt: skip
"""Fields that have the same name and value here."""

_EXTENSIONS: Final = ("top_k", "min_p", "repetition_penalty")
"""What most servers of this format take, though not OpenAI."""

_UNSAID: Final = (
    "max_tool_calls", "previous_response_id", "conversation_id", "background", "truncation", "include", "cached_content", "cache",
    "safety_settings",
)  # fmt: skip
"""Fields that this format has not."""


def write_request(conversation: Conversation, context: TargetContext, receipt: Receipt) -> bytes:
    """The body. Raises `GatewayError` INVALID_REQUEST for a message of which nothing would be left."""
    quirks = context.quirks
    conversation = without_refused(conversation, quirks, receipt)
    if quirks.fixed_sampling:
        conversation = _without_sampling(conversation, context, receipt)
    body: dict[str, object] = {"model": context.model}
    instruction = _write_format(conversation, quirks, receipt, body)
    body["messages"] = write_messages(conversation, quirks, receipt, instruction)
    if conversation.stream:
        body["stream"] = True
        if quirks.stream_options:
            # Always: nothing else tells what a stream cost. The caller's writer leaves it out where it was not asked for.
            body["stream_options"] = {"include_usage": True}
    if conversation.max_output_tokens is not None:
        body[quirks.max_tokens_field] = conversation.max_output_tokens
    for name in _SAME:
        value = getattr(conversation, name)
        if value is not None:
            body[name] = value
    _write_extensions(conversation, quirks, receipt, body)
    if conversation.stop and (stops := limited_stops(conversation, quirks.max_stop, receipt)):
        body["stop"] = stops
    write_tools(conversation, quirks, receipt, body)
    write_wish(conversation.reasoning, quirks, receipt, body)
    _write_rest(conversation, receipt, body)
    _write_vendor(conversation, quirks, receipt, body)
    for name, other in quirks.renames.items():
        if name in body:
            body[other] = body.pop(name)
    return encode_json(body)


def _without_sampling(conversation: Conversation, context: TargetContext, receipt: Receipt) -> Conversation:
    """Models that reason refuse every temperature but 1 (https://platform.openai.com/docs/guides/reasoning)."""
    if not any(fnmatchcase(context.model, pattern) for pattern in context.quirks.fixed_sampling):
        return conversation
    for name in ("temperature", "top_p"):
        if getattr(conversation, name) not in (None, 1):
            receipt.dropped(name, "the model has its own")
    return replace(conversation, temperature=None, top_p=None)


def _write_extensions(conversation: Conversation, quirks: Quirks, receipt: Receipt, body: dict[str, object]) -> None:
    if quirks.is_strict_about_fields:
        drop_unsaid(conversation, _EXTENSIONS, receipt, "not known")
        return
    for name in _EXTENSIONS:
        value = getattr(conversation, name)
        if value is not None:
            body[name] = value


def _write_format(conversation: Conversation, quirks: Quirks, receipt: Receipt, body: dict[str, object]) -> str | None:
    """`response_format`; where the provider has none that fits, an instruction for the model."""
    wish = conversation.answer_format
    if wish is None:
        return None
    understood = quirks.answer_formats
    if wish.kind.value in understood:
        body["response_format"] = _shape(wish)
        if wish.kind is not FormatKind.JSON or _mentions_json(conversation):
            return None
        receipt.mapped("answer_format", "with an instruction")
        return format_instruction(wish)
    if wish.kind is FormatKind.JSON_SCHEMA and "json" in understood:
        body["response_format"] = {"type": "json_object"}
    if wish.kind is not FormatKind.TEXT:
        receipt.widened("answer_format", "as an instruction: the provider has no such structured output")
    return format_instruction(wish)


def _mentions_json(conversation: Conversation) -> bool:
    """Without the word in some message OpenAI, DeepSeek and others refuse `json_object`; callers of other formats need not say it
    (https://platform.openai.com/docs/guides/structured-outputs#json-mode)."""
    return any(isinstance(part, Text) and "json" in part.text.lower() for turn in conversation.turns for part in turn.parts)


def _shape(wish: AnswerFormat) -> JsonObject:
    if wish.kind is FormatKind.TEXT:
        return {"type": "text"}
    if wish.kind is FormatKind.JSON:
        return {"type": "json_object"}
    # The name is required; callers of other dialects have none.
    shape: JsonObject = {"name": wish.name or "answer"}
    if wish.description is not None:
        shape["description"] = wish.description
    shape["schema"] = wish.schema if wish.schema is not None else {}
    if wish.strict is not None:
        shape["strict"] = wish.strict
    return {"type": "json_schema", "json_schema": shape}


def _write_rest(conversation: Conversation, receipt: Receipt, body: dict[str, object]) -> None:
    if conversation.modalities:
        body["modalities"] = list(conversation.modalities)
    audio = conversation.audio
    if audio is not None and audio.format is None:  # required here, and no other vendor has it
        receipt.dropped("audio", "voices of another vendor")
    elif audio is not None:
        body["audio"] = {"voice": audio.voice, "format": audio.format}
    if conversation.prediction is not None:
        body["prediction"] = {"type": "content", "content": conversation.prediction}
    if conversation.service_tier is not None:
        tier = tier_for(ORIGIN, conversation.service_tier)
        if tier is None:
            receipt.dropped("service_tier", "no such tier")
        else:
            body["service_tier"] = tier
    drop_unsaid(conversation, _UNSAID, receipt, "not known")


def _write_vendor(conversation: Conversation, quirks: Quirks, receipt: Receipt, body: dict[str, object]) -> None:
    """What only this format knows: OpenAI's own fields, and whatever a caller said for a server that is less strict."""
    own = own_fields(conversation, quirks)
    is_free = conversation.vendor_origin == VENDOR_ORIGIN and not quirks.is_strict_about_fields
    if not own and not is_free:
        drop_vendor_fields(conversation, receipt)
        return
    for name, value in conversation.vendor.items():
        if is_free or name in own:
            is_others = name == "prompt_cache_options" and conversation.vendor_origin != VENDOR_ORIGIN
            body.setdefault(name, _cache_options(value, receipt) if is_others and isinstance(value, dict) else value)
        else:
            receipt.dropped(name, "not known")


def _cache_options(options: JsonObject, receipt: Receipt) -> JsonObject:
    """What chat knows of the Responses API's `prompt_cache_options`: the mode, and half an hour to live."""
    kept: JsonObject = {}
    for name, value in options.items():
        if name == "mode" or (name, value) == ("ttl", "30m"):
            kept[name] = value
        elif value is not None:
            receipt.dropped(f"prompt_cache_options.{name}", "only the Responses API knows it")
    return kept
