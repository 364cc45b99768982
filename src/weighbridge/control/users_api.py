"""`/admin/v1/users`: people who sign in or hold keys, and service accounts."""

from __future__ import annotations

import asyncio
from datetime import datetime
from typing import Annotated, Self

from fastapi import APIRouter, Path, Query, Request, Response
from msgspec import UNSET
from pydantic import BaseModel, ConfigDict, Field

from weighbridge.auth.people import (
    EVERYWHERE,
    MAX_EMAIL_CHARACTERS,
    MAX_HANDLE_CHARACTERS,
    MAX_PASSWORD_CHARACTERS,
    Place,
    Role,
    User,
)
from weighbridge.auth.permissions import Actor, Permission
from weighbridge.control.acting import Acting, IdempotencyKey, IfMatch, act_of, expected_version, refuse, tell_version
from weighbridge.control.admin_services import AdminServices, Reported
from weighbridge.control.paging import ID_FORM, Change, PageQuery, date
from weighbridge.control.session_api import hashed
from weighbridge.storage.errors import CreatedBeforeError, NotFoundError
from weighbridge.storage.people_store import MAX_NAME_CHARACTERS, NewUser, UserChange

UserId = Annotated[str, Path(pattern=f"^user_{ID_FORM}", description="The user's id.")]
Handle = Annotated[str, Field(max_length=MAX_HANDLE_CHARACTERS)]
Password = Annotated[str, Field(min_length=1, max_length=MAX_PASSWORD_CHARACTERS)]
RoleName = Annotated[Role, Field(strict=False)]


class CreateUser(BaseModel):
    """A user to make."""

    model_config = ConfigDict(extra="forbid", strict=True)

    name: str = Field(
        min_length=1, max_length=MAX_NAME_CHARACTERS, description="What to call the user; a service account, for good."
    )
    email: str | None = Field(
        None, min_length=3, max_length=MAX_EMAIL_CHARACTERS, description="What the ledger books under. Absent: a service account."
    )
    role: RoleName = Field(Role.MEMBER, description="What he or she may do.")
    organisation: Handle = Field("", description="Where the role counts: an organisation with all its teams.")
    team: Handle = Field("", description="Where the role counts: a team. Both empty: everywhere.")
    password: Password | None = Field(None, description="Absent: holds keys and does not sign in by password.")


class ChangeUser(Change):
    """What may change about one."""

    name: Annotated[str, Field(min_length=1, max_length=MAX_NAME_CHARACTERS)] | None = None
    role: RoleName | None = None
    organisation: Handle | None = None
    team: Handle | None = None
    is_blocked: bool | None = Field(None, description="Whether sign-in and keys are refused; sessions end.")
    role_by_groups: bool | None = Field(
        None, description="Whether the role follows groups of the OpenID provider, from the next sign-in on. Another role does not."
    )
    forget_account: bool | None = Field(None, description="Whether the next sign-in at the OpenID provider binds another account.")
    password: Password | None = Field(None, description="A new one; sessions end.")


class UserView(Reported):
    """A user; `email` is null for a service account."""

    id: str
    name: str
    email: str | None
    role: Role
    organisation: str
    team: str
    is_blocked: bool
    is_service_account: bool
    has_password: bool
    role_by_groups: bool
    """Whether the role follows groups of the OpenID provider."""
    issuer: str | None
    """The OpenID provider at which the user has signed in, and to an account of which he or she is bound."""
    created_at: datetime

    @classmethod
    def of(cls, found: User) -> Self:
        """The view of a stored one."""
        return cls(
            id=found.id,
            name=found.name,
            email=found.email,
            role=found.role,
            organisation=found.place.organisation,
            team=found.place.team,
            is_blocked=found.is_blocked,
            is_service_account=found.email is None,
            has_password=found.has_password,
            role_by_groups=found.role_by_groups,
            issuer=found.issuer,
            created_at=date(found.created_wall_ns),
        )


class UserList(Reported):
    """A page, newest first."""

    data: tuple[UserView, ...]
    has_more: bool
    next_cursor: str | None


