"""What each host has on lease of each budget's counter (`limits/leases.py`). Methods block on the database.

Grants of one counter wait for each other at its row in `lease_pools`; what the ledger moves changes spent and leased together, so
that any one statement sees a sum of both that is true.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from sqlalchemy import Connection, delete, func, insert, select, update
from sqlalchemy.exc import IntegrityError

from weighbridge.limits.leases import Granted, LeaseWant, grant_of, is_short
from weighbridge.storage.ledger_sums import storable
from weighbridge.storage.ledger_tables import counters, labels
from weighbridge.storage.tables import lease_pools, leases
from weighbridge.storage.transactions import Transactions


class HostLeases(NamedTuple):
    """What a host has on lease: of how many counters, how much in nano-dollars or tokens, and when that last changed."""

    host: str
    n_counters: int
    amount: int
    changed_wall_ns: int


class LeaseStore:
    """Leases of all hosts. Raises `StorageError` if the database cannot be used."""

    __slots__ = ("_transactions",)

    def __init__(self, transactions: Transactions) -> None:
        self._transactions = transactions

    def grant(self, host: str, want: LeaseWant) -> Granted:
        """Give a host of what is free. Where that is less than it wants, other hosts are asked for what they do not use."""
        name = storable(want.counter)
        with self._transactions.writing() as connection:
            _locked(connection, name)
            spent, leased = _used(connection, name)
            amount = grant_of(want.limit - spent - leased, want)
            now = self._transactions.clock.wall_ns()
            if amount:
                _add(connection, name, host, amount, now)
            if is_short(amount, want):
                mine = lease_pools.c.counter == name
                connection.execute(update(lease_pools).where(mine).values(short_at=now, short_host=host))
        return Granted(want.counter, amount, spent, leased + amount)

    def give_back(self, host: str, amounts: Mapping[str, int]) -> None:
        """What a host has found unused, and already keeps from using, is free again."""
        now = self._transactions.clock.wall_ns()
        with self._transactions.writing() as connection:
            for counter, amount in sorted(amounts.items()):
                mine = (leases.c.counter == storable(counter)) & (leases.c.host == host)
                left = {"amount": leases.c.amount - amount, "changed_at": now}
                connection.execute(update(leases).where(mine).values(left))
            connection.execute(delete(leases).where(leases.c.host == host, leases.c.amount == 0))

    def release(self, host: str) -> int:
        """A host uses nothing any more, and all that it has spent is in the store: end its leases. How many there were."""
        with self._transactions.writing() as connection:
            return int(connection.execute(delete(leases).where(leases.c.host == host)).rowcount)

    def call_back(self, counter: str) -> int:
        """Have every host give back what it does not use of a counter. What they have on lease."""
        name = storable(counter)
        now = self._transactions.clock.wall_ns()
        with self._transactions.writing() as connection:
            _locked(connection, name)
            connection.execute(update(lease_pools).where(lease_pools.c.counter == name).values(short_at=now, short_host=""))
            return _used(connection, name)[1]

    def short_since(self, wall_ns: int, host: str) -> dict[str, int]:
        """Counters of which another host has wanted more than was free since then, and when."""
        asked = (lease_pools.c.short_at > wall_ns) & (lease_pools.c.short_host != host)
        with self._transactions.reading() as connection:
            query = select(lease_pools.c.counter, lease_pools.c.short_at).where(asked)
            return {counter: int(at) for counter, at in connection.execute(query)}

    def hosts(self) -> list[HostLeases]:
        """Who has something on lease."""
        query = select(leases.c.host, func.count(), func.sum(leases.c.amount), func.max(leases.c.changed_at))
        with self._transactions.reading() as connection:
            found = connection.execute(query.group_by(leases.c.host).order_by(leases.c.host))
            return [HostLeases(host, int(n), int(amount), int(at)) for host, n, amount, at in found]


def used_by_all(connection: Connection, counter: str) -> tuple[int, int]:
    """What all hosts have spent and have on lease of a counter. No host gets more before the transaction ends."""
    _locked(connection, storable(counter))
    return _used(connection, storable(counter))


def spend_leases(connection: Connection, host: str, charged: Mapping[str, int]) -> None:
    """In the transaction that moves what a host has spent into the store: it leaves the host's leases."""
    for counter in sorted(charged):  # in one order, so that two transactions never wait for each other
        mine = (leases.c.counter == storable(counter)) & (leases.c.host == host)
        connection.execute(update(leases).where(mine).values(amount=leases.c.amount - charged[counter]))


def _locked(connection: Connection, name: str) -> None:
    """Have other grants of this counter wait."""
    mine = select(lease_pools.c.counter).where(lease_pools.c.counter == name).with_for_update()
    if connection.execute(mine).one_or_none() is None:
        try:
            with connection.begin_nested():
                connection.execute(insert(lease_pools).values(counter=name, short_at=0, short_host=""))
        except IntegrityError:  # another host has made it just now
            connection.execute(mine).one()


def _used(connection: Connection, name: str) -> tuple[int, int]:
    """What was spent and is leased: read by one statement, between whose halves nothing can be moved."""
    of_name = select(counters.c.amount).join(labels, labels.c.id == counters.c.counter).where(labels.c.text == name)
    leased = select(func.coalesce(func.sum(leases.c.amount), 0)).where(leases.c.counter == name)
    row = connection.execute(select(func.coalesce(of_name.scalar_subquery(), 0), leased.scalar_subquery())).one()
    return int(row[0]), int(row[1])


def _add(connection: Connection, name: str, host: str, amount: int, now_wall_ns: int) -> None:
    mine = (leases.c.counter == name) & (leases.c.host == host)
    more = {"amount": leases.c.amount + amount, "changed_at": now_wall_ns}
    if connection.execute(update(leases).where(mine).values(more)).rowcount == 0:
        connection.execute(insert(leases).values(counter=name, host=host, amount=amount, changed_at=now_wall_ns))
