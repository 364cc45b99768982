"""`/admin/v1/credits`: what customers have paid in advance; top-ups and grants, and what becomes of them."""

from __future__ import annotations

import asyncio
from datetime import datetime
from typing import Annotated, Literal, Self

from fastapi import APIRouter, Path, Query, Request, Response
from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from weighbridge.auth.expiry import expiry_wall_ns
from weighbridge.auth.permissions import Actor, Permission
from weighbridge.control.acting import Acting, IdempotencyKey, IfMatch, act_of, expected_version, refuse, tell_version
from weighbridge.control.admin_services import AdminServices, Reported
from weighbridge.control.allowance_scopes import AllowanceGuard
from weighbridge.control.credit_board import CreditView, credits_now
from weighbridge.control.credit_payers import checked_payer
from weighbridge.control.paging import ID_FORM, Change, date
from weighbridge.core.allowances import UNLIMITED, Scope, ScopeKind
from weighbridge.core.codec import encode_json
from weighbridge.storage.credit_store import MAX_PAGE, Credit, CreditAccount, NewCredit
from weighbridge.storage.errors import CreatedBeforeError, NotFoundError

AccountId = Annotated[str, Path(pattern=f"^cra_{ID_FORM}", description="The account's id.")]
_MOST: int = UNLIMITED // 1_000
"""Nano-dollars, some four million dollars: sums of them fit a counter."""


class PayerView(BaseModel):
    """Who pays: an organisation; a team, a user or a key that is in nothing wider."""

    model_config = ConfigDict(extra="forbid", strict=True)

    kind: Literal["organisation", "team", "user", "key"]
    name: str = Field(min_length=1, max_length=300, description="Of a key its id.")


class GiveCredit(BaseModel):
    """A credit to give. The first one makes its customer a prepaid one: requests that the credits do not cover are refused."""

    model_config = ConfigDict(extra="forbid", strict=True)

    payer: PayerView
    kind: Literal["top_up", "grant"] = Field("top_up", description="Whether it was paid for (`top_up`) or given away (`grant`).")
    amount_nanousd: int = Field(ge=1, le=_MOST)
    expires: str | None = Field(None, max_length=64, description="When what is left of it ends: `90d`, `2027-01-01`.")
    note: str = Field("", max_length=200, description="For people: the number of an invoice.")

    @field_validator("note")
    @classmethod
    def _is_one_line(cls, value: str) -> str:
        if value and not value.isprintable():
            raise ValueError("has characters that cannot be printed")
        return value


class ChangeCredits(Change):
    """What may change about an account."""

    is_prepaid: bool | None = Field(None, description="Whether requests are refused that its credits do not cover.")
    alert_below_nanousd: int | None = Field(None, ge=0, le=_MOST, description="Operators are told when less is left; 0: never.")

    @model_validator(mode="after")
    def _says_something(self) -> ChangeCredits:
        if self.is_prepaid is None and self.alert_below_nanousd is None:
            raise ValueError("says nothing that would change")
        return self


class GivenView(Reported):
    """A credit that was given. `expired_nanousd` is what of it ran out unused."""

    id: str
    kind: str
    amount_nanousd: int
    created_at: datetime
    expires_at: datetime | None
    expired_at: datetime | None
    expired_nanousd: int
    note: str
    actor: str

    @classmethod
    def of(cls, credit: Credit) -> Self:
        """The view of a stored one."""
        return cls(
            id=credit.id,
            kind=credit.kind,
            amount_nanousd=credit.amount,
            created_at=date(credit.created_wall_ns),
            expires_at=None if credit.expires_wall_ns is None else date(credit.expires_wall_ns),
            expired_at=None if credit.expired_wall_ns is None else date(credit.expired_wall_ns),
            expired_nanousd=credit.expired,
            note=credit.note,
            actor=credit.actor,
        )


class GivenList(Reported):
    """A page, newest first."""

    data: tuple[GivenView, ...]
    has_more: bool
    next_cursor: str | None


class GivenQuery(BaseModel):
    """Which page of the credits of an account."""

    model_config = ConfigDict(extra="forbid")

    limit: int = Field(50, ge=1, le=MAX_PAGE)
    cursor: str | None = Field(None, pattern=f"^crd_{ID_FORM}", description="`next_cursor` of the page before.")


