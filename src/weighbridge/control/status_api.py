"""How the gateway does: status, the configuration as loaded, reloading it, and the last Records."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Annotated, Final

import msgspec
from fastapi import APIRouter, Query, Request, Response
from pydantic import BaseModel, ConfigDict, Field

from weighbridge.auth.permissions import Permission
from weighbridge.control.acting import Acting, act_of, needs
from weighbridge.control.admin_errors import config_invalid_response
from weighbridge.control.admin_services import AdminServices, GatewayStatus, ReloadOutcome
from weighbridge.core.codec import encode_json
from weighbridge.core.secret import MASK, Secret
from weighbridge.storage.transactions import Change

MAX_RECORDS: Final = 1_000
"""About a megabyte of JSON: a look at the present. History is for a sink."""


class RecordsQuery(BaseModel):
    """How many Records."""

    model_config = ConfigDict(extra="forbid")

    limit: int = Field(100, ge=1, le=MAX_RECORDS)


def status_router(services: AdminServices) -> APIRouter:
    """The routes, closed over the services."""
    router = APIRouter(tags=["gateway"], dependencies=[needs(Permission.READ_GATEWAY)])

    @router.get("/status", summary="Version, uptime, configuration and workers")
    async def status() -> GatewayStatus:
        return services.status()

    @router.get("/config", summary="The configuration as loaded, secrets masked")
    async def config() -> Response:
        return _json(masked(services.config()))

    @router.post(
        "/config/reload",
        response_model=ReloadOutcome,
        summary="Load the configuration again; on errors the old one goes on serving",
    )
    async def reload(actor: Acting, request: Request) -> ReloadOutcome | Response:
        actor.require(Permission.MANAGE_GATEWAY)
        outcome = await services.reload()
        done = Change(
            "reload", "configuration", "", f"version {outcome.config_version}", after={"n_problems": len(outcome.problems)}
        )
        await asyncio.to_thread(services.store.transactions.note, act_of(request, actor), done)
        return config_invalid_response(outcome.problems) if outcome.problems else outcome

    @router.get("/records", summary="The last Records, newest first")
    async def records(query: Annotated[RecordsQuery, Query()]) -> Response:
        return _json({"data": list(services.records(query.limit))})

    return router


def masked(value: object) -> object:
    """Configuration as JSON-able objects. Secrets, and digests of keys, are the mask; durations are nanoseconds."""
    if isinstance(value, Secret | bytes):
        return MASK if value else ""
    if isinstance(value, BaseModel):
        return {name: masked(getattr(value, name)) for name in type(value).model_fields}
    if isinstance(value, msgspec.Struct):
        return {name: masked(each) for name, each in msgspec.structs.asdict(value).items()}
    if isinstance(value, Mapping):
        return {str(name): masked(each) for name, each in value.items()}
    if isinstance(value, list | tuple):
        return [masked(each) for each in value]
    if value is None or isinstance(value, str | int | float | bool):
        return value
    return str(value)


def _json(value: object) -> Response:
    return Response(encode_json(value), media_type="application/json")
