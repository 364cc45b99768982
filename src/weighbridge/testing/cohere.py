"""The simulated Cohere: what it serves, how it wants its key, what it says when it refuses."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, Final

from weighbridge.testing.cohere_chat import chat, invalid
from weighbridge.testing.cohere_embed import embed, rerank
from weighbridge.testing.faults import Fault
from weighbridge.testing.generation import stable_id
from weighbridge.testing.journal import ReceivedRequest
from weighbridge.testing.provider import Call, Route, SimulatedProvider
from weighbridge.testing.reply import RefusalError, Reply, json_reply
from weighbridge.testing.shapes import Flaw, ShapeError

_FAULTS: Final = {
    400: "invalid request",
    401: "invalid api token",
    402: "Please add or update your payment method at https://dashboard.cohere.com/billing?tab=payment to continue.",
    403: "your api token is not allowed to use this model",
    404: "not found",
    422: "message must be at least 1 token long or tool results must be specified.",
    429: "You are past the per minute request limit, please wait and try again later.",
    498: "invalid token",
    499: "request cancelled",
    500: "internal server error, this has been reported to our developers.",
    501: "not implemented",
    503: "service unavailable",
    504: "timeout",
}
_WRONG_KEY: Final = "Incorrect API key provided. You can find your API key at https://dashboard.cohere.com/api-keys."


class SimulatedCohere(SimulatedProvider):
    """Cohere on a real socket. `base_url` has no path: its SDK adds `/v2`."""

    default_keys: ClassVar = ("sim-cohere-key-1",)
    default_models: ClassVar = (
        "command-a-03-2025",
        "command-a-reasoning-08-2025",
        "command-r7b-12-2024",
        "embed-v4.0",
        "rerank-v3.5",
    )
    credential_headers: ClassVar = frozenset({"authorization"})
    base_path: ClassVar = ""

    def made_routes(self) -> Sequence[Route]:
        """Every endpoint."""
        return (
            Route("POST", "/v2/chat", chat),
            Route("POST", "/v2/embed", embed),
            Route("POST", "/v2/rerank", rerank),
            Route("GET", "/v1/models", self._list_models),
        )

    def authenticate(self, request: ReceivedRequest) -> None:
        """`Authorization: Bearer K`, 401 otherwise."""
        scheme, _, key = (request.header("authorization") or "").partition(" ")
        if scheme.lower() != "bearer" or not key:
            raise RefusalError(401, "no api key supplied")
        if key not in self.keys:
            raise RefusalError(401, _WRONG_KEY)

    def refused(self, refusal: RefusalError) -> Reply:
        """`{"id", "message"}`."""
        return json_reply({"id": stable_id("", refusal.message), "message": refusal.message}, status=refusal.status)

    def misshapen(self, error: ShapeError) -> RefusalError:
        """400, and 422 for a field that is unknown."""
        match error.flaw:
            case Flaw.NOT_JSON:
                return invalid("the body is not valid JSON")
            case Flaw.UNKNOWN:
                return RefusalError(422, f"unknown field: parameter '{error.path}' is not a valid field")
            case Flaw.MISSING:
                return invalid(f"{error.path} is required")
            case Flaw.TYPE:
                return invalid(f"{error.path} must be of type {error.expected}, not {error.got}")
            case Flaw.VALUE:
                return invalid(f"{error.path}: {error.expected}")

    def unknown_model(self, model: str) -> RefusalError:
        """404."""
        text = f"model '{model}' not found, make sure the correct model ID was used and that you have access to the model."
        return RefusalError(404, text)

    def fault_refusal(self, fault: Fault) -> RefusalError:
        """Cohere's words for a status."""
        status = fault.error_status or 500
        return RefusalError(status, fault.error_message or _FAULTS.get(status, _FAULTS[500]))

    def unknown_path(self, request: ReceivedRequest) -> RefusalError:
        """404."""
        return RefusalError(404, f"invalid path: {request.path}")

    def wrong_method(self, request: ReceivedRequest) -> RefusalError:
        """405."""
        return RefusalError(405, f"method not allowed: {request.method.decode('latin-1')}")

    def wrong_content_type(self, kind: str) -> RefusalError:
        """400."""
        return invalid(f"expected content-type application/json, got '{kind}'")

    def reply_headers(self, request: ReceivedRequest, reply: Reply) -> tuple[tuple[str, str], ...]:
        """Ids and the trial key's limits."""
        headers = (("x-debug-trace-id", stable_id("", str(request.number), request.target)), ("num_tokens", "0"))
        if reply.status == 401:
            return headers
        return (
            *headers,
            ("x-trial-endpoint-call-limit", "40"),
            ("x-trial-endpoint-call-remaining", str(max(0, 40 - request.number))),
        )

    def _list_models(self, _call: Call) -> Reply:
        return json_reply({"models": [{"name": name, "endpoints": ["chat"]} for name in self.models]})
