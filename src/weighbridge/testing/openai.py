"""The simulated OpenAI: what it serves, how it wants its key, what it says when it refuses."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar, Final

from weighbridge.testing import openai_errors as errors
from weighbridge.testing.faults import Fault
from weighbridge.testing.generation import CREATED, stable_id
from weighbridge.testing.journal import ReceivedRequest
from weighbridge.testing.openai_chat import ChatCompletions
from weighbridge.testing.openai_completions import complete
from weighbridge.testing.openai_files import Batches, Files
from weighbridge.testing.openai_kept import Kept
from weighbridge.testing.openai_media import embed, generate_images, moderate, speak, transcribe
from weighbridge.testing.openai_realtime import connect
from weighbridge.testing.openai_responses import Responses
from weighbridge.testing.provider import Call, Route, SimulatedProvider
from weighbridge.testing.reply import RefusalError, Reply, json_reply
from weighbridge.testing.shapes import ShapeError

_REQUEST_LIMIT: Final = 10_000
_TOKEN_LIMIT: Final = 2_000_000
_WEBSOCKET_KEY: Final = "openai-insecure-api-key."
"""Browsers cannot set headers on a WebSocket: OpenAI takes the key as a subprotocol with this prefix."""


class SimulatedOpenAI(SimulatedProvider):
    """OpenAI on a real socket. `base_url` ends in `/v1`."""

    default_keys: ClassVar = ("sk-sim-1",)
    default_models: ClassVar = (
        "gpt-4o-mini",
        "gpt-4.1",
        "o4-mini",
        "gpt-3.5-turbo-instruct",
        "text-embedding-3-small",
        "omni-moderation-latest",
        "gpt-image-1",
        "gpt-4o-mini-tts",
        "tts-1",
        "whisper-1",
        "gpt-realtime",
    )
    credential_headers: ClassVar = frozenset({"authorization"})
    base_path: ClassVar = "/v1"

    def made_routes(self) -> Sequence[Route]:
        """Every endpoint."""
        responses, files, kept = Responses(), Files(), Kept()
        batches = Batches(files)
        return (
            Route("POST", "/v1/chat/completions", ChatCompletions().answer),
            Route("POST", "/v1/completions", complete),
            Route("POST", "/v1/responses", responses.create),
            Route("POST", "/v1/responses/input_tokens", responses.count),
            Route("GET", "/v1/responses/{id}", responses.retrieve),
            Route("DELETE", "/v1/responses/{id}", responses.delete),
            Route("POST", "/v1/responses/{id}/cancel", responses.cancel),
            Route("GET", "/v1/responses/{id}/input_items", responses.input_items),
            Route("POST", "/v1/embeddings", embed),
            Route("POST", "/v1/moderations", moderate),
            Route("POST", "/v1/images/generations", generate_images),
            Route("POST", "/v1/audio/speech", speak),
            Route("POST", "/v1/audio/transcriptions", transcribe),
            Route("GET", "/v1/models", self._list_models),
            Route("GET", "/v1/models/{model}", self._retrieve_model),
            Route("POST", "/v1/files", files.upload),
            Route("GET", "/v1/files", files.list),
            Route("GET", "/v1/files/{id}", files.retrieve),
            Route("DELETE", "/v1/files/{id}", files.delete),
            Route("GET", "/v1/files/{id}/content", files.content),
            Route("POST", "/v1/batches", batches.create),
            Route("GET", "/v1/batches", batches.list),
            Route("GET", "/v1/batches/{id}", batches.retrieve),
            Route("POST", "/v1/batches/{id}/cancel", batches.cancel),
            Route("POST", "/v1/conversations", kept.create_conversation),
            Route("GET", "/v1/conversations/{id}", kept.retrieve),
            Route("DELETE", "/v1/conversations/{id}", kept.delete),
            Route("POST", "/v1/vector_stores", kept.create_vector_store),
            Route("GET", "/v1/vector_stores/{id}", kept.retrieve),
            Route("DELETE", "/v1/vector_stores/{id}", kept.delete),
            Route("GET", "/v1/realtime", connect),
        )

    def authenticate(self, request: ReceivedRequest) -> None:
        """`Authorization: Bearer K`, or the browser's way for a WebSocket. 401 otherwise."""
        scheme, _, key = (request.header("authorization") or "").partition(" ")
        if scheme.lower() != "bearer" or not key:
            key = _websocket_key(request)
        if not key:
            raise errors.missing_key()
        if key not in self.keys:
            raise errors.wrong_key(key)

    def refused(self, refusal: RefusalError) -> Reply:
        """`{"error": {"message", "type", "param", "code"}}`, indented as OpenAI does."""
        return json_reply(errors.body(refusal), status=refusal.status, is_pretty=True)

    def misshapen(self, error: ShapeError) -> RefusalError:
        """400 with `param`."""
        return errors.misshapen(error)

    def unknown_model(self, model: str) -> RefusalError:
        """404 with code `model_not_found`."""
        return errors.unknown_model(model)

    def fault_refusal(self, fault: Fault) -> RefusalError:
        """OpenAI's words for a status."""
        return errors.fault_refusal(fault)

    def unknown_path(self, request: ReceivedRequest) -> RefusalError:
        """404, in the words of OpenAI's router."""
        method = request.method.decode("latin-1")
        return errors.invalid(f"Invalid URL ({method} {request.path})", status=404)

    def wrong_method(self, request: ReceivedRequest) -> RefusalError:
        """405."""
        method = request.method.decode("latin-1")
        text = f"Not allowed to {method} on {request.path}. (HINT: Perhaps you meant to use a different HTTP method?)"
        return errors.invalid(text, code="method_not_supported", status=405)

    def wrong_content_type(self, kind: str) -> RefusalError:
        """400."""
        text = f"Unsupported content type: '{kind}'. This API method only accepts 'application/json' requests."
        return errors.invalid(text, code="unsupported_content_type")

    def reply_headers(self, request: ReceivedRequest, reply: Reply) -> tuple[tuple[str, str], ...]:
        """Request id, processing time, organisation and rate limits; the remainders fall with each request."""
        headers: tuple[tuple[str, str], ...] = (
            ("x-request-id", stable_id("req_", str(request.number), request.target)),
            ("openai-processing-ms", "12"),
            ("openai-version", "2020-10-01"),
        )
        if reply.status == 401 or request.method != b"POST":
            return headers
        return (
            *headers,
            ("openai-organization", "org-simulated"),
            ("x-ratelimit-limit-requests", str(_REQUEST_LIMIT)),
            ("x-ratelimit-limit-tokens", str(_TOKEN_LIMIT)),
            ("x-ratelimit-remaining-requests", str(_REQUEST_LIMIT - request.number)),
            ("x-ratelimit-remaining-tokens", str(_TOKEN_LIMIT - len(request.body) // 4)),
            ("x-ratelimit-reset-requests", "6ms"),
            ("x-ratelimit-reset-tokens", "1ms"),
        )

    def _list_models(self, _call: Call) -> Reply:
        return json_reply({"object": "list", "data": [_model(name) for name in self.models]}, is_pretty=True)

    def _retrieve_model(self, call: Call) -> Reply:
        call.check_model(call.values["model"])
        return json_reply(_model(call.values["model"]), is_pretty=True)


def _model(name: str) -> dict[str, Any]:
    return {"id": name, "object": "model", "created": CREATED, "owned_by": "simulated"}


def _websocket_key(request: ReceivedRequest) -> str:
    offered = [name.strip() for name in (request.header("sec-websocket-protocol") or "").split(",")]
    return next((name.removeprefix(_WEBSOCKET_KEY) for name in offered if name.startswith(_WEBSOCKET_KEY)), "")
