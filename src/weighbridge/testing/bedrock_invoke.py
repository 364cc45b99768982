"""Bedrock's invoke: Claude's own Messages API behind AWS's paths and frames, and the embeddings of Titan and Cohere."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from fnmatch import fnmatchcase
from typing import Annotated, Any, Final, Literal

import msgspec

from weighbridge.core.codec import decode_json, encode_json
from weighbridge.core.terms import Usage
from weighbridge.testing.anthropic_messages import MessageRequest, Messages
from weighbridge.testing.bedrock_converse import EVENT_STREAM, chunk_event
from weighbridge.testing.bedrock_request import invalid
from weighbridge.testing.generation import count_tokens, stable_id, vector
from weighbridge.testing.invoice import Bill
from weighbridge.testing.provider import Call
from weighbridge.testing.reply import Chunk, Reply, json_reply
from weighbridge.wire.aws_events import encode_event

DIMENSIONS: Final = 16
"""Of an embedding, unless asked otherwise."""
_EXTRANEOUS: Final = "Malformed input request: #: extraneous key [{}] is not permitted, please reformat your input and try again."


class InvokedMessage(MessageRequest, kw_only=True):
    """Claude's request without the model, which stands in the path, and with a version in place of a header."""

    anthropic_version: Literal["bedrock-2023-05-31"]
    anthropic_beta: list[str] | None = None
    model: str = ""


class TitanRequest(msgspec.Struct):
    """The documented fields of Titan Text Embeddings V2."""

    inputText: Annotated[str, msgspec.Meta(min_length=1)]  # noqa: N815 - as on the wire
    dimensions: int | None = None
    normalize: bool | None = None
    embeddingTypes: list[Literal["float", "binary"]] | None = None  # noqa: N815


class CohereEmbedRequest(msgspec.Struct):
    """The documented fields of Cohere Embed on Bedrock."""

    input_type: Literal["search_document", "search_query", "classification", "clustering", "image"]
    texts: Annotated[list[str], msgspec.Meta(min_length=1, max_length=96)] | None = None
    images: list[str] | None = None
    inputs: Any = None
    truncate: Literal["NONE", "LEFT", "RIGHT", "START", "END"] | None = None
    embedding_types: list[Literal["float", "int8", "uint8", "binary", "ubinary"]] | None = None
    output_dimension: int | None = None
    max_tokens: int | None = None


class Invoke:
    """The endpoints, and the prompt cache behind them."""

    def __init__(self) -> None:
        self._messages = Messages()

    def whole(self, call: Call) -> Reply:
        """`POST /model/{model}/invoke`."""
        model = call.values["model"]
        call.check_model(model)
        if fnmatchcase(model, "*anthropic.*"):
            return _counted(self._answer(call, is_stream=False))
        if fnmatchcase(model, "*amazon.titan-embed*"):
            return _titan(call)
        if fnmatchcase(model, "*cohere.embed*"):
            return _cohere(call)
        raise invalid("The simulator invokes Claude, Titan embeddings and Cohere embeddings only.")

    def streamed(self, call: Call) -> Reply:
        """`POST /model/{model}/invoke-with-response-stream`."""
        model = call.values["model"]
        call.check_model(model)
        if not fnmatchcase(model, "*anthropic.*"):
            raise invalid("The model is unsupported for streaming")
        reply = self._answer(call, is_stream=True)
        headers = {
            ":message-type": "exception",
            ":exception-type": "modelStreamErrorException",
            ":content-type": "application/json",
        }
        error = encode_event(
            headers, encode_json({"message": "The model produced an unexpected error.", "originalStatusCode": 500})
        )
        return msgspec.structs.replace(
            reply,
            content_type=EVENT_STREAM,
            headers=(("x-amzn-bedrock-content-type", "application/json"),),
            chunks=_framed(reply.chunks, reply.bills[0].usage),
            error_event=error,
        )

    def _answer(self, call: Call, *, is_stream: bool) -> Reply:
        request = call.read(InvokedMessage)
        for name in ("model", "stream"):
            if getattr(request, name):
                raise invalid(_EXTRANEOUS.format(name))
        request.model = call.values["model"]
        request.stream = is_stream
        reply = self._messages.answer(call, request, tier="standard")
        bills = tuple(msgspec.structs.replace(bill, endpoint="invoke") for bill in reply.bills)
        return msgspec.structs.replace(reply, bills=bills)


def _counted(reply: Reply) -> Reply:
    usage = reply.bills[0].usage
    counts = (
        ("x-amzn-bedrock-input-token-count", str(usage.input)),
        ("x-amzn-bedrock-output-token-count", str(usage.output)),
        ("x-amzn-bedrock-cache-read-input-token-count", str(usage.cache_read)),
        ("x-amzn-bedrock-cache-write-input-token-count", str(usage.cache_write_5m + usage.cache_write_1h)),
    )
    return msgspec.structs.replace(reply, headers=(*reply.headers, *counts), is_chunked=False)


def _framed(chunks: Iterable[Chunk], usage: Usage) -> Iterator[Chunk]:
    """Server-sent events as frames; the last event has the counts that the headers of a whole reply would have."""
    for chunk in chunks:
        event = decode_json(chunk.data.partition(b"data: ")[2].strip())
        if event["type"] == "message_stop":
            event["amazon-bedrock-invocationMetrics"] = {
                "inputTokenCount": usage.input,
                "outputTokenCount": usage.output,
                "invocationLatency": 100,
                "firstByteLatency": 50,
                "cacheReadInputTokenCount": usage.cache_read,
                "cacheWriteInputTokenCount": usage.cache_write_5m + usage.cache_write_1h,
            }
        yield Chunk(chunk_event(encode_json(event)), chunk.generated)


def _titan(call: Call) -> Reply:
    request = call.read(TitanRequest)
    numbers = vector(request.inputText, request.dimensions or DIMENSIONS)
    usage = Usage(input=count_tokens(request.inputText))
    body = {"embedding": numbers, "embeddingsByType": {"float": numbers}, "inputTextTokenCount": usage.input}
    return _embedded(body, call, usage)


def _cohere(call: Call) -> Reply:
    request = call.read(CohereEmbedRequest)
    texts = request.texts or []
    if not texts:
        raise invalid(
            "Malformed input request: at least one of the keys [texts, images, inputs] is required; the simulator takes texts."
        )
    vectors = [vector(text, request.output_dimension or DIMENSIONS) for text in texts]
    by_type = dict.fromkeys(request.embedding_types or (), vectors)
    usage = Usage(input=sum(count_tokens(text) for text in texts))
    body = {
        "id": stable_id("", call.body),
        "texts": texts,
        "embeddings": by_type or vectors,
        "response_type": "embeddings_by_type" if by_type else "embeddings_floats",
    }
    return _embedded(body, call, usage)


def _embedded(body: dict[str, Any], call: Call, usage: Usage) -> Reply:
    headers = (("x-amzn-bedrock-input-token-count", str(usage.input)),)
    return json_reply(body, headers=headers, bills=(Bill("embeddings", call.values["model"], usage),))
