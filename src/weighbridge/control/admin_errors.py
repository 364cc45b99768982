"""Every failure of the admin API as `{"error": {"type", "message", "code"}}`, and the headers that each answer carries."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import msgspec
from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel
from starlette.exceptions import HTTPException

from weighbridge.control.admin_services import ConfigProblem
from weighbridge.core.clock import NS_PER_S
from weighbridge.core.codec import encode_json
from weighbridge.core.errors import ErrorKind, GatewayError
from weighbridge.storage.errors import (
    ChangedMeanwhileError,
    InUseError,
    KeyNameTakenError,
    KeyNotFoundError,
    NameTakenError,
    NotFoundError,
    OtherCreateError,
    StorageError,
    StoreBusyError,
)

SECURITY_HEADERS: Final = {
    # Answers hold keys and settings: no cache may keep them, no page may frame or sniff them.
    "cache-control": "no-store",
    "content-security-policy": "default-src 'none'; frame-ancestors 'none'",
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
}


class ErrorView(BaseModel):
    """What went wrong. `param` names the field at fault, `problems` list what a configuration has."""

    type: str
    message: str
    code: str
    param: str | None = None
    problems: tuple[ConfigProblem, ...] = ()


class ErrorAnswer(BaseModel):
    """Every failure."""

    error: ErrorView


STATUSES: Final[dict[int | str, dict[str, Any]]] = {
    status: {"model": ErrorAnswer, "description": description}
    for status, description in (
        (400, "The request is wrong: `param` and `message` say where."),
        (401, "No admin key and no session, or one that is over."),
        (403, "A role that does not allow it, or something outside of its place."),
        (404, "It is not there, or not for this actor to see."),
        (409, "Something else is in the way: a name that is taken, something that still belongs to it."),
        (412, "It was changed meanwhile."),
        (413, "The body is too large."),
        (428, "A change needs `If-Match`."),
        (429, "Wait a little."),
        (503, "The database is busy or cannot be used."),
    )
}
"""What every operation may answer besides its own, for the description."""
_RETRY_AFTER: Final = {"retry-after": "1"}
_CONFLICTS: Final[dict[type[StorageError], str]] = {
    NameTakenError: "name_taken",
    InUseError: "in_use",
    OtherCreateError: "idempotency_key_reused",
}
_TYPE_OF_STATUS: Final = {404: ErrorKind.NOT_FOUND, 405: ErrorKind.METHOD_NOT_ALLOWED}


class PreconditionRequiredError(Exception):
    """A change without `If-Match`: two people who change the same thing would not notice each other (RFC 6585 section 3)."""


class Problem(msgspec.Struct, frozen=True, omit_defaults=True):
    """What stands under `error`. `param` names the field at fault, `problems` list what a configuration has."""

    type: str
    message: str
    code: str
    param: str | None = None
    problems: tuple[dict[str, str | int | None], ...] = ()


def error_response(status: int, problem: Problem, headers: dict[str, str] | None = None) -> Response:
    """The answer for a failure."""
    body = encode_json({"error": problem})
    return Response(body, status, {**SECURITY_HEADERS, **(headers or {})}, "application/json")


def gateway_error_response(error: GatewayError) -> Response:
    """The answer for one of the gateway's own errors; a 401 names the scheme, as RFC 9110 section 11.6.1 asks."""
    headers = {"www-authenticate": "Bearer"} if error.status == 401 else {}
    if error.retry_after_ns is not None:
        headers["retry-after"] = str(max(1, -(-error.retry_after_ns // NS_PER_S)))
    return error_response(error.status, Problem(error.kind.value, error.public, error.code, error.param), headers)


def storage_error_response(error: StorageError) -> Response:
    """The answer for a failure of the store."""
    if isinstance(error, KeyNotFoundError):
        return error_response(404, Problem("not_found", str(error), "key_not_found"))
    if isinstance(error, KeyNameTakenError):
        return error_response(409, Problem("conflict", str(error), "key_name_taken", "name"))
    if isinstance(error, NotFoundError):
        return error_response(404, Problem("not_found", str(error), f"{error.kind}_not_found"))
    if isinstance(error, ChangedMeanwhileError):
        return error_response(412, Problem("conflict", str(error), "changed_meanwhile"))
    if (code := _CONFLICTS.get(type(error))) is not None:
        return error_response(409, Problem("conflict", str(error), code))
    if isinstance(error, StoreBusyError):
        return error_response(503, Problem("gateway_overloaded", str(error), "store_busy"), _RETRY_AFTER)
    # The text may name hosts and files, so it is for the log and not for the caller.
    message = "the database cannot be used; the gateway's log says why"
    return error_response(503, Problem("internal", message, "store_unavailable"), _RETRY_AFTER)


def config_invalid_response(problems: Sequence[ConfigProblem]) -> Response:
    """The answer for a reload that was refused."""
    message = "the configuration has errors, so the one before it goes on serving"
    problem = Problem("invalid_request", message, "config_invalid", problems=tuple(p.model_dump() for p in problems))
    return error_response(400, problem)


def install_error_handlers(app: FastAPI) -> None:
    """Have every exception of the app end in the one shape."""

    @app.exception_handler(GatewayError)
    async def _gateway(_request: Request, error: GatewayError) -> Response:
        return gateway_error_response(error)

    @app.exception_handler(StorageError)
    async def _storage(_request: Request, error: StorageError) -> Response:
        return storage_error_response(error)

    @app.exception_handler(PreconditionRequiredError)
    async def _unconditional(_request: Request, _error: PreconditionRequiredError) -> Response:
        message = "say with `If-Match` which version you change: the `ETag` that a GET gives, or `*` for whatever is there"
        return error_response(428, Problem("invalid_request", message, "precondition_required"))

    @app.exception_handler(RequestValidationError)
    async def _validation(_request: Request, error: RequestValidationError) -> Response:
        return _validation_response(error)

    @app.exception_handler(HTTPException)
    async def _http(_request: Request, error: HTTPException) -> Response:
        kind = _TYPE_OF_STATUS.get(error.status_code, ErrorKind.INVALID_REQUEST)
        return error_response(error.status_code, Problem(kind.value, str(error.detail), kind.value), dict(error.headers or {}))

    @app.exception_handler(Exception)
    async def _bug(_request: Request, _error: Exception) -> Response:
        return error_response(500, Problem("internal", "the gateway has failed; its log says how", "internal"))


def _validation_response(error: RequestValidationError) -> Response:
    # 400, as every other refusal of ours; FastAPI's own body would repeat what was sent, which may be a key.
    first = error.errors()[0]
    place = [str(part) for part in first["loc"] if not isinstance(part, int)]
    param = ".".join(place[1:]) or None
    message = f"{param}: {first['msg']}" if param else str(first["msg"])
    code = "unknown_field" if first["type"] == "extra_forbidden" else "invalid_field"
    return error_response(400, Problem("invalid_request", message, code, param))
