"""`/admin/v1/statements/{month}`: a customer's month, as JSON, CSV, Parquet, or a page to print."""

from __future__ import annotations

import asyncio
from typing import Annotated, Literal

from fastapi import APIRouter, Path, Query, Response
from pydantic import BaseModel, ConfigDict, Field

from weighbridge.auth.permissions import Actor, Permission
from weighbridge.control.acting import Acting, refuse
from weighbridge.control.admin_services import AdminServices
from weighbridge.control.allowance_scopes import AllowanceGuard
from weighbridge.control.statement_pages import as_csv, as_html, as_json, as_parquet
from weighbridge.core.allowances import Scope, ScopeKind
from weighbridge.core.clock import NS_PER_S
from weighbridge.core.codec import encode_json
from weighbridge.core.errors import ErrorKind, GatewayError
from weighbridge.storage.statements import parse_month, statement
from weighbridge.telemetry.parquet import MEDIA_TYPE

_PAGE_POLICY = "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'"
"""The page's style is in it; it runs nothing and loads nothing."""


class StatementParameters(BaseModel):
    """Whose, and how."""

    model_config = ConfigDict(extra="forbid")

    payer: Literal["gateway", "organisation", "team", "user", "key"] = "gateway"
    name: str = Field("", max_length=300, description="The organisation's, team's or user's name, or the key's id.")
    format: Literal["json", "csv", "parquet", "html"] = Field("json", description="`parquet` needs the extra `parquet`.")


def statements_router(services: AdminServices) -> APIRouter:
    """The routes, closed over the services."""
    router = APIRouter(prefix="/statements", tags=["usage"])
    guard = AllowanceGuard(services.store.people)

    @router.get("/{month}", summary="What a customer used and pays for a month", response_class=Response)
    async def get(
        month: Annotated[str, Path(pattern=r"^[0-9]{4}-[0-9]{2}$", description="Of UTC: `2026-11`.")],
        asked: Annotated[StatementParameters, Query()],
        actor: Acting,
    ) -> Response:
        payer = await _payer(asked, actor, guard)
        try:
            wanted = parse_month(month)
        except ValueError as error:
            refuse(str(error), "month")
        now_s = services.clock.wall_ns() // NS_PER_S
        made = await asyncio.to_thread(services.store.corrections.made_in, wanted.start_s, wanted.end_s, payer)
        found = await asyncio.to_thread(statement, services.store.ledger, payer, wanted, now_s, made)
        names = services.key_names()
        if asked.format == "html":
            page = Response(as_html(found, names), media_type="text/html; charset=utf-8")
            page.headers["content-security-policy"] = _PAGE_POLICY
            return page
        if asked.format == "csv":
            return Response(as_csv(found), media_type="text/csv; charset=utf-8")
        if asked.format == "parquet":
            return Response(await asyncio.to_thread(as_parquet, found), media_type=MEDIA_TYPE)
        return Response(encode_json(as_json(found, names)), media_type="application/json")

    return router


async def _payer(asked: StatementParameters, actor: Actor, guard: AllowanceGuard) -> Scope:
    actor.require(Permission.READ_SPEND)
    if (asked.payer == "gateway") == bool(asked.name):
        refuse("give the `name` of whose statement it is; that of the `gateway` has none", "name")
    payer = Scope(ScopeKind(asked.payer), asked.name)
    if not await guard.is_visible(actor, payer):
        raise GatewayError(ErrorKind.PERMISSION_DENIED, "This is outside of what you look after.", code="outside_your_place")
    return payer
