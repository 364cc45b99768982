from __future__ import annotations

import pytest
from sqlalchemy import func, select
from tests.storage.test_ledger_store import assert_sound, attempt, settled

from weighbridge.core.clock import NS_PER_S
from weighbridge.storage import archive_store
from weighbridge.storage.ledger_retention import Retention
from weighbridge.storage.ledger_tables import records, requests

DAY_NS = 86_400 * NS_PER_S


def count(store, table):
    with store.ledger.reading() as connection:
        return connection.execute(select(func.count()).select_from(table)).scalar_one()


@pytest.fixture
def aged(store, clock):
    """A request a day, of the last 120 days."""
    items = [settled(age, start_wall_ns=clock.wall_ns() - age * DAY_NS) for age in range(120, 0, -1)]
    store.ledger.move("j_1", 0, 100, items)
    store.ledger.is_archived = True
    return store


def expire(store):
    while store.ledger.expire():
        pass


def archive_all(store, before_ns):
    """As an archive does, but for the files."""
    found = []
    while (batch := store.archives.next_batch(before_ns)) is not None:
        asked = store.archives.requests(batch)
        found += asked
        store.archives.done(batch, len(asked))
    return found


def test_nothing_goes_that_has_not_been_archived_and_then_all_that_is_old(aged, clock):
    expire(aged)
    assert (count(aged, records), count(aged, requests)) == (120, 120)
    archived = archive_all(aged, clock.wall_ns() - 30 * DAY_NS)
    assert len(archived) == 90
    expire(aged)
    assert (count(aged, records), count(aged, requests)) == (Retention().records, Retention().requests)
    assert_sound(aged.ledger)


def test_each_request_is_in_one_batch_whole_and_in_order(aged, clock, monkeypatch):
    monkeypatch.setattr(archive_store, "BATCH", 7)
    archived = archive_all(aged, clock.wall_ns() - 30 * DAY_NS)
    assert [each.row.request_id for each in archived] == [f"req_{age}" for age in range(120, 30, -1)]
    assert all(each.record.request_id == each.row.request_id for each in archived)
    batches = aged.archives.batches()
    assert [batch.first for batch in batches] == [1, *(batch.last + 1 for batch in batches[:-1])]
    assert sum(batch.n_rows for batch in batches) == 90


def test_a_batch_that_was_begun_is_the_same_until_it_is_done(aged, clock):
    begun = aged.archives.next_batch(clock.wall_ns() - 100 * DAY_NS)
    assert aged.archives.next_batch(clock.wall_ns()) == begun
    expire(aged)  # which may not touch it
    assert len(aged.archives.requests(begun)) == begun.last
    aged.archives.done(begun, begun.last)
    aged.archives.done(begun, 7)
    assert aged.archives.batches()[0].n_rows == begun.last
    assert aged.archives.next_batch(clock.wall_ns()).first == begun.last + 1


def test_a_request_whose_record_has_gone_is_archived_without_it(aged, clock):
    aged.ledger.is_archived = False
    expire(aged)
    aged.ledger.is_archived = True
    archived = archive_all(aged, clock.wall_ns() - 20 * DAY_NS)
    assert [each.record is None for each in archived] == [True] * 60 + [False] * 10


def test_a_number_that_was_archived_is_given_to_no_other_request(aged, clock):
    """Else it would count as archived, and go without having been."""
    archive_all(aged, clock.wall_ns())
    clock.wall += 1_000 * DAY_NS
    expire(aged)
    assert count(aged, requests) == 0
    aged.ledger.move("j_1", 0, 200, [settled(1_000, attempt(7), start_wall_ns=clock.wall_ns() - 40 * DAY_NS)])
    expire(aged)
    assert count(aged, records) == 1
    assert [each.row.request_id for each in archive_all(aged, clock.wall_ns())] == ["req_1000"]


def test_there_is_nothing_to_archive_before_its_time(aged, clock):
    assert aged.archives.next_batch(clock.wall_ns() - 200 * DAY_NS) is None
    assert aged.archives.batches() == []


def test_requests_of_wrong_dates_hold_up_no_others_and_take_no_young_ones_along(aged, clock):
    now = clock.wall_ns()
    wrong = [settled(1_001, start_wall_ns=now + 900 * DAY_NS), settled(1_002, start_wall_ns=0)]
    aged.ledger.move("j_2", 0, 100, [*wrong, settled(1_003, start_wall_ns=now)])
    clock.wall += 10 * DAY_NS
    archived = archive_all(aged, clock.wall_ns() - 30 * DAY_NS)
    assert len(archived) == 100
    clock.wall += 25 * DAY_NS
    assert [each.row.request_id for each in archive_all(aged, clock.wall_ns() - 30 * DAY_NS)][-3:] == [
        "req_1001",
        "req_1002",
        "req_1003",
    ]


def test_a_request_that_ended_last_goes_with_those_that_began_after_it(aged, clock):
    now = clock.wall_ns()
    aged.ledger.is_archived = False
    aged.ledger.move("j_2", 0, 100, [settled(1_001, start_wall_ns=now), settled(1_002, start_wall_ns=now - 60 * NS_PER_S)])
    clock.wall += 200 * DAY_NS
    assert [each.row.request_id for each in archive_all(aged, clock.wall_ns() - DAY_NS)][-2:] == ["req_1001", "req_1002"]
    expire(aged)
    assert (count(aged, records), count(aged, requests)) == (0, 0)
