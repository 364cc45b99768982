"""`Conversation` -> a request for a provider's response.

What another dialect's caller does not know of, and this API does unless told otherwise, is told: nothing is kept at the provider
(`store`), a tool's schema is not made strict, and reasoning comes with its encrypted content, so that it survives the next turn.
"""

from __future__ import annotations

from typing import Final

from weighbridge.core.codec import encode_json
from weighbridge.wire.codecs import TargetContext
from weighbridge.wire.conversation import AnswerFormat, Conversation, FormatKind, Reasoning, ReasoningWish
from weighbridge.wire.format_instruction import format_instruction
from weighbridge.wire.json_value import Json, JsonObject
from weighbridge.wire.openai_responses.input_writer import write_input
from weighbridge.wire.openai_responses.request_reader import LOGPROBS
from weighbridge.wire.openai_responses.tools_writer import write_choice, write_tools
from weighbridge.wire.openai_responses.vocabulary import ORIGIN, VENDOR_ORIGIN
from weighbridge.wire.quirks import Quirks
from weighbridge.wire.reasoning import effort_of, is_off, nearest
from weighbridge.wire.receipt import Receipt
from weighbridge.wire.service_tiers import tier_for
from weighbridge.wire.unsaid import drop_unsaid, drop_vendor_fields, without_refused

_MIN_OUTPUT: Final = 16
"""A smaller `max_output_tokens` is refused."""

ENCRYPTED: Final = "reasoning.encrypted_content"
"""The word in `include` that asks for reasoning which can be sent back."""

_SAME: Final = (
    "temperature",
    "top_p",
    "top_logprobs",
    "parallel_tool_calls",
    "max_tool_calls",
    "user",
    "safety_identifier",
    "previous_response_id",
    "background",
    "truncation",
    "prompt_cache_key",
    "prompt_cache_retention",
)
"""Fields of the same name and meaning."""

_UNSAID: Final = (
    "top_k",
    "min_p",
    "stop",
    "seed",
    "n",
    "presence_penalty",
    "frequency_penalty",
    "repetition_penalty",
    "logit_bias",
    "modalities",
    "audio",
    "prediction",
    "cached_content",
    "safety_settings",
)


_SUMMARIES: Final = ("auto", "concise", "detailed")


def write_request(conversation: Conversation, context: TargetContext, receipt: Receipt) -> bytes:
    """The body. Raises `GatewayError` INVALID_REQUEST where the target cannot take the request in any form."""
    quirks = context.quirks
    asked = without_refused(conversation, quirks, receipt)
    is_own = asked.vendor_origin == VENDOR_ORIGIN
    instructions, items = write_input(asked, quirks, receipt)
    body: JsonObject = {"model": context.model, "input": items}
    answer_format = _answer_format(asked, quirks, receipt)
    if answer_format is not None and (told := _told(asked, answer_format)) is not None:
        instructions = told if instructions is None else f"{instructions}\n\n{told}"
    if instructions is not None:
        body["instructions"] = instructions
    if asked.stream:
        body["stream"] = True
    _write_same(asked, body)
    _write_tools(asked, quirks, receipt, body)
    _write_text(asked, answer_format, body)
    _write_reasoning(asked, quirks, receipt, body)
    _write_rest(asked, receipt, body)
    if asked.store is not None or not is_own:
        body["store"] = bool(asked.store)
    if is_own:
        _write_vendor(asked, body)
    else:
        drop_vendor_fields(asked, receipt)
    drop_unsaid(asked, _UNSAID, receipt, "no place for it here")
    if asked.cache is not None:
        receipt.mapped("cache", "prefixes are cached automatically")
    return encode_json(_renamed(body, quirks))


def _write_same(asked: Conversation, body: JsonObject) -> None:
    for name in _SAME:
        value = getattr(asked, name)
        if value is not None:
            body[name] = value


def _write_tools(asked: Conversation, quirks: Quirks, receipt: Receipt, body: JsonObject) -> None:
    tools = write_tools(asked, quirks, receipt) if asked.tools else []
    if tools:
        body["tools"] = tools
    if asked.tool_choice is not None:
        choice = write_choice(asked.tool_choice, tools, quirks, receipt)
        if choice is not None:
            body["tool_choice"] = choice
    if not tools and "parallel_tool_calls" in body and asked.vendor_origin != VENDOR_ORIGIN:
        del body["parallel_tool_calls"]  # says nothing


def _answer_format(asked: Conversation, quirks: Quirks, receipt: Receipt) -> AnswerFormat | None:
    """What to write as `text.format`; a schema for a provider without schemas becomes JSON and an instruction."""
    wish = asked.answer_format
    if wish is None or wish.kind.value in quirks.answer_formats:
        return wish
    receipt.widened("answer_format", "by an instruction only")
    kind = FormatKind.JSON if wish.kind is FormatKind.JSON_SCHEMA and "json" in quirks.answer_formats else FormatKind.TEXT
    return AnswerFormat(kind)


