"""A caller's request to generate -> `Conversation`. https://ai.google.dev/api/generate-content; Vertex's is the same."""

from __future__ import annotations

from typing import Final

from weighbridge.wire.codecs import RequestContext
from weighbridge.wire.conversation import Conversation, Part, Role, Turn
from weighbridge.wire.fields import Fields, read_object
from weighbridge.wire.gemini_generate.config_reader import read_output
from weighbridge.wire.gemini_generate.content_reader import ContentReader
from weighbridge.wire.gemini_generate.tools_reader import read_choice, read_tools
from weighbridge.wire.gemini_generate.vocabulary import ORIGIN, camel, integer, listed, message
from weighbridge.wire.json_value import JsonObject
from weighbridge.wire.receipt import Receipt

_OF_THE_PATH: Final = frozenset(("model",))
"""The path names the model; the body may repeat it."""
_NO_CONFIG: Final[JsonObject] = {}


def read_request(body: bytes, context: RequestContext, receipt: Receipt) -> Conversation:
    """The request. Raises `GatewayError` INVALID_REQUEST with the field at fault."""
    fields = read_object(body)
    return read_fields(Fields(camel(fields.rest), ""), context, receipt)


def read_fields(fields: Fields, context: RequestContext, receipt: Receipt) -> Conversation:
    """As `read_request`, from the fields of the request, named in `camelCase`."""
    turns = _turns(fields, receipt)
    vendor: JsonObject = {}
    tools, choice = read_tools(fields, receipt), read_choice(fields, vendor, receipt)
    config = message(fields, "generationConfig") or Fields(_NO_CONFIG, "generationConfig")
    output = read_output(config, receipt)
    if output.vendor:
        vendor["generationConfig"] = output.vendor
    logprobs = integer(config, "logprobs")
    conversation = Conversation(
        model=context.model,
        turns=turns,
        stream=context.stream,
        max_output_tokens=integer(config, "maxOutputTokens"),
        temperature=config.number("temperature"),
        top_p=config.number("topP"),
        top_k=integer(config, "topK"),
        stop=config.texts("stopSequences"),
        seed=integer(config, "seed"),
        n=integer(config, "candidateCount"),
        presence_penalty=config.number("presencePenalty"),
        frequency_penalty=config.number("frequencyPenalty"),
        logprobs=config.boolean("responseLogprobs"),
        top_logprobs=logprobs,
        tools=tools,
        tool_choice=choice,
        answer_format=output.answer_format,
        reasoning=output.reasoning,
        modalities=output.modalities,
        audio=output.audio,
        metadata=fields.json_object("labels"),
        service_tier=fields.text("serviceTier"),
        cached_content=fields.text("cachedContent"),
        safety_settings=tuple(setting for setting, _ in listed(fields.value("safetySettings"), "safetySettings")),
        vendor=vendor,
        vendor_origin=ORIGIN,
    )
    config.leftover(receipt)
    fields.leftover(receipt, ignored=_OF_THE_PATH)
    return conversation


def _turns(fields: Fields, receipt: Receipt) -> tuple[Turn, ...]:
    reader = ContentReader(receipt)
    system: list[Part] = []
    instruction = message(fields, "systemInstruction")
    if instruction is not None:
        reader.read_parts(instruction.value("parts"), "systemInstruction.parts", system, is_model=False)
    contents = fields.value("contents")
    if contents is None:
        fields.missing("contents")
    turns = reader.read(contents, "contents")
    return (Turn(Role.SYSTEM, tuple(system)), *turns) if system else turns
