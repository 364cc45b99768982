"""The simulated Ollama: what it serves and what it says when it refuses. It asks for no key unless it is given some."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, Final

from weighbridge.testing.faults import Fault
from weighbridge.testing.journal import ReceivedRequest
from weighbridge.testing.ollama_chat import CREATED_AT, chat, embed, invalid
from weighbridge.testing.provider import Call, Route, SimulatedProvider
from weighbridge.testing.reply import RefusalError, Reply, json_reply
from weighbridge.testing.shapes import Flaw, ShapeError

_FAULTS: Final = {
    400: "invalid request",
    401: "unauthorized",
    404: "model not found",
    429: "too many requests",
    500: "llama runner process has terminated: exit status 2",
    503: "server busy, please try again.  maximum pending requests exceeded",
}


class SimulatedOllama(SimulatedProvider):
    """Ollama on a real socket. `base_url` has no path. With `keys=()` it takes every caller, as a server of one's own does.

    The keys of `default_keys` are those of ollama.com: `Authorization: Bearer K`.
    """

    default_keys: ClassVar = ("sim-ollama-key-1",)
    default_models: ClassVar = ("llama3.2", "qwen3:8b", "nomic-embed-text")
    credential_headers: ClassVar = frozenset({"authorization"})
    base_path: ClassVar = ""

    def made_routes(self) -> Sequence[Route]:
        """Every endpoint."""
        return (
            Route("POST", "/api/chat", chat),
            Route("POST", "/api/embed", embed),
            Route("GET", "/api/tags", self._list_models),
        )

    def authenticate(self, request: ReceivedRequest) -> None:
        """`Authorization: Bearer K` where keys are set, 401 otherwise."""
        if not self.keys:
            return
        scheme, _, key = (request.header("authorization") or "").partition(" ")
        if scheme.lower() != "bearer" or key not in self.keys:
            raise RefusalError(401, "unauthorized")

    def refused(self, refusal: RefusalError) -> Reply:
        """`{"error"}`."""
        return json_reply({"error": refusal.message}, status=refusal.status, content_type="application/json; charset=utf-8")

    def misshapen(self, error: ShapeError) -> RefusalError:
        """400 in the words of Go's decoder."""
        match error.flaw:
            case Flaw.NOT_JSON:
                return invalid("invalid character '}' looking for beginning of object key string")
            case Flaw.UNKNOWN:
                return invalid(f'json: unknown field "{error.path}"')
            case Flaw.MISSING:
                return invalid(f"{error.path} is required")
            case Flaw.TYPE:
                return invalid(f"json: cannot unmarshal {error.got} into Go struct field .{error.path} of type {error.expected}")
            case Flaw.VALUE:
                return invalid(f"{error.path}: {error.expected}")

    def unknown_model(self, model: str) -> RefusalError:
        """404."""
        return RefusalError(404, f"model '{model}' not found")

    def fault_refusal(self, fault: Fault) -> RefusalError:
        """Ollama's words for a status."""
        status = fault.error_status or 500
        return RefusalError(status, fault.error_message or _FAULTS.get(status, _FAULTS[500]))

    def unknown_path(self, request: ReceivedRequest) -> RefusalError:
        """404."""
        return RefusalError(404, f"404 page not found: {request.path}")

    def wrong_method(self, request: ReceivedRequest) -> RefusalError:
        """405."""
        return RefusalError(405, f"405 method not allowed: {request.method.decode('latin-1')}")

    def wrong_content_type(self, kind: str) -> RefusalError:
        """400. Ollama itself does not look; who leaves the type out is wrong nevertheless."""
        return invalid(f"expected content-type application/json, got '{kind}'")

    def reply_headers(self, request: ReceivedRequest, reply: Reply) -> tuple[tuple[str, str], ...]:  # noqa: ARG002 - it has none
        """None."""
        return ()

    def _list_models(self, _call: Call) -> Reply:
        return json_reply({"models": [{"name": name, "model": name, "modified_at": CREATED_AT} for name in self.models]})
