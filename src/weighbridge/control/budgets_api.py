"""`/admin/v1/budgets`: what every budget has spent, holds and has left; and making, changing and deleting those of the store."""

from __future__ import annotations

import asyncio
from typing import Annotated, Literal
from zoneinfo import ZoneInfo

import msgspec
from fastapi import APIRouter, Path, Request, Response
from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from weighbridge.auth.permissions import Permission
from weighbridge.control.acting import Acting, IdempotencyKey, IfMatch, act_of, expected_version, tell_version
from weighbridge.control.admin_services import AdminServices
from weighbridge.control.allowance_scopes import AllowanceGuard, ScopeView
from weighbridge.control.budget_board import BudgetView, budgets_now
from weighbridge.control.paging import ID_FORM, Change
from weighbridge.core.allowances import UNLIMITED, Allowances, Budget, Period, Shortage, Unit
from weighbridge.core.codec import encode_json
from weighbridge.storage.allowance_store import Stored
from weighbridge.storage.errors import CreatedBeforeError, NotFoundError

BudgetId = Annotated[str, Path(pattern=f"^bud_{ID_FORM}", description="The budget's id; those of the configuration change there.")]
Amount = Annotated[int, Field(ge=0, le=UNLIMITED, description="Nano-dollars (1e-9 USD), or tokens.")]
Shares = Annotated[list[Annotated[int, Field(ge=1, le=10_000_000)]], Field(max_length=10)]
_ALERTS = "Millionths of the amount at which operators are told."
_OWN_KEYS = "Whether it counts requests that are made with customers' own provider keys, too."


class CreateBudget(BaseModel):
    """A budget to make."""

    model_config = ConfigDict(extra="forbid", strict=True)

    scope: ScopeView
    amount: Amount
    unit: Literal["usd", "tokens"] = "usd"
    period: Annotated[Period, Field(strict=False)] = Period.MONTH
    timezone: str = Field("UTC", max_length=64, description="Where its days begin: `Europe/Berlin`.")
    is_hard: bool = Field(default=True, description="Never overspent. A soft one only tells.")
    on_shortage: Annotated[Shortage, Field(strict=False)] = Field(
        Shortage.LOWER, description="A request that does not fit is capped at what does (`lower`), or refused (`refuse`)."
    )
    alert_at_ppm: Shares = Field([800_000, 1_000_000], description=_ALERTS)
    counts_own_keys: bool = Field(default=True, description=_OWN_KEYS)

    @field_validator("timezone")
    @classmethod
    def _is_a_zone(cls, value: str) -> str:
        try:
            ZoneInfo(value)
        except (OSError, ValueError, KeyError):
            raise ValueError("must be a time zone such as `Europe/Berlin` or `UTC`") from None
        return value

    def as_core(self) -> Budget:
        """As the data plane takes it, without its id."""
        return Budget(
            "",
            self.scope.as_core(),
            self.amount,
            Unit(self.unit),
            self.period,
            self.timezone,
            is_hard=self.is_hard,
            on_shortage=self.on_shortage,
            alert_at_ppm=tuple(self.alert_at_ppm),
            counts_own_keys=self.counts_own_keys,
        )


class ChangeBudget(Change):
    """What may change about one. Whom it counts, what and how long stays: that would be another budget."""

    amount: Amount | None = None
    is_hard: bool | None = None
    on_shortage: Annotated[Shortage, Field(strict=False)] | None = None
    alert_at_ppm: Shares | None = Field(None, description=_ALERTS)
    counts_own_keys: bool | None = Field(None, description=_OWN_KEYS)

    @model_validator(mode="after")
    def _says_something(self) -> ChangeBudget:
        if not self.model_fields_set:
            raise ValueError("says nothing that would change")
        return self

    def applied(self, budget: Budget) -> Budget:
        """The budget after the change."""
        told = {name: value for name in self.model_fields_set if (value := getattr(self, name)) is not None}
        if "alert_at_ppm" in told:
            told["alert_at_ppm"] = tuple(told["alert_at_ppm"])
        return msgspec.structs.replace(budget, **told)


def budgets_router(services: AdminServices) -> APIRouter:
    """The routes, closed over the services."""
    router = APIRouter(prefix="/budgets", tags=["budgets"])
    store = services.store
    guard = AllowanceGuard(store.people)

    async def view(budget: Budget, source: Literal["config", "store"]) -> BudgetView:
        spent = await asyncio.to_thread(store.ledger.counters)
        [shown] = budgets_now(Allowances((budget,)), spent, services.level, services.clock.wall_ns())
        return msgspec.structs.replace(shown, source=source)

    async def mine(budget_id: str, actor: Acting) -> Stored:
        found = await asyncio.to_thread(store.allowances.get, budget_id)
        if not await guard.is_visible(actor, found.allowance.scope):
            raise NotFoundError("budget", budget_id)
        return found

    async def answer(stored: Stored, status: int = 200) -> Response:
        assert isinstance(stored.allowance, Budget)
        reply = Response(encode_json(await view(stored.allowance, "store")), status, media_type="application/json")
        tell_version(reply, stored.version)
        return reply

    @router.post("", status_code=201, summary="Make a budget; it holds within a second", response_class=Response)
    async def create(wanted: CreateBudget, actor: Acting, request: Request, idempotency_key: IdempotencyKey = None) -> Response:
        new = wanted.as_core()
        await guard.require(actor, new.scope)
        try:
            made = await asyncio.to_thread(store.allowances.create, new, act_of(request, actor, idempotency_key, wanted))
        except CreatedBeforeError as before:
            made = await asyncio.to_thread(store.allowances.get, before.subject_id)
        return await answer(made, 201)

    @router.get("", summary="Budgets, and what each of their accounts has spent, held and left", response_class=Response)
    async def list_all(actor: Acting) -> Response:
        actor.require(Permission.READ_SPEND)
        spent = await asyncio.to_thread(store.ledger.counters)
        made = await asyncio.to_thread(store.allowances.all)
        now = services.clock.wall_ns()
        written = budgets_now(services.allowances(), spent, services.level, now)
        stored = [msgspec.structs.replace(each, source="store") for each in budgets_now(made, spent, services.level, now)]
        data = await guard.budgets_of(actor, [*written, *stored])
        return Response(encode_json({"data": data, "has_more": False, "next_cursor": None}), media_type="application/json")

    @router.get("/{budget_id}", summary="Look at a budget of the store", response_class=Response)
    async def get(budget_id: BudgetId, actor: Acting) -> Response:
        actor.require(Permission.READ_SPEND)
        return await answer(await mine(budget_id, actor))

    @router.patch("/{budget_id}", summary="Change a budget; what was spent stays spent", response_class=Response)
    async def change(
        budget_id: BudgetId, wanted: ChangeBudget, actor: Acting, request: Request, if_match: IfMatch = None
    ) -> Response:
        version = expected_version(if_match, is_required=True)
        found = (await mine(budget_id, actor)).allowance
        assert isinstance(found, Budget)
        await guard.require(actor, found.scope)
        changed = wanted.applied(found)
        return await answer(await asyncio.to_thread(store.allowances.replace, changed, act_of(request, actor), version))

    @router.delete("/{budget_id}", status_code=204, summary="Delete a budget; what was spent stays in the ledger")
    async def delete(budget_id: BudgetId, actor: Acting, request: Request, if_match: IfMatch = None) -> Response:
        version = expected_version(if_match, is_required=False)
        await guard.require(actor, (await mine(budget_id, actor)).allowance.scope)
        await asyncio.to_thread(store.allowances.delete, budget_id, act_of(request, actor), version)
        return Response(status_code=204)

    return router
