"""Words that requests and replies of this format share: cache breakpoints, sealed reasoning, citations."""

from __future__ import annotations

from typing import Final

from weighbridge.wire.conversation import Citation, Conversation, Reasoning, Seal, SealKind
from weighbridge.wire.json_value import Json, JsonObject
from weighbridge.wire.loose_json import as_index, as_list, as_object, as_text
from weighbridge.wire.quirks import Quirks
from weighbridge.wire.sealing import unwrap, wrap

ORIGIN: Final = "openai"
VENDOR_ORIGIN: Final = "openai-chat"
"""Whose words the fields are that only this format has."""
_OWN_FIELDS: Final = frozenset(("moderation", "prompt_cache_options"))
_OWN_ORIGINS: Final = (VENDOR_ORIGIN, "openai-responses")
_NO_REASONING: Final = Reasoning()

_DETAIL_ORIGINS: Final = {
    "anthropic-claude-v1": "anthropic",
    "google-gemini-v1": "gemini",
    "openai-responses-v1": "openai",
    "xai-responses-v1": "xai",
    "azure-openai-responses-v1": "azure",
    "unknown": "",
}
"""Whose seal a `reasoning_details` entry holds; Anthropic's where it does not say
(https://openrouter.ai/docs/use-cases/reasoning-tokens, `format`)."""
_DETAIL_FORMATS: Final = {origin: name for name, origin in _DETAIL_ORIGINS.items()}
_MAX_ID_CHARS: Final = 24
"""Of a reply's id within one of a call: OpenAI takes ids of 40 characters at most."""


def made_call_id(reply_id: str, place: int) -> str:
    """An id for a call that its provider gave none (Google's own endpoint of this format): another one in every reply, since an id
    that occurs twice in a conversation is refused by Anthropic."""
    return f"call_{reply_id[-_MAX_ID_CHARS:]}_{place}" if reply_id else f"call_{place}"


def own_fields(conversation: Conversation, quirks: Quirks) -> frozenset[str]:
    """Those of a caller's fields that OpenAI alone has, in both of its formats, if the provider is OpenAI or hosts it: only there
    the bound on output has its newer name, and others answer such a field with 422 (Mistral)."""
    if quirks.max_tokens_field != "max_completion_tokens" or conversation.vendor_origin not in _OWN_ORIGINS:
        return frozenset()
    return _OWN_FIELDS.intersection(conversation.vendor)


def detail_index(detail: JsonObject) -> int:
    """Which part of the reasoning an entry of `reasoning_details` belongs to: the first where it does not say."""
    return as_index(detail.get("index"))


def read_details(details: list[Json]) -> list[Reasoning]:
    """OpenRouter's `reasoning_details`, one part for each `index`, in their order."""
    merged: dict[int, Reasoning] = {}
    for raw in details:
        detail = as_object(raw)
        index = detail_index(detail)
        merged[index] = _with_detail(merged.get(index, _NO_REASONING), detail)
    return list(merged.values())


def _with_detail(before: Reasoning, detail: JsonObject) -> Reasoning:
    """By the fields and not by `type`: clients that add up a stream by `index` make one entry of all of a part."""
    origin = _DETAIL_ORIGINS.get(as_text(detail.get("format")) or "anthropic-claude-v1", "")
    paragraph = as_text(detail.get("summary"))
    seal = before.seal
    if signature := as_text(detail.get("signature")):
        seal = unwrap(signature, origin, SealKind.SIGNATURE)
    if data := as_text(detail.get("data")):
        seal = unwrap(data, origin, SealKind.REDACTED if origin == "anthropic" else SealKind.ENCRYPTED)
    return Reasoning(
        before.text + as_text(detail.get("text")),
        (*before.summary, paragraph) if paragraph else before.summary,
        seal,
        before.id or as_text(detail.get("id")) or None,
    )


