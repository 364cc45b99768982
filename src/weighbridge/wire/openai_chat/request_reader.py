"""A caller's request for a chat completion -> `Conversation`."""

from __future__ import annotations

from typing import Final

from msgspec.structs import replace

from weighbridge.wire.codecs import RequestContext
from weighbridge.wire.conversation import AnswerFormat, AudioWish, Conversation, FormatKind
from weighbridge.wire.fields import Fields, invalid, read_object
from weighbridge.wire.loose_json import as_list, as_object, as_text
from weighbridge.wire.openai_chat.content_reader import MessageReader
from weighbridge.wire.openai_chat.thinking_reader import read_wish
from weighbridge.wire.openai_chat.tools_reader import read_choice, read_tools
from weighbridge.wire.openai_chat.vocabulary import VENDOR_ORIGIN
from weighbridge.wire.receipt import Receipt

_FORMATS: Final = {"text": FormatKind.TEXT, "json_object": FormatKind.JSON, "json_schema": FormatKind.JSON_SCHEMA}


def read_request(body: bytes, context: RequestContext, receipt: Receipt) -> Conversation:
    """The request. Raises `GatewayError` INVALID_REQUEST with the field at fault."""
    fields = read_object(body)
    messages = fields.objects("messages")
    if messages is None:
        fields.missing("messages")
    newer, older = fields.integer("max_completion_tokens"), fields.integer("max_tokens")
    options = fields.nested("stream_options")
    wants_function_call = bool(fields.rest.get("functions"))
    conversation = Conversation(
        model=fields.text("model") or context.model,
        turns=MessageReader(receipt).read(messages),
        stream=fields.boolean("stream") or context.stream,
        include_usage=_include_usage(fields, options),
        max_output_tokens=older if newer is None else newer,
        temperature=fields.number("temperature"),
        top_p=fields.number("top_p"),
        top_k=fields.integer("top_k"),
        min_p=fields.number("min_p"),
        stop=_stop(fields),
        seed=fields.integer("seed"),
        n=fields.integer("n"),
        presence_penalty=fields.number("presence_penalty"),
        frequency_penalty=fields.number("frequency_penalty"),
        repetition_penalty=fields.number("repetition_penalty"),
        logit_bias=fields.json_object("logit_bias"),
        logprobs=fields.boolean("logprobs"),
        top_logprobs=fields.integer("top_logprobs"),
        tools=read_tools(fields, receipt),
        tool_choice=read_choice(fields),
        parallel_tool_calls=False if wants_function_call else fields.boolean("parallel_tool_calls"),
        answer_format=_answer_format(fields, receipt),
        verbosity=fields.text("verbosity"),
        reasoning=read_wish(fields, receipt),
        modalities=fields.texts("modalities"),
        audio=_audio(fields),
        prediction=_prediction(fields),
        user=fields.text("user"),
        safety_identifier=fields.text("safety_identifier"),
        metadata=fields.json_object("metadata"),
        service_tier=fields.text("service_tier"),
        store=fields.boolean("store"),
        prompt_cache_key=fields.text("prompt_cache_key"),
        prompt_cache_retention=fields.text("prompt_cache_retention"),
        wants_function_call=wants_function_call,
    )
    if options is not None:
        options.leftover(receipt, ignored=("include_obfuscation",))
    # What is left means something to some server of this format, or to none. Who writes another format notes it as dropped.
    vendor = {name: value for name, value in fields.rest.items() if value is not None}
    return replace(conversation, vendor=vendor, vendor_origin=VENDOR_ORIGIN) if vendor else conversation


def _include_usage(fields: Fields, options: Fields | None) -> bool | None:
    """OpenAI's `stream_options`, and OpenRouter's older `usage: {include}`."""
    routed = fields.nested("usage")
    if options is not None:
        return options.boolean("include_usage")
    return None if routed is None else routed.boolean("include")


def _stop(fields: Fields) -> tuple[str, ...]:
    value = fields.rest.get("stop")
    if isinstance(value, str):
        fields.value("stop")
        return (value,) if value else ()
    return fields.texts("stop")


def _answer_format(fields: Fields, receipt: Receipt) -> AnswerFormat | None:
    wish = fields.nested("response_format")
    if wish is None:
        return None
    word = wish.required_text("type")
    kind = _FORMATS.get(word)
    if kind is None:
        raise invalid(wish.at("type"), "'text', 'json_object' or 'json_schema'")
    if kind is not FormatKind.JSON_SCHEMA:
        schema = wish.json_object("schema")  # Together's and Fireworks' way to give one
        wish.leftover(receipt)
        return AnswerFormat(kind if schema is None else FormatKind.JSON_SCHEMA, schema)
    shape = wish.nested("json_schema")
    if shape is None:
        wish.missing("json_schema")
    texts = (shape.text("name"), shape.text("description"))
    read = AnswerFormat(kind, shape.json_object("schema"), *texts, shape.boolean("strict"))
    shape.leftover(receipt)
    return read


def _audio(fields: Fields) -> AudioWish | None:
    wish = fields.nested("audio")
    return None if wish is None else AudioWish(wish.value("voice"), wish.text("format"))


def _prediction(fields: Fields) -> str | None:
    wish = fields.json_object("prediction")
    if wish is None:
        return None
    content = wish.get("content")
    return content if isinstance(content, str) else "".join(as_text(as_object(part).get("text")) for part in as_list(content))
