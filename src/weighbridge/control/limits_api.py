"""`/admin/v1/limits`: rate limits as they count, and making, changing and deleting those of the store."""

from __future__ import annotations

import asyncio
from typing import Annotated

import msgspec
from fastapi import APIRouter, Path, Request, Response
from pydantic import BaseModel, ConfigDict, Field, model_validator

from weighbridge.auth.permissions import Permission
from weighbridge.control.acting import Acting, IdempotencyKey, IfMatch, act_of, expected_version, tell_version
from weighbridge.control.admin_services import AdminServices
from weighbridge.control.allowance_scopes import AllowanceGuard, ScopeView
from weighbridge.control.paging import ID_FORM, Change
from weighbridge.core.allowances import MAX_PER_NS, Measure, RateLimit
from weighbridge.core.clock import NS_PER_MS, NS_PER_S
from weighbridge.core.codec import encode_json
from weighbridge.storage.allowance_store import Stored
from weighbridge.storage.errors import CreatedBeforeError, NotFoundError

LimitId = Annotated[str, Path(pattern=f"^lim_{ID_FORM}", description="The limit's id; those of the configuration change there.")]
Amount = Annotated[int, Field(ge=1, le=10**15, description="Requests, tokens, nano-dollars (1e-9 USD), or requests at a time.")]
Time = Annotated[int, Field(ge=NS_PER_MS, le=MAX_PER_NS, description="In which time, in nanoseconds; at most a day.")]
Burst = Annotated[int, Field(ge=1, le=10**15, description="How much may come at once, where that is another amount.")]


class CreateLimit(BaseModel):
    """A limit to make."""

    model_config = ConfigDict(extra="forbid", strict=True)

    scope: ScopeView
    measure: Annotated[Measure, Field(strict=False)] = Measure.REQUESTS
    amount: Amount
    per_ns: Time = 60 * NS_PER_S
    burst: Burst | None = None

    @model_validator(mode="after")
    def _is_plausible(self) -> CreateLimit:
        if self.burst is not None and self.measure in (Measure.USD, Measure.CONCURRENT):
            raise ValueError("`burst` cannot be told for dollars, nor for requests at a time")
        return self

    def as_core(self) -> RateLimit:
        """As the data plane takes it, without its id."""
        return RateLimit("", self.scope.as_core(), self.measure, self.amount, self.per_ns, self.burst)


class ChangeLimit(Change):
    """What may change about one. Whom it counts and what stays: that would be another limit."""

    amount: Amount | None = None
    per_ns: Time | None = None
    burst: Burst | None = Field(None, description="Null takes it away.")

    def applied(self, limit: RateLimit) -> RateLimit:
        """The limit after the change."""
        return msgspec.structs.replace(
            limit,
            amount=limit.amount if self.amount is None else self.amount,
            per_ns=limit.per_ns if self.per_ns is None else self.per_ns,
            burst=self.burst if "burst" in self.model_fields_set else limit.burst,
        )


def limits_router(services: AdminServices) -> APIRouter:
    """The routes, closed over the services."""
    router = APIRouter(prefix="/limits", tags=["budgets"])
    store = services.store
    guard = AllowanceGuard(store.people)

    async def mine(limit_id: str, actor: Acting) -> Stored:
        found = await asyncio.to_thread(store.allowances.get, limit_id)
        if not await guard.is_visible(actor, found.allowance.scope):
            raise NotFoundError("limit", limit_id)
        return found

    @router.post("", status_code=201, summary="Make a rate limit; it holds within a second", response_class=Response)
    async def create(wanted: CreateLimit, actor: Acting, request: Request, idempotency_key: IdempotencyKey = None) -> Response:
        new = wanted.as_core()
        await guard.require(actor, new.scope)
        try:
            made = await asyncio.to_thread(store.allowances.create, new, act_of(request, actor, idempotency_key, wanted))
        except CreatedBeforeError as before:
            made = await asyncio.to_thread(store.allowances.get, before.subject_id)
        return _answer(made, 201)

    @router.get("", summary="Rate limits, of the configuration and of the store", response_class=Response)
    async def list_all(actor: Acting) -> Response:
        actor.require(Permission.READ_SPEND)
        made = await asyncio.to_thread(store.allowances.all)
        told = [(limit, "config") for limit in services.allowances().limits] + [(limit, "store") for limit in made.limits]
        visible = [each for each in told if await guard.is_visible(actor, each[0].scope)]
        data = [{**msgspec.structs.asdict(limit), "source": source} for limit, source in visible]
        return Response(encode_json({"data": data, "has_more": False, "next_cursor": None}), media_type="application/json")

    @router.get("/{limit_id}", summary="Look at a limit of the store", response_class=Response)
    async def get(limit_id: LimitId, actor: Acting) -> Response:
        actor.require(Permission.READ_SPEND)
        return _answer(await mine(limit_id, actor))

    @router.patch("/{limit_id}", summary="Change a limit", response_class=Response)
    async def change(limit_id: LimitId, wanted: ChangeLimit, actor: Acting, request: Request, if_match: IfMatch = None) -> Response:
        version = expected_version(if_match, is_required=True)
        found = (await mine(limit_id, actor)).allowance
        assert isinstance(found, RateLimit)
        await guard.require(actor, found.scope)
        changed = wanted.applied(found)
        return _answer(await asyncio.to_thread(store.allowances.replace, changed, act_of(request, actor), version))

    @router.delete("/{limit_id}", status_code=204, summary="Delete a limit")
    async def delete(limit_id: LimitId, actor: Acting, request: Request, if_match: IfMatch = None) -> Response:
        version = expected_version(if_match, is_required=False)
        await guard.require(actor, (await mine(limit_id, actor)).allowance.scope)
        await asyncio.to_thread(store.allowances.delete, limit_id, act_of(request, actor), version)
        return Response(status_code=204)

    return router


def _answer(stored: Stored, status: int = 200) -> Response:
    body = encode_json({**msgspec.structs.asdict(stored.allowance), "source": "store"})
    reply = Response(body, status, media_type="application/json")
    tell_version(reply, stored.version)
    return reply
