"""The simulated Gemini: what it serves, how it wants its key, what it says when it refuses."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar, Final

from weighbridge.testing.faults import Fault
from weighbridge.testing.gemini_files import Caches, Files
from weighbridge.testing.gemini_generate import (
    GOOGLE_JSON,
    batch_embed,
    count,
    embed,
    generate_content,
    stream_generate_content,
)
from weighbridge.testing.journal import ReceivedRequest
from weighbridge.testing.provider import Call, Route, SimulatedProvider
from weighbridge.testing.reply import RefusalError, Reply, json_reply
from weighbridge.testing.shapes import Flaw, ShapeError

_STATUSES: Final = {
    400: ("INVALID_ARGUMENT", "Request contains an invalid argument."),
    401: ("UNAUTHENTICATED", "Request had invalid authentication credentials."),
    403: ("PERMISSION_DENIED", "The caller does not have permission"),
    404: ("NOT_FOUND", "Requested entity was not found."),
    429: ("RESOURCE_EXHAUSTED", "You exceeded your current quota, please check your plan and billing details."),
    500: ("INTERNAL", "An internal error has occurred. Please retry."),
    503: ("UNAVAILABLE", "The model is overloaded. Please try again later."),
    504: ("DEADLINE_EXCEEDED", "Deadline expired before operation could complete."),
}
_METHODS: Final = ("generateContent", "streamGenerateContent", "countTokens", "embedContent", "batchEmbedContents")
_WRONG_KEY: Final = "API key not valid. Please pass a valid API key."
_NO_KEY: Final = (
    "Method doesn't allow unregistered callers (callers without established identity). "
    "Please use API Key or other form of API consumer identity to call this API."
)
_TYPES: Final = {"str": "TYPE_STRING", "int": "TYPE_INT32", "float": "TYPE_FLOAT", "bool": "TYPE_BOOL"}


class SimulatedGemini(SimulatedProvider):
    """Gemini on a real socket. `base_url` has no path: the SDK adds `/v1beta`."""

    default_keys: ClassVar = ("sim-gemini-key-1",)
    default_models: ClassVar = ("gemini-2.5-flash", "gemini-2.5-pro", "gemini-embedding-001")
    credential_headers: ClassVar = frozenset({"x-goog-api-key"})
    base_path: ClassVar = ""

    def made_routes(self) -> Sequence[Route]:
        """Every endpoint, under both of Google's versions."""
        self._files, self._caches = Files(), Caches()
        return tuple(route for version in ("v1beta", "v1") for route in (*self._routes_of(version), *self._kept_by(version)))

    def _kept_by(self, version: str) -> tuple[Route, ...]:
        files, caches = self._files, self._caches
        return (
            Route("POST", f"/upload/{version}/files", files.upload),
            Route("GET", f"/{version}/files", files.list),
            Route("GET", f"/{version}/files/{{id}}", files.retrieve),
            Route("DELETE", f"/{version}/files/{{id}}", files.delete),
            Route("POST", f"/{version}/cachedContents", caches.create),
            Route("GET", f"/{version}/cachedContents", caches.list),
            Route("GET", f"/{version}/cachedContents/{{id}}", caches.retrieve),
            Route("DELETE", f"/{version}/cachedContents/{{id}}", caches.delete),
        )

    def _routes_of(self, version: str) -> tuple[Route, ...]:
        model = f"/{version}/models/{{model}}"
        return (
            Route("POST", f"{model}:generateContent", generate_content),
            Route("POST", f"{model}:streamGenerateContent", stream_generate_content),
            Route("POST", f"{model}:countTokens", count),
            Route("POST", f"{model}:embedContent", embed),
            Route("POST", f"{model}:batchEmbedContents", batch_embed),
            Route("GET", f"/{version}/models", self._list_models),
            Route("GET", model, self._retrieve_model),
        )

    def authenticate(self, request: ReceivedRequest) -> None:
        """`x-goog-api-key: K` or `?key=K`. Google answers 403 without a key and 400, not 401, to a wrong one.
        Where an upload goes on, its address is the key."""
        if request.path.startswith("/upload/") and self._files.is_begun(dict(request.query).get("upload_id", "")):
            return
        key = request.header("x-goog-api-key") or dict(request.query).get("key")
        if not key:
            raise RefusalError(403, _NO_KEY, kind="PERMISSION_DENIED")
        if key not in self.keys:
            info: dict[str, object] = {
                "@type": "type.googleapis.com/google.rpc.ErrorInfo",
                "reason": "API_KEY_INVALID",
                "domain": "googleapis.com",
                "metadata": {"service": "generativelanguage.googleapis.com"},
            }
            raise RefusalError(400, _WRONG_KEY, kind="INVALID_ARGUMENT", details=(info,))

    def refused(self, refusal: RefusalError) -> Reply:
        """`{"error": {"code", "message", "status", "details"}}`, indented as Google does."""
        status = refusal.kind or _STATUSES.get(refusal.status, ("INVALID_ARGUMENT", ""))[0]
        error: dict[str, Any] = {"code": refusal.status, "message": refusal.message, "status": status}
        if refusal.details:
            error["details"] = list(refusal.details)
        return json_reply({"error": error}, status=refusal.status, content_type=GOOGLE_JSON, is_pretty=True)

    def misshapen(self, error: ShapeError) -> RefusalError:
        """400 with a `BadRequest` detail that names the field."""
        text = "Invalid JSON payload received. Expected a value."
        match error.flaw:
            case Flaw.UNKNOWN:
                text = f'Invalid JSON payload received. Unknown name "{error.path}": Cannot find field.'
            case Flaw.MISSING:
                text = f"* GenerateContentRequest.{error.path}: {error.path} is not specified"
            case Flaw.TYPE:
                text = f"Invalid value at '{error.path}' ({_TYPES.get(error.expected.split(' | ')[0], error.expected)})"
            case Flaw.VALUE:
                text = f"Invalid value at '{error.path}': {error.expected}"
        violation = {"field": error.path, "description": text}
        detail: dict[str, object] = {"@type": "type.googleapis.com/google.rpc.BadRequest", "fieldViolations": [violation]}
        return RefusalError(400, text, kind="INVALID_ARGUMENT", details=(detail,))

    def unknown_model(self, model: str) -> RefusalError:
        """404 `NOT_FOUND`."""
        text = (
            f"models/{model} is not found for API version v1beta, or is not supported for generateContent. "
            "Call ListModels to see the list of available models and their supported methods."
        )
        return RefusalError(404, text, kind="NOT_FOUND")

    def fault_refusal(self, fault: Fault) -> RefusalError:
        """Google's words for a status; a retry-after also stands in the body, as `RetryInfo`."""
        status = fault.error_status or 500
        kind, message = _STATUSES.get(status, ("UNKNOWN", "Unknown error."))
        delay = dict(fault.error_headers).get("retry-after")
        retry: dict[str, object] = {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": f"{delay}s"}
        details = (retry,) if delay else ()
        return RefusalError(status, fault.error_message or message, kind=fault.error_code or kind, details=details)

    def unknown_path(self, request: ReceivedRequest) -> RefusalError:
        """404."""
        return RefusalError(404, f"The requested URL {request.path} was not found on this server.", kind="NOT_FOUND")

    def wrong_method(self, request: ReceivedRequest) -> RefusalError:
        """405."""
        method = request.method.decode("latin-1")
        return RefusalError(405, f"The request method {method} is inappropriate for the URL {request.path}", kind="UNIMPLEMENTED")

    def wrong_content_type(self, kind: str) -> RefusalError:
        """400."""
        return RefusalError(400, f"Invalid content type: '{kind}', expected application/json.", kind="INVALID_ARGUMENT")

    def reply_headers(self, request: ReceivedRequest, reply: Reply) -> tuple[tuple[str, str], ...]:
        """What Google's front end adds. It sends no rate limits and no request id."""
        timing = f"gfet4t7; dur={10 + request.number % 10}"
        kind = "ESF" if reply.status < 500 else "scaffolding on HTTPServer2"
        return (("vary", "Origin"), ("vary", "X-Origin"), ("server", kind), ("server-timing", timing))

    def _list_models(self, _call: Call) -> Reply:
        return json_reply({"models": [_model(name) for name in self.models]}, content_type=GOOGLE_JSON, is_pretty=True)

    def _retrieve_model(self, call: Call) -> Reply:
        call.check_model(call.values["model"])
        return json_reply(_model(call.values["model"]), content_type=GOOGLE_JSON, is_pretty=True)


def _model(name: str) -> dict[str, Any]:
    return {
        "name": f"models/{name}",
        "version": "001",
        "displayName": name.replace("-", " ").title(),
        "description": "A simulated model",
        "inputTokenLimit": 1_048_576,
        "outputTokenLimit": 65_536,
        "supportedGenerationMethods": list(_METHODS),
    }
