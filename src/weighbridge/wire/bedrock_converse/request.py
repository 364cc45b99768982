"""A conversation as the body of Converse and ConverseStream, which differ in their path only; the model stands there too."""

from __future__ import annotations

import re
from typing import Final

from weighbridge.core.codec import encode_json
from weighbridge.wire.bedrock_converse.families import Family, family_of
from weighbridge.wire.bedrock_converse.messages import write_messages
from weighbridge.wire.bedrock_converse.thinking import Thinking, write_thinking
from weighbridge.wire.bedrock_converse.tools import ToolWriter
from weighbridge.wire.codecs import TargetContext
from weighbridge.wire.conversation import AnswerFormat, Conversation, FormatKind
from weighbridge.wire.format_instruction import format_instruction
from weighbridge.wire.json_value import Json, JsonObject
from weighbridge.wire.quirks import Quirks
from weighbridge.wire.receipt import Receipt
from weighbridge.wire.service_tiers import tier_for
from weighbridge.wire.unsaid import drop_store, drop_unsaid, drop_vendor_fields, limited_stops, without_refused

_UNSAID: Final = (
    "min_p", "seed", "n", "presence_penalty", "frequency_penalty", "repetition_penalty", "logit_bias", "logprobs", "top_logprobs",
    "parallel_tool_calls", "max_tool_calls", "verbosity", "modalities", "audio", "prediction", "user", "safety_identifier",
    "previous_response_id", "conversation_id", "background", "truncation", "include", "prompt_cache_key", "prompt_cache_retention",
    "cached_content", "safety_settings",
)  # fmt: skip
_NATIVE: Final = frozenset(
    ("guardrailConfig", "performanceConfig", "promptVariables", "additionalModelResponseFieldPaths", "additionalModelRequestFields")
)
"""Fields of Converse's own without a neutral meaning; a conversation that came with them says them again."""

_METADATA_KEY: Final = re.compile(r"[a-zA-Z0-9\s:_@$#=/+,.\-]{1,256}")
_METADATA_VALUE: Final = re.compile(r"[a-zA-Z0-9\s:_@$#=/+,.\-]{0,256}")
_MAX_METADATA: Final = 16


def write_request(conversation: Conversation, context: TargetContext, receipt: Receipt) -> bytes:
    """The body. Raises `GatewayError` INVALID_REQUEST where nothing of a turn can be sent."""
    quirks = context.quirks
    conversation = without_refused(conversation, quirks, receipt)
    family = family_of(context.model)
    turns = write_messages(conversation, family, quirks, receipt)
    body: JsonObject = {"messages": turns.messages}
    thinking = write_thinking(conversation, context.model, family, quirks, receipt)
    output = _output(conversation, turns.system, thinking, family, quirks, receipt)
    if turns.system:
        body["system"] = turns.system
    inference = _inference(conversation, thinking, quirks, receipt)
    if inference:
        body["inferenceConfig"] = inference
    tools = ToolWriter(family, quirks, receipt).config(conversation, turns.tool_names)
    if tools is not None:
        body["toolConfig"] = _unforced(tools, thinking, receipt)
    if output:
        body["outputConfig"] = output
    fields = _model_fields(conversation, thinking, family, receipt)
    if fields:
        body["additionalModelRequestFields"] = fields
    _add_rest(body, conversation, receipt)
    drop_unsaid(conversation, _UNSAID, receipt)
    drop_store(conversation, receipt)
    for name, renamed in quirks.renames.items():
        if name in body:
            body[renamed] = body.pop(name)
    return encode_json(body)


def _inference(conversation: Conversation, thinking: Thinking, quirks: Quirks, receipt: Receipt) -> JsonObject:
    config: JsonObject = {}
    if conversation.max_output_tokens is not None:
        if thinking.is_unbounded:
            receipt.dropped("max_output_tokens", "not with the highest effort")
        else:
            config["maxTokens"] = max(conversation.max_output_tokens, 1)
    temperature, top_p = conversation.temperature, conversation.top_p
    if temperature is not None and _may_sample("temperature", thinking, receipt, is_kept=thinking.is_claude and temperature == 1):
        if temperature > 1:
            receipt.widened("temperature", "at most 1")
        config["temperature"] = min(temperature, 1)
    if top_p is not None and _may_sample("top_p", thinking, receipt, is_kept=thinking.is_claude and top_p >= 0.95):
        config["topP"] = top_p
    stops = limited_stops(conversation, quirks.max_stop, receipt)
    if stops:
        config["stopSequences"] = stops
    return config


