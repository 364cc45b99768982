"""The demo in Anthropic's dialect: paths, model lists, token counts, and errors."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from weighbridge.core.clock import NS_PER_S, utc_from_ns
from weighbridge.providers.demo.anthropic_messages import answer_message
from weighbridge.providers.demo.anthropic_request import CountRequest, find_model
from weighbridge.providers.demo.exchange import JSON_TYPE, DemoError, DemoReply, DemoRequest, Stamp, read_body, whole
from weighbridge.providers.demo.models import CREATED_S, MAX_INPUT_TOKENS, MAX_OUTPUT_TOKENS, MODELS, Model

_TYPES: Final[Mapping[int, str]] = {
    401: "authentication_error",
    402: "billing_error",
    403: "permission_error",
    404: "not_found_error",
    413: "request_too_large",
    429: "rate_limit_error",
    504: "timeout_error",
    529: "overloaded_error",
}


def respond_anthropic(request: DemoRequest, stamp: Stamp) -> DemoReply:
    """Any request in Anthropic's dialect; refusals come as Anthropic's error object."""
    request_id = stamp.id("req_")
    try:
        reply = _dispatch(request, stamp)
    except DemoError as refusal:
        reply = _refused(refusal, request_id)
    reply.headers.append((b"request-id", request_id.encode()))
    return reply


def _dispatch(request: DemoRequest, stamp: Stamp) -> DemoReply:
    match request.method, request.path:
        case "POST", "/messages":
            return answer_message(request, stamp)
        case "POST", "/messages/count_tokens":
            asked = read_body(request, CountRequest)
            find_model(asked.model)
            return whole({"input_tokens": asked.input_usage().total})
        case "GET", "/models":
            names = list(MODELS)
            data = [_model_object(model) for model in MODELS.values()]
            return whole({"data": data, "has_more": False, "first_id": names[0], "last_id": names[-1]})
        case "GET", path if path.startswith("/models/"):
            return whole(_model_object(find_model(path.removeprefix("/models/"))))
        case _, "/messages" | "/messages/count_tokens" | "/models":
            raise DemoError(405, "Method Not Allowed")
        case _:
            raise DemoError(404, "Not Found")


def _model_object(model: Model) -> dict[str, object]:
    created = utc_from_ns(CREATED_S * NS_PER_S).isoformat().replace("+00:00", "Z")
    return {
        "type": "model",
        "id": model.name,
        "display_name": model.label,
        "created_at": created,
        "lifecycle": "active",
        "max_input_tokens": MAX_INPUT_TOKENS,
        "max_tokens": MAX_OUTPUT_TOKENS,
    }


def _refused(refusal: DemoError, request_id: str) -> DemoReply:
    kind = _TYPES.get(refusal.status, "invalid_request_error" if refusal.status < 500 else "api_error")
    headers = [JSON_TYPE]
    if refusal.retry_after_s is not None:
        headers.append((b"retry-after", str(refusal.retry_after_s).encode()))
    body = {"type": "error", "error": {"type": kind, "message": refusal.message}, "request_id": request_id}
    return whole(body, status=refusal.status, headers=headers)
