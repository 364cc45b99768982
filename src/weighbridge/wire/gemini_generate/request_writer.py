"""`Conversation` -> a request for a model of Google's. https://ai.google.dev/api/generate-content"""

from __future__ import annotations

from typing import Final

from weighbridge.core.codec import encode_json
from weighbridge.wire.codecs import TargetContext
from weighbridge.wire.conversation import Conversation, FormatKind
from weighbridge.wire.format_instruction import described_schema, format_instruction
from weighbridge.wire.gemini_generate.content_writer import Block, ContentWriter
from weighbridge.wire.gemini_generate.families import Family, family_of
from weighbridge.wire.gemini_generate.thinking import write_thinking
from weighbridge.wire.gemini_generate.tools_writer import write_tools
from weighbridge.wire.gemini_generate.vocabulary import ORIGIN
from weighbridge.wire.quirks import Quirks
from weighbridge.wire.receipt import Receipt
from weighbridge.wire.service_tiers import tier_for
from weighbridge.wire.unsaid import drop_store, drop_unsaid, drop_vendor_fields, limited_stops, without_refused

_MAX_STOP: Final = 5
"""https://ai.google.dev/api/generate-content#FIELDS.stop_sequences"""
_MAX_TOP_LOGPROBS: Final = 20

_SAME: Final = (
    ("max_output_tokens", "maxOutputTokens"),
    ("temperature", "temperature"),
    ("top_p", "topP"),
    ("top_k", "topK"),
    ("seed", "seed"),
    ("n", "candidateCount"),
    ("presence_penalty", "presencePenalty"),
    ("frequency_penalty", "frequencyPenalty"),
)
"""What is called otherwise and means the same."""

_UNSAID: Final = (
    "min_p", "repetition_penalty", "logit_bias", "parallel_tool_calls", "max_tool_calls", "verbosity", "prediction", "user",
    "safety_identifier", "previous_response_id", "conversation_id", "background", "truncation", "include",
    "prompt_cache_key", "prompt_cache_retention", "cache",
)  # fmt: skip


def write_request(conversation: Conversation, context: TargetContext, receipt: Receipt) -> bytes:
    """The request; whether it streams is said by its path. Raises `GatewayError` INVALID_REQUEST where nothing is left to send."""
    return encode_json(build_body(conversation, context, receipt))


def build_body(conversation: Conversation, context: TargetContext, receipt: Receipt) -> Block:
    """As `write_request`, before it becomes bytes."""
    quirks, family = context.quirks, family_of(context.model)
    conversation = without_refused(conversation, quirks, receipt)
    drop_unsaid(conversation, _UNSAID, receipt)
    drop_store(conversation, receipt)
    content = ContentWriter(family, quirks, receipt)
    content.write(conversation.turns)
    tools = write_tools(conversation, family, quirks, receipt)
    config = _config(conversation, family, quirks, receipt)
    instruction = _write_format(conversation, config, family, quirks, receipt, has_functions="tools" in tools)
    if instruction is not None:
        _instruct(content, instruction, has_system=family.has_system)
    body: Block = {"contents": content.contents}
    if content.system:
        body["systemInstruction"] = {"parts": content.system}
    body.update(tools)
    if config:
        body["generationConfig"] = config
    _write_rest(conversation, body, receipt)
    return body


def _config(conversation: Conversation, family: Family, quirks: Quirks, receipt: Receipt) -> Block:
    config: Block = {}
    own = conversation.vendor.get("generationConfig") if conversation.vendor_origin == ORIGIN else None
    if isinstance(own, dict):
        config.update(own)
    for name, field in _SAME:
        value = getattr(conversation, name)
        if value is not None:
            config[field] = value
    if conversation.stop and (stops := limited_stops(conversation, quirks.max_stop or _MAX_STOP, receipt)):
        config["stopSequences"] = stops
    if conversation.logprobs is not None:
        config["responseLogprobs"] = conversation.logprobs
    if conversation.top_logprobs is not None:
        config["logprobs"] = min(conversation.top_logprobs, _MAX_TOP_LOGPROBS)
    thinking = write_thinking(conversation, family, quirks, receipt)
    if thinking is not None:
        config["thinkingConfig"] = thinking
    _write_media(conversation, config, receipt)
    return config


def _write_media(conversation: Conversation, config: Block, receipt: Receipt) -> None:
    if conversation.modalities and conversation.modalities != ("text",):
        config["responseModalities"] = [word.upper() for word in conversation.modalities]
    elif conversation.modalities and conversation.vendor_origin == ORIGIN:
        config["responseModalities"] = ["TEXT"]
    audio = conversation.audio
    if audio is None:
        return
    if conversation.vendor_origin != ORIGIN:
        receipt.dropped("audio", "voices and formats of another vendor")
    elif isinstance(audio.voice, str):
        config["speechConfig"] = {"voiceConfig": {"prebuiltVoiceConfig": {"voiceName": audio.voice}}}
    else:
        config["speechConfig"] = audio.voice


def _write_format(
    conversation: Conversation, config: Block, family: Family, quirks: Quirks, receipt: Receipt, *, has_functions: bool
) -> str | None:
    """Put the answer's format into the configuration; where the model does not take it there, give it as an instruction."""
    wish = conversation.answer_format
    if wish is None or wish.kind is FormatKind.TEXT:
        return None
    is_taken = wish.kind.value in quirks.answer_formats and (family.is_versatile or not has_functions) and family.has_system
    if not is_taken:
        receipt.widened("answer_format", "as an instruction: the model takes none beside functions, or none at all")
        return format_instruction(wish)
    config["responseMimeType"] = "application/json"
    if wish.kind is FormatKind.JSON_SCHEMA and wish.schema is not None:
        config["responseJsonSchema"] = described_schema(wish)
    return None


def _instruct(content: ContentWriter, instruction: str, *, has_system: bool) -> None:
    first = content.contents[0] if content.contents and not has_system else None
    parts = None if first is None or first["role"] != "user" else first["parts"]
    if isinstance(parts, list):
        parts.insert(0, {"text": instruction})
    else:
        content.system.append({"text": instruction})


def _write_rest(conversation: Conversation, body: Block, receipt: Receipt) -> None:
    is_own = conversation.vendor_origin == ORIGIN
    if conversation.safety_settings:
        body["safetySettings"] = list(conversation.safety_settings)
    if conversation.cached_content is not None:
        body["cachedContent"] = conversation.cached_content
    if conversation.metadata:
        if is_own:
            body["labels"] = conversation.metadata
        else:
            receipt.dropped("metadata", "labels are for billing, and Vertex's alone")
    if conversation.service_tier is not None:
        tier = tier_for(ORIGIN, conversation.service_tier)
        if tier is not None:
            body["serviceTier"] = tier
        elif conversation.service_tier != "auto":
            receipt.dropped("service_tier", "no such tier")
    if not is_own:
        drop_vendor_fields(conversation, receipt)
