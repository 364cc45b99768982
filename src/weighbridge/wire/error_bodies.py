"""Failures, our own and the providers', in each dialect's own words, so that the vendors' SDKs raise what their users catch."""

from __future__ import annotations

from typing import Final, NamedTuple

from weighbridge.core.clock import NS_PER_MS, NS_PER_S
from weighbridge.core.codec import encode_json
from weighbridge.core.errors import ErrorKind, GatewayError
from weighbridge.core.terms import Dialect, Endpoint, Operation


class _Words(NamedTuple):
    """OpenAI's `type` and `code`, Anthropic's `type`, Google's `status` (google.rpc.Code) for one kind of failure."""

    openai_type: str
    openai_code: str
    anthropic_type: str
    gemini_status: str


_INVALID: Final = "invalid_request_error"
_SERVER: Final = "server_error"
_K = ErrorKind
# https://platform.openai.com/docs/guides/error-codes, https://docs.anthropic.com/en/api/errors,
# https://cloud.google.com/apis/design/errors. OpenAI has no word for most codes: there the kind's own value stands.
_WORDS: Final[dict[ErrorKind, _Words]] = {
    _K.INVALID_REQUEST: _Words(_INVALID, "invalid_request", _INVALID, "INVALID_ARGUMENT"),
    _K.AUTHENTICATION: _Words(_INVALID, "invalid_api_key", "authentication_error", "UNAUTHENTICATED"),
    _K.PERMISSION_DENIED: _Words("permission_error", "permission_denied", "permission_error", "PERMISSION_DENIED"),
    _K.NOT_FOUND: _Words(_INVALID, "not_found", "not_found_error", "NOT_FOUND"),
    _K.MODEL_NOT_FOUND: _Words(_INVALID, "model_not_found", "not_found_error", "NOT_FOUND"),
    _K.METHOD_NOT_ALLOWED: _Words(_INVALID, "method_not_allowed", _INVALID, "UNIMPLEMENTED"),
    _K.REQUEST_TIMEOUT: _Words(_INVALID, "request_timeout", "timeout_error", "DEADLINE_EXCEEDED"),
    _K.LENGTH_REQUIRED: _Words(_INVALID, "length_required", _INVALID, "INVALID_ARGUMENT"),
    _K.PAYLOAD_TOO_LARGE: _Words(_INVALID, "payload_too_large", "request_too_large", "INVALID_ARGUMENT"),
    _K.URI_TOO_LONG: _Words(_INVALID, "uri_too_long", _INVALID, "INVALID_ARGUMENT"),
    _K.UNSUPPORTED_MEDIA_TYPE: _Words(_INVALID, "unsupported_media_type", _INVALID, "INVALID_ARGUMENT"),
    _K.EXPECTATION_FAILED: _Words(_INVALID, "expectation_failed", _INVALID, "FAILED_PRECONDITION"),
    _K.HEADERS_TOO_LARGE: _Words(_INVALID, "headers_too_large", "request_too_large", "INVALID_ARGUMENT"),
    _K.CLIENT_CLOSED: _Words(_INVALID, "client_closed", _INVALID, "CANCELLED"),
    _K.NOT_IMPLEMENTED: _Words(_INVALID, "not_implemented", _INVALID, "UNIMPLEMENTED"),
    _K.UNSUPPORTED_HTTP_VERSION: _Words(_INVALID, "unsupported_http_version", _INVALID, "INVALID_ARGUMENT"),
    _K.GATEWAY_OVERLOADED: _Words(_SERVER, "gateway_overloaded", "overloaded_error", "UNAVAILABLE"),
    _K.DRAINING: _Words(_SERVER, "draining", "overloaded_error", "UNAVAILABLE"),
    _K.INTERNAL: _Words(_SERVER, "internal", "api_error", "INTERNAL"),
    _K.LIMIT_EXCEEDED: _Words("rate_limit_error", "rate_limit_exceeded", "rate_limit_error", "RESOURCE_EXHAUSTED"),
    _K.BUDGET_EXCEEDED: _Words("insufficient_quota", "budget_exceeded", "billing_error", "RESOURCE_EXHAUSTED"),
    _K.PRICE_UNKNOWN: _Words("permission_error", "price_unknown", "permission_error", "PERMISSION_DENIED"),
    _K.PROVIDER_UNREACHABLE: _Words(_SERVER, "provider_unreachable", "api_error", "UNAVAILABLE"),
    _K.PROVIDER_BROKE_OFF: _Words(_SERVER, "provider_broke_off", "api_error", "UNAVAILABLE"),
    _K.PROVIDER_MALFORMED: _Words(_SERVER, "provider_malformed", "api_error", "UNAVAILABLE"),
    _K.PROVIDER_EMPTY: _Words(_SERVER, "provider_empty", "api_error", "UNAVAILABLE"),
    _K.PROVIDER_TIMEOUT: _Words(_SERVER, "provider_timeout", "timeout_error", "DEADLINE_EXCEEDED"),
    _K.CONTEXT_LENGTH_EXCEEDED: _Words(_INVALID, "context_length_exceeded", _INVALID, "INVALID_ARGUMENT"),
    _K.CONTENT_POLICY_VIOLATION: _Words(_INVALID, "content_filter", _INVALID, "INVALID_ARGUMENT"),
    _K.RATE_LIMIT_EXCEEDED: _Words("rate_limit_error", "rate_limit_exceeded", "rate_limit_error", "RESOURCE_EXHAUSTED"),
    _K.INSUFFICIENT_QUOTA: _Words("insufficient_quota", "insufficient_quota", "billing_error", "RESOURCE_EXHAUSTED"),
    _K.PROVIDER_OVERLOADED: _Words(_SERVER, "provider_overloaded", "overloaded_error", "UNAVAILABLE"),
    # Not `invalid_api_key`: an application would throw away its own key, which is good.
    _K.PROVIDER_AUTHENTICATION: _Words(
        "authentication_error", "provider_authentication", "authentication_error", "UNAUTHENTICATED"
    ),
    _K.PROVIDER_PERMISSION: _Words("permission_error", "provider_permission", "permission_error", "PERMISSION_DENIED"),
    _K.PROVIDER_MODEL_NOT_FOUND: _Words(_INVALID, "model_not_found", "not_found_error", "NOT_FOUND"),
    _K.PROVIDER_NOT_FOUND: _Words(_INVALID, "not_found", "not_found_error", "NOT_FOUND"),
    _K.PROVIDER_CONFLICT: _Words(_INVALID, "conflict", _INVALID, "ABORTED"),
    _K.PROVIDER_INVALID_REQUEST: _Words(_INVALID, "invalid_request", _INVALID, "INVALID_ARGUMENT"),
    _K.UNPROCESSABLE: _Words(_INVALID, "unprocessable", _INVALID, "INVALID_ARGUMENT"),
    _K.PROVIDER_INTERNAL: _Words(_SERVER, "provider_internal", "api_error", "INTERNAL"),
}

