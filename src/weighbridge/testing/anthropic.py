"""The simulated Anthropic: what it serves, how it wants its key, what it says when it refuses."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar, Final

from weighbridge.testing.anthropic_batches import Batches
from weighbridge.testing.anthropic_messages import Messages, invalid
from weighbridge.testing.faults import Fault
from weighbridge.testing.generation import CREATED_RFC3339, stable_id
from weighbridge.testing.journal import ReceivedRequest
from weighbridge.testing.provider import Call, Route, SimulatedProvider
from weighbridge.testing.reply import RefusalError, Reply, json_reply
from weighbridge.testing.shapes import Flaw, ShapeError

_VERSIONS: Final = ("2026-10-21", "2023-06-01", "2023-01-01")
"""The newest is what version 2 of the Python SDK sends, the middle one what version 1 and most other clients send."""
_REQUEST_LIMIT: Final = 4_000
_TOKEN_LIMITS: Final = {"input-tokens": 200_000, "output-tokens": 80_000, "tokens": 280_000}
_FAULTS: Final = {
    400: ("invalid_request_error", "Bad request"),
    401: ("authentication_error", "invalid x-api-key"),
    402: ("billing_error", "Your credit balance is too low to access the Anthropic API."),
    403: ("permission_error", "Your API key does not have permission to use the specified resource."),
    404: ("not_found_error", "Not found"),
    413: ("request_too_large", "Request exceeds the maximum size"),
    429: ("rate_limit_error", "This request would exceed your organization's rate limit. Please try again later."),
    500: ("api_error", "Internal server error"),
    504: ("timeout_error", "The request timed out."),
    529: ("overloaded_error", "Overloaded"),
}
_TYPES: Final = {
    "str": "string",
    "int": "integer",
    "float": "number",
    "bool": "boolean",
    "array": "list",
    "object": "dictionary",
}


class SimulatedAnthropic(SimulatedProvider):
    """Anthropic on a real socket. `base_url` has no path: the SDK adds `/v1`."""

    default_keys: ClassVar = ("sk-ant-sim-1",)
    default_models: ClassVar = ("claude-sonnet-5", "claude-haiku-4-5", "claude-opus-5")
    credential_headers: ClassVar = frozenset({"x-api-key", "authorization"})
    base_path: ClassVar = ""

    def made_routes(self) -> Sequence[Route]:
        """Every endpoint."""
        messages = Messages()
        batches = Batches(messages)
        return (
            Route("POST", "/v1/messages", messages.create),
            Route("POST", "/v1/messages/count_tokens", messages.count),
            Route("POST", "/v1/messages/batches", batches.create),
            Route("GET", "/v1/messages/batches", batches.list),
            Route("GET", "/v1/messages/batches/{id}", batches.retrieve),
            Route("DELETE", "/v1/messages/batches/{id}", batches.delete),
            Route("POST", "/v1/messages/batches/{id}/cancel", batches.cancel),
            Route("GET", "/v1/messages/batches/{id}/results", batches.results),
            Route("GET", "/v1/models", self._list_models),
            Route("GET", "/v1/models/{model}", self._retrieve_model),
        )

    def authenticate(self, request: ReceivedRequest) -> None:
        """A key, 401 otherwise; and `anthropic-version`, 400 otherwise.

        The key comes as `x-api-key: K` or, from version 2 of the Python SDK on, as `Authorization: Bearer K`.
        """
        key = request.header("x-api-key")
        scheme, _, bearer = (request.header("authorization") or "").partition(" ")
        if key is None and scheme.lower() == "bearer":
            key = bearer
        if key is None:
            raise RefusalError(401, "x-api-key header is required", kind="authentication_error")
        if key not in self.keys:
            raise RefusalError(401, "invalid x-api-key", kind="authentication_error")
        version = request.header("anthropic-version")
        if version is None:
            raise invalid("anthropic-version: header is required")
        if version not in _VERSIONS:
            raise invalid(f'anthropic-version: "{version}" is not a valid version')

    def refused(self, refusal: RefusalError) -> Reply:
        """`{"type": "error", "error": {"type", "message"}, "request_id"}`."""
        error = {"type": refusal.kind or "invalid_request_error", "message": refusal.message}
        body = {"type": "error", "error": error, "request_id": stable_id("req_", refusal.message)}
        # Recorded replies carry it; the SDKs obey it before they look at the status.
        should_retry = "true" if refusal.status in {429, 529} or refusal.status >= 500 else "false"
        return json_reply(body, status=refusal.status, headers=(("x-should-retry", should_retry),))

    def misshapen(self, error: ShapeError) -> RefusalError:
        """400 whose message begins with the path of the field."""
        match error.flaw:
            case Flaw.NOT_JSON:
                return invalid("The request body is not valid JSON")
            case Flaw.UNKNOWN:
                return invalid(f"{error.dotted}: Extra inputs are not permitted")
            case Flaw.MISSING:
                return invalid(f"{error.dotted}: Field required")
            case Flaw.TYPE:
                wanted = _TYPES.get(error.expected.split(" | ")[0], error.expected)
                return invalid(f"{error.dotted}: Input should be a valid {wanted}")
            case Flaw.VALUE:
                return invalid(f"{error.dotted}: {error.expected}")

    def unknown_model(self, model: str) -> RefusalError:
        """404 `not_found_error`."""
        return RefusalError(404, f"model: {model}", kind="not_found_error")

    def fault_refusal(self, fault: Fault) -> RefusalError:
        """Anthropic's words for a status."""
        status = fault.error_status or 500
        kind, message = _FAULTS.get(status, ("api_error", "Internal server error"))
        return RefusalError(status, fault.error_message or message, kind=fault.error_code or kind)

    def unknown_path(self, request: ReceivedRequest) -> RefusalError:
        """404."""
        return RefusalError(404, f"Not found: {request.path}", kind="not_found_error")

    def wrong_method(self, request: ReceivedRequest) -> RefusalError:
        """405."""
        return RefusalError(405, f"Method Not Allowed: {request.method.decode('latin-1')}", kind="invalid_request_error")

    def wrong_content_type(self, kind: str) -> RefusalError:
        """400."""
        return invalid(f"content-type: expected application/json, got '{kind}'")

    def reply_headers(self, request: ReceivedRequest, reply: Reply) -> tuple[tuple[str, str], ...]:
        """Request id, organisation and rate limits; the remainders fall with each request."""
        headers: list[tuple[str, str]] = [
            ("request-id", stable_id("req_", str(request.number), request.target)),
            ("anthropic-organization-id", "00000000-0000-4000-8000-000000000001"),
        ]
        if reply.status == 401 or request.method != b"POST":
            return tuple(headers)
        limits = {"requests": (_REQUEST_LIMIT, _REQUEST_LIMIT - request.number)}
        limits |= {name: (limit, limit - 1000) for name, limit in _TOKEN_LIMITS.items()}
        for name, (limit, remaining) in limits.items():
            prefix = f"anthropic-ratelimit-{name}"
            headers += [(f"{prefix}-limit", str(limit)), (f"{prefix}-remaining", str(remaining))]
            headers.append((f"{prefix}-reset", CREATED_RFC3339))
        return tuple(headers)

    def _list_models(self, _call: Call) -> Reply:
        models = [_model(name) for name in self.models]
        body = {"data": models, "has_more": False, "first_id": self.models[0], "last_id": self.models[-1]}
        return json_reply(body)

    def _retrieve_model(self, call: Call) -> Reply:
        call.check_model(call.values["model"])
        return json_reply(_model(call.values["model"]))


def _model(name: str) -> dict[str, Any]:
    display = name.replace("-", " ").title()
    return {"type": "model", "id": name, "display_name": display, "created_at": CREATED_RFC3339}
