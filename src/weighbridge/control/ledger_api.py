"""`/admin/v1/ledger`: accounts, and the proof that they add up."""

from __future__ import annotations

import asyncio
from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import BaseModel, ConfigDict, Field

from weighbridge.auth.permissions import Permission
from weighbridge.control.acting import needs
from weighbridge.control.admin_services import AdminServices, Reported
from weighbridge.storage.ledger_checks import verify


class AccountsQuery(BaseModel):
    """Which accounts."""

    model_config = ConfigDict(extra="forbid")

    prefix: str = Field("", max_length=300, description="How their names begin: `provider_payable:`.")


class AccountView(Reported):
    """An account's sums in nano-dollars; the balance is what it was debited beyond what it was credited."""

    account: str
    debits_nanousd: int
    credits_nanousd: int
    balance_nanousd: int
    entries: int


class AccountList(Reported):
    """Accounts by name."""

    data: tuple[AccountView, ...]


class Proof(Reported):
    """Whether the ledger adds up."""

    is_sound: bool
    problems: tuple[str, ...]
    n_entries: int
    n_accounts: int
    n_counters: int


def ledger_router(services: AdminServices) -> APIRouter:
    """The routes, closed over the services."""
    router = APIRouter(prefix="/ledger", tags=["ledger"], dependencies=[needs(Permission.READ_LEDGER)])
    ledger = services.store.ledger

    @router.get("/accounts", summary="Accounts and their balances")
    async def accounts(query: Annotated[AccountsQuery, Query()]) -> AccountList:
        found = await asyncio.to_thread(ledger.balances, query.prefix)
        views = [AccountView(account=b.account, debits_nanousd=b.debits, credits_nanousd=b.credits,
                             balance_nanousd=b.debits - b.credits, entries=b.entries) for b in found]  # fmt: skip
        return AccountList(data=tuple(views))

    @router.get("/verify", summary="Compute balances, counters and sums anew, and name every difference")
    async def prove() -> Proof:
        findings = await asyncio.to_thread(verify, ledger)
        return Proof(
            is_sound=findings.is_sound,
            problems=tuple(findings.problems),
            n_entries=findings.n_entries,
            n_accounts=findings.n_accounts,
            n_counters=findings.n_counters,
        )

    return router
