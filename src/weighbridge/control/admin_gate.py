"""The rim of the admin API: who may pass, how much they may send, and what every answer carries.

Plain ASGI around the application, so that a caller without a key is refused before a byte of its body is read or parsed.
"""

from __future__ import annotations

from typing import Final

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import cookie_parser
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from weighbridge.auth.permissions import Actor
from weighbridge.control.actors import Actors
from weighbridge.control.admin_errors import SECURITY_HEADERS, gateway_error_response, storage_error_response
from weighbridge.control.sessions import COOKIE, CSRF_HEADER, Sessions
from weighbridge.core.errors import ErrorKind, GatewayError
from weighbridge.storage.errors import StorageError

MAX_BODY_BYTES: Final = 256 * 1024
"""A key with all its models named, 256 of 256 characters, is 70 kB."""
_SAFE_METHODS: Final = frozenset(("GET", "HEAD", "OPTIONS"))
_MAX_TOKEN_CHARACTERS: Final = 256
"""A key has 46."""


class AdminGate:
    """ASGI middleware. `open_paths` are served without a key. Who comes with a cookie of `sessions` needs none either."""

    def __init__(self, app: ASGIApp, actors: Actors, sessions: Sessions, open_paths: frozenset[tuple[str, str]]) -> None:
        """`open_paths` are methods and paths."""
        self._app = app
        self._actors = actors
        self._sessions = sessions
        self._open_paths = open_paths

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Refuse, or hand on with the body read."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        try:
            if (scope["method"], scope["path"]) not in self._open_paths:
                scope.setdefault("state", {})["actor"] = await self._authenticate(scope)
            body = await _bounded_body(scope, receive)
        except GatewayError as error:
            await gateway_error_response(error)(scope, receive, send)
        except StorageError as error:
            await storage_error_response(error)(scope, receive, send)
        else:
            await self._app(scope, _replay(body, receive), _with_security_headers(send))

    async def _authenticate(self, scope: Scope) -> Actor:
        headers = Headers(scope=scope)
        cookie = cookie_parser(headers.get("cookie", "")).get(COOKIE)
        if cookie is None or "authorization" in headers:
            return await self._actors.of_token(_bearer(headers))
        session = self._sessions.find(cookie)
        actor = await self._actors.of_session(session)
        if scope["method"] not in _SAFE_METHODS and not (session and session.allows(headers.get(CSRF_HEADER, ""))):
            message = f"a change needs the session's token as `{CSRF_HEADER}`, which only pages of this gateway know"
            raise GatewayError(ErrorKind.PERMISSION_DENIED, message, code="csrf")
        return actor


def _bearer(headers: Headers) -> str:
    scheme, _, token = headers.get("authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not token or len(token) > _MAX_TOKEN_CHARACTERS:
        raise GatewayError(
            ErrorKind.AUTHENTICATION,
            "send an admin key as `Authorization: Bearer wb-…`; the first one is in admin.key in the data directory",
            code="missing_api_key",
        )
    return token


async def _bounded_body(scope: Scope, receive: Receive) -> bytes:
    too_large = GatewayError(ErrorKind.PAYLOAD_TOO_LARGE, f"a request has at most {MAX_BODY_BYTES} bytes here")
    declared = Headers(scope=scope).get("content-length", "0")
    if not declared.isdecimal() or int(declared) > MAX_BODY_BYTES:
        raise too_large
    body = bytearray()
    while True:
        message = await receive()
        body += message.get("body", b"")
        if len(body) > MAX_BODY_BYTES:
            raise too_large
        if not message.get("more_body", False):  # a disconnect has none either
            return bytes(body)


def _replay(body: bytes, receive: Receive) -> Receive:
    pending: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

    async def replayed() -> Message:
        return pending.pop() if pending else await receive()

    return replayed


def _with_security_headers(send: Send) -> Send:
    async def secured(message: Message) -> None:
        if message["type"] == "http.response.start":
            MutableHeaders(scope=message).update(SECURITY_HEADERS)
        await send(message)

    return secured
