"""The host's counters: right from the first moment, and a lane only for whom nothing is left of the one before."""

from __future__ import annotations

import asyncio
from contextlib import closing
from pathlib import Path

import pytest
from tests.storage.test_ledger_store import settled, started

from weighbridge.app.ledger_keeper import LanesTakenError, LedgerKeeper, may_go_on
from weighbridge.core.allowances import Budget, Period, Scope, ScopeKind
from weighbridge.core.clock import SystemClock
from weighbridge.limits.counters import counter_name
from weighbridge.limits.table import Hold, Slot
from weighbridge.storage.engine import sqlite_url
from weighbridge.storage.errors import StorageError
from weighbridge.storage.ledger_journal import FsyncPolicy, JournalFile
from weighbridge.storage.shared_cells import SharedTable
from weighbridge.storage.store import Store

COUNTER = counter_name(Budget("all", Scope(ScopeKind.GATEWAY), 100, period=Period.TOTAL), "", 0)


@pytest.fixture
def store(tmp_path):
    with closing(Store.open(sqlite_url(tmp_path / "data"), SystemClock())) as opened:
        opened.migrate()
        yield opened


@pytest.fixture
def keeper(tmp_path, store):
    return LedgerKeeper(tmp_path / "journal", tmp_path / "counters", store.ledger, "never", 1, SystemClock())


class Worker:
    """What a worker does with its place."""

    def __init__(self, place):
        self.table = SharedTable(Path(place.table), place.lane)
        loop = asyncio.get_running_loop()
        directory = Path(place.directory)
        self.journal = JournalFile(
            directory, SystemClock(), loop, FsyncPolicy(place.fsync), pytest.fail, journal_id=place.journal_id
        )


async def test_what_was_left_in_journals_counts_before_the_first_request(keeper, tmp_path):
    (tmp_path / "journal").mkdir()
    left = JournalFile(
        tmp_path / "journal", SystemClock(), asyncio.get_running_loop(), FsyncPolicy.NEVER, pytest.fail, journal_id="j_old"
    )
    left.append_started(started(1, holds={COUNTER: 40}))
    left.append_settled(settled(2, charges={COUNTER: 7}))
    left.close()
    await keeper.start()
    assert keeper.level(COUNTER) == (47, 0)
    await keeper.stop()


async def test_a_dead_workers_holds_become_what_its_journal_says(keeper):
    await keeper.start()
    place = keeper.place()
    worker = Worker(place)
    holds = [Hold(Slot(COUNTER), 100, 30)]
    assert worker.table.reserve(holds) is None
    worker.journal.append_started(started(1, holds={COUNTER: 30}))
    assert keeper.level(COUNTER) == (0, 30)
    worker.journal.close()  # and nobody posts what it held
    keeper.gone(place.journal_id)
    assert keeper.level(COUNTER) == (0, 30)
    await keeper.mover.move()
    assert keeper.level(COUNTER) == (30, 0)
    await keeper.stop()


async def test_lanes_are_given_once_and_again_only_after_the_journal_is_closed(keeper):
    await keeper.start()
    places = [keeper.place() for _ in range(4)]
    assert len({place.lane for place in places} | {0}) == 5
    with pytest.raises(LanesTakenError):
        keeper.place()
    worker = Worker(places[0])
    keeper.gone(places[0].journal_id)
    with pytest.raises(LanesTakenError):
        keeper.place()
    worker.journal.close()
    await keeper.mover.move()
    assert keeper.place().lane == places[0].lane
    await keeper.stop()


async def test_a_worker_that_never_began_its_journal_gives_its_lane_back(keeper):
    await keeper.start()
    places = [keeper.place() for _ in range(4)]
    keeper.gone(places[2].journal_id)
    assert keeper.place().lane == places[2].lane
    await keeper.stop()


@pytest.mark.parametrize(("age_days", "goes_on"), [(0, True), (31, True), (33, False)])
def test_counters_of_periods_that_have_ended_are_left_out(age_days, goes_on):
    now_ns = 1_800_000_000_000_000_000
    name = counter_name(Budget("b", Scope(ScopeKind.GATEWAY), 1), "", now_ns - age_days * 86_400 * 10**9)
    assert may_go_on(name, now_ns) == goes_on
    assert may_go_on(COUNTER, now_ns)
    assert may_go_on("of a version to come", now_ns)


async def test_tidying_outlives_a_store_that_is_away(keeper, store, monkeypatch, capsys):
    await keeper.start()
    monkeypatch.setattr("weighbridge.app.ledger_keeper._SWEEP_S", 0)
    monkeypatch.setattr("weighbridge.app.ledger_keeper._BETWEEN_BATCHES_S", 0)
    asked = 0

    def failing(_self):
        nonlocal asked
        asked += 1
        raise StorageError("no database")

    monkeypatch.setattr(type(store.ledger), "expire", failing)
    running = asyncio.create_task(keeper.run())
    while asked < 3:
        await asyncio.sleep(0)
    monkeypatch.undo()
    assert not running.done()
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert "tried again: no database" in capsys.readouterr().err
    await keeper.stop()


async def test_a_second_gateway_on_the_same_journals_does_not_start(keeper, tmp_path, store, monkeypatch):
    """Its budgets would not see what the first one spends."""
    monkeypatch.setattr("weighbridge.app.ledger_keeper._FORMER_LIVES_NS", 0)
    await keeper.start()
    worker = Worker(keeper.place())
    second = LedgerKeeper(tmp_path / "journal", tmp_path / "others", store.ledger, "never", 1, SystemClock())
    with pytest.raises(StorageError, match="another gateway"):
        await second.start()
    worker.journal.close()
    await second.start()
    await second.stop()
    await keeper.stop()


async def test_a_worker_of_a_former_life_is_waited_for(keeper, tmp_path):
    """A control plane was killed and started again while one of its workers still writes: what that spends counts."""
    (tmp_path / "journal").mkdir()
    loop = asyncio.get_running_loop()
    orphan = JournalFile(tmp_path / "journal", SystemClock(), loop, FsyncPolicy.NEVER, pytest.fail, journal_id="j_orphan")
    orphan.append_started(started(1, holds={COUNTER: 40}))
    loop.call_later(0.1, orphan.close)
    await keeper.start()
    assert keeper.level(COUNTER) == (40, 0)
    await keeper.stop()
