"""Cohere's citations, and its log probabilities, in neutral words."""

from __future__ import annotations

from weighbridge.wire.conversation import Citation
from weighbridge.wire.json_value import JsonObject
from weighbridge.wire.loose_json import as_list, as_object, as_text


def citation_of(raw: JsonObject) -> Citation:
    """A citation: `start` and `end` are characters of the answer, and the first source that says where it is from names it."""
    url = title = cited = ""
    for source in as_list(raw.get("sources")):
        found = as_object(source)
        data = as_object(found.get("tool_output")) or as_object(found.get("document"))
        url = url or as_text(data.get("url"))
        title = title or as_text(data.get("title"))
        cited = cited or as_text(data.get("text")) or as_text(data.get("content")) or as_text(data.get("snippet"))
    start, end = raw.get("start"), raw.get("end")
    return Citation(
        "cohere",
        raw,
        url or None,
        title or None,
        cited or None,
        start if isinstance(start, int) else None,
        end if isinstance(end, int) else None,
    )


def logprob_of(raw: JsonObject) -> JsonObject | None:
    """A chunk's log probability in OpenAI's shape: a chunk of several tokens is as probable as all of them in a row."""
    values = [value for value in as_list(raw.get("logprobs")) if isinstance(value, (int, float))]
    text = raw.get("text")
    if not values or not isinstance(text, str):
        return None
    return {"token": text, "logprob": sum(values), "bytes": list(text.encode()), "top_logprobs": []}
