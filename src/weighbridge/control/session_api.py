"""`/admin/v1/session`: signing in by an admin key or a password, who is signed in, and signing out."""

from __future__ import annotations

import asyncio
from typing import Annotated, Self

from fastapi import APIRouter, Request, Response
from pydantic import BaseModel, ConfigDict, Field, model_validator

from weighbridge.auth.passwords import hash_password, is_password
from weighbridge.auth.people import MAX_EMAIL_CHARACTERS, MAX_PASSWORD_CHARACTERS, check_password
from weighbridge.auth.permissions import Actor, Permission
from weighbridge.control.acting import act_of, refuse
from weighbridge.control.actors import Actors
from weighbridge.control.admin_services import AdminServices, Reported
from weighbridge.control.oidc.sign_in_api import Providers
from weighbridge.control.session_cookie import give_cookie, take_cookie
from weighbridge.control.sessions import COOKIE, Session, Sessions
from weighbridge.core.codec import encode_json
from weighbridge.core.errors import ErrorKind, GatewayError
from weighbridge.storage.people_store import UserChange
from weighbridge.storage.transactions import Act, Change


class SignIn(BaseModel):
    """What opens a session: an admin key, or an e-mail address and a password."""

    model_config = ConfigDict(extra="forbid", strict=True)

    admin_key: Annotated[str | None, Field(min_length=1, max_length=256)] = None
    email: Annotated[str | None, Field(min_length=1, max_length=MAX_EMAIL_CHARACTERS)] = None
    password: Annotated[str | None, Field(min_length=1, max_length=MAX_PASSWORD_CHARACTERS)] = None

    @model_validator(mode="after")
    def _is_one_way(self) -> Self:
        told = (self.admin_key is not None, self.email is not None, self.password is not None)
        if told not in ((True, False, False), (False, True, True)):
            raise ValueError("give either `admin_key`, or `email` and `password`")
        return self


class NewPassword(BaseModel):
    """One's own password, changed."""

    model_config = ConfigDict(extra="forbid", strict=True)

    old_password: Annotated[str, Field(min_length=1, max_length=MAX_PASSWORD_CHARACTERS)]
    new_password: Annotated[str, Field(min_length=1, max_length=MAX_PASSWORD_CHARACTERS)]


class SignedInUser(Reported):
    """Who is signed in, and where the role counts (both empty: everywhere)."""

    name: str
    role: str
    email: str | None
    organisation: str
    team: str
    may: tuple[str, ...]
    """What the role allows there, by the names of `Permission` in lower case: pages show nothing that would be refused."""


class SessionView(Reported):
    """A session as its browser sees it. `csrf_token` goes with every request that changes something, as `x-csrf-token`."""

    csrf_token: str
    user: SignedInUser


class _Doors:
    """The two ways in."""

    def __init__(self, services: AdminServices, sessions: Sessions, actors: Actors) -> None:
        self._people = services.store.people
        self._rules = services.sign_in
        self._sessions = sessions
        self._actors = actors

    async def by_key(self, admin_key: str, address: str) -> tuple[str, Session]:
        self._sessions.check(address)
        try:
            key = await self._actors.key_of(admin_key)
        except GatewayError:
            self._sessions.failed(address)
            # Which of the ways in which a key can be wrong is nothing to tell a stranger.
            raise GatewayError(ErrorKind.AUTHENTICATION, "this is no admin key, or it is revoked", code="invalid_api_key") from None
        self._sessions.succeeded(address)
        return self._sessions.open(key)

    async def by_password(self, email: str, password: str, address: str) -> tuple[str, Session]:
        if not self._rules().takes_passwords:
            message = "nobody signs in by password here: use the other ways, or an admin key"
            raise GatewayError(ErrorKind.PERMISSION_DENIED, message, code="no_passwords")
        # By account as well: many addresses that guess at one password wait as well as one that guesses at many.
        account = f"account:{email.lower()}"
        for guesser in (address, account):
            self._sessions.check(guesser)
        found = await asyncio.to_thread(self._people.credentials_of, email)
        stored_hash = found[1] if found is not None else None
        is_right = await asyncio.to_thread(is_password, password, stored_hash)
        if not is_right or found is None or stored_hash is None or found[0].is_blocked or found[0].email is None:
            for guesser in (address, account):
                self._sessions.failed(guesser)
            raise GatewayError(ErrorKind.AUTHENTICATION, "no user has this e-mail address and password", code="invalid_password")
        for guesser in (address, account):
            self._sessions.succeeded(guesser)
        return self._sessions.open_for(found[0].name, found[0].login, stored_hash)


