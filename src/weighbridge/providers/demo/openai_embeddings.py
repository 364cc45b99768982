"""OpenAI embeddings and moderations."""

from __future__ import annotations

from typing import Annotated, Final

import msgspec

from weighbridge.core.codec import encode_json
from weighbridge.providers.demo.exchange import DemoError, DemoReply, DemoRequest, Stamp, read_body, whole
from weighbridge.providers.demo.models import Kind
from weighbridge.providers.demo.openai_model import find_model
from weighbridge.providers.demo.text import count_tokens
from weighbridge.providers.demo.vectors import DEFAULT_DIMENSIONS, MAX_DIMENSIONS, base64_floats, check_batch, unit_vector

CATEGORIES: Final = (
    "harassment",
    "harassment/threatening",
    "hate",
    "hate/threatening",
    "illicit",
    "illicit/violent",
    "self-harm",
    "self-harm/instructions",
    "self-harm/intent",
    "sexual",
    "sexual/minors",
    "violence",
    "violence/graphic",
)


class _EmbeddingRequest(msgspec.Struct):
    model: str
    input: str | list[str | int | list[int]]
    dimensions: Annotated[int, msgspec.Meta(ge=1, le=MAX_DIMENSIONS)] | None = None
    encoding_format: str | None = None


class _Part(msgspec.Struct):
    text: str | None = None


class _ModerationRequest(msgspec.Struct):
    input: str | list[str | _Part]
    model: str = "echo"


def embeddings(request: DemoRequest, _stamp: Stamp) -> DemoReply:
    """`POST /embeddings` for texts and token arrays, as floats or base64."""
    asked = read_body(request, _EmbeddingRequest)
    model = find_model(asked.model)
    if model.kind is not Kind.EMBED:
        raise DemoError(400, f"The model `{model.name}` does not make embeddings; `embed` does.", param="model")
    inputs = _inputs(asked.input)
    size = asked.dimensions or DEFAULT_DIMENSIONS
    check_batch([size] * len(inputs))
    data = [
        {"object": "embedding", "index": at, "embedding": _vector(content, size, asked.encoding_format)}
        for at, (content, _) in enumerate(inputs)
    ]
    tokens = sum(tokens for _, tokens in inputs)
    usage = {"prompt_tokens": tokens, "total_tokens": tokens}
    return whole({"object": "list", "data": data, "model": asked.model, "usage": usage})


def _inputs(given: str | list[str | int | list[int]]) -> list[tuple[bytes, int]]:
    """Each input as bytes to hash and its tokens. A flat list of numbers is one input of so many tokens."""
    items = [given] if isinstance(given, str) else given
    if items and all(isinstance(item, int) for item in items):
        return [(encode_json(items), len(items))]
    if any(isinstance(item, int) for item in items):
        raise DemoError(400, "'input' mixes texts and tokens.", param="input")
    return [
        (item.encode(), count_tokens(item)) if isinstance(item, str) else (encode_json(item), len(item))
        for item in items
        if not isinstance(item, int)
    ]


def _vector(content: bytes, size: int, encoding: str | None) -> str | list[float]:
    vector = unit_vector(content, size)
    return base64_floats(vector) if encoding == "base64" else vector


def moderation(request: DemoRequest, stamp: Stamp) -> DemoReply:
    """`POST /moderations`: a text is flagged for the categories that it names, and for no other."""
    asked = read_body(request, _ModerationRequest)
    model = find_model(asked.model)
    if isinstance(asked.input, str):
        texts = [asked.input]
    else:
        texts = [item for item in asked.input if isinstance(item, str)]
        parts = [item for item in asked.input if isinstance(item, _Part)]
        if parts:
            # Parts are one input together; strings are one each.
            texts.append("\n".join(part.text or "" for part in parts))
    return whole({"id": stamp.id("modr-"), "model": model.name, "results": [_verdict(text.lower()) for text in texts]})


def _verdict(text: str) -> dict[str, object]:
    flags = {name: name in text for name in CATEGORIES}
    return {
        "flagged": any(flags.values()),
        "categories": flags,
        "category_scores": {name: 0.99 if flagged else 0.01 for name, flagged in flags.items()},
        "category_applied_input_types": {name: ["text"] for name in CATEGORIES},
    }
