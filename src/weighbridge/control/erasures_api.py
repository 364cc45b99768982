"""`/admin/v1/erasures`: forget an end user or a user."""

from __future__ import annotations

import asyncio

from fastapi import APIRouter, Request, Response
from pydantic import BaseModel, ConfigDict, Field

from weighbridge.auth.permissions import Permission
from weighbridge.control.acting import Acting, IdempotencyKey, act_of, needs, refuse
from weighbridge.control.admin_services import AdminServices
from weighbridge.control.archive import Archive
from weighbridge.control.archive_places import ArchiveError
from weighbridge.control.instants import rfc3339_ns
from weighbridge.core.codec import encode_json
from weighbridge.core.erasure import SubjectKind
from weighbridge.core.errors import ErrorKind, GatewayError
from weighbridge.storage.erasure_store import Erased
from weighbridge.storage.errors import CreatedBeforeError


class Forget(BaseModel):
    """Who is to be forgotten: one of the two."""

    model_config = ConfigDict(extra="forbid", strict=True)

    end_user: str = Field("", max_length=256, description="As applications name him or her.")
    user: str = Field("", max_length=320, description="A user of the gateway: what was said with his or her keys.")


def erasures_router(services: AdminServices) -> APIRouter:
    """The routes, closed over the services."""
    router = APIRouter(prefix="/erasures", tags=["people"])
    store = services.store.erasures

    @router.post("", status_code=201, summary="Forget an end user or a user; sums and entries stay", response_class=Response)
    async def erase(wanted: Forget, actor: Acting, request: Request, idempotency_key: IdempotencyKey = None) -> Response:
        actor.require(Permission.MANAGE_GATEWAY)
        if bool(wanted.end_user) == bool(wanted.user):
            refuse("name one of `end_user` and `user`", "end_user")
        kind, name = (SubjectKind.END_USER, wanted.end_user) if wanted.end_user else (SubjectKind.USER, wanted.user)
        act = act_of(request, actor, idempotency_key, wanted)
        try:
            done = await asyncio.to_thread(store.erase, kind, name, act)
        except CreatedBeforeError as before:
            found = await asyncio.to_thread(store.find, before.subject_id)
            assert found is not None
            done = found
        told = _view(done) | {"archived_rows": await _erase_archived(services.archive(), kind, name)}
        return Response(encode_json(told), 201, media_type="application/json")

    @router.get("", summary="Erasures, newest first; without names", response_class=Response,
                dependencies=[needs(Permission.READ_AUDIT)])  # fmt: skip
    async def list_all() -> Response:
        found = await asyncio.to_thread(store.all)
        body = {"data": [_view(each) for each in found], "has_more": False, "next_cursor": None}
        return Response(encode_json(body), media_type="application/json")

    return router


async def _erase_archived(archive: Archive | None, kind: SubjectKind, name: str) -> int:
    """After the store has forgotten, also where it had before: what was stopped here is done again. Raises `GatewayError`."""
    if archive is None:
        return 0
    try:
        return sum(file.n_rows for file in await archive.erase({kind.value: (name,)}))
    except ArchiveError as error:
        message = f"The store has forgotten, the archive has not: {error}. Send this once more when that is mended."
        raise GatewayError(ErrorKind.INTERNAL, message, code="archive_failed", status=503) from None


def _view(erased: Erased) -> dict[str, object]:
    return {
        "id": erased.erasure.id,
        "at": rfc3339_ns(erased.erasure.at_wall_ns),
        "kind": erased.erasure.kind.value,
        "actor": erased.actor,
        "requests": erased.requests,
        "feedback": erased.feedback,
        "responses": erased.responses,
    }
