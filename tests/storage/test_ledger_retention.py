from __future__ import annotations

import pytest
from sqlalchemy import func, select
from tests.storage.test_ledger_store import assert_sound, balance_of, settled

from weighbridge.core.clock import NS_PER_S
from weighbridge.storage.ledger_retention import Retention
from weighbridge.storage.ledger_tables import all_latencies, latencies, records, requests, rollups

DAY_NS = 86_400 * NS_PER_S


def count(ledger, table, *conditions):
    with ledger.reading() as connection:
        return connection.execute(select(func.count()).select_from(table).where(*conditions)).scalar_one()


@pytest.fixture
def aged(store, clock):
    """A request a day, of the last 120 days."""
    items = [settled(age, start_wall_ns=clock.wall_ns() - age * DAY_NS, charges={"b": 1}) for age in range(120, 0, -1)]
    store.ledger.move("j_1", 0, 100, items)
    return store.ledger


def test_nothing_is_deleted_before_its_time(store, clock):
    store.ledger.move("j_1", 0, 100, [settled(1, start_wall_ns=clock.wall_ns())])
    assert store.ledger.expire() == 0


def test_records_requests_and_sums_go_each_at_its_time_and_the_books_stay(aged):
    while aged.expire():
        pass
    assert count(aged, records) == Retention().records
    assert count(aged, requests) == Retention().requests
    for table in (rollups, latencies, all_latencies):
        minutes, hours, days = (count(aged, table, table.c.grain == grain) for grain in (0, 1, 2))
        assert minutes // (days // 120) == Retention().minutes
        assert hours == days
    assert balance_of(aged, "provider_payable:openai") == -120_000
    assert aged.counters() == {"b": 120}
    assert_sound(aged)


def test_so_much_at_a_time_that_nobody_waits_long(aged, monkeypatch):
    monkeypatch.setattr("weighbridge.storage.ledger_retention.BATCH", 10)
    before = count(aged, requests)
    aged.expire()
    assert before - count(aged, requests) == 10


def test_an_operator_says_how_long(aged):
    aged.retention = Retention(records=2, requests=5, minutes=1, hours=10)
    while aged.expire():
        pass
    assert (count(aged, records), count(aged, requests)) == (2, 5)
    minutes, hours, days = (count(aged, rollups, rollups.c.grain == grain) for grain in (0, 1, 2))
    assert (minutes * 120 // days, hours * 120 // days) == (1, 10)
    assert_sound(aged)


def test_a_request_of_an_old_date_that_comes_late_takes_no_younger_ones_along(store, clock):
    """A journal that was moved weeks later, or a host whose clock stood at 1970 when it began."""
    items = [settled(n, start_wall_ns=clock.wall_ns() - DAY_NS) for n in range(3)]
    items += [settled(3, start_wall_ns=0), settled(4, start_wall_ns=clock.wall_ns() - 40 * DAY_NS)]
    store.ledger.move("j_1", 0, 100, items)
    while store.ledger.expire():
        pass
    assert (count(store.ledger, records), count(store.ledger, requests)) == (3, 4)


def test_a_request_of_a_date_to_come_keeps_no_older_ones(aged, clock):
    aged.move("j_2", 0, 100, [settled(1_000, start_wall_ns=clock.wall_ns() + 1_000 * DAY_NS)])
    clock.wall += 40 * DAY_NS
    aged.move("j_3", 0, 100, [settled(1_001, start_wall_ns=clock.wall_ns())])
    clock.wall += 31 * DAY_NS
    while aged.expire():
        pass
    assert count(aged, records) == 1