def write_details(part: Reasoning, index: int, sealed: str | None) -> list[JsonObject]:
    """A part of reasoning as entries of `reasoning_details`; the seal, written as `sealed`, stands in the entry that it proves, or
    in one of its own."""
    seal = part.seal if sealed is not None else None
    common: JsonObject = {"index": index, "format": _DETAIL_FORMATS.get(seal.origin if seal is not None else "", "unknown")}
    if part.id is not None:
        common["id"] = part.id
    entries: list[JsonObject] = [{"type": "reasoning.summary", "summary": text, **common} for text in part.summary]
    is_signed = seal is not None and seal.kind is SealKind.SIGNATURE
    if part.text or is_signed:
        entry: JsonObject = {"type": "reasoning.text", "text": part.text, **common}
        if is_signed:
            entry["signature"] = sealed
        entries.append(entry)
    if seal is not None and not is_signed:
        entries.append({"type": "reasoning.encrypted", "data": sealed, **common})
    return entries


def native_text(seal: Seal | None) -> str | None:
    """A seal as `reasoning_details` has it, for a provider that hands it on to its vendor; None where no `format` names that."""
    return seal.text if seal is not None and seal.origin in _DETAIL_FORMATS else None


def sealed_text(seal: Seal | None) -> str | None:
    """A seal in `reasoning_details` for a caller to keep: the vendor's own text where `format` names the vendor, else wrapped."""
    if seal is None:
        return None
    return seal.text if seal.origin in _DETAIL_FORMATS else wrap(seal, ORIGIN)


def read_thinking_blocks(blocks: list[Json]) -> list[Reasoning]:
    """LiteLLM's `thinking_blocks`, which are Anthropic's own blocks."""
    read: list[Reasoning] = []
    for raw in blocks:
        block = as_object(raw)
        if block.get("type") == "redacted_thinking":
            read.append(Reasoning(seal=unwrap(as_text(block.get("data")), "anthropic", SealKind.REDACTED)))
        elif block.get("type") == "thinking":
            signature = as_text(block.get("signature"))
            seal = unwrap(signature, "anthropic", SealKind.SIGNATURE) if signature else None
            read.append(Reasoning(as_text(block.get("thinking")), seal=seal))
    return read


def read_signature(extra_content: object) -> Seal | None:
    """Gemini's thought signature of a call, or of a text, where Google's own endpoint of this format has it
    (https://ai.google.dev/gemini-api/docs/thought-signatures#openai)."""
    google = as_object(as_object(extra_content).get("google"))
    text = as_text(google.get("thought_signature"))
    return unwrap(text, "gemini", SealKind.SIGNATURE) if text else None


def write_signature(seal: Seal) -> JsonObject:
    """The reverse: `extra_content`."""
    return {"google": {"thought_signature": wrap(seal, "gemini")}}


def read_annotations(values: list[Json]) -> tuple[Citation, ...]:
    """`annotations` of a message: places on the web, and whatever else a provider lists there."""
    read: list[Citation] = []
    for value in values:
        raw = as_object(value)
        cited = as_object(raw.get("url_citation")) or raw
        start, end = cited.get("start_index"), cited.get("end_index")
        read.append(
            Citation(
                ORIGIN,
                raw,
                url=as_text(cited.get("url")) or None,
                title=as_text(cited.get("title")) or None,
                cited_text=as_text(cited.get("content")) or None,
                start=start if isinstance(start, int) else None,
                end=end if isinstance(end, int) else None,
            )
        )
    return tuple(read)


def write_annotation(citation: Citation, start: int, end: int) -> JsonObject | None:
    """A citation as an annotation; None where it cites no address, which is all that this format can name.

    `start` and `end` are those of the citing text within the whole content, which joins the texts of a message.
    """
    if citation.origin == ORIGIN and start == 0 and "url_citation" in citation.raw:
        return citation.raw
    if citation.url is None:
        return None
    cited: JsonObject = {
        "url": citation.url,
        "title": citation.title or "",
        "start_index": start if citation.start is None else start + citation.start,
        "end_index": end if citation.end is None else start + citation.end,
    }
    return {"type": "url_citation", "url_citation": cited}


def search_citations(document: JsonObject) -> tuple[Citation, ...]:
    """Perplexity lists its sources beside the choices: `search_results`, or addresses alone in `citations`."""
    found = [as_object(result) for result in as_list(document.get("search_results"))]
    if found:
        return tuple(
            Citation("perplexity", raw, url=as_text(raw.get("url")) or None, title=as_text(raw.get("title")) or None)
            for raw in found
        )
    urls = [url for url in as_list(document.get("citations")) if isinstance(url, str)]
    return tuple(Citation("perplexity", {"url": url}, url=url) for url in urls)
