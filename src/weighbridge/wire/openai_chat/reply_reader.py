"""A provider's whole reply -> `Reply`."""

from __future__ import annotations

from typing import Final

import msgspec

from weighbridge.core.codec import UNREADABLE, encode_json
from weighbridge.core.errors import ErrorKind, GatewayError
from weighbridge.core.terms import NO_USAGE, Usage
from weighbridge.wire.conversation import (
    Audio,
    Citation,
    Image,
    MediaBytes,
    MediaUrl,
    Part,
    Reasoning,
    Refusal,
    Seal,
    Text,
    ToolCall,
)
from weighbridge.wire.data_urls import parse_data_url
from weighbridge.wire.events import Choice, FinishReason, Reply
from weighbridge.wire.finish_reasons import READ_OPENAI_CHAT
from weighbridge.wire.json_value import Json, JsonObject
from weighbridge.wire.loose_json import as_index, as_list, as_object, as_text, read_any_object
from weighbridge.wire.openai_chat.vocabulary import (
    made_call_id,
    read_annotations,
    read_details,
    read_signature,
    read_thinking_blocks,
    search_citations,
)
from weighbridge.wire.tolerant_decoder import tolerant_decoder
from weighbridge.wire.usage import OpenAiUsage, from_openai

AUDIO_TYPE: Final = "audio/*"
"""What kind of sound it is was said in the request, not in the reply."""


class _Groq(msgspec.Struct, gc=False):
    usage: OpenAiUsage | None = None


class _Counted(msgspec.Struct, gc=False):
    usage: OpenAiUsage | None = None
    x_groq: _Groq | None = None


_counted = tolerant_decoder(_Counted)


def read_reply(body: bytes) -> Reply:
    """The reply. Raises `GatewayError` PROVIDER_MALFORMED for what is none."""
    document = read_any_object(body)
    choices = as_list(document.get("choices"))
    if not choices:
        raise GatewayError(ErrorKind.PROVIDER_MALFORMED, "The provider's answer holds no choice.")
    usage, tier = _usage(body)
    found = search_citations(document)
    reply_id = as_text(document.get("id"))
    return Reply(
        choices=tuple(_choice(as_object(choice), found, reply_id) for choice in choices),
        id=reply_id,
        model=as_text(document.get("model")),
        created_s=as_index(document.get("created")),
        usage=usage,
        service_tier=as_text(document.get("service_tier")) or tier,
    )


def _usage(body: bytes) -> tuple[Usage, str | None]:
    try:
        counted = _counted(body)
    except UNREADABLE:
        return NO_USAGE, None
    usage = counted.usage or (counted.x_groq.usage if counted.x_groq is not None else None)
    return (NO_USAGE, None) if usage is None else (from_openai(usage), usage.service_tier)


def _choice(choice: JsonObject, found: tuple[Citation, ...], reply_id: str) -> Choice:
    message = as_object(choice.get("message") or choice.get("delta"))
    parts = _parts(message, choice, reply_id)
    if found and any(isinstance(part, Text) for part in parts):
        _cite(parts, found)
    native = as_text(choice.get("finish_reason"))
    has_calls = any(isinstance(part, ToolCall) for part in parts)
    logprobs = as_object(choice.get("logprobs"))
    return Choice(
        parts=tuple(parts),
        reason=finish_reason(native, has_calls=has_calls),
        native=native,
        logprobs=_tokens(logprobs.get("content")),
        refusal_logprobs=_tokens(logprobs.get("refusal")),
    )


def finish_reason(native: str, *, has_calls: bool) -> FinishReason:
    """The meaning of a finish reason. Many servers say `stop`, or nothing, where tools are called."""
    reason = READ_OPENAI_CHAT.get(native, FinishReason.OTHER)
    return FinishReason.TOOL_CALLS if has_calls and (reason is FinishReason.STOP or not native) else reason


def _tokens(value: Json) -> tuple[JsonObject, ...]:
    return tuple(as_object(token) for token in as_list(value))


def _parts(message: JsonObject, choice: JsonObject, reply_id: str) -> list[Part]:
    parts: list[Part] = list(read_thoughts(message))
    content = message.get("content")
    if content is None:
        content = choice.get("text")
    extra = message.get("extra_content")
    if isinstance(content, str):
        if content and is_thought(extra):
            parts.append(Reasoning(unmarked(content)))
        elif content:
            parts.append(Text(content))
    else:
        parts += _listed(as_list(content))
    if annotations := read_annotations(as_list(message.get("annotations"))):
        _cite(parts, annotations)
    if refusal := as_text(message.get("refusal")):
        parts.append(Refusal(refusal))
    audio = as_object(message.get("audio"))
    if any(audio.values()):  # Snowflake sends an empty one beside every text, and an empty call
        parts.append(_audio(audio))
    parts += read_images(as_list(message.get("images")))
    calls = [as_object(call) for call in as_list(message.get("tool_calls"))]
    legacy = as_object(message.get("function_call"))
    if any(legacy.values()):
        calls.append({"function": legacy})
    parts += [_call(call, place, reply_id) for place, call in enumerate(calls)]
    if (seal := read_signature(extra)) is not None:
        sign_parts(parts, seal)
    return parts


