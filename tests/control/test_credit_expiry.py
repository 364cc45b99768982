from __future__ import annotations

from types import SimpleNamespace

import pytest

from weighbridge.control.credit_expiry import CreditExpiry
from weighbridge.limits.leases import LeaseWant
from weighbridge.limits.table import Hold, Slot, Table, Unlocked, format_cells, n_cells
from weighbridge.storage.credit_store import NewCredit, counter_of
from weighbridge.storage.errors import StorageError
from weighbridge.storage.ledger_checks import verify
from weighbridge.storage.transactions import Act

TEAM = "team:search"
COUNTER = counter_of(TEAM)
DAY = 86_400_000_000_000


@pytest.fixture
def host():
    """A host's counters, and a worker's hands on them."""
    cells = memoryview(bytearray(n_cells(16, 2) * 8)).cast("q")
    format_cells(cells, 16, 2)
    return SimpleNamespace(table=Table(cells, Unlocked(), 0), worker=Table(cells, Unlocked(), 1))


@pytest.fixture
def give(store, clock):
    def given(amount, *, days=None):
        expires = None if days is None else clock.wall + days * DAY
        return store.credits.give(NewCredit(TEAM, amount, expires_wall_ns=expires), Act("test"))

    return given


async def test_what_is_left_runs_out_at_its_time_and_not_before(store, clock, host, give):
    soon = give(500, days=1)
    give(200)
    expiry = CreditExpiry(store, host.table.take, clock)
    await expiry.look()
    assert store.credits.credit(soon.id).expired_wall_ns is None
    clock.wall += DAY
    await expiry.look()
    await expiry.look()
    assert store.credits.credit(soon.id).expired == 500
    assert host.table.level(COUNTER) == (500, 0)
    assert store.ledger.counters()[COUNTER] == 500
    assert verify(store.ledger).is_sound


async def test_what_requests_under_way_hold_does_not_run_out(store, clock, host, give):
    soon = give(500, days=1)
    host.worker.reserve([Hold(Slot(COUNTER), 500, 120)])
    clock.wall += DAY
    await CreditExpiry(store, host.table.take, clock).look()
    assert store.credits.credit(soon.id).expired == 380
    assert host.worker.reserve([Hold(Slot(COUNTER), 500, 1)]) is not None  # nothing is left to be held


async def test_a_store_that_is_away_takes_nothing_twice(store, clock, host, give, monkeypatch):
    soon = give(500, days=1)
    clock.wall += DAY
    expiry = CreditExpiry(store, host.table.take, clock)
    with monkeypatch.context() as patched:
        patched.setattr(type(store.credits), "expire", lambda *_: (_ for _ in ()).throw(StorageError("away")))
        with pytest.raises(StorageError):
            await expiry.look()
    await expiry.look()
    assert (store.credits.credit(soon.id).expired, host.table.level(COUNTER)) == (500, (500, 0))


async def test_hosts_give_back_what_they_have_on_lease_and_do_not_use(store, clock, give):
    soon = give(800, days=1)
    store.leases.grant("other", LeaseWant(COUNTER, 800, 100))
    clock.wall += DAY
    expiry = CreditExpiry(store, None, clock)
    await expiry.look()
    assert store.credits.credit(soon.id).expired_wall_ns is None
    assert store.leases.short_since(0, "other") == {COUNTER: clock.wall}
    store.leases.give_back("other", {COUNTER: 60})
    clock.wall += 5_000_000_000
    await expiry.look()  # what it still has, it may use
    assert store.credits.credit(soon.id).expired == 760
    assert store.leases.grant("other", LeaseWant(COUNTER, 800, 1)).amount == 0
