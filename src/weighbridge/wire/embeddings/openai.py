"""OpenAI's `/v1/embeddings`, and those who speak it with words of their own: Mistral, Voyage, Jina.

https://platform.openai.com/docs/api-reference/embeddings, https://docs.mistral.ai/api/#tag/embeddings,
https://docs.voyageai.com/reference/embeddings-api, https://api.jina.ai/redoc
"""

from __future__ import annotations

import binascii
import struct
from base64 import b64decode, b64encode
from collections.abc import Sequence
from typing import Final, cast

import msgspec

from weighbridge.core.codec import UNREADABLE, encode_json
from weighbridge.core.terms import Provenance, Usage
from weighbridge.wire.codecs import RequestContext
from weighbridge.wire.embeddings.terms import EmbeddingReply, EmbeddingRequest, Task, Tokens, malformed, task_named, texts_of
from weighbridge.wire.fields import Fields, invalid, read_object
from weighbridge.wire.json_value import Json
from weighbridge.wire.receipt import Receipt
from weighbridge.wire.tolerant_decoder import tolerant_decoder
from weighbridge.wire.usage import OpenAiUsage, from_openai

MAX_INPUTS: Final = 10_000
"""Vendors take 2,048 at most (OpenAI); a bound on what is read, far above."""

_VOYAGE_TASKS: Final = {Task.QUERY: "query", Task.DOCUMENT: "document"}
_JINA_TASKS: Final = {
    Task.QUERY: "retrieval.query",
    Task.DOCUMENT: "retrieval.passage",
    Task.CLASSIFICATION: "classification",
    Task.CLUSTERING: "separation",
    Task.SIMILARITY: "text-matching",
}


def read_request(body: bytes, context: RequestContext, receipt: Receipt) -> EmbeddingRequest:
    """A caller's request. Raises `GatewayError` INVALID_REQUEST."""
    fields = read_object(body)
    fields.text("model")
    word = fields.text("input_type") or fields.text("task") or fields.text("task_type")
    task = task_named(word)
    if word is not None and task is None:
        receipt.dropped("task", "not known")
    request = EmbeddingRequest(
        model=context.model,
        inputs=_inputs(fields),
        dimensions=fields.integer("dimensions"),
        encoding=fields.text("encoding_format"),
        task=task,
        user=fields.text("user"),
        truncate=fields.boolean("truncation"),
    )
    fields.leftover(receipt)
    return request


def _inputs(fields: Fields) -> tuple[str | Tokens, ...]:
    value = fields.value("input")
    if value is None:
        fields.missing("input")
    if isinstance(value, str):
        return (value,)
    if not isinstance(value, list) or not value or len(value) > MAX_INPUTS:
        raise invalid("input", "a text, an array of texts, or an array of tokens")
    if all(isinstance(item, str) for item in value):
        return tuple(cast("list[str]", value))
    if all(_is_token(item) for item in value):
        return (tuple(cast("list[int]", value)),)
    if all(isinstance(item, list) and all(_is_token(token) for token in item) for item in value):
        return tuple(tuple(item) for item in cast("list[list[int]]", value))
    raise invalid("input", "a text, an array of texts, or an array of tokens")


def _is_token(value: Json) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def write_reply(reply: EmbeddingReply, request: EmbeddingRequest) -> bytes:
    """The answer to a caller; vectors in base64 where it asked so, as OpenAI's own SDK does."""
    is_base64 = request.encoding == "base64"
    data = [
        {"object": "embedding", "index": index, "embedding": _base64(vector) if is_base64 else vector}
        for index, vector in enumerate(reply.vectors)
    ]
    answer: dict[str, object] = {"object": "list", "data": data, "model": reply.model or request.model}
    usage = reply.usage
    if usage.provenance is not Provenance.UNKNOWN:
        answer["usage"] = {"prompt_tokens": usage.total_input, "total_tokens": usage.total_input}
    return encode_json(answer)


def _base64(vector: Sequence[float]) -> str:
    return b64encode(struct.pack(f"<{len(vector)}f", *vector)).decode()


def write_openai(request: EmbeddingRequest, model: str, receipt: Receipt) -> bytes:
    """For OpenAI and everybody who speaks as it does."""
    body = _common(request, model, "dimensions", receipt)
    if request.user is not None:
        body["user"] = request.user
    if request.task is not None:
        receipt.dropped("task")
    if request.truncate is not None:
        receipt.dropped("truncate")
    return encode_json(body)


def write_mistral(request: EmbeddingRequest, model: str, receipt: Receipt) -> bytes:
    """For Mistral."""
    body = _common(request, model, "output_dimension", receipt)
    _drop(request, receipt, "task", "user", "truncate")
    return encode_json(body)


def write_voyage(request: EmbeddingRequest, model: str, receipt: Receipt) -> bytes:
    """For Voyage AI."""
    texts_of(request)
    body = _common(request, model, "output_dimension", receipt)
    _put_task(body, "input_type", _VOYAGE_TASKS, request, receipt)
    if request.truncate is not None:
        body["truncation"] = request.truncate
    _drop(request, receipt, "user")
    return encode_json(body)


def write_jina(request: EmbeddingRequest, model: str, receipt: Receipt) -> bytes:
    """For Jina AI."""
    texts_of(request)
    body = _common(request, model, "dimensions", receipt)
    _put_task(body, "task", _JINA_TASKS, request, receipt)
    if request.truncate is not None:
        body["truncate"] = request.truncate
    _drop(request, receipt, "user")
    return encode_json(body)


def _common(request: EmbeddingRequest, model: str, dimensions: str, receipt: Receipt) -> dict[str, object]:
    body: dict[str, object] = {"model": model, "input": list(request.inputs)}
    if request.dimensions is not None:
        body[dimensions] = request.dimensions
    if request.title is not None:
        receipt.dropped("title")
    return body


def _put_task(body: dict[str, object], field: str, words: dict[Task, str], request: EmbeddingRequest, receipt: Receipt) -> None:
    if request.task is None:
        return
    if (word := words.get(request.task)) is None:
        receipt.dropped("task")
    else:
        body[field] = word


def _drop(request: EmbeddingRequest, receipt: Receipt, *names: str) -> None:
    for name in names:
        if getattr(request, name) is not None:
            receipt.dropped(name)


class _Item(msgspec.Struct):
    embedding: list[float] | str | None = None
    index: int | None = None


class _Reply(msgspec.Struct):
    data: list[_Item] | None = None
    model: str | None = None
    usage: OpenAiUsage | None = None


_decode = tolerant_decoder(_Reply)


def read_reply(body: bytes) -> EmbeddingReply:
    """A provider's answer. Raises `GatewayError` PROVIDER_MALFORMED."""
    try:
        reply = _decode(body)
    except UNREADABLE:
        malformed()
    if not reply.data:
        malformed()
    items = sorted(enumerate(reply.data), key=lambda pair: pair[0] if pair[1].index is None else pair[1].index)
    vectors = tuple(_vector(item) for _, item in items)
    usage = EmbeddingReply(()).usage if reply.usage is None else from_openai(reply.usage)
    return EmbeddingReply(
        vectors, reply.model or "", Usage(usage.total_input, provenance=usage.provenance) if reply.usage else usage
    )


def _vector(item: _Item) -> Sequence[float]:
    if isinstance(item.embedding, list):
        return item.embedding
    if item.embedding is None:
        malformed()
    try:
        data = b64decode(item.embedding, validate=True)
    except binascii.Error:
        malformed()
    return struct.unpack(f"<{len(data) // 4}f", data[: len(data) // 4 * 4])
