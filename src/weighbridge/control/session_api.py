"""`/admin/v1/session`: signing in with an admin key, who is signed in, and signing out."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Request, Response
from pydantic import BaseModel, ConfigDict, Field

from weighbridge.auth.virtual_keys import digest_of
from weighbridge.control.admin_services import AdminServices, Reported
from weighbridge.control.sessions import COOKIE, LIFETIME_NS, Session, Sessions
from weighbridge.core.clock import NS_PER_S
from weighbridge.core.errors import ErrorKind, GatewayError


class SignIn(BaseModel):
    """What opens a session."""

    model_config = ConfigDict(extra="forbid", strict=True)

    admin_key: Annotated[str, Field(min_length=1, max_length=256)]


class SignedInUser(Reported):
    """Who is signed in."""

    name: str
    role: str


class SessionView(Reported):
    """A session as its browser sees it. `csrf_token` goes with every request that changes something, as `x-csrf-token`."""

    csrf_token: str
    user: SignedInUser


def session_router(services: AdminServices, sessions: Sessions) -> APIRouter:
    """The routes, closed over the services."""
    router = APIRouter(prefix="/session", tags=["session"])
    keys, clock = services.keys, services.clock

    @router.post("", summary="Sign in with an admin key; answers with a cookie", responses={429: {"description": "Wait a little."}})
    async def sign_in(asked: SignIn, request: Request, response: Response) -> SessionView:
        address = request.client.host if request.client is not None else ""
        sessions.check_address(address)
        key = await keys.find(digest_of(asked.admin_key.encode()))
        is_over = key is not None and key.expires_wall_ns is not None and key.expires_wall_ns <= clock.wall_ns()
        if key is None or is_over or not key.is_admin:
            sessions.failed(address)
            raise GatewayError(ErrorKind.AUTHENTICATION, "this is no admin key, or it is revoked", code="invalid_api_key")
        sessions.succeeded(address)
        if (old := request.cookies.get(COOKIE)) is not None:
            sessions.close(old)
        token, session = sessions.open(key)
        response.set_cookie(
            COOKIE,
            token,
            max_age=LIFETIME_NS // NS_PER_S,
            httponly=True,
            samesite="strict",
            secure=request.url.scheme == "https",
            path="/",
        )
        return _view(session)

    @router.get("", summary="Who is signed in")
    async def who(request: Request) -> SessionView:
        return _view(_present(request, sessions))

    @router.delete("", status_code=204, summary="Sign out")
    async def sign_out(request: Request) -> Response:
        sessions.close(request.cookies.get(COOKIE, ""))
        answer = Response(status_code=204)
        answer.delete_cookie(COOKIE, path="/", httponly=True, samesite="strict", secure=request.url.scheme == "https")
        return answer

    return router


def _present(request: Request, sessions: Sessions) -> Session:
    session = sessions.find(request.cookies.get(COOKIE, ""))
    if session is None:
        raise GatewayError(ErrorKind.AUTHENTICATION, "nobody is signed in", code="missing_session")
    return session


def _view(session: Session) -> SessionView:
    return SessionView(csrf_token=session.csrf_token, user=SignedInUser(name=session.name, role="admin"))