def _may_sample(name: str, thinking: Thinking, receipt: Receipt, *, is_kept: bool) -> bool:
    if is_kept or not (thinking.is_claude or thinking.is_unbounded):
        return True
    receipt.dropped(name, "not while the model thinks")
    return False


def _output(
    conversation: Conversation, system: list[Json], thinking: Thinking, family: Family, quirks: Quirks, receipt: Receipt
) -> JsonObject:
    config: JsonObject = {}
    wish = conversation.answer_format
    if wish is not None and wish.kind is not FormatKind.TEXT:
        if wish.kind is FormatKind.JSON_SCHEMA and wish.schema and family.obeys_schemas and "json_schema" in quirks.answer_formats:
            config["textFormat"] = _text_format(wish, wish.schema)
        else:
            receipt.widened("answer_format", "asked for in the instructions")
            system.append({"text": format_instruction(wish)})
    if thinking.effort is not None:
        config["effort"] = thinking.effort
    return config


def _text_format(wish: AnswerFormat, schema: JsonObject) -> JsonObject:
    definition: JsonObject = {"schema": encode_json(schema).decode()}
    if wish.name:
        definition["name"] = wish.name
    if wish.description:
        definition["description"] = wish.description
    return {"type": "json_schema", "structure": {"jsonSchema": definition}}


def _unforced(tools: JsonObject, thinking: Thinking, receipt: Receipt) -> JsonObject:
    choice = tools.get("toolChoice")
    if thinking.is_claude and isinstance(choice, dict) and "auto" not in choice:
        receipt.widened("tool_choice", "a thinking model cannot be forced")
        tools["toolChoice"] = {"auto": {}}
    return tools


def _model_fields(conversation: Conversation, thinking: Thinking, family: Family, receipt: Receipt) -> JsonObject:
    fields: JsonObject = dict(thinking.fields)
    if conversation.top_k is None:
        return fields
    if not family.top_k:
        receipt.dropped("top_k", "not known how this model calls it")
    elif _may_sample("top_k", thinking, receipt, is_kept=False):
        inner: JsonObject = {family.top_k[-1]: conversation.top_k}
        for name in reversed(family.top_k[:-1]):
            inner = {name: inner}
        fields |= inner
    return fields


def _add_rest(body: JsonObject, conversation: Conversation, receipt: Receipt) -> None:
    if conversation.service_tier is not None and conversation.service_tier != "auto":
        tier = tier_for("bedrock", conversation.service_tier)
        if tier is None:
            receipt.dropped("service_tier", "no such tier")
        else:
            if tier != conversation.service_tier:
                receipt.mapped("service_tier", tier)
            body["serviceTier"] = {"type": tier}
    if conversation.metadata:
        metadata = _metadata(conversation.metadata, receipt)
        if metadata:
            body["requestMetadata"] = metadata
    if conversation.vendor_origin != "bedrock":
        drop_vendor_fields(conversation, receipt)
        return
    for name, value in conversation.vendor.items():
        before = body.get(name)
        if name not in _NATIVE:
            receipt.dropped(name, "not known")
        elif isinstance(before, dict) and isinstance(value, dict):
            body[name] = value | before
        else:
            body[name] = value


def _metadata(metadata: JsonObject, receipt: Receipt) -> JsonObject:
    kept: JsonObject = {}
    for key, value in metadata.items():
        text = value if isinstance(value, str) else encode_json(value).decode()
        if len(kept) < _MAX_METADATA and _METADATA_KEY.fullmatch(key) and _METADATA_VALUE.fullmatch(text):
            kept[key] = text
        else:
            receipt.dropped(f"metadata.{key}", "16 short texts of letters, digits and common signs")
    return kept
