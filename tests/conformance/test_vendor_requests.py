"""Every field of every request that vendors' SDKs describe: it changes what the provider is sent, or the receipt names it; and what
is sent is as the provider's own SDK describes it."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Iterator
from functools import cache
from typing import Any, NamedTuple, TypedDict

import botocore.session
import botocore.validate
import pytest
from anthropic.types.beta.message_create_params import MessageCreateParamsNonStreaming as MessagesRequest
from google.genai import types as google
from openai.types.chat.completion_create_params import CompletionCreateParamsNonStreaming as ChatRequest
from openai.types.responses.response_create_params import ResponseCreateParamsNonStreaming as ResponsesRequest
from tests.conformance.vendor_types import Field, Variants, faults, fields_of

from weighbridge.core.codec import decode_json, encode_json
from weighbridge.core.errors import GatewayError
from weighbridge.core.terms import WireFormat
from weighbridge.wire.codecs import RequestContext, TargetContext
from weighbridge.wire.receipt import LOSSY, Entry, Receipt
from weighbridge.wire.translate import INBOUND, OUTBOUND

F = WireFormat


class GenerateRequest(TypedDict, total=False):
    """Google's SDK has no type for the whole body (https://ai.google.dev/api/generate-content#request-body)."""

    contents: list[google.Content]
    systemInstruction: google.Content
    tools: list[google.Tool]
    toolConfig: google.ToolConfig
    generationConfig: google.GenerationConfig
    safetySettings: list[google.SafetySetting]
    cachedContent: str
    labels: dict[str, str]
    serviceTier: str


CALL = {"id": "call_1", "type": "function", "function": {"name": "f", "arguments": "{}"}}
NO_ARGUMENTS = {"type": "object", "properties": {}}
SIMPLEST: dict[WireFormat, dict[str, Any]] = {
    F.OPENAI_CHAT: {
        "model": "m",
        "logprobs": True,
        "tools": [{"type": "function", "function": {"name": "f", "parameters": NO_ARGUMENTS}}],
        "messages": [{"role": "user", "content": "hi"}, {"role": "assistant", "content": "yes", "tool_calls": [CALL]}],
    },
    F.OPENAI_RESPONSES: {
        "model": "m",
        "tools": [{"type": "function", "name": "f", "parameters": NO_ARGUMENTS, "strict": False}],
        "input": [{"role": "user", "content": "hi"}],
    },
    F.ANTHROPIC_MESSAGES: {
        "model": "m",
        "max_tokens": 5000,
        "tools": [{"name": "f", "input_schema": NO_ARGUMENTS}],
        "messages": [{"role": "user", "content": "hi"}],
    },
    F.GEMINI_GENERATE: {
        "contents": [{"role": "user", "parts": [{"text": "hi"}]}],
        "tools": [{"functionDeclarations": [{"name": "f", "parametersJsonSchema": NO_ARGUMENTS}]}],
    },
}
"""A request that has something of everything that others refer to: a message, a tool, a call."""
REQUESTS: dict[WireFormat, Any] = {
    F.OPENAI_CHAT: ChatRequest,
    F.OPENAI_RESPONSES: ResponsesRequest,
    F.ANTHROPIC_MESSAGES: MessagesRequest,
    F.GEMINI_GENERATE: GenerateRequest,
}
TURNS = {F.OPENAI_CHAT: "messages", F.OPENAI_RESPONSES: "input", F.ANTHROPIC_MESSAGES: "messages", F.GEMINI_GENERATE: "contents"}
OUTSIDE = ("model", "betas", "stream")
"""Not in the body, or said otherwise: a header, the path, the gateway's own way to relay."""