_OWN_CODE_SAYS_MORE: Final = frozenset(
    (
        _K.PROVIDER_INVALID_REQUEST,
        _K.UNPROCESSABLE,
        _K.PROVIDER_NOT_FOUND,
        _K.PROVIDER_CONFLICT,
        _K.PROVIDER_INTERNAL,
        _K.PROVIDER_MALFORMED,
    )
)
"""General kinds: OpenAI's dialect carries the provider's own code (`unknown_parameter`), where it has one."""

_STATUSES: Final[dict[tuple[ErrorKind, Dialect], int]] = {
    (_K.INSUFFICIENT_QUOTA, Dialect.OPENAI): 429,  # RateLimitError with the code `insufficient_quota`
    (_K.INSUFFICIENT_QUOTA, Dialect.ANTHROPIC): 402,
    (_K.INSUFFICIENT_QUOTA, Dialect.GEMINI): 429,
    (_K.BUDGET_EXCEEDED, Dialect.ANTHROPIC): 402,
    (_K.PROVIDER_OVERLOADED, Dialect.OPENAI): 503,
    (_K.PROVIDER_OVERLOADED, Dialect.ANTHROPIC): 529,  # OverloadedError
    (_K.PROVIDER_OVERLOADED, Dialect.GEMINI): 503,
}
"""Failures for which the vendors have different numbers, by which their SDKs choose the exception."""