def users_router(services: AdminServices) -> APIRouter:
    """The routes, closed over the services."""
    router = APIRouter(prefix="/users", tags=["people"])
    people = services.store.people

    async def visible(user_id: str, actor: Actor) -> User:
        actor.require(Permission.READ_PEOPLE)
        found = await asyncio.to_thread(people.user, user_id)
        if not actor.place.has(found.place):
            raise NotFoundError("user", user_id)  # that he or she is there is nothing to tell an outsider
        return found

    async def resolved(place: Place) -> Place:
        try:
            return await asyncio.to_thread(people.resolved, place)
        except ValueError as error:
            refuse(str(error), "team" if place.team else "organisation")

    @router.post("", status_code=201, summary="Make a user")
    async def create(
        wanted: CreateUser, actor: Acting, request: Request, response: Response, idempotency_key: IdempotencyKey = None
    ) -> UserView:
        place = await resolved(Place(wanted.organisation, wanted.team))
        actor.require_in(Permission.MANAGE_PEOPLE, place)
        actor.require_grant(wanted.role)
        password_hash = None if wanted.password is None else await hashed(wanted.password, "password")
        new = NewUser(wanted.name, wanted.role, wanted.email, place, password_hash)
        try:
            made = await asyncio.to_thread(people.create_user, new, act_of(request, actor, idempotency_key, wanted))
        except CreatedBeforeError as before:
            made = await asyncio.to_thread(people.user, before.subject_id)
        except ValueError as error:
            refuse(str(error))
        tell_version(response, made.version)
        return UserView.of(made)

    @router.get("", summary="List users, newest first")
    async def list_all(query: Annotated[PageQuery, Query()], actor: Acting) -> UserList:
        actor.require(Permission.READ_PEOPLE)
        page = await asyncio.to_thread(people.users, actor.place, limit=query.limit, cursor=query.cursor)
        data = tuple(map(UserView.of, page.items))
        return UserList(data=data, has_more=page.next_cursor is not None, next_cursor=page.next_cursor)

    @router.get("/{user_id}", summary="Look at a user")
    async def get(user_id: UserId, actor: Acting, response: Response) -> UserView:
        found = await visible(user_id, actor)
        tell_version(response, found.version)
        return UserView.of(found)

    @router.patch("/{user_id}", summary="Change a user's name, role, place or password, or block him or her")
    async def change(
        user_id: UserId, wanted: ChangeUser, actor: Acting, request: Request, response: Response, if_match: IfMatch = None
    ) -> UserView:
        version = expected_version(if_match, is_required=True)
        found = await visible(user_id, actor)
        _require_over(actor, found)
        place = await resolved(_new_place(found, wanted))
        actor.require_in(Permission.MANAGE_PEOPLE, place)
        told = UserChange(
            name=UNSET if wanted.name is None else wanted.name,
            role=UNSET if wanted.role is None else wanted.role,
            place=UNSET if place == found.place else place,
            is_blocked=UNSET if wanted.is_blocked is None else wanted.is_blocked,
            password_hash=UNSET if wanted.password is None else await hashed(wanted.password, "password"),
            role_by_groups=UNSET if wanted.role_by_groups is None else wanted.role_by_groups,
            forgets_account=bool(wanted.forget_account),
        )
        if wanted.role_by_groups:
            # Then the configuration says what the role is, which is the whole gateway's.
            actor.require(Permission.MANAGE_GATEWAY)
        if wanted.role is not None:
            actor.require_grant(wanted.role)
        try:
            changed = await asyncio.to_thread(people.change_user, user_id, told, act_of(request, actor), version)
        except ValueError as error:
            refuse(str(error))
        tell_version(response, changed.version)
        return UserView.of(changed)

    @router.delete("/{user_id}", status_code=204, summary="Delete a user who holds no keys any more")
    async def delete(user_id: UserId, actor: Acting, request: Request, if_match: IfMatch = None) -> Response:
        version = expected_version(if_match, is_required=False)
        _require_over(actor, await visible(user_id, actor))
        await asyncio.to_thread(people.delete_user, user_id, act_of(request, actor), version)
        return Response(status_code=204)

    return router


def _require_over(actor: Actor, user: User) -> None:
    """Whoever changes a user (a password, say) could act as that user: so only of one's place, and nobody mightier."""
    actor.require_in(Permission.MANAGE_PEOPLE, user.place)
    actor.require_grant(user.role)


def _new_place(found: User, wanted: ChangeUser) -> Place:
    if wanted.organisation is None and wanted.team is None:
        return found.place
    if wanted.team is None:
        return Place(wanted.organisation or "")  # another organisation has other teams
    if wanted.organisation is None and not wanted.team:
        return Place(found.place.organisation)
    return Place(wanted.organisation or "", wanted.team) if wanted.team or wanted.organisation else EVERYWHERE
