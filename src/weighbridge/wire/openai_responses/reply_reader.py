"""A provider's whole response -> `Reply`, and the reading of items that the stream's reader shares.

Liberal: providers other than OpenAI leave fields out, say null, and have items of their own.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, Final

import msgspec

from weighbridge.core.codec import JsonError, decode_json, encode_json
from weighbridge.core.errors import ErrorKind, GatewayError
from weighbridge.core.terms import NO_USAGE, Dialect
from weighbridge.wire.conversation import Audio, MediaBytes, Part, Reasoning, Refusal, Seal, SealKind, Text, ToolCall
from weighbridge.wire.events import Choice, Failed, FinishReason, Reply, UsageReported
from weighbridge.wire.finish_reasons import READ_RESPONSES_INCOMPLETE
from weighbridge.wire.json_value import Json, JsonObject
from weighbridge.wire.loose_json import as_list, as_object, as_text
from weighbridge.wire.openai_responses.vocabulary import ORIGIN, Item, read_annotations, server_tool
from weighbridge.wire.provider_errors import classify_failed
from weighbridge.wire.response_tools import ResponseTool, Step, ToolUsage, with_tools
from weighbridge.wire.tolerant_decoder import tolerant_decoder
from weighbridge.wire.usage import OpenAiUsage, from_openai_in_full


class ResponseShape(msgspec.Struct, gc=False):
    """What is read of a `response` object."""

    id: str | None = None
    model: str | None = None
    created_at: float | int | None = None
    status: str | None = None
    incomplete_details: dict[str, Any] | None = None
    error: Any = None
    output: list[dict[str, Any]] | None = None
    usage: OpenAiUsage | None = None
    tool_usage: ToolUsage | None = None
    tools: list[ResponseTool] | None = None
    service_tier: str | None = None


_decode: Final = msgspec.json.Decoder(ResponseShape).decode
_decode_tolerantly: Final = tolerant_decoder(ResponseShape)

_STATUSES: Final = {
    "invalid_request_error": 400,
    "invalid_prompt": 400,
    "context_length_exceeded": 400,
    "content_filter": 400,
    "invalid_api_key": 401,
    "authentication_error": 401,
    "model_not_found": 404,
    "rate_limit_exceeded": 429,
    "insufficient_quota": 429,
    "tokens": 429,
    "requests": 429,
    "server_error": 500,
    "server_is_overloaded": 503,
    "slow_down": 503,
}
"""https://platform.openai.com/docs/guides/error-codes"""


def malformed(detail: str) -> GatewayError:
    """The provider's bytes make no sense."""
    return GatewayError(ErrorKind.PROVIDER_MALFORMED, "The provider sent a reply that cannot be read.", detail=detail)


def decode_response(document: bytes | msgspec.Raw) -> ResponseShape:
    """A `response` object. One odd field costs itself and no other. Raises `GatewayError` PROVIDER_MALFORMED."""
    try:
        return _decode(document)
    except msgspec.ValidationError:
        return _salvaged(bytes(document))
    except (JsonError, UnicodeDecodeError, RecursionError) as error:
        raise malformed(f"a response that is no JSON: {error}") from None


def _salvaged(document: bytes) -> ResponseShape:
    try:
        response = _decode_tolerantly(document)
        whole = decode_json(document)
    except (JsonError, UnicodeDecodeError, RecursionError) as error:
        raise malformed(f"a response that is no JSON object: {error}") from None
    # As it came: the tolerant decoder rounds numbers, which is right for counts only.
    response.output = [item for item in as_list(whole.get("output")) if isinstance(item, dict)]
    return response


def read_reply(body: bytes) -> Reply:
    """The reply. Raises `GatewayError` PROVIDER_MALFORMED for what is no reply, and for a failed response what its error means."""
    response = decode_response(body)
    if response.status == "failed" or (response.error is not None and response.output is None):
        raise classify_failed(failed_of(response.error), Dialect.OPENAI)
    if response.output is None and response.status is None:
        raise malformed("a reply without output and status")
    parts: list[Part] = []
    logprobs: list[JsonObject] = []
    for item in response.output or ():
        parts += read_item(item, logprobs)
    reason, native = finish_of(response, parts)
    told = report(response)
    return Reply(
        (Choice(tuple(parts), reason, native, logprobs=tuple(logprobs)),),
        response.id or "",
        response.model or "",
        int(response.created_at or 0),
        told.usage,
        told.service_tier,
        apart=told.apart,
    )


def failed_of(error: object, code: str = "") -> Failed:
    """The error that a response or an event reports; `code` is one that stands beside it."""
    if isinstance(error, str):
        return Failed(error, "", code, _STATUSES.get(code, 0))
    fields = as_object(error)
    kind = as_text(fields.get("type"))
    kind = "" if kind == "error" else kind  # that of the event
    number = fields.get("code")
    code = as_text(number) or code
    status = number if isinstance(number, int) and 400 <= number <= 599 else _STATUSES.get(code) or _STATUSES.get(kind, 0)
    return Failed(as_text(fields.get("message")) or code or kind, kind, code, status)