_TOO_LONG: Final = "prompt is too long"
"""Anthropic has no type for a context that is full: agents look for this in the sentence, and then shorten their conversation."""


def error_status(error: GatewayError, dialect: Dialect) -> int:
    """The HTTP status of an error response in a dialect."""
    return _STATUSES.get((error.kind, dialect)) or error.status


def render_error(error: GatewayError, dialect: Dialect, request_id: str) -> bytes:
    """The JSON body of an error response."""
    return encode_json(_BODIES[dialect](error, request_id))


def render_stream_error(error: GatewayError, endpoint: Endpoint, request_id: str) -> bytes:
    """One server-sent event that ends a stream whose status line has gone out already.

    No SDK takes it for a regular end: each raises its API error, but for the Responses API, whose SDK hands out an `error` event.
    """
    if endpoint.operation in {Operation.RESPONSES, Operation.RESPONSES_STORED}:
        # The number of the last event is not known here; the field is required, and no SDK orders by it.
        event = {"type": "error", **_openai_fields(error), "sequence_number": 0}
        return b"event: error\ndata: " + encode_json(event) + b"\n\n"
    body = render_error(error, endpoint.dialect, request_id)
    if endpoint.dialect is Dialect.ANTHROPIC:
        return b"event: error\ndata: " + body + b"\n\n"
    if endpoint.dialect is Dialect.GEMINI:
        return b"data: " + body + b"\r\n\r\n"
    return b"data: " + body + b"\n\n"


def error_headers(error: GatewayError) -> list[tuple[bytes, bytes]]:
    """Header lines of an error response: its type, and whether and when the vendors' SDKs shall try again.

    The SDKs obey `x-should-retry`, then `retry-after-ms`, then `retry-after` in whole seconds, which is rounded up.
    """
    headers = [
        (b"content-type", b"application/json"),
        (b"x-should-retry", b"true" if error.client_may_retry else b"false"),
    ]
    if error.retry_after_ns is not None:
        headers.append((b"retry-after", b"%d" % _rounded_up(error.retry_after_ns, NS_PER_S)))
        headers.append((b"retry-after-ms", b"%d" % _rounded_up(error.retry_after_ns, NS_PER_MS)))
    if error.status == 401:
        headers.append((b"www-authenticate", b"Bearer"))  # RFC 9110, section 15.5.2: a 401 must say how
    return headers


def _rounded_up(duration_ns: int, unit_ns: int) -> int:
    return max(0, -(-duration_ns // unit_ns))


def _openai_fields(error: GatewayError) -> dict[str, object]:
    code = error.code if error.code != error.kind.value else _WORDS[error.kind].openai_code
    if error.provider_code and error.kind in _OWN_CODE_SAYS_MORE:
        code = error.provider_code
    return {"code": code, "message": error.public, "param": error.param}


def _openai_body(error: GatewayError, _request_id: str) -> dict[str, object]:
    return {"error": {"type": _WORDS[error.kind].openai_type, **_openai_fields(error)}}


def _anthropic_body(error: GatewayError, request_id: str) -> dict[str, object]:
    message = error.public
    if error.kind is ErrorKind.CONTEXT_LENGTH_EXCEEDED and _TOO_LONG not in message.lower():
        message = f"{_TOO_LONG}: {message}"
    return {
        "type": "error",
        "error": {"type": _WORDS[error.kind].anthropic_type, "message": message},
        "request_id": request_id,
    }


def _gemini_body(error: GatewayError, request_id: str) -> dict[str, object]:
    # https://github.com/googleapis/googleapis/blob/master/google/rpc/error_details.proto
    details: list[dict[str, object]] = [
        {"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": error.code.upper(), "domain": "weighbridge"},
        {"@type": "type.googleapis.com/google.rpc.RequestInfo", "requestId": request_id},
    ]
    if error.retry_after_ns is not None:
        delay = f"{_rounded_up(error.retry_after_ns, NS_PER_S)}s"
        details.append({"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": delay})
    status = _WORDS[error.kind].gemini_status
    return {"error": {"code": error_status(error, Dialect.GEMINI), "message": error.public, "status": status, "details": details}}


_BODIES: Final = {Dialect.OPENAI: _openai_body, Dialect.ANTHROPIC: _anthropic_body, Dialect.GEMINI: _gemini_body}
