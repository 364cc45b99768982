"""Two hosts that share a budget, each with its table and its keeper, on one database."""

from __future__ import annotations

import asyncio
import threading
from contextlib import asynccontextmanager, closing

import pytest

from weighbridge.app.lease_keeper import LeaseKeeper, lasting_host_id
from weighbridge.core.clock import NS_PER_S, SystemClock
from weighbridge.limits.leases import LeaseWant
from weighbridge.limits.table import Hold, Slot, Table, Unlocked, format_cells, n_cells
from weighbridge.storage.engine import sqlite_url
from weighbridge.storage.errors import StorageError
from weighbridge.storage.store import Store

COUNTER = "all\x1f\x1f0"
AMOUNT = 1_000


class SetClock(SystemClock):
    """Moves when a test says so."""

    def __init__(self):
        self.now = 10**18

    def now_ns(self):
        return self.now

    def wall_ns(self):
        return self.now


class Host:
    """A keeper, its table, and a worker's hands on that."""

    def __init__(self, store, name, clock):
        cells = memoryview(bytearray(8 * n_cells(8, 2))).cast("q")
        format_cells(cells, 8, 2)
        self.control, self.worker = Table(cells, Unlocked(), 0), Table(cells, Unlocked(), 1)
        self.keeper = LeaseKeeper(name, store.leases, clock)

    async def want(self, amount):
        return await self.keeper.ask([LeaseWant(COUNTER, AMOUNT, amount)])

    def left(self):
        return self.worker.left(Slot(COUNTER), 0)


@pytest.fixture
def clock():
    return SetClock()


@pytest.fixture
def store(tmp_path, clock):
    with closing(Store.open(sqlite_url(tmp_path / "data"), clock)) as opened:
        opened.migrate()
        yield opened


@pytest.fixture
async def hosts(store, clock):
    pair = [Host(store, name, clock) for name in ("a", "b")]
    for host in pair:
        await host.keeper.start(host.control)
    return pair


def leased(store):
    return {each.host: each.amount for each in store.leases.hosts()}


async def test_a_host_gets_what_it_lacks_and_the_next_finds_it_there(hosts, store, clock):
    a, _ = hosts
    (granted,) = await a.want(200)
    assert (granted.amount, a.left()) == (200, 200)
    await asyncio.gather(*(a.want(200) for _ in range(20)))
    assert leased(store) == {"a": 200}


async def test_a_budget_that_was_short_is_not_asked_again_at_once(hosts, store, clock, monkeypatch):
    a, b = hosts
    await a.want(AMOUNT)
    n_asked = 0
    grant = store.leases.grant

    def counted(*arguments):
        nonlocal n_asked
        n_asked += 1
        return grant(*arguments)

    monkeypatch.setattr(type(store.leases), "grant", lambda _self, *arguments: counted(*arguments))
    for _ in range(100):
        (granted,) = await b.want(1)
    assert (n_asked, granted.amount, granted.leased) == (1, 0, AMOUNT)
    clock.now += 51_000_000
    await b.want(1)
    assert n_asked == 2


async def test_a_host_that_is_short_gets_what_another_does_not_use(hosts, store, clock):
    a, b = hosts
    await a.want(AMOUNT)
    held = Hold(Slot(COUNTER), 0, 300)
    a.worker.reserve([held])
    clock.now += 1
    await b.want(500)
    await a.keeper._tidy()
    assert (a.left(), leased(store)) == (0, {"a": 300})
    clock.now += NS_PER_S
    await b.want(500)
    assert (b.left(), leased(store)) == (500, {"a": 300, "b": 500})


async def test_a_lease_that_nobody_uses_goes_back(hosts, store, clock):
    a, _ = hosts
    await a.want(200)
    await a.keeper._tidy()
    clock.now += 4 * NS_PER_S
    await a.keeper._tidy()
    assert leased(store) == {"a": 200}
    clock.now += 6 * NS_PER_S
    await a.keeper._tidy()
    assert (a.left(), leased(store)) == (0, {})


async def test_a_period_that_is_over_gives_back_what_is_left(hosts, store):
    a, _ = hosts
    await a.want(200)
    await a.keeper.end(a.keeper.counters())
    assert (a.keeper.counters(), leased(store)) == ([], {})


async def test_a_store_that_is_away_is_said_and_loses_nothing(hosts, store, monkeypatch, capsys):
    a, _ = hosts
    await a.want(200)

    def away(*_arguments):
        raise StorageError("away")

    with monkeypatch.context() as patch:
        patch.setattr(type(store.leases), "grant", away)
        patch.setattr(type(store.leases), "give_back", away)
        assert await a.want(900) is None
        with pytest.raises(StorageError):
            await a.keeper.end(a.keeper.counters())
    assert (a.left(), leased(store)) == (0, {"a": 200})
    await a.keeper._pay()
    assert leased(store) == {}
    assert "cannot be asked" in capsys.readouterr().err


async def test_a_host_that_begins_anew_has_nothing_on_lease(hosts, store, clock):
    a, _ = hosts
    await a.want(200)
    again = Host(store, "a", clock)
    await again.keeper.start(again.control)
    assert (again.left(), leased(store)) == (0, {})


def test_a_hosts_name_lasts_as_long_as_its_data(tmp_path):
    first = lasting_host_id(tmp_path)
    assert first.startswith("host_")
    assert lasting_host_id(tmp_path) == first
    (tmp_path / "other").mkdir()
    assert lasting_host_id(tmp_path / "other") != first


async def test_what_is_being_granted_is_not_taken_back_as_idle_before_it_can_be_used(hosts, store, clock):
    """The first grant of a counter takes a connection to the database: a look for idle leases comes in between."""
    a, _ = hosts
    async with slow_grant(store) as (begun, goes_on):
        asking = asyncio.create_task(a.want(200))
        await asyncio.to_thread(begun.wait, 10)
        looking = asyncio.create_task(a.keeper._tidy())
        await until_it_waits(looking, a)
        goes_on.set()
        await asking
        await looking
    assert a.left() == 200
    assert leased(store) == {"a": 200}


async def test_what_is_being_granted_while_a_host_stops_does_not_stay_its_own(hosts, store):
    """Nobody would give it back: the host may never come again."""
    a, b = hosts
    async with slow_grant(store) as (begun, goes_on):
        asking = asyncio.create_task(a.want(200))
        await asyncio.to_thread(begun.wait, 10)
        stopping = asyncio.create_task(a.keeper.stop())
        await until_it_waits(stopping, a)
        goes_on.set()
        await asking
        await stopping
    assert leased(store) == {}
    await a.want(500)  # a worker is late
    assert leased(store) == {}
    (granted,) = await b.want(AMOUNT)
    assert granted.amount == AMOUNT


@asynccontextmanager
async def slow_grant(store):
    """The store grants nothing before it may: that it was asked, and that it may."""
    begun, goes_on = threading.Event(), threading.Event()
    grant = store.leases.grant

    def slow(*arguments):
        begun.set()
        assert goes_on.wait(10)
        return grant(*arguments)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(type(store.leases), "grant", lambda _self, *arguments: slow(*arguments))
        yield begun, goes_on


async def until_it_waits(task, host):
    """For the lease of the counter, or has ended."""
    await asyncio.sleep(0)
    while not task.done() and not host.keeper._leases[COUNTER].lock._waiters:
        await asyncio.sleep(0)
