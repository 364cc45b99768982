"""`/admin/v1/price-corrections`: past attempts at the prices that hold now for their time, looked at or booked."""

from __future__ import annotations

import asyncio
from typing import Annotated

from fastapi import APIRouter, Request, Response
from pydantic import BaseModel, ConfigDict, Field

from weighbridge.auth.permissions import Permission
from weighbridge.control.acting import Acting, IdempotencyKey, act_of, needs, refuse
from weighbridge.control.admin_services import AdminServices
from weighbridge.control.instants import instant_s, rfc3339, rfc3339_ns
from weighbridge.control.price_corrections import Asked, Report, as_json, correct_prices
from weighbridge.core.codec import encode_json
from weighbridge.storage.correction_store import Correction
from weighbridge.storage.errors import CreatedBeforeError


class CorrectPrices(BaseModel):
    """Whose prices to look at anew. Without `apply` nothing is booked."""

    model_config = ConfigDict(extra="forbid", strict=True, populate_by_name=True)

    models: str = Field("*", min_length=1, max_length=300, description="`provider/model`, with `*` for anything.")
    from_: Annotated[str, Field(alias="from", max_length=64, description="Requests that began from here on: `2026-11-01`, `-30d`.")]
    to: str = Field("now", max_length=64, description="The end, which is outside.")
    apply: bool = Field(default=False, description="Book the differences. Originals stay.")
    reason: str = Field("", max_length=200, description="For people, and for statements; needed where it is booked.")


def corrections_router(services: AdminServices) -> APIRouter:
    """The routes, closed over the services."""
    router = APIRouter(prefix="/price-corrections", tags=["ledger"])
    store = services.store

    @router.post("", summary="Reprice what was used in a time, and book the differences if wanted", response_class=Response)
    async def correct(wanted: CorrectPrices, actor: Acting, request: Request, idempotency_key: IdempotencyKey = None) -> Response:
        actor.require(Permission.MANAGE_GATEWAY if wanted.apply else Permission.READ_LEDGER)
        if wanted.apply and not wanted.reason.strip():
            refuse("say why: statements show it", "reason")
        if not wanted.reason.isprintable():
            refuse("has characters that cannot be printed", "reason")
        now = services.clock.wall_ns()
        asked = Asked(wanted.models, instant_s(wanted.from_, now), instant_s(wanted.to, now), wanted.reason.strip())
        act = act_of(request, actor, idempotency_key, wanted) if wanted.apply else None
        try:
            report = await asyncio.to_thread(correct_prices, store, services.repricer(asked.models), asked, act)
        except CreatedBeforeError as before:
            # What it has left to do, if it was interrupted, another one does.
            report = Report(before.subject_id, 0, [], {})
        return Response(encode_json(as_json(report)), media_type="application/json")

    @router.get("", summary="Corrections that were booked, newest first", response_class=Response,
                dependencies=[needs(Permission.READ_LEDGER)])  # fmt: skip
    async def list_all() -> Response:
        found = await asyncio.to_thread(store.corrections.all)
        body = {"data": [_view(each) for each in found], "has_more": False, "next_cursor": None}
        return Response(encode_json(body), media_type="application/json")

    return router


def _view(correction: Correction) -> dict[str, object]:
    return {
        "id": correction.id,
        "created_at": rfc3339_ns(correction.created_wall_ns),
        "actor": correction.actor,
        "reason": correction.reason,
        "models": correction.models,
        "from": rfc3339(correction.from_s),
        "to": rfc3339(correction.to_s),
        "attempts": correction.n_attempts,
        "cost_nanousd": correction.cost,
        "charge_nanousd": correction.charge,
    }