SAYS_NOTHING = {
    (F.OPENAI_CHAT, "stream_options"): "how the stream is framed, for which the gateway frames its own",
    (F.OPENAI_RESPONSES, "stream_options"): "the same",
    (F.OPENAI_CHAT, "response_format.json_schema.strict"): "targets that know schemas keep to them always",
    (F.OPENAI_RESPONSES, "text.format.strict"): "the same",
    (F.OPENAI_RESPONSES, "tools[].strict"): "true is what is meant where nothing is said",
    (F.OPENAI_RESPONSES, "store"): "the gateway keeps replies itself",
    (F.OPENAI_RESPONSES, "top_logprobs"): "asks for nothing as long as `include` does not",
    (F.GEMINI_GENERATE, "generationConfig.logprobs"): "asks for nothing without `responseLogprobs`",
    (F.OPENAI_RESPONSES, "input[].content[].annotations[]"): "where an earlier answer was from, which the caller was shown",
    (F.OPENAI_RESPONSES, "input[].content[].logprobs[]"): "how likely an earlier answer was",
    (F.ANTHROPIC_MESSAGES, "messages[].content[].citations[]"): "where an earlier answer was from, which the caller was shown",
    (F.ANTHROPIC_MESSAGES, "messages[].content[].source.media_type"): "of a text, which has no other",
    (F.ANTHROPIC_MESSAGES, "system[].citations[]"): "instructions cite nothing",
    (F.ANTHROPIC_MESSAGES, "cache_control.ttl"): "targets that cache by themselves choose how long",
    (F.OPENAI_CHAT, "web_search_options.user_location"): "a place without a name",
    (F.OPENAI_RESPONSES, "tools[].user_location"): "the same",
    (F.ANTHROPIC_MESSAGES, "tools[].user_location"): "the same",
    (F.OPENAI_RESPONSES, "tools[].container"): "a new one, which other vendors make as well",
    (F.GEMINI_GENERATE, "contents[].parts[].thought"): "of a part without a text",
    (F.GEMINI_GENERATE, "systemInstruction.role"): "ignored by Google as well",
    (F.GEMINI_GENERATE, "systemInstruction.parts[].thought"): "of a part without a text",
    (F.GEMINI_GENERATE, "generationConfig.responseSchema.nullable"): "of a schema without a type",
    (F.GEMINI_GENERATE, "generationConfig.responseSchema.propertyOrdering[]"): "of a schema without properties",
}
NOT_AS_DESCRIBED = {
    (F.ANTHROPIC_MESSAGES, r"\.(temperature|top_p|top_k) is not known"): "of version 2023-06-01, which the gateway asks in",
    (
        F.OPENAI_RESPONSES,
        r"\.input is .*'type': 'input_audio'.*",
    ): "the SDK describes such a part, and forgets it where parts are listed",
    (F.OPENAI_CHAT, r"\.modalities\[\] is '(image|video)'"): "OpenRouter's words, of whom the gateway knows by no quirk",
}
CASES = [
    pytest.param(source, field, id=f"{source.value}-{field.name}")
    for source, request in REQUESTS.items()
    for field in fields_of(request) or ()
    if field.name not in OUTSIDE
]


class Sent(NamedTuple):
    """What came of a request: the body, or why it was refused; and the receipt."""

    body: Any
    refusal: str
    entries: frozenset[Entry]


def translated(body: dict[str, Any], source: WireFormat, target: WireFormat) -> Sent:
    receipt = Receipt()
    try:
        conversation = INBOUND[source].read_request(encode_json(body), RequestContext("m"), receipt)
        sent = OUTBOUND[target].write_request(conversation, TargetContext("m"), receipt)
    except GatewayError as error:
        return Sent(None, str(error), frozenset())
    return Sent(decode_json(sent), "", frozenset(receipt.entries(conversation)))


def asked(source: WireFormat, field: Field, value: Any) -> dict[str, Any]:
    """The simplest request with a field of this value; turns come behind those that there are."""
    simplest = SIMPLEST[source]
    if field.name == "response_format" and "json_schema" in value:
        value = {**value, "json_schema": {"schema": NO_ARGUMENTS, **value["json_schema"]}}
    if field.name == TURNS[source] and isinstance(value, list):
        return {**simplest, field.name: [*simplest[field.name], *value]}
    return {**simplest, field.name: value}


