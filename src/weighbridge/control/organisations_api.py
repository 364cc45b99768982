"""`/admin/v1/organisations`: make, list, block and delete organisations."""

from __future__ import annotations

import asyncio
from datetime import datetime
from typing import Annotated, Self

from fastapi import APIRouter, Path, Query, Request, Response
from pydantic import BaseModel, ConfigDict, Field

from weighbridge.auth.people import EVERYWHERE, MAX_HANDLE_CHARACTERS, Organisation
from weighbridge.auth.permissions import Permission
from weighbridge.control.acting import Acting, IdempotencyKey, IfMatch, act_of, expected_version, refuse, tell_version
from weighbridge.control.admin_services import AdminServices, Reported
from weighbridge.control.paging import ID_FORM, Change, PageQuery, date
from weighbridge.storage.errors import CreatedBeforeError, NotFoundError

OrganisationId = Annotated[str, Path(pattern=f"^org_{ID_FORM}", description="The organisation's id.")]


class CreateOrganisation(BaseModel):
    """An organisation to make."""

    model_config = ConfigDict(extra="forbid", strict=True)

    name: str = Field(
        min_length=1, max_length=MAX_HANDLE_CHARACTERS, description="Unique, and for good: the ledger books under it."
    )


class ChangeOrganisation(Change):
    """What may change about one."""

    is_blocked: bool = Field(description="Whether its keys are refused.")


class OrganisationView(Reported):
    """An organisation."""

    id: str
    name: str
    is_blocked: bool
    created_at: datetime

    @classmethod
    def of(cls, found: Organisation) -> Self:
        """The view of a stored one."""
        return cls(id=found.id, name=found.name, is_blocked=found.is_blocked, created_at=date(found.created_wall_ns))


class OrganisationList(Reported):
    """A page, newest first."""

    data: tuple[OrganisationView, ...]
    has_more: bool
    next_cursor: str | None


def organisations_router(services: AdminServices) -> APIRouter:
    """The routes, closed over the services."""
    router = APIRouter(prefix="/organisations", tags=["people"])
    people = services.store.people

    async def visible(organisation_id: str, actor: Acting) -> Organisation:
        actor.require(Permission.READ_PEOPLE)
        found = await asyncio.to_thread(people.organisation, organisation_id)
        if not actor.place.is_everywhere and actor.place.organisation != found.name:
            raise NotFoundError("organisation", organisation_id)  # that it is there is nothing to tell an outsider
        return found

    @router.post("", status_code=201, summary="Make an organisation")
    async def create(
        wanted: CreateOrganisation, actor: Acting, request: Request, response: Response, idempotency_key: IdempotencyKey = None
    ) -> OrganisationView:
        actor.require_in(Permission.MANAGE_PEOPLE, EVERYWHERE)
        act = act_of(request, actor, idempotency_key, wanted)
        try:
            made = await asyncio.to_thread(people.create_organisation, wanted.name, act)
        except CreatedBeforeError as before:
            made = await asyncio.to_thread(people.organisation, before.subject_id)
        except ValueError as error:
            refuse(str(error), "name")
        tell_version(response, made.version)
        return OrganisationView.of(made)

    @router.get("", summary="List organisations, newest first")
    async def list_all(query: Annotated[PageQuery, Query()], actor: Acting) -> OrganisationList:
        actor.require(Permission.READ_PEOPLE)
        page = await asyncio.to_thread(people.organisations, actor.place, limit=query.limit, cursor=query.cursor)
        data = tuple(map(OrganisationView.of, page.items))
        return OrganisationList(data=data, has_more=page.next_cursor is not None, next_cursor=page.next_cursor)

    @router.get("/{organisation_id}", summary="Look at an organisation")
    async def get(organisation_id: OrganisationId, actor: Acting, response: Response) -> OrganisationView:
        found = await visible(organisation_id, actor)
        tell_version(response, found.version)
        return OrganisationView.of(found)

    @router.patch("/{organisation_id}", summary="Block an organisation with all its keys, or let it be used again")
    async def change(
        organisation_id: OrganisationId,
        wanted: ChangeOrganisation,
        actor: Acting,
        request: Request,
        response: Response,
        if_match: IfMatch = None,
    ) -> OrganisationView:
        version = expected_version(if_match, is_required=True)
        await visible(organisation_id, actor)
        actor.require_in(Permission.MANAGE_PEOPLE, EVERYWHERE)  # its own people can't block it, nor lift what was imposed on them
        act = act_of(request, actor)
        changed = await asyncio.to_thread(people.block_organisation, organisation_id, act, version, is_blocked=wanted.is_blocked)
        tell_version(response, changed.version)
        return OrganisationView.of(changed)

    @router.delete("/{organisation_id}", status_code=204, summary="Delete an organisation without teams, users or keys")
    async def delete(organisation_id: OrganisationId, actor: Acting, request: Request, if_match: IfMatch = None) -> Response:
        version = expected_version(if_match, is_required=False)
        await visible(organisation_id, actor)
        actor.require_in(Permission.MANAGE_PEOPLE, EVERYWHERE)
        await asyncio.to_thread(people.delete_organisation, organisation_id, act_of(request, actor), version)
        return Response(status_code=204)

    return router
