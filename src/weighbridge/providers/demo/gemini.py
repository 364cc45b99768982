"""The demo in Gemini's dialect: paths, model lists, token counts, embeddings, and errors."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from weighbridge.providers.demo.exchange import DemoError, DemoReply, DemoRequest, Stamp, read_body, whole
from weighbridge.providers.demo.gemini_generate import generate_content, stream_generate_content, streams_as_sse
from weighbridge.providers.demo.gemini_request import JSON_TYPE, BatchEmbedRequest, CountRequest, EmbedRequest, camel_case
from weighbridge.providers.demo.models import MAX_INPUT_TOKENS, MAX_OUTPUT_TOKENS, MODELS, Kind, Model
from weighbridge.providers.demo.vectors import DEFAULT_DIMENSIONS, check_batch, unit_vector

_STATUS: Final[Mapping[int, str]] = {
    400: "INVALID_ARGUMENT",
    401: "UNAUTHENTICATED",
    403: "PERMISSION_DENIED",
    404: "NOT_FOUND",
    409: "ABORTED",
    429: "RESOURCE_EXHAUSTED",
    499: "CANCELLED",
    500: "INTERNAL",
    501: "UNIMPLEMENTED",
    503: "UNAVAILABLE",
    504: "DEADLINE_EXCEEDED",
}


def respond_gemini(request: DemoRequest, stamp: Stamp) -> DemoReply:
    """Any request in Gemini's dialect; refusals come as Google's error object."""
    try:
        return _dispatch(request, stamp)
    except DemoError as refusal:
        return _refused(request, refusal)


def _dispatch(request: DemoRequest, stamp: Stamp) -> DemoReply:
    if request.method == "GET" and request.path == "/models":
        return whole({"models": [_model_object(model) for model in MODELS.values()]}, headers=[JSON_TYPE])
    name, colon, method = request.path.removeprefix("/models/").partition(":")
    if not request.path.startswith("/models/"):
        raise DemoError(404, "The requested URL was not found on this server.")
    model = MODELS.get(name)
    if model is None:
        message = f"models/{name[:100]} is not found for API version v1beta, or is not supported for this method."
        raise DemoError(404, message)
    if request.method == "GET" and not colon:
        return whole(_model_object(model), headers=[JSON_TYPE])
    operation = _METHODS.get(method)
    if operation is None or request.method != "POST":
        raise DemoError(404, "The requested URL was not found on this server.")
    return operation(request, stamp, model)


def _count_tokens(request: DemoRequest, _stamp: Stamp, _model: Model) -> DemoReply:
    asked = read_body(request, CountRequest, respell=camel_case)
    total = asked.tokens
    details = [{"modality": "TEXT", "tokenCount": total}]
    return whole({"totalTokens": total, "promptTokensDetails": details}, headers=[JSON_TYPE])


def _embed_content(request: DemoRequest, _stamp: Stamp, model: Model) -> DemoReply:
    asked = read_body(request, EmbedRequest, respell=camel_case)
    body = {"embedding": _embedding(asked, model), "usageMetadata": {"promptTokenCount": asked.content.tokens}}
    return whole(body, headers=[JSON_TYPE])


def _batch_embed_contents(request: DemoRequest, _stamp: Stamp, model: Model) -> DemoReply:
    asked = read_body(request, BatchEmbedRequest, respell=camel_case)
    check_batch([one.output_dimensionality or DEFAULT_DIMENSIONS for one in asked.requests])
    tokens = sum(one.content.tokens for one in asked.requests)
    embeddings = [_embedding(one, model) for one in asked.requests]
    return whole({"embeddings": embeddings, "usageMetadata": {"promptTokenCount": tokens}}, headers=[JSON_TYPE])


def _embedding(asked: EmbedRequest, model: Model) -> dict[str, object]:
    if model.kind is not Kind.EMBED:
        raise DemoError(400, f"models/{model.name} does not make embeddings; models/embed does.")
    return {"values": unit_vector(asked.content.text.encode(), asked.output_dimensionality or DEFAULT_DIMENSIONS)}


_METHODS: Final[Mapping[str, Callable[[DemoRequest, Stamp, Model], DemoReply]]] = {
    "generateContent": generate_content,
    "streamGenerateContent": stream_generate_content,
    "countTokens": _count_tokens,
    "embedContent": _embed_content,
    "batchEmbedContents": _batch_embed_contents,
}


def _model_object(model: Model) -> dict[str, object]:
    embeds = model.kind is Kind.EMBED
    methods = ["embedContent", "batchEmbedContents"] if embeds else ["generateContent", "countTokens"]
    return {
        "name": f"models/{model.name}",
        "version": "1",
        "displayName": model.label,
        "description": model.description,
        "inputTokenLimit": MAX_INPUT_TOKENS,
        "outputTokenLimit": 1 if embeds else MAX_OUTPUT_TOKENS,
        "supportedGenerationMethods": methods,
    }


def _refused(request: DemoRequest, refusal: DemoError) -> DemoReply:
    status = _STATUS.get(refusal.status, "FAILED_PRECONDITION" if refusal.status < 500 else "INTERNAL")
    error: dict[str, object] = {"code": refusal.status, "message": refusal.message, "status": status}
    if refusal.retry_after_s is not None:
        retry = {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": f"{refusal.retry_after_s}s"}
        error["details"] = [retry]
    body: dict[str, object] = {"error": error}
    # A stream that is a JSON array stays one when it fails.
    is_array = request.path.endswith(":streamGenerateContent") and not streams_as_sse(request)
    return whole([body] if is_array else body, status=refusal.status, headers=[JSON_TYPE])
