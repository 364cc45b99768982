"""Conditions that operators were told of and that are not over: so that each is told once, by one host, over restarts too."""

from __future__ import annotations

from typing import NamedTuple

import msgspec
from sqlalchemy import delete, insert, select
from sqlalchemy.exc import IntegrityError

from weighbridge.core.alerts import Condition
from weighbridge.storage.tables import firing_alerts
from weighbridge.storage.transactions import Transactions


class Firing(NamedTuple):
    """A condition, on which host (empty: on all that share the database) and since when."""

    condition: Condition
    host: str
    since_wall_ns: int


class AlertStore:
    """What fires. Raises `StorageError` if the database cannot be used."""

    __slots__ = ("_transactions",)

    def __init__(self, transactions: Transactions) -> None:
        self._transactions = transactions

    def firing(self) -> list[Firing]:
        """All of it, the oldest first."""
        query = select(firing_alerts).order_by(firing_alerts.c.since, firing_alerts.c.key)
        with self._transactions.reading() as connection:
            return [Firing(msgspec.convert(row.content, Condition), row.host, row.since) for row in connection.execute(query)]

    def fire(self, condition: Condition, host: str) -> bool:
        """Whether it is news: nobody has told it yet."""
        row = {"key": _key(condition, host), "host": host, "since": self._transactions.clock.wall_ns()}
        with self._transactions.writing() as connection:
            try:
                with connection.begin_nested():
                    connection.execute(insert(firing_alerts).values(**row, content=msgspec.to_builtins(condition)))
            except IntegrityError:
                return False
        return True

    def resolve(self, firing: Firing) -> bool:
        """Whether its end is news."""
        mine = firing_alerts.c.key == _key(firing.condition, firing.host)
        with self._transactions.writing() as connection:
            return connection.execute(delete(firing_alerts).where(mine)).rowcount == 1


def _key(condition: Condition, host: str) -> str:
    return f"{host}\n{condition.key}"
