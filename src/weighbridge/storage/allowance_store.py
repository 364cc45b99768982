"""Budgets and limits that are made while the gateway runs, beside those of the configuration. Methods block on the database."""

from __future__ import annotations

from typing import Any, Final, TypeVar

import msgspec
from sqlalchemy import Row, delete, insert, select

from weighbridge.core.allowances import Allowances, Budget, RateLimit
from weighbridge.core.clock import new_id
from weighbridge.storage.errors import InUseError, NotFoundError
from weighbridge.storage.tables import allowances
from weighbridge.storage.transactions import Act, Change, Transactions, differences, replace_row

MAX_ALLOWANCES: Final = 10_000
"""Each is looked at when the configuration is compiled, and those of one subject with each of its requests."""
_PREFIX: Final = {Budget: "bud", RateLimit: "lim"}
_KIND: Final = {Budget: "budget", RateLimit: "limit"}

A = TypeVar("A", Budget, RateLimit)


class Stored(msgspec.Struct, frozen=True):
    """A budget or a limit with what only its administration needs to know."""

    allowance: Budget | RateLimit
    version: int
    created_wall_ns: int


class AllowanceStore:
    """Those of the store. What was spent stays with a budget's id: an amount that changes forgets nothing."""

    __slots__ = ("_transactions",)

    def __init__(self, transactions: Transactions) -> None:
        self._transactions = transactions

    def all(self) -> Allowances:
        """Every one, oldest first. Raises `StorageError`."""
        found = [stored.allowance for stored in self.stored()]
        return Allowances(
            tuple(each for each in found if isinstance(each, Budget)),
            tuple(each for each in found if isinstance(each, RateLimit)),
        )

    def stored(self) -> list[Stored]:
        """The same with their versions."""
        query = select(allowances).order_by(allowances.c.created_at, allowances.c.id)
        with self._transactions.reading() as connection:
            return [_stored(row) for row in connection.execute(query)]

    def get(self, allowance_id: str) -> Stored:
        """Raises `NotFoundError`."""
        with self._transactions.reading() as connection:
            row = connection.execute(select(allowances).where(allowances.c.id == allowance_id)).one_or_none()
        if row is None:
            raise NotFoundError("budget" if allowance_id.startswith("bud_") else "limit", allowance_id)
        return _stored(row)

    def create(self, new: A, act: Act) -> Stored:
        """Store one under an id of its own. Raises `InUseError` where there are too many, and what `begin_create` raises."""
        made = msgspec.structs.replace(new, id=new_id(_PREFIX[type(new)]))
        now = self._transactions.clock.wall_ns()
        with self._transactions.writing() as connection:
            self._transactions.begin_create(connection, act)
            if len(connection.execute(select(allowances.c.id)).all()) >= MAX_ALLOWANCES:
                raise InUseError(f"there are {MAX_ALLOWANCES} budgets and limits: `team:*` is one for each team")
            content = msgspec.to_builtins(made)
            row = {"id": made.id, "created_at": now, "version": 1, "kind": _KIND[type(made)], "content": content}
            connection.execute(insert(allowances).values(row))
            self._transactions.remember_create(connection, act, made.id)
            change = Change("create", _KIND[type(made)], made.id, subject_name(made), after=_told(made))
            self._transactions.done(connection, act, change)
        return Stored(made, 1, now)

    def replace(self, changed: A, act: Act, version: int | None) -> Stored:
        """Put this in the place of what has its id. Raises `NotFoundError` and `ChangedMeanwhileError`."""
        before = self.get(changed.id)
        with self._transactions.writing() as connection:
            replace_row(connection, allowances, changed.id, version, {"content": msgspec.to_builtins(changed)})
            old, new = differences(_told(before.allowance), _told(changed))
            change = Change("change", _KIND[type(changed)], changed.id, subject_name(changed), old, new)
            self._transactions.done(connection, act, change)
        return self.get(changed.id)

    def delete(self, allowance_id: str, act: Act, version: int | None) -> None:
        """Raises `NotFoundError` and `ChangedMeanwhileError`. What was spent stays in the ledger."""
        found = self.get(allowance_id).allowance
        with self._transactions.writing() as connection:
            replace_row(connection, allowances, allowance_id, version, {})  # which checks the version
            connection.execute(delete(allowances).where(allowances.c.id == allowance_id))
            change = Change("delete", _KIND[type(found)], allowance_id, subject_name(found), before=_told(found))
            self._transactions.done(connection, act, change)


def subject_name(allowance: Budget | RateLimit) -> str:
    """What the audit log calls it: `team:search`."""
    scope = allowance.scope
    return f"{scope.kind.value}:{scope.name}" if scope.name else scope.kind.value


def _told(allowance: Budget | RateLimit) -> dict[str, Any]:
    told: dict[str, Any] = msgspec.to_builtins(allowance)
    del told["id"]
    return told


def _stored(row: Row[Any]) -> Stored:
    kind: type[Budget | RateLimit] = Budget if row.kind == "budget" else RateLimit
    return Stored(msgspec.convert(row.content, kind), row.version, row.created_at)