def sign_parts(parts: list[Part], seal: Seal) -> None:
    """Gemini's signature beside the content is that of the first call, if that has none of its own, else of the text."""
    for kind in (ToolCall, Text):
        place = next((place for place, part in enumerate(parts) if isinstance(part, kind)), None)
        if place is None:
            continue
        part = parts[place]
        assert isinstance(part, (ToolCall, Text))
        if part.seal is None:
            parts[place] = msgspec.structs.replace(part, seal=seal)
            return


def read_thoughts(message: JsonObject) -> list[Reasoning]:
    """The reasoning of a message: from the places that hold seals first; the bare text counts where those hold none."""
    bare_text = as_text(message.get("reasoning_content")) or as_text(message.get("reasoning"))
    if details := as_list(message.get("reasoning_details")):
        read = read_details(details)
    else:
        read = read_thinking_blocks(as_list(message.get("thinking_blocks")))
    if bare_text and not any(part.text or part.summary for part in read):
        read[:1] = [msgspec.structs.replace(read[0] if read else Reasoning(), text=bare_text)]
    return read


def _listed(content: list[Json]) -> list[Part]:
    """Mistral's content in parts: texts, thinking, references."""
    parts: list[Part] = []
    for value in content:
        part = as_object(value)
        if part.get("type") == "thinking":
            if thought := thinking_text(part):
                parts.append(Reasoning(thought))
        elif text := as_text(part.get("text")):
            if parts and isinstance(last := parts[-1], Text):
                parts[-1] = Text(last.text + text)
            else:
                parts.append(Text(text))
    return parts


def thinking_text(part: JsonObject) -> str:
    """The text of one of Mistral's parts of thinking."""
    thinking = part.get("thinking")
    if isinstance(thinking, str):
        return thinking
    return "".join(as_text(as_object(piece).get("text")) for piece in as_list(thinking))


def _audio(audio: JsonObject) -> Audio:
    data = as_text(audio.get("data"))
    expires = audio.get("expires_at")
    return Audio(
        MediaBytes(data, AUDIO_TYPE) if data else None,
        as_text(audio.get("id")) or None,
        as_text(audio.get("transcript")) or None,
        expires if isinstance(expires, int) else None,
    )


def _call(call: JsonObject, place: int, reply_id: str) -> ToolCall:
    is_custom = call.get("type") == "custom"
    inner = as_object(call.get("custom" if is_custom else "function"))
    return ToolCall(
        as_text(call.get("id")) or made_call_id(reply_id, place),
        as_text(inner.get("name")),
        arguments_text(inner.get("input" if is_custom else "arguments")),
        is_custom,
        read_signature(call.get("extra_content")),
    )


def read_images(values: list[Json]) -> list[Image]:
    """Pictures that the model made, as OpenRouter has them (https://openrouter.ai/docs/features/multimodal/image-generation)."""
    urls = [as_text(as_object(as_object(value).get("image_url")).get("url")) for value in values]
    return [Image(parse_data_url(url) or MediaUrl(url)) for url in urls if url]


def is_thought(extra_content: object) -> bool:
    """Whether the content beside is thinking (Google's own endpoint of this format, `include_thoughts`)."""
    return as_object(as_object(extra_content).get("google")).get("thought") is True


def unmarked(text: str) -> str:
    """A thought of Google's without the marks around it."""
    return text.removeprefix("</thought>").removeprefix("<thought>").removesuffix("</thought>")


def arguments_text(arguments: Json) -> str:
    """Arguments as JSON text; some servers give the object itself."""
    if isinstance(arguments, str):
        return arguments
    return "" if arguments is None else encode_json(arguments).decode()


def _cite(parts: list[Part], citations: tuple[Citation, ...]) -> None:
    """Sources that stand beside the content belong to its text."""
    for place, part in enumerate(parts):
        if isinstance(part, Text):
            parts[place] = msgspec.structs.replace(part, citations=(*part.citations, *citations))
            return
    parts.append(Text("", citations=citations))