class SignedOut(Reported):
    """Where the browser signs out at the OpenID provider too."""

    continue_at: str


def session_router(services: AdminServices, sessions: Sessions, actors: Actors, providers: Providers) -> APIRouter:
    """The routes, closed over the services."""
    router = APIRouter(prefix="/session", tags=["session"])
    transactions = services.store.transactions
    doors = _Doors(services, sessions, actors)

    @router.post("", summary="Sign in with an admin key, or e-mail and password; answers with a cookie")
    async def sign_in(asked: SignIn, request: Request, response: Response) -> SessionView:
        address = request.client.host if request.client is not None else ""
        if asked.admin_key is not None:
            token, session = await doors.by_key(asked.admin_key, address)
        else:
            token, session = await doors.by_password(asked.email or "", asked.password or "", address)
        if (old := request.cookies.get(COOKIE)) is not None:
            sessions.close(old)
        actor = await actors.of_session(session)
        await asyncio.to_thread(transactions.note, Act(actor.name, address), Change("sign_in", "session", "", actor.name))
        give_cookie(response, request, token, services.sign_in())
        return _view(session, actor)

    @router.get("", summary="Who is signed in")
    async def who(request: Request) -> SessionView:
        session = sessions.find(request.cookies.get(COOKIE, ""))
        if session is None:
            raise GatewayError(ErrorKind.AUTHENTICATION, "nobody is signed in", code="missing_session")
        return _view(session, await actors.of_session(session))

    @router.delete(
        "",
        status_code=204,
        responses={200: {"model": SignedOut, "description": "Signed out here: the browser goes on to the provider."}},
        summary="Sign out",
    )
    async def sign_out(request: Request) -> Response:
        token = request.cookies.get(COOKIE, "")
        session = sessions.find(token)
        sessions.close(token)
        url = None
        if session is not None and session.arrived is not None:
            url = await providers.end_session_url(session.id_token)
        if url is None:
            answer = Response(status_code=204)
        else:
            answer = Response(encode_json({"continue_at": url}), 200, None, "application/json")
        take_cookie(answer, request, services.sign_in())
        return answer

    @router.post("/password", status_code=204, summary="Change one's own password; other sessions of the user end")
    async def change_password(asked: NewPassword, request: Request) -> Response:
        session = sessions.find(request.cookies.get(COOKIE, ""))
        actor = await actors.of_session(session)
        found = await asyncio.to_thread(services.store.people.credentials_of, actor.login) if actor.login else None
        if session is None or not session.login or found is None:
            raise GatewayError(ErrorKind.PERMISSION_DENIED, "who came with an admin key has no password", code="no_password")
        if found[1] is None or not services.sign_in().takes_passwords:
            message = "you have no password here: you sign in at your organisation's provider"
            raise GatewayError(ErrorKind.PERMISSION_DENIED, message, code="no_password")
        sessions.check(f"account:{actor.login}")
        if not await asyncio.to_thread(is_password, asked.old_password, found[1]):
            sessions.failed(f"account:{actor.login}")
            raise GatewayError(ErrorKind.PERMISSION_DENIED, "the old password is another one", code="invalid_password")
        new_hash = await hashed(asked.new_password, "new_password")
        change = UserChange(password_hash=new_hash)
        await asyncio.to_thread(services.store.people.change_user, found[0].id, change, act_of(request, actor), None)
        session.password_hash = new_hash
        return Response(status_code=204)

    return router


async def hashed(password: str, param: str) -> str:
    """What is stored of a password. Raises `GatewayError` INVALID_REQUEST for one that is none."""
    try:
        return await asyncio.to_thread(hash_password, check_password(password))
    except ValueError as error:
        refuse(str(error), param)


def _view(session: Session, actor: Actor) -> SessionView:
    email = actor.login if "@" in actor.login else None
    place = actor.place
    user = SignedInUser(
        name=session.name,
        role=actor.role.value,
        email=email,
        organisation=place.organisation,
        team=place.team,
        may=tuple(permission.name.lower() for permission in Permission if actor.may(permission)),
    )
    return SessionView(csrf_token=session.csrf_token, user=user)
