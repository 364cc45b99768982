"""The demo in OpenAI's dialect: which operation answers which path, model lists, and errors."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from weighbridge.providers.demo.exchange import JSON_TYPE, DemoError, DemoReply, DemoRequest, Stamp, whole
from weighbridge.providers.demo.models import CREATED_S, MODELS, Model
from weighbridge.providers.demo.openai_chat import chat_completion
from weighbridge.providers.demo.openai_completions import completion
from weighbridge.providers.demo.openai_embeddings import embeddings, moderation
from weighbridge.providers.demo.openai_model import find_model
from weighbridge.providers.demo.openai_responses import input_tokens, model_response

_POST: Final[Mapping[str, Callable[[DemoRequest, Stamp], DemoReply]]] = {
    "/chat/completions": chat_completion,
    "/completions": completion,
    "/responses": model_response,
    "/responses/input_tokens": input_tokens,
    "/embeddings": embeddings,
    "/moderations": moderation,
}
_INVALID: Final = "invalid_request_error"
_TYPES: Final[Mapping[int, tuple[str, str | None]]] = {
    401: (_INVALID, "invalid_api_key"),
    429: ("requests", "rate_limit_exceeded"),
}


def respond_openai(request: DemoRequest, stamp: Stamp) -> DemoReply:
    """Any request in OpenAI's dialect; refusals come as OpenAI's error object."""
    try:
        reply = _dispatch(request, stamp)
    except DemoError as refusal:
        reply = _refused(refusal)
    reply.headers.append((b"x-request-id", stamp.id("req_", length=32).encode()))
    return reply


def _dispatch(request: DemoRequest, stamp: Stamp) -> DemoReply:
    if request.method == "GET" and request.path == "/models":
        return whole({"object": "list", "data": [_model_object(model) for model in MODELS.values()]})
    if request.method == "GET" and request.path.startswith("/models/"):
        return whole(_model_object(find_model(request.path.removeprefix("/models/"))))
    operation = _POST.get(request.path)
    if operation is None:
        raise DemoError(404, f"Invalid URL ({request.method} {request.path[:200]})")
    if request.method != "POST":
        raise DemoError(405, f"Not allowed to {request.method[:20]} on {request.path}.", code="method_not_supported")
    return operation(request, stamp)


def _model_object(model: Model) -> dict[str, object]:
    return {"id": model.name, "object": "model", "created": CREATED_S, "owned_by": "weighbridge"}


def _refused(refusal: DemoError) -> DemoReply:
    kind, code = _TYPES.get(refusal.status, (_INVALID if refusal.status < 500 else "server_error", None))
    error = {"message": refusal.message, "type": kind, "param": refusal.param, "code": refusal.code or code}
    headers = [JSON_TYPE]
    if refusal.retry_after_s is not None:
        headers.append((b"retry-after", str(refusal.retry_after_s).encode()))
    return whole({"error": error}, status=refusal.status, headers=headers)
