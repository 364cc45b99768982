"""The simulated Bedrock: what it serves, how it wants to be signed, what it says when it refuses."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import ClassVar, Final
from urllib.parse import unquote

from weighbridge.testing.bedrock_auth import check
from weighbridge.testing.bedrock_converse import Converse
from weighbridge.testing.bedrock_invoke import Invoke
from weighbridge.testing.bedrock_request import invalid
from weighbridge.testing.faults import Fault
from weighbridge.testing.generation import stable_id
from weighbridge.testing.journal import ReceivedRequest
from weighbridge.testing.provider import Route, SimulatedProvider
from weighbridge.testing.reply import RefusalError, Reply, json_reply
from weighbridge.testing.shapes import Flaw, ShapeError

_FAULTS: Final = {
    400: ("ValidationException", "The provided request is not valid."),
    401: ("UnrecognizedClientException", "The security token included in the request is invalid."),
    403: ("AccessDeniedException", "You don't have access to the model with the specified model ID."),
    404: ("ResourceNotFoundException", "Could not resolve the foundation model from the provided model identifier."),
    408: ("ModelTimeoutException", "Model has timed out in processing the request. Try your request again."),
    424: ("ModelErrorException", "The system encountered an unexpected error during processing. Try your request again."),
    429: ("ThrottlingException", "Too many requests, please wait before trying again."),
    500: ("InternalServerException", "The system encountered an unexpected error during processing. Try your request again."),
    503: ("ServiceUnavailableException", "Bedrock is unable to process your request."),
}
_CORAL: Final = ":http://internal.amazon.com/coral/com.amazon.bedrock/"


class _ModelRoute(Route, frozen=True):
    """A path that names a model, whose id has colons and, in an ARN, encoded slashes."""

    def match(self, path: str) -> dict[str, str] | None:
        """The model's id, decoded."""
        found = re.fullmatch(self.template.replace("{model}", "(?P<model>[^/]+)"), path)
        return {"model": unquote(found["model"])} if found else None


class SimulatedBedrock(SimulatedProvider):
    """Bedrock's runtime on a real socket. `base_url` has no path.

    `keys` are API keys for `Authorization: Bearer`; `secrets` are the secret access keys, by access key id, with which requests may
    be signed instead.
    """

    default_keys: ClassVar = ("ABSKsim-bedrock-key-1",)
    default_models: ClassVar = (
        "us.anthropic.claude-sonnet-4-5-20250929-v1:0",
        "anthropic.claude-haiku-4-5-20251001-v1:0",
        "us.amazon.nova-2-lite-v1:0",
        "us.amazon.nova-lite-v1:0",
        "us.meta.llama4-maverick-17b-instruct-v1:0",
        "openai.gpt-oss-120b-1:0",
        "amazon.titan-embed-text-v2:0",
        "cohere.embed-english-v3",
        "cohere.embed-v4:0",
    )
    credential_headers: ClassVar = frozenset({"authorization"})
    base_path: ClassVar = ""
    secrets: ClassVar[dict[str, str]] = {"AKIASIMULATED0000001": "simulated-secret-1"}

    def made_routes(self) -> Sequence[Route]:
        """Every endpoint."""
        converse, invoke = Converse(), Invoke()
        return (
            _ModelRoute("POST", "/model/{model}/converse", converse.whole),
            _ModelRoute("POST", "/model/{model}/converse-stream", converse.streamed),
            _ModelRoute("POST", "/model/{model}/invoke", invoke.whole),
            _ModelRoute("POST", "/model/{model}/invoke-with-response-stream", invoke.streamed),
        )

    def authenticate(self, request: ReceivedRequest) -> None:
        """A signature, or an API key; 403 otherwise."""
        check(request, self.keys, self.secrets)

    def refused(self, refusal: RefusalError) -> Reply:
        """`{"message"}`, and the exception's name in a header."""
        name = refusal.kind if refusal.kind.endswith("Exception") else _FAULTS.get(refusal.status, _FAULTS[500])[0]
        return json_reply({"message": refusal.message}, status=refusal.status, headers=(("x-amzn-errortype", name + _CORAL),))

    def misshapen(self, error: ShapeError) -> RefusalError:
        """400 with the place of the field."""
        match error.flaw:
            case Flaw.NOT_JSON:
                return RefusalError(400, "The request body is not valid JSON.", kind="SerializationException")
            case Flaw.UNKNOWN:
                return invalid(f"Malformed input request: #: extraneous key [{error.path}] is not permitted")
            case Flaw.MISSING:
                return _violated(f"Value null at '{error.dotted}'", "Member must not be null")
            case Flaw.TYPE:
                return RefusalError(
                    400, f"{error.dotted}: expected {error.expected}, got {error.got}", kind="SerializationException"
                )
            case Flaw.VALUE:
                return _violated(f"Value at '{error.dotted}'", error.expected)

    def unknown_model(self, model: str) -> RefusalError:  # noqa: ARG002 - Bedrock does not name it
        """400: Bedrock does not tell a model that it lacks from one that nobody has."""
        return invalid("The provided model identifier is invalid.")

    def fault_refusal(self, fault: Fault) -> RefusalError:
        """Bedrock's words for a status."""
        status = fault.error_status or 500
        kind, message = _FAULTS.get(status, _FAULTS[500])
        return RefusalError(status, fault.error_message or message, kind=fault.error_code or kind)

    def unknown_path(self, request: ReceivedRequest) -> RefusalError:
        """404."""
        return RefusalError(404, f"Unable to determine service/operation name of {request.path}", kind="UnknownOperationException")

    def wrong_method(self, request: ReceivedRequest) -> RefusalError:
        """405."""
        return RefusalError(405, f"Unable to determine service/operation name of {request.path}", kind="UnknownOperationException")

    def wrong_content_type(self, kind: str) -> RefusalError:
        """400."""
        return invalid(f"The content type '{kind}' is not supported.")

    def reply_headers(self, request: ReceivedRequest, reply: Reply) -> tuple[tuple[str, str], ...]:
        """The request's id."""
        return (("x-amzn-requestid", stable_id("", str(request.number), str(reply.status), request.target)),)


def _violated(what: str, constraint: str) -> RefusalError:
    return invalid(f"1 validation error detected: {what} failed to satisfy constraint: {constraint}")
