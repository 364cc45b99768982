"""How the providers do: each target's state, its reason and the time until it is asked again; and saying that one is well."""

from __future__ import annotations

import asyncio
from typing import Annotated

from fastapi import APIRouter, Request, Response
from pydantic import BaseModel, ConfigDict, Field

from weighbridge.auth.permissions import Permission
from weighbridge.control.acting import Acting, act_of, needs
from weighbridge.control.admin_errors import gateway_error_response
from weighbridge.control.admin_services import AdminServices
from weighbridge.core.codec import encode_json
from weighbridge.core.errors import ErrorKind, GatewayError
from weighbridge.storage.transactions import Change


class ClearRequest(BaseModel):
    """What is well again."""

    model_config = ConfigDict(extra="forbid")

    name: Annotated[str, Field(min_length=1, max_length=400)]
    """A target (`openai/gpt-5`) or a provider key (`openai#1`)."""


def targets_router(services: AdminServices) -> APIRouter:
    """The routes, closed over the services."""
    router = APIRouter(tags=["targets"], dependencies=[needs(Permission.READ_GATEWAY)])

    @router.get("/targets", summary="State, reason and time to recovery of each target that was asked, and of its keys")
    async def targets() -> Response:
        return Response(encode_json({"data": services.targets()}), media_type="application/json")

    @router.post("/targets/clear", status_code=204, summary="Say that a target or a provider key is well again")
    async def clear(wanted: ClearRequest, actor: Acting, request: Request) -> Response:
        actor.require(Permission.MANAGE_GATEWAY)
        if not services.clear_target(wanted.name):
            missing = f"There is no target and no provider key '{wanted.name}'."
            return gateway_error_response(GatewayError(ErrorKind.NOT_FOUND, missing, code="target_not_found"))
        done = Change("clear", "target", wanted.name, wanted.name)
        await asyncio.to_thread(services.store.transactions.note, act_of(request, actor), done)
        return Response(status_code=204)

    return router
