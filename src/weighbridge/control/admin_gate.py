"""The rim of the admin API: who may pass, how much they may send, and what every answer carries.

Plain ASGI around the application, so that a caller without a key is refused before a byte of its body is read or parsed.
"""

from __future__ import annotations

import hmac
from typing import Final

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import cookie_parser
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from weighbridge.auth.virtual_keys import digest_of
from weighbridge.control.admin_errors import SECURITY_HEADERS, gateway_error_response, storage_error_response
from weighbridge.control.sessions import COOKIE, CSRF_HEADER, Sessions
from weighbridge.core.errors import ErrorKind, GatewayError
from weighbridge.core.ports import Clock, KeySource
from weighbridge.core.terms import VirtualKey
from weighbridge.storage.errors import StorageError

MAX_BODY_BYTES: Final = 256 * 1024
"""A key with all its models named, 256 of 256 characters, is 70 kB."""
_SAFE_METHODS: Final = frozenset(("GET", "HEAD", "OPTIONS"))
_MAX_TOKEN_CHARACTERS: Final = 256
"""A key has 46."""


class AdminGate:
    """ASGI middleware. `open_paths` are served without a key. Who comes with a cookie of `sessions` needs none either."""

    def __init__(
        self, app: ASGIApp, keys: KeySource, clock: Clock, sessions: Sessions, open_paths: frozenset[tuple[str, str]]
    ) -> None:
        """`open_paths` are methods and paths."""
        self._app = app
        self._keys = keys
        self._sessions = sessions
        self._clock = clock
        self._open_paths = open_paths

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Refuse, or hand on with the body read."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        try:
            if (scope["method"], scope["path"]) not in self._open_paths:
                await self._authenticate(scope)
            body = await _bounded_body(scope, receive)
        except GatewayError as error:
            await gateway_error_response(error)(scope, receive, send)
        except StorageError as error:
            await storage_error_response(error)(scope, receive, send)
        else:
            await self._app(scope, _replay(body, receive), _with_security_headers(send))

    async def _authenticate(self, scope: Scope) -> None:
        headers = Headers(scope=scope)
        cookie = cookie_parser(headers.get("cookie", "")).get(COOKIE)
        if cookie is not None and "authorization" not in headers:
            await self._admit_session(cookie, scope["method"], headers)
        else:
            await self._admit_key(headers)

    async def _admit_session(self, cookie: str, method: str, headers: Headers) -> None:
        session = self._sessions.find(cookie)
        key = await self._keys.find(session.key_digest) if session is not None else None
        if session is None or not self._is_good(key):
            raise GatewayError(ErrorKind.AUTHENTICATION, "the session is over: sign in again", code="missing_session")
        if method not in _SAFE_METHODS and not session.allows(headers.get(CSRF_HEADER, "")):
            message = f"a change needs the session's token as `{CSRF_HEADER}`, which only pages of this gateway know"
            raise GatewayError(ErrorKind.PERMISSION_DENIED, message, code="csrf")

    def _is_good(self, key: VirtualKey | None) -> bool:
        if key is None or not key.is_admin:
            return False
        return key.expires_wall_ns is None or key.expires_wall_ns > self._clock.wall_ns()

    async def _admit_key(self, headers: Headers) -> None:
        scheme, _, token = headers.get("authorization", "").partition(" ")
        if scheme.lower() != "bearer" or not token or len(token) > _MAX_TOKEN_CHARACTERS:
            raise GatewayError(
                ErrorKind.AUTHENTICATION,
                "send an admin key as `Authorization: Bearer wb-…`; the first one is in admin.key in the data directory",
                code="missing_api_key",
            )
        digest = digest_of(token.encode())
        key = await self._keys.find(digest)
        # The dictionary compared digests, of which a timing tells nothing about the key; this makes it plain.
        if key is None or not hmac.compare_digest(key.digest, digest):
            raise GatewayError(ErrorKind.AUTHENTICATION, "this key is unknown or revoked", code="invalid_api_key")
        if key.expires_wall_ns is not None and key.expires_wall_ns <= self._clock.wall_ns():
            raise GatewayError(ErrorKind.AUTHENTICATION, "this key has expired", code="expired_api_key")
        if not key.is_admin:
            message = "this key is not an admin key: `weighbridge keys create --admin` makes one"
            raise GatewayError(ErrorKind.PERMISSION_DENIED, message, code="not_admin")


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
