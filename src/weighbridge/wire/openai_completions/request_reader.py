"""A caller's request for a completion -> `Conversation`: the prompt is what the user says."""

from __future__ import annotations

from weighbridge.core.errors import ErrorKind, GatewayError
from weighbridge.wire.codecs import RequestContext
from weighbridge.wire.conversation import Conversation, Role, Text, Turn
from weighbridge.wire.fields import Fields, invalid, read_object
from weighbridge.wire.receipt import Receipt


def read_request(body: bytes, context: RequestContext, receipt: Receipt) -> Conversation:
    """The request. Raises `GatewayError` INVALID_REQUEST with the field at fault, also for several prompts and for tokens."""
    fields = read_object(body)
    options = fields.nested("stream_options")
    logprobs = fields.integer("logprobs")
    conversation = Conversation(
        model=fields.text("model") or context.model,
        turns=(Turn(Role.USER, (Text(_prompt(fields)),)),),
        stream=fields.boolean("stream") or context.stream,
        include_usage=options.boolean("include_usage") if options is not None else None,
        max_output_tokens=fields.integer("max_tokens"),
        temperature=fields.number("temperature"),
        top_p=fields.number("top_p"),
        top_k=fields.integer("top_k"),
        min_p=fields.number("min_p"),
        repetition_penalty=fields.number("repetition_penalty"),
        stop=_stop(fields),
        seed=fields.integer("seed"),
        n=fields.integer("n"),
        presence_penalty=fields.number("presence_penalty"),
        frequency_penalty=fields.number("frequency_penalty"),
        logit_bias=fields.json_object("logit_bias"),
        logprobs=None if logprobs is None else True,
        top_logprobs=logprobs,
        user=fields.text("user"),
    )
    _drop_what_chat_has_not(fields, receipt)
    if options is not None:
        options.leftover(receipt, ignored=("include_obfuscation",))
    fields.leftover(receipt)
    return conversation


def _prompt(fields: Fields) -> str:
    value = fields.value("prompt")
    if isinstance(value, list) and len(value) == 1 and isinstance(value[0], str):
        value = value[0]
    if isinstance(value, str):
        return value
    if isinstance(value, list) and value and all(isinstance(prompt, str) for prompt in value):
        raise GatewayError(
            ErrorKind.INVALID_REQUEST,
            "This model is asked in chat and takes one prompt a request: send each by itself.",
            param="prompt",
            code="one_prompt_only",
        )
    raise invalid("prompt", "a string (tokens are not understood by this model)")


def _stop(fields: Fields) -> tuple[str, ...]:
    value = fields.rest.get("stop")
    if isinstance(value, str):
        fields.value("stop")
        return (value,) if value else ()
    return fields.texts("stop")


def _drop_what_chat_has_not(fields: Fields, receipt: Receipt) -> None:
    if fields.text("suffix"):
        receipt.dropped("suffix", "chat cannot fill in a gap")
    if fields.boolean("echo"):
        receipt.dropped("echo")
    best_of = fields.integer("best_of")
    if best_of is not None and best_of > 1:
        receipt.dropped("best_of")