def without(value: Any, path: str) -> Any:
    """The same value without the last thing that a path names."""
    if path.startswith("[]"):
        return [without(value[0], path[2:])]
    if path.startswith("{}"):
        return {"k": without(value["k"], path[2:])}
    name, end = path[1:], ""
    for at, letter in enumerate(path[1:], 1):
        if letter in ".[{":
            name, end = path[1:at], path[at:]
            break
    if end.strip("[]{}"):
        return {**value, name: without(value[name], end)}
    return {key: member for key, member in value.items() if key != name}


def is_lossy(entries: frozenset[Entry]) -> bool:
    return any(entry.fate in LOSSY for entry in entries)


def silent_paths(source: WireFormat, field: Field, target: WireFormat) -> Iterator[str]:
    """What can be said to no effect at all, whatever its value."""
    plain = translated(SIMPLEST[source], source, target)
    heard: dict[str, bool] = defaultdict(bool)
    for path, value in Variants(field.annotation):
        full = f"{field.name}{path}"
        if heard[full]:
            continue
        sent = translated(asked(source, field, value), source, target)
        named = path.rstrip("[]{}")
        less = translated(asked(source, field, without(value, named)), source, target) if named else plain
        heard[full] = bool(sent.refusal) or sent != less or is_lossy(sent.entries - plain.entries)
    yield from (path for path, is_heard in heard.items() if not is_heard)


@pytest.mark.parametrize(("source", "field"), CASES)
def test_whatever_a_caller_can_say_is_sent_or_named(source: WireFormat, field: Field) -> None:
    silent = {(target.value, path) for target in OUTBOUND if target is not source for path in silent_paths(source, field, target)}
    allowed = [path for (of, path) in SAYS_NOTHING if of is source]
    unheard = {(to, path) for to, path in silent if not any(path == known or path.startswith(f"{known}.") for known in allowed)}
    assert not unheard


@cache
def converse() -> Callable[[Any], list[str]]:
    """AWS's own description of Converse, and its own validator."""
    shape = botocore.session.get_session().get_service_model("bedrock-runtime").operation_model("Converse").input_shape
    validator = botocore.validate.ParamValidator()

    def wrong(body: Any) -> list[str]:
        report = validator.validate({"modelId": "m", **_with_bytes(body)}, shape).generate_report()
        return [*report.splitlines(), *(f".{name} is not known" for name in body if name not in shape.members)]

    return wrong


def _with_bytes(value: Any) -> Any:
    if isinstance(value, dict):
        return {
            name: member.encode() if name in ("bytes", "redactedContent") and isinstance(member, str) else _with_bytes(member)
            for name, member in value.items()
        }
    return [_with_bytes(entry) for entry in value] if isinstance(value, list) else value


def wrong_in(target: WireFormat, body: Any) -> list[str]:
    found = converse()(body) if target is F.BEDROCK_CONVERSE else faults(body, REQUESTS[target])
    known = [pattern for of, pattern in NOT_AS_DESCRIBED if of is target]
    return [fault for fault in found if not any(re.fullmatch(pattern, fault) for pattern in known)]


@pytest.mark.parametrize(("source", "field"), CASES)
def test_what_is_sent_is_as_the_provider_describes_it(source: WireFormat, field: Field) -> None:
    wrong = set()
    targets = [target for target in (*REQUESTS, F.BEDROCK_CONVERSE) if target is not source]
    for path, value in Variants(field.annotation):
        for target in targets:
            sent = translated(asked(source, field, value), source, target)
            if not sent.refusal:
                wrong |= {(target.value, f"{field.name}{path}", fault) for fault in wrong_in(target, sent.body)}
    assert not wrong
