"""`/admin/v1/teams`: make, list, block and delete teams."""

from __future__ import annotations

import asyncio
from datetime import datetime
from typing import Annotated, Self

from fastapi import APIRouter, Path, Query, Request, Response
from pydantic import BaseModel, ConfigDict, Field

from weighbridge.auth.people import EVERYWHERE, MAX_HANDLE_CHARACTERS, Place, Team
from weighbridge.auth.permissions import Permission
from weighbridge.control.acting import Acting, IdempotencyKey, IfMatch, act_of, expected_version, refuse, tell_version
from weighbridge.control.admin_services import AdminServices, Reported
from weighbridge.control.paging import ID_FORM, Change, PageQuery, date
from weighbridge.storage.errors import CreatedBeforeError, NotFoundError

TeamId = Annotated[str, Path(pattern=f"^team_{ID_FORM}", description="The team's id.")]


class CreateTeam(BaseModel):
    """A team to make."""

    model_config = ConfigDict(extra="forbid", strict=True)

    name: str = Field(
        min_length=1, max_length=MAX_HANDLE_CHARACTERS, description="Unique, and for good: the ledger books under it."
    )
    organisation: str = Field("", max_length=MAX_HANDLE_CHARACTERS, description="Its organisation's name, for good. Empty: none.")


class ChangeTeam(Change):
    """What may change about one."""

    is_blocked: bool = Field(description="Whether its keys are refused.")


class TeamView(Reported):
    """A team. `organisation` is empty where it is of none."""

    id: str
    name: str
    organisation: str
    is_blocked: bool
    created_at: datetime

    @classmethod
    def of(cls, found: Team) -> Self:
        """The view of a stored one."""
        return cls(
            id=found.id,
            name=found.name,
            organisation=found.organisation,
            is_blocked=found.is_blocked,
            created_at=date(found.created_wall_ns),
        )


class TeamList(Reported):
    """A page, newest first."""

    data: tuple[TeamView, ...]
    has_more: bool
    next_cursor: str | None


def teams_router(services: AdminServices) -> APIRouter:
    """The routes, closed over the services."""
    router = APIRouter(prefix="/teams", tags=["people"])
    people = services.store.people

    async def visible(team_id: str, actor: Acting) -> Team:
        actor.require(Permission.READ_PEOPLE)
        found = await asyncio.to_thread(people.team, team_id)
        if not actor.place.has(found.place):
            raise NotFoundError("team", team_id)  # that it is there is nothing to tell an outsider
        return found

    @router.post("", status_code=201, summary="Make a team")
    async def create(
        wanted: CreateTeam, actor: Acting, request: Request, response: Response, idempotency_key: IdempotencyKey = None
    ) -> TeamView:
        actor.require_in(Permission.MANAGE_PEOPLE, Place(wanted.organisation, wanted.name))
        act = act_of(request, actor, idempotency_key, wanted)
        try:
            made = await asyncio.to_thread(people.create_team, wanted.name, wanted.organisation, act)
        except CreatedBeforeError as before:
            made = await asyncio.to_thread(people.team, before.subject_id)
        except ValueError as error:
            refuse(str(error))
        tell_version(response, made.version)
        return TeamView.of(made)

    @router.get("", summary="List teams, newest first")
    async def list_all(query: Annotated[PageQuery, Query()], actor: Acting) -> TeamList:
        actor.require(Permission.READ_PEOPLE)
        page = await asyncio.to_thread(people.teams, actor.place, limit=query.limit, cursor=query.cursor)
        data = tuple(map(TeamView.of, page.items))
        return TeamList(data=data, has_more=page.next_cursor is not None, next_cursor=page.next_cursor)

    @router.get("/{team_id}", summary="Look at a team")
    async def get(team_id: TeamId, actor: Acting, response: Response) -> TeamView:
        found = await visible(team_id, actor)
        tell_version(response, found.version)
        return TeamView.of(found)

    @router.patch("/{team_id}", summary="Block a team with all its keys, or let it be used again")
    async def change(
        team_id: TeamId, wanted: ChangeTeam, actor: Acting, request: Request, response: Response, if_match: IfMatch = None
    ) -> TeamView:
        version = expected_version(if_match, is_required=True)
        _require_above(await visible(team_id, actor), actor)
        changed = await asyncio.to_thread(people.block_team, team_id, act_of(request, actor), version, is_blocked=wanted.is_blocked)
        tell_version(response, changed.version)
        return TeamView.of(changed)

    @router.delete("/{team_id}", status_code=204, summary="Delete a team that has no users or keys any more")
    async def delete(team_id: TeamId, actor: Acting, request: Request, if_match: IfMatch = None) -> Response:
        version = expected_version(if_match, is_required=False)
        _require_above(await visible(team_id, actor), actor)
        await asyncio.to_thread(people.delete_team, team_id, act_of(request, actor), version)
        return Response(status_code=204)

    return router


def _require_above(team: Team, actor: Acting) -> None:
    """Its own people can't block it, nor lift what was imposed on them: only who looks after its organisation, or everything."""
    actor.require_in(Permission.MANAGE_PEOPLE, Place(team.organisation) if team.organisation else EVERYWHERE)