def report(response: ResponseShape) -> UsageReported:
    """What was counted, with what its tools have used."""
    if response.usage is None:
        return UsageReported(NO_USAGE, response.service_tier)
    usage, apart = with_tools(
        from_openai_in_full(response.usage),
        response.tool_usage,
        [_step(item) for item in response.output or ()],
        response.tools or (),
    )
    return UsageReported(usage, response.service_tier, apart=apart)


def _step(item: JsonObject) -> Step:
    action = as_object(item.get("action")).get("type")
    kind, status, quality, size = (as_text(item.get(name)) for name in ("type", "status", "quality", "size"))
    return Step(kind, as_text(action), status, quality, size)


def finish_of(response: ResponseShape, parts: Iterable[Part]) -> tuple[FinishReason, str]:
    """Why the reply ended, and the provider's word for it. A response that is not done yet (`background`) has ended for OTHER."""
    kinds = {type(part) for part in parts}
    return finish_by(response, has_calls=ToolCall in kinds, has_refusal=Refusal in kinds)


def finish_by(response: ResponseShape, *, has_calls: bool, has_refusal: bool) -> tuple[FinishReason, str]:
    """As `finish_of`, by what the output holds."""
    status = response.status or "completed"
    if status == "completed":
        if has_calls:
            return FinishReason.TOOL_CALLS, status
        return (FinishReason.REFUSAL if has_refusal else FinishReason.STOP), status
    if status == "incomplete":
        why = as_text((response.incomplete_details or {}).get("reason"))
        return READ_RESPONSES_INCOMPLETE.get(why, FinishReason.OTHER), why or status
    if status == "failed":
        return FinishReason.ERROR, status
    return FinishReason.OTHER, status


def read_item(item: Item, logprobs: list[JsonObject]) -> list[Part]:
    """What an item of `output` says; log probabilities of its texts are added to the list."""
    word = item.get("type")
    read = _ITEMS.get(word) if isinstance(word, str) else None
    if read is not None:
        return read(item, logprobs)
    return [server_tool(item)] if isinstance(word, str) else []


def read_content(content: Json) -> Text | Refusal | Audio | None:
    """One entry of a message's `content`; None if it says nothing that we know."""
    entry = as_object(content)
    word = entry.get("type")
    if word == "refusal":
        return Refusal(as_text(entry.get("refusal")))
    if word == "output_audio":
        sound = as_text(entry.get("data"))
        source = MediaBytes(sound, "audio/*") if sound else None
        return Audio(source, transcript=as_text(entry.get("transcript")) or None)
    text = entry.get("text")
    return Text(text, citations=read_annotations(entry.get("annotations"))) if isinstance(text, str) else None


def logprobs_of(content: Json) -> list[JsonObject]:
    """The log probabilities of a text."""
    return [token for token in as_list(as_object(content).get("logprobs")) if isinstance(token, dict)]


def contents_of(item: Item) -> list[Json]:
    """The contents of a message; a bare string is a text."""
    content = item.get("content")
    return [{"type": "output_text", "text": content}] if isinstance(content, str) else as_list(content)


def _message(item: Item, logprobs: list[JsonObject]) -> list[Part]:
    parts: list[Part] = []
    for content in contents_of(item):
        part = read_content(content)
        if part is not None:
            parts.append(part)
            if isinstance(part, Text):
                logprobs += logprobs_of(content)
    return parts


def call_of(item: Item) -> ToolCall:
    """A call of one of the caller's tools."""
    is_custom = item.get("type") == "custom_tool_call"
    given = item.get("input" if is_custom else "arguments")
    arguments = given if isinstance(given, str) else ("" if given is None else encode_json(given).decode())
    item_id = as_text(item.get("id")) or None
    return ToolCall(as_text(item.get("call_id")) or item_id or "", as_text(item.get("name")), arguments, is_custom, None, item_id)


def seal_of(item: Item) -> Seal | None:
    """The encrypted reasoning of an item."""
    encrypted = as_text(item.get("encrypted_content"))
    return Seal(ORIGIN, SealKind.ENCRYPTED, encrypted) if encrypted else None


def reasoning_of(item: Item) -> Reasoning:
    """Reasoning: the thinking itself (gpt-oss, LM Studio, DeepSeek), its summary, its encryption."""
    text = "".join(as_text(as_object(entry).get("text")) for entry in as_list(item.get("content")))
    summary = tuple(as_text(as_object(entry).get("text")) for entry in as_list(item.get("summary")))
    return Reasoning(text, summary, seal_of(item), as_text(item.get("id")) or None)


def _call(item: Item, _logprobs: list[JsonObject]) -> list[Part]:
    return [call_of(item)]


def _reasoning(item: Item, _logprobs: list[JsonObject]) -> list[Part]:
    return [reasoning_of(item)]


_ITEMS: Final[dict[str, Callable[[Item, list[JsonObject]], list[Part]]]] = {
    "message": _message,
    "function_call": _call,
    "custom_tool_call": _call,
    "reasoning": _reasoning,
}
