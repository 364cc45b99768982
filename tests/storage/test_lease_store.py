"""What hosts have on lease and what was spent, never more together than the budget's amount."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from contextlib import closing

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule
from tests.storage.test_ledger_store import settled, started

from weighbridge.core.clock import SystemClock
from weighbridge.limits.leases import LeaseWant
from weighbridge.limits.table import Hold, Slot, Table, Unlocked, format_cells, n_cells
from weighbridge.storage.engine import sqlite_url
from weighbridge.storage.lease_store import HostLeases
from weighbridge.storage.store import Store

COUNTER = "all\x1f\x1f0"
AMOUNT = 1_000


def want(amount, **facts):
    return LeaseWant(COUNTER, AMOUNT, amount, **facts)


def host_of(store_url, name, clock):
    store = Store.open(store_url, clock)
    store.ledger.host = name
    return store


@pytest.fixture
def hosts(store, store_url, clock):
    """Two hosts on the same database."""
    with closing(host_of(store_url, "a", clock)) as a, closing(host_of(store_url, "b", clock)) as b:
        yield a, b


def leased(store):
    return {each.host: each.amount for each in store.leases.hosts()}


def test_hosts_share_what_there_is_and_no_more(hosts):
    a, b = hosts
    first = a.leases.grant("a", want(700))
    assert (first.amount, first.spent, first.leased) == (700, 0, 700)
    second = b.leases.grant("b", want(700))
    assert (second.amount, second.leased) == (300, 1_000)
    assert a.leases.grant("a", want(1)).amount == 0
    assert leased(a) == {"a": 700, "b": 300}


def test_what_is_moved_leaves_the_lease_and_is_spent(hosts):
    a, b = hosts
    a.leases.grant("a", want(700))
    a.ledger.move("j_a", 0, 10, [started(1, holds={COUNTER: 50}), settled(1, charges={COUNTER: 200})])
    assert leased(a) == {"a": 500}
    granted = b.leases.grant("b", want(1_000))
    assert (granted.amount, granted.spent, granted.leased) == (300, 200, 800)
    a.ledger.move("j_a", 0, 20, [started(2, holds={COUNTER: 450})])
    assert a.ledger.close("j_a") == {COUNTER: 450}
    assert leased(a) == {"a": 50, "b": 300}


def test_what_comes_back_is_free_for_others(hosts):
    a, b = hosts
    a.leases.grant("a", want(1_000))
    a.leases.give_back("a", {COUNTER: 600})
    assert b.leases.grant("b", want(1_000)).amount == 600
    assert a.leases.release("a") == 1
    assert b.leases.grant("b", want(1_000)).amount == 400
    b.leases.give_back("b", {COUNTER: 1_000})
    assert leased(b) == {}


def test_a_host_that_is_short_is_heard_by_the_others(hosts, clock):
    a, b = hosts
    a.leases.grant("a", want(1_000))
    before = clock.wall
    clock.wall += 5
    b.leases.grant("b", want(1))
    assert a.leases.short_since(before, "a") == {COUNTER: clock.wall}
    assert a.leases.short_since(clock.wall, "a") == {}
    assert b.leases.short_since(before, "b") == {}


def test_an_operator_sees_who_has_what(hosts, clock):
    a, b = hosts
    a.leases.grant("a", want(10))
    a.leases.grant("a", LeaseWant("other", 100, 30))
    b.leases.grant("b", want(5))
    n_slice = (AMOUNT - AMOUNT // 8) // 8
    assert a.leases.hosts() == [HostLeases("a", 2, AMOUNT // 8 + 30, clock.wall), HostLeases("b", 1, n_slice, clock.wall)]


def test_many_at_once_never_get_more_than_there_is(store, store_url, clock):
    names = [f"host-{number}" for number in range(6)]
    stores = [host_of(store_url, name, clock) for name in names]

    def ask(place):
        return sum(stores[place].leases.grant(names[place], want(37)).amount for _ in range(8))

    try:
        with ThreadPoolExecutor(len(names)) as pool:
            granted = list(pool.map(ask, range(len(names))))
    finally:
        for each in stores:
            each.close()
    assert sum(granted) == sum(leased(store).values()) == AMOUNT


class Host:
    """A store's side and a table's side of one host, and what its one worker does."""

    def __init__(self, url, name):
        self.name = name
        self.store = host_of(url, name, SystemClock())
        self.n = 0
        self.fresh()

    def fresh(self):
        cells = memoryview(bytearray(8 * n_cells(8, 2))).cast("q")
        format_cells(cells, 8, 2)
        self.control, self.table = Table(cells, Unlocked(), 0), Table(cells, Unlocked(), 1)
        self.held = []
        self.unmoved = []
        self.journal = f"j_{self.name}_{self.n}"
        self.offset = 0

    def used(self):
        """What this host has really spent or holds beyond what is in the store."""
        return sum(hold.amount for hold in self.held) + sum(amount for _number, amount in self.unmoved)


class Hosts(RuleBasedStateMachine):
    """Whatever two hosts do in whatever order, crashes among it: never is more spent and held than the amount."""

    def __init__(self):
        super().__init__()
        import tempfile
        from pathlib import Path

        self.directory = tempfile.TemporaryDirectory()
        url = sqlite_url(Path(self.directory.name))
        with closing(Store.open(url, SystemClock())) as first:
            first.migrate()
        self.hosts = [Host(url, "a"), Host(url, "b")]
        self.n_requests = 0

    def teardown(self):
        for host in self.hosts:
            host.store.close()
        self.directory.cleanup()

    @rule(place=st.integers(0, 1), amount=st.integers(1, 700))
    def reserve(self, place, amount):
        host = self.hosts[place]
        held = Hold(Slot(COUNTER), 0, amount)
        if host.table.reserve([held]) is not None:
            granted = host.store.leases.grant(host.name, want(amount))
            host.control.lend(COUNTER, granted.amount)
            if host.table.reserve([held]) is not None:
                return
        host.held.append(held)

    @precondition(lambda self: any(host.held for host in self.hosts))
    @rule(place=st.integers(0, 1), share=st.floats(0, 1))
    def post(self, place, share):
        host = self.hosts[place]
        if host.held:
            held = host.held.pop()
            spent = int(held.amount * share)
            self.n_requests += 1
            host.unmoved.append((self.n_requests, spent))
            host.table.post([held], [spent])

    @rule(place=st.integers(0, 1))
    def move(self, place):
        host = self.hosts[place]
        items = [settled(number, charges={COUNTER: amount}) for number, amount in host.unmoved]
        if items:
            host.offset += 10
            host.control.moved(1, host.store.ledger.move(host.journal, 0, host.offset, items))
            host.unmoved.clear()

    @rule(place=st.integers(0, 1))
    def give_back(self, place):
        host = self.hosts[place]
        unused = host.control.take_back(COUNTER)
        host.store.leases.give_back(host.name, {COUNTER: unused})

    @rule(place=st.integers(0, 1))
    def die_and_come_back(self, place):
        host = self.hosts[place]
        self.move(place)
        if host.held:
            begun = [started(10_000 + self.n_requests + i, holds={COUNTER: h.amount}) for i, h in enumerate(host.held)]
            self.n_requests += len(begun)
            host.store.ledger.move(host.journal, 0, host.offset + 5, begun)
            host.store.ledger.close(host.journal)
        host.n += 1
        host.fresh()
        host.store.leases.release(host.name)

    @invariant()
    def never_more_than_there_is(self):
        spent = self.hosts[0].store.ledger.counters().get(COUNTER, 0)
        assert spent + sum(host.used() for host in self.hosts) <= AMOUNT
        of_hosts = leased(self.hosts[0].store)
        assert spent + sum(of_hosts.values()) <= AMOUNT
        for host in self.hosts:
            assert host.used() <= of_hosts.get(host.name, 0)


Hosts.TestCase.settings = settings(max_examples=15, stateful_step_count=25, deadline=None)
TestHosts = pytest.mark.slow(Hosts.TestCase)