def credits_router(services: AdminServices) -> APIRouter:
    """The routes, closed over the services."""
    router = APIRouter(prefix="/credits", tags=["budgets"])
    store = services.store
    guard = AllowanceGuard(store.people)

    async def views(accounts: list[CreditAccount]) -> list[CreditView]:
        return credits_now(accounts, await asyncio.to_thread(store.ledger.counters), services.level)

    async def mine(account_id: str, actor: Actor) -> CreditAccount:
        actor.require(Permission.READ_SPEND)
        found = await asyncio.to_thread(store.credits.account, account_id)
        if not await guard.is_visible(actor, _scope(found.payer)):
            raise NotFoundError("account of credits", account_id)
        return found

    async def answer(account: CreditAccount, status: int = 200) -> Response:
        [view] = await views([account])
        reply = Response(encode_json(view), status, media_type="application/json")
        tell_version(reply, account.version)
        return reply

    @router.post("", status_code=201, summary="Give credits: they can be spent within a second", response_class=Response)
    async def give(wanted: GiveCredit, actor: Acting, request: Request, idempotency_key: IdempotencyKey = None) -> Response:
        payer = Scope(ScopeKind(wanted.payer.kind), wanted.payer.name)
        await guard.require(actor, payer)
        expires = _expiry(wanted.expires, services.clock.wall_ns())
        try:
            whom = await asyncio.to_thread(checked_payer, store, payer)
        except ValueError as error:
            refuse(str(error), "payer")
        new = NewCredit(whom, wanted.amount_nanousd, wanted.kind, expires, wanted.note)
        try:
            made = await asyncio.to_thread(store.credits.give, new, act_of(request, actor, idempotency_key, wanted))
        except CreatedBeforeError as before:
            made = await asyncio.to_thread(store.credits.credit, before.subject_id)
        return await answer(await asyncio.to_thread(store.credits.account, made.account_id), 201)

    @router.get("", summary="Accounts of credits and what is left in each", response_class=Response)
    async def list_all(actor: Acting) -> Response:
        actor.require(Permission.READ_SPEND)
        accounts = await asyncio.to_thread(store.credits.accounts)
        shown = [account for account in accounts if await guard.is_visible(actor, _scope(account.payer))]
        data = await views(shown)
        return Response(encode_json({"data": data, "has_more": False, "next_cursor": None}), media_type="application/json")

    @router.get("/{account_id}", summary="Look at an account of credits", response_class=Response)
    async def get(account_id: AccountId, actor: Acting) -> Response:
        return await answer(await mine(account_id, actor))

    @router.get("/{account_id}/given", summary="The top-ups and grants of an account, newest first")
    async def given(account_id: AccountId, query: Annotated[GivenQuery, Query()], actor: Acting) -> GivenList:
        await mine(account_id, actor)
        found = await asyncio.to_thread(store.credits.credits, account_id, limit=query.limit, cursor=query.cursor)
        has_more = len(found) == query.limit
        return GivenList(data=tuple(map(GivenView.of, found)), has_more=has_more, next_cursor=found[-1].id if has_more else None)

    @router.patch("/{account_id}", summary="Change whether credits must cover requests, and when to tell", response_class=Response)
    async def change(
        account_id: AccountId, wanted: ChangeCredits, actor: Acting, request: Request, if_match: IfMatch = None
    ) -> Response:
        version = expected_version(if_match, is_required=True)
        await guard.require(actor, _scope((await mine(account_id, actor)).payer))
        changed = await asyncio.to_thread(
            store.credits.change,
            account_id,
            act_of(request, actor),
            version,
            is_prepaid=wanted.is_prepaid,
            alert_below=wanted.alert_below_nanousd,
        )
        return await answer(changed)

    return router


def _scope(payer: str) -> Scope:
    kind, _, name = payer.partition(":")
    return Scope(ScopeKind(kind), name)


def _expiry(text: str | None, now_wall_ns: int) -> int | None:
    try:
        return None if text is None else expiry_wall_ns(text, now_wall_ns)
    except ValueError as error:
        refuse(str(error), "expires")
