"""A caller's request for a response -> `Conversation`.

https://platform.openai.com/docs/api-reference/responses/create; fields as in the vendor's OpenAPI description of 2026-08-21.

`instructions` become a SYSTEM turn in front of all others, and a writer makes them from such a turn again: from the first one, if
it holds one plain text. So a request whose `input` begins with a system message comes back with that as instructions, which say the
same to the model; all other system and developer messages stay where they were.
"""

from __future__ import annotations

from typing import Final

from weighbridge.wire.codecs import RequestContext
from weighbridge.wire.conversation import AnswerFormat, Conversation, FormatKind, ReasoningWish, Role, Text, Turn
from weighbridge.wire.fields import Fields, invalid, read_object
from weighbridge.wire.json_value import Json, JsonObject
from weighbridge.wire.openai_responses.input_reader import read_input
from weighbridge.wire.openai_responses.tools_reader import read_choice, read_tools
from weighbridge.wire.openai_responses.vocabulary import VENDOR_ORIGIN
from weighbridge.wire.receipt import Receipt

LOGPROBS: Final = "message.output_text.logprobs"
"""The word in `include` that asks for log probabilities."""

VENDOR_FIELDS: Final = ("prompt", "context_management", "moderation", "prompt_cache_options")
"""Fields that nobody else has."""

_FORMATS: Final = {"text": FormatKind.TEXT, "json_object": FormatKind.JSON, "json_schema": FormatKind.JSON_SCHEMA}
_SAYS_NOTHING: Final = frozenset(("stream_options",))
"""`include_obfuscation` pads the events of the stream against eavesdroppers who count bytes; what we send is TLS of our own."""


def read_request(body: bytes, context: RequestContext, receipt: Receipt) -> Conversation:
    """The request. Raises `GatewayError` INVALID_REQUEST with the field at fault."""
    fields = read_object(body)
    vendor: JsonObject = {name: value for name in VENDOR_FIELDS if (value := fields.value(name)) is not None}
    answer_format, verbosity = _text(fields, receipt)
    include = fields.texts("include")
    conversation = Conversation(
        model=fields.text("model") or context.model,
        turns=_turns(fields, receipt),
        stream=fields.boolean("stream") or context.stream,
        max_output_tokens=fields.integer("max_output_tokens"),
        temperature=fields.number("temperature"),
        top_p=fields.number("top_p"),
        presence_penalty=fields.number("presence_penalty"),
        frequency_penalty=fields.number("frequency_penalty"),
        logprobs=True if LOGPROBS in include else None,
        top_logprobs=fields.integer("top_logprobs"),
        tools=read_tools(fields, receipt),
        tool_choice=read_choice(fields, receipt),
        parallel_tool_calls=fields.boolean("parallel_tool_calls"),
        max_tool_calls=fields.integer("max_tool_calls"),
        answer_format=answer_format,
        verbosity=verbosity,
        reasoning=_reasoning(fields, vendor),
        user=fields.text("user"),
        safety_identifier=fields.text("safety_identifier"),
        metadata=fields.json_object("metadata"),
        service_tier=fields.text("service_tier"),
        store=fields.boolean("store"),
        previous_response_id=fields.text("previous_response_id"),
        conversation_id=_conversation_id(fields),
        background=fields.boolean("background"),
        truncation=fields.text("truncation"),
        include=tuple(word for word in include if word != LOGPROBS),
        prompt_cache_key=fields.text("prompt_cache_key"),
        prompt_cache_retention=fields.text("prompt_cache_retention"),
        vendor=vendor,
        vendor_origin=VENDOR_ORIGIN,
    )
    fields.leftover(receipt, ignored=_SAYS_NOTHING)
    return conversation


def _turns(fields: Fields, receipt: Receipt) -> tuple[Turn, ...]:
    instructions, value = fields.value("instructions"), fields.value("input")
    turns: tuple[Turn, ...] = ()
    if isinstance(instructions, str):
        turns = (Turn(Role.SYSTEM, (Text(instructions),)),) if instructions else ()
    elif instructions is not None:  # items, as replies repeat those of a stored prompt
        turns = read_input(instructions, "instructions", receipt)
    # A stored prompt, a conversation or an earlier response may be all there is.
    return turns if value is None else turns + read_input(value, "input", receipt)


def _conversation_id(fields: Fields) -> str | None:
    value: Json = fields.value("conversation")
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, dict):
        return Fields(value, fields.at("conversation")).required_text("id")
    raise invalid(fields.at("conversation"), "a string or an object")


def _text(fields: Fields, receipt: Receipt) -> tuple[AnswerFormat | None, str | None]:
    text = fields.nested("text")
    if text is None:
        return None, None
    verbosity, wish = text.text("verbosity"), text.nested("format")
    text.leftover(receipt)
    if wish is None:
        return None, verbosity
    kind = _FORMATS.get(wish.required_text("type"))
    if kind is None:
        raise invalid(wish.at("type"), "'text', 'json_object' or 'json_schema'")
    schema = wish.json_object("schema")
    if kind is FormatKind.JSON_SCHEMA and schema is None:
        wish.missing("schema")
    read = AnswerFormat(kind, schema, wish.text("name"), wish.text("description"), wish.boolean("strict"))
    wish.leftover(receipt)
    return read, verbosity


def _reasoning(fields: Fields, vendor: JsonObject) -> ReasoningWish | None:
    wish = fields.nested("reasoning")
    if wish is None:
        return None
    effort, old = wish.text("effort"), wish.text("generate_summary")
    summary = wish.text("summary") or old
    rest: JsonObject = {name: value for name, value in wish.rest.items() if value is not None}
    if rest:
        vendor["reasoning"] = rest
    return ReasoningWish(effort, summary=summary) if effort is not None or summary is not None else None
