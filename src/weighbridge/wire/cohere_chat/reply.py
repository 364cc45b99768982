"""A whole reply of Cohere's."""

from __future__ import annotations

from weighbridge.core.errors import ErrorKind, GatewayError
from weighbridge.wire.cohere_chat.citations import citation_of, logprob_of
from weighbridge.wire.conversation import Citation, Part, Reasoning, Text, ToolCall
from weighbridge.wire.events import Choice, FinishReason, Reply
from weighbridge.wire.finish_reasons import READ_COHERE
from weighbridge.wire.json_value import Json, JsonObject
from weighbridge.wire.loose_json import as_list, as_object, as_text, read_any_object
from weighbridge.wire.usage_cohere import read_cohere_usage


def read_reply(body: bytes) -> Reply:
    """The reply. Blocks of an unknown kind are passed over. Raises `GatewayError` PROVIDER_MALFORMED for what is no reply."""
    document = read_any_object(body)
    message = document.get("message")
    if not isinstance(message, dict):
        raise GatewayError(ErrorKind.PROVIDER_MALFORMED, "The provider's answer is no message of Cohere's.")
    parts = [*_plan(message), *_content(message), *_calls(message)]
    native = as_text(document.get("finish_reason"))
    logprobs = [token for raw in as_list(document.get("logprobs")) if (token := logprob_of(as_object(raw))) is not None]
    choice = Choice(tuple(parts), READ_COHERE.get(native, FinishReason.OTHER), native, logprobs=tuple(logprobs))
    return Reply((choice,), as_text(document.get("id")), usage=read_cohere_usage(document.get("usage")))


def _plan(message: JsonObject) -> list[Part]:
    """`tool_plan` is what the model thought before it called ("a chain-of-thought style reflection and plan")."""
    plan = as_text(message.get("tool_plan"))
    return [Reasoning(plan)] if plan else []


def _content(message: JsonObject) -> list[Part]:
    content = message.get("content")
    blocks: list[Json] = [{"type": "text", "text": content}] if isinstance(content, str) else as_list(content)
    cited = _citations_by_block(message, blocks)
    parts: list[Part] = []
    for index, value in enumerate(blocks):
        block = as_object(value)
        text = as_text(block.get("text"))
        thought = as_text(block.get("thinking"))
        if thought:
            parts.append(Reasoning(thought))
        elif text:
            parts.append(Text(text, citations=tuple(cited.get(index, ()))))
    return parts


def _citations_by_block(message: JsonObject, blocks: list[Json]) -> dict[int, list[Citation]]:
    """Citations by the block whose text they belong to: the first text, where none is named."""
    first = next((index for index, block in enumerate(blocks) if as_text(as_object(block).get("text"))), 0)
    cited: dict[int, list[Citation]] = {}
    for value in as_list(message.get("citations")):
        raw = as_object(value)
        if raw.get("type") == "PLAN":
            continue  # of the plan, which is no text
        index = raw.get("content_index")
        is_text = isinstance(index, int) and 0 <= index < len(blocks) and as_text(as_object(blocks[index]).get("text"))
        place = index if is_text and isinstance(index, int) else first
        cited.setdefault(place, []).append(citation_of(raw))
    return cited


def _calls(message: JsonObject) -> list[Part]:
    calls: list[Part] = []
    for value in as_list(message.get("tool_calls")):
        call = as_object(value)
        function = as_object(call.get("function"))
        arguments = as_text(function.get("arguments"))
        calls.append(ToolCall(as_text(call.get("id")), as_text(function.get("name")), arguments or "{}"))
    return calls
