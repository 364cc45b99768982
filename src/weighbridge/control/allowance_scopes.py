"""Whose budgets and limits an actor sees and makes: those that count the actor's place and what is in it."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Annotated

import msgspec
from pydantic import BaseModel, ConfigDict, Field, model_validator

from weighbridge.auth.people import Place
from weighbridge.auth.permissions import Actor, Permission
from weighbridge.control.budget_board import BudgetView
from weighbridge.core.allowances import EACH, Scope, ScopeKind
from weighbridge.core.errors import ErrorKind, GatewayError
from weighbridge.storage.people_store import PeopleStore


class ScopeView(BaseModel):
    """Whom a budget or a limit counts. With `*` as the name, each by itself; the name of `gateway` is empty."""

    model_config = ConfigDict(extra="forbid", strict=True)

    kind: Annotated[ScopeKind, Field(strict=False)]
    name: Annotated[str, Field(max_length=300)] = ""

    @model_validator(mode="after")
    def _names_somebody(self) -> ScopeView:
        if (self.kind is ScopeKind.GATEWAY) == bool(self.name):
            raise ValueError("must name whom it counts, or `*` for each; only `gateway` has no name")
        if self.name and (not self.name.isprintable() or self.name != self.name.strip()):
            raise ValueError("a name has only printable characters, and no blank at either end")
        return self

    def as_core(self) -> Scope:
        """As the data plane takes it."""
        return Scope(self.kind, self.name)


def _is_own(place: Place, scope: Scope) -> bool:
    if place.team:
        return scope.kind is ScopeKind.TEAM
    return scope.kind is ScopeKind.ORGANISATION


class AllowanceGuard:
    """Looks up where a scope is."""

    def __init__(self, people: PeopleStore) -> None:
        self._people = people

    async def require(self, actor: Actor, scope: Scope) -> None:
        """Raises `GatewayError` PERMISSION_DENIED where the actor may not make or change what counts this.

        A place's own budget is its organisation's to set, and an organisation's the gateway's: nobody lifts what binds himself.
        """
        actor.require(Permission.MANAGE_ALLOWANCES)
        if actor.place.is_everywhere:
            return
        place = await self._place(scope)
        if place is None or _is_own(actor.place, scope) or not actor.place.has(place):
            message = "Budgets and limits of what is beside or above you, and your own, are others' to set."
            raise GatewayError(ErrorKind.PERMISSION_DENIED, message, code="outside_your_place")

    async def is_visible(self, actor: Actor, scope: Scope) -> bool:
        """Whether it counts the actor's place, or something in it."""
        if actor.place.is_everywhere:
            return True
        if scope.kind is ScopeKind.ORGANISATION and scope.name == actor.place.organisation:
            return True
        place = await self._place(scope)
        return place is not None and actor.place.has(place)

    async def budgets_of(self, actor: Actor, budgets: Sequence[BudgetView]) -> list[BudgetView]:
        """Of all budgets those that the actor may see, and of those that count each by itself only the accounts in the place."""
        if actor.place.is_everywhere:
            return list(budgets)
        shown = []
        for budget in budgets:
            kind, name = ScopeKind(budget.scope["kind"]), budget.scope["name"]
            if name != EACH:
                if await self.is_visible(actor, Scope(kind, name)):
                    shown.append(budget)
                continue
            mine = [each for each in budget.accounts if await self.is_visible(actor, Scope(kind, each.subject))]
            if mine:
                shown.append(msgspec.structs.replace(budget, accounts=mine))
        return shown

    async def _place(self, scope: Scope) -> Place | None:
        """Where its subject is; None for what is in no place (a model, an end user) or is not there."""
        if scope.name == EACH:
            return None
        return await asyncio.to_thread(self._people.place_of, scope)