def _told(asked: Conversation, written: AnswerFormat) -> str | None:
    wish = asked.answer_format
    return format_instruction(wish) if wish is not None and wish.kind is not written.kind else None


def _write_text(asked: Conversation, wish: AnswerFormat | None, body: JsonObject) -> None:
    text = text_of(wish, asked.verbosity)
    if text:
        body["text"] = text


def text_of(wish: AnswerFormat | None, verbosity: str | None) -> JsonObject:
    """The object `text`; empty where nothing was said."""
    text: JsonObject = {}
    if wish is not None:
        text["format"] = _format_of(wish)
    if verbosity is not None:
        text["verbosity"] = verbosity
    return text


def _format_of(wish: AnswerFormat) -> JsonObject:
    if wish.kind is FormatKind.TEXT:
        return {"type": "text"}
    if wish.kind is FormatKind.JSON or wish.schema is None:
        return {"type": "json_object"}
    written: JsonObject = {"type": "json_schema", "name": wish.name or "answer", "schema": wish.schema}
    if wish.description is not None:
        written["description"] = wish.description
    if wish.strict is not None:
        written["strict"] = wish.strict
    return written


def _write_reasoning(asked: Conversation, quirks: Quirks, receipt: Receipt, body: JsonObject) -> None:
    wish = asked.reasoning
    include = list(asked.include)
    if wish is not None:
        written = _reasoning(wish, quirks, receipt)
        if written:
            body["reasoning"] = written
    # Models that do not reason refuse it, so that the wish to reason or earlier reasoning has to say that this one does.
    reasons = (wish is not None and not is_off(wish)) or _has_own_reasoning(asked)
    if asked.vendor_origin != VENDOR_ORIGIN and reasons and ENCRYPTED not in include:
        include.append(ENCRYPTED)
    if asked.logprobs:
        include.append(LOGPROBS)
    if include:
        body["include"] = list[Json](include)


def _reasoning(wish: ReasoningWish, quirks: Quirks, receipt: Receipt) -> JsonObject:
    if quirks.reasoning_style == "none":
        receipt.dropped("reasoning", "the provider's reasoning cannot be asked for")
        return {}
    written: JsonObject = {}
    effort = effort_of(wish)
    if effort is not None:
        written["effort"] = nearest(effort, quirks.reasoning_efforts)
    if wish.budget_tokens is not None or effort != written.get("effort") or wish.is_adaptive or wish.is_enabled is not None:
        receipt.mapped("reasoning", f"effort {written.get('effort', 'of the model')}")
    if wish.summary is not None and wish.summary != "omitted":
        written["summary"] = wish.summary if wish.summary in _SUMMARIES else "auto"
    return written


def _has_own_reasoning(asked: Conversation) -> bool:
    return any(
        isinstance(part, Reasoning) and part.seal is not None and part.seal.origin == ORIGIN
        for turn in asked.turns
        for part in turn.parts
    )


def _write_rest(asked: Conversation, receipt: Receipt, body: JsonObject) -> None:
    bound = asked.max_output_tokens
    if bound is not None:
        if bound < _MIN_OUTPUT:
            receipt.widened("max_output_tokens", f"at least {_MIN_OUTPUT}")
        body["max_output_tokens"] = max(bound, _MIN_OUTPUT)
    if asked.conversation_id is not None:
        body["conversation"] = asked.conversation_id
    if asked.metadata:
        _write_metadata(asked.metadata, receipt, body)
    if asked.service_tier is not None:
        tier = tier_for("openai", asked.service_tier)
        if tier is None:
            receipt.dropped("service_tier", "there is no such tier")
        else:
            body["service_tier"] = tier


def _write_metadata(metadata: JsonObject, receipt: Receipt, body: JsonObject) -> None:
    """Its values have to be strings."""
    written: JsonObject = {}
    for name, value in metadata.items():
        if isinstance(value, str):
            written[name] = value
        elif value is not None:
            written[name] = encode_json(value).decode()
            receipt.mapped(f"metadata.{name}", "as text")
    body["metadata"] = written


def _write_vendor(asked: Conversation, body: JsonObject) -> None:
    for name, value in asked.vendor.items():
        present = body.get(name)
        body[name] = {**present, **value} if isinstance(present, dict) and isinstance(value, dict) else value


def _renamed(body: JsonObject, quirks: Quirks) -> JsonObject:
    if not quirks.renames:
        return body
    return {quirks.renames.get(name, name): value for name, value in body.items()}
