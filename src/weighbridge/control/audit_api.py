"""`/admin/v1/audit`: who did what, newest first."""

from __future__ import annotations

import asyncio
from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import BaseModel, ConfigDict, Field

from weighbridge.auth.permissions import Permission
from weighbridge.control.acting import needs
from weighbridge.control.admin_services import AdminServices, Reported
from weighbridge.control.instants import rfc3339_ns
from weighbridge.storage.audit_store import AuditEntry, AuditQuery
from weighbridge.storage.people_store import MAX_PAGE


class AuditParameters(BaseModel):
    """Which acts."""

    model_config = ConfigDict(extra="forbid")

    limit: int = Field(50, ge=1, le=MAX_PAGE)
    cursor: str | None = Field(None, pattern=r"^[0-9]{1,18}$", description="`next_cursor` of the page before.")
    actor: str | None = Field(None, max_length=200, description="`key:root`, `user:ann@example.org`, `cli:root`, `sign-in`.")
    kind: str | None = Field(None, max_length=40, description="Of what: `key`, `team`, `budget`, …")
    subject_id: str | None = Field(None, max_length=100, description="The id of what it was done to.")


class AuditView(Reported):
    """An act. `before` and `after` have what has changed; secrets are never in them."""

    id: str
    at: str
    actor: str
    address: str
    action: str
    kind: str
    subject_id: str
    subject: str
    before: dict[str, object]
    after: dict[str, object]


class AuditList(Reported):
    """A page, newest first."""

    data: tuple[AuditView, ...]
    has_more: bool
    next_cursor: str | None


def audit_router(services: AdminServices) -> APIRouter:
    """The routes, closed over the services."""
    router = APIRouter(prefix="/audit", tags=["audit"], dependencies=[needs(Permission.READ_AUDIT)])

    @router.get("", summary="Administrative acts, newest first")
    async def list_all(asked: Annotated[AuditParameters, Query()]) -> AuditList:
        cursor = None if asked.cursor is None else int(asked.cursor)
        query = AuditQuery(asked.limit + 1, cursor, asked.actor, asked.kind, asked.subject_id)
        found = await asyncio.to_thread(services.store.audit.entries, query)
        has_more = len(found) > asked.limit
        shown = found[: asked.limit]
        next_cursor = str(shown[-1].id) if has_more else None
        return AuditList(data=tuple(map(_view, shown)), has_more=has_more, next_cursor=next_cursor)

    return router


def _view(entry: AuditEntry) -> AuditView:
    told = entry._asdict()
    del told["at_wall_ns"]
    return AuditView(**{**told, "id": str(entry.id), "at": rfc3339_ns(entry.at_wall_ns)})
