"""OpenAI's error bodies, in its own words."""

from __future__ import annotations

from typing import Final

from weighbridge.testing.faults import Fault
from weighbridge.testing.reply import RefusalError
from weighbridge.testing.shapes import Flaw, ShapeError

_TYPE_NAMES: Final = {
    "str": "a string",
    "int": "an integer",
    "float": "a decimal",
    "bool": "a boolean",
    "array": "an array",
    "object": "an object",
    "null": "null",
}

_FAULTS: Final = {
    429: ("Rate limit reached for requests. Please try again later.", "requests", "rate_limit_exceeded"),
    500: ("The server had an error while processing your request. Sorry about that!", "server_error", None),
    503: ("The engine is currently overloaded, please try again later.", "server_error", "service_unavailable"),
}

STREAM_ERROR: Final = {
    "error": {
        "message": "The server had an error while processing your request. Sorry about that!",
        "type": "server_error",
        "param": None,
        "code": None,
    }
}
"""What comes within a stream of chat or legacy completions that fails."""


def body(refusal: RefusalError) -> dict[str, object]:
    """The envelope."""
    kind = refusal.kind or "invalid_request_error"
    return {"error": {"message": refusal.message, "type": kind, "param": refusal.param, "code": refusal.code}}


def invalid(message: str, param: str | None = None, code: str | None = None, status: int = 400) -> RefusalError:
    """An `invalid_request_error`."""
    return RefusalError(status, message, kind="invalid_request_error", param=param, code=code)


def misshapen(error: ShapeError) -> RefusalError:
    """What OpenAI says about a body that breaks its schema."""
    path = error.path or None
    match error.flaw:
        case Flaw.NOT_JSON:
            text = "We could not parse the JSON body of your request. The OpenAI API expects a JSON payload."
            return invalid(text)
        case Flaw.UNKNOWN:
            return invalid(f"Unknown parameter: '{path}'.", path, "unknown_parameter")
        case Flaw.MISSING:
            return invalid(f"Missing required parameter: '{path}'.", path, "missing_required_parameter")
        case Flaw.TYPE:
            wanted = " or ".join(_TYPE_NAMES.get(name.strip(), name) for name in error.expected.split("|"))
            got = _TYPE_NAMES.get(error.got, error.got)
            return invalid(f"Invalid type for '{path}': expected {wanted}, but got {got} instead.", path, "invalid_type")
        case Flaw.VALUE:
            return invalid(f"Invalid value for '{path}': {error.expected}", path, "invalid_value")


def unknown_model(model: str) -> RefusalError:
    """404 with code `model_not_found`."""
    text = f"The model `{model}` does not exist or you do not have access to it."
    return invalid(text, code="model_not_found", status=404)


def missing_key() -> RefusalError:
    """401 without a key."""
    text = (
        "You didn't provide an API key. You need to provide your API key in an Authorization header using Bearer auth "
        "(i.e. Authorization: Bearer YOUR_KEY)."
    )
    return invalid(text, status=401)


def wrong_key(key: str) -> RefusalError:
    """401 with the key masked as OpenAI masks it."""
    masked = key if len(key) <= 8 else f"{key[:8]}{'*' * (len(key) - 12)}{key[-4:]}"
    text = f"Incorrect API key provided: {masked}. You can find your API key at https://platform.openai.com/account/api-keys."
    return invalid(text, code="invalid_api_key", status=401)


def fault_refusal(fault: Fault) -> RefusalError:
    """OpenAI's words for a status that a fault asks for."""
    status = fault.error_status or 500
    fallback = ("Something went wrong.", "server_error" if status >= 500 else "invalid_request_error", None)
    message, kind, code = _FAULTS.get(status, fallback)
    if fault.error_code == "insufficient_quota":
        kind = "insufficient_quota"
    return RefusalError(status, fault.error_message or message, kind=kind, code=fault.error_code or code)
