"""Journals on a real disk, moved into a real store: once, whoever dies at whatever moment."""

from __future__ import annotations

import asyncio
import os
import signal
import sqlite3
import subprocess
import sys
import threading
from contextlib import closing, contextmanager

import pytest
from sqlalchemy import event
from tests.storage.test_ledger_store import settled, started

from weighbridge.control.ledger_mover import LedgerMover
from weighbridge.core.clock import SystemClock
from weighbridge.storage.errors import StorageError
from weighbridge.storage.ledger_checks import verify
from weighbridge.storage.ledger_journal import FsyncPolicy, JournalFile
from weighbridge.storage.ledger_segments import list_journals


@pytest.fixture
def journals(tmp_path):
    directory = tmp_path / "journal"
    directory.mkdir()
    return directory


class Told:
    """What the mover has told of counters."""

    def __init__(self):
        self.moved = []
        self.closed = []


@pytest.fixture
def told():
    return Told()


@pytest.fixture
def mover(journals, store, clock, told):
    return mover_of(journals, store, clock, told)


def mover_of(journals, store, clock, told):
    return LedgerMover(
        journals,
        store.ledger,
        clock,
        on_moved=lambda *each: told.moved.append(each),
        on_closed=lambda *each: told.closed.append(each),
    )


def journal(directory, journal_id="j_1", **facts):
    loop = asyncio.get_running_loop()
    return JournalFile(directory, SystemClock(), loop, FsyncPolicy.NEVER, pytest.fail, journal_id=journal_id, **facts)


def n_requests(store):
    with store.ledger.reading() as connection:
        return connection.exec_driver_sql("SELECT count(*) FROM requests").scalar_one()


async def test_what_a_worker_writes_is_in_the_store_soon(journals, store, mover, told):
    with closing(journal(journals)) as worker:
        worker.append_started(started(1, holds={"b": 9}))
        worker.append_settled(settled(1, charges={"b": 7}))
        await mover.move()
        assert n_requests(store) == 1
        assert told.moved == [("j_1", {"b": 7})]
        assert mover.lag_bytes == 0
        worker.append_settled(settled(2))
        await mover.move()
        await mover.move()
        assert n_requests(store) == 2
    assert told.closed == []


async def test_the_journal_of_a_worker_that_is_gone_is_closed_and_deleted(journals, store, mover, told):
    worker = journal(journals)
    worker.append_started(started(1, holds={"b": 9}))
    worker.append_settled(settled(2, charges={"b": 1}))
    await mover.move()
    worker.close()
    await mover.move()
    assert told.moved == [("j_1", {"b": 1})]
    assert told.closed == [("j_1", {"b": 9})]
    assert list(journals.iterdir()) == []
    await mover.move()
    assert (len(told.closed), n_requests(store), verify(store.ledger).problems) == (1, 2, [])


async def test_segments_go_when_they_are_moved_whole(journals, store, mover):
    worker = journal(journals, segment_bytes=4_096)
    for number in range(40):
        worker.append_settled(settled(number))
    assert len(list_journals(journals)["j_1"]) > 5
    await mover.move()
    assert n_requests(store) == 40
    await mover.move()
    assert len(list_journals(journals)["j_1"]) == 1
    worker.close()
    await mover.drain()
    assert list(journals.iterdir()) == []


async def test_a_segment_that_was_moved_whole_goes_though_nothing_comes_after_it(journals, store, clock, mover, told):
    with closing(journal(journals)) as worker:
        worker.append_settled(settled(1))
        worker.turn_page()
        await mover.move()
        assert [each.sequence for each in list_journals(journals)["j_1"]] == [1]
        other = mover_of(journals, store, clock, told)  # as after a restart
        worker.append_settled(settled(2))
        await other.move()
        assert n_requests(store) == 2


async def test_a_segment_that_was_begun_since_the_directory_was_read_is_not_lost(journals, store, mover, told):
    """A worker goes on to its next segment and dies while the mover still looks at the list without it."""
    worker = journal(journals, segment_bytes=4_096)
    worker.append_settled(settled(0))
    listed = list_journals(journals)["j_1"]
    number = 0
    while len(list_journals(journals)["j_1"]) == len(listed):
        number += 1
        worker.append_settled(settled(number))
    worker.close()
    read = mover._list
    mover._list = lambda: {"j_1": listed}  # what it saw; from the next look on it sees all
    step = mover._step("j_1")
    mover._list = read
    assert not step.is_closed
    await mover.drain()
    assert n_requests(store) == number + 1
    assert list(journals.iterdir()) == []


async def test_a_torn_tail_is_cut(journals, store, mover, told):
    worker = journal(journals)
    for number in range(3):
        worker.append_settled(settled(number))
    worker.close()
    (segment,) = list_journals(journals)["j_1"]
    with segment.path.open("r+b") as file:
        file.truncate(segment.path.stat().st_size - 5)
    await mover.drain()
    assert n_requests(store) == 2
    assert list(journals.iterdir()) == []
    assert told.closed == [("j_1", {})]


async def test_a_damaged_segment_is_kept_and_said_and_stops_nothing(journals, store, mover, capsys):
    worker = journal(journals, segment_bytes=4_096)
    for number in range(20):
        worker.append_settled(settled(number))
    worker.close()
    damaged = list_journals(journals)["j_1"][1].path
    content = bytearray(damaged.read_bytes())
    content[len(content) // 2] ^= 0xFF
    damaged.write_bytes(content)
    await mover.drain()
    assert 10 < n_requests(store) < 20
    assert [path.suffix for path in journals.iterdir()] == [".damaged"]
    assert "cannot be read" in capsys.readouterr().err
    assert verify(store.ledger).problems == []


async def test_a_mover_that_died_anywhere_is_taken_over(journals, store, clock, told, monkeypatch):
    """Each step of moving fails once; the mover after it goes on where the store says."""
    worker = journal(journals, segment_bytes=4_096)
    for number in range(30):
        worker.append_started(started(number, holds={"b": 5}))
        if number % 3:
            worker.append_settled(settled(number, charges={"b": 1}))
    worker.close()
    for name in ("position", "move", "close", "forget"):
        with unheard(monkeypatch, store, name), pytest.raises(StorageError):
            await mover_of(journals, store, clock, told).move()
    await mover_of(journals, store, clock, told).drain()
    assert n_requests(store) == 30
    assert store.ledger.counters() == {"b": 20 * 1 + 10 * 5}
    assert verify(store.ledger).problems == []


async def test_what_was_moved_and_not_heard_of_is_not_moved_again(journals, store, mover, told, monkeypatch):
    """The connection breaks off at a commit, and more is written before the next look."""
    worker = journal(journals)
    worker.append_settled(settled(1, charges={"b": 7}))
    with unheard_commit(monkeypatch, store), pytest.raises(StorageError):
        await mover.move()
    worker.append_settled(settled(2, charges={"b": 5}))
    await mover.move()
    assert n_requests(store) == 2
    assert sum(charges.get("b", 0) for _journal, charges in told.moved) == 12
    worker.append_started(started(3, holds={"b": 9}))
    worker.close()
    await mover.move()
    assert told.closed == [("j_1", {"b": 9})]
    assert store.ledger.counters() == {"b": 12 + 9}
    assert verify(store.ledger).problems == []


async def test_a_journal_that_was_closed_and_not_heard_of_is_told_with_what_it_charged(journals, store, mover, told, monkeypatch):
    worker = journal(journals)
    worker.append_started(started(1, holds={"b": 9}))
    await mover.move()
    worker.close()
    with unheard_commit(monkeypatch, store), pytest.raises(StorageError):
        await mover.move()
    assert told.closed == []
    await mover.move()
    assert told.closed == [("j_1", {"b": 9})]
    assert list(journals.iterdir()) == []


async def test_a_commit_that_ends_after_it_was_given_up_is_not_moved_again(journals, store, mover, told, monkeypatch):
    """The connection is gone, the server still commits: for a moment the store says where the journal stood before."""
    worker = journal(journals)
    worker.append_settled(settled(1, charges={"b": 7}))
    before = store.ledger.position("j_1")
    with unheard_commit(monkeypatch, store), pytest.raises(StorageError):
        await mover.move()
    worker.append_settled(settled(2, charges={"b": 5}))
    position = type(store.ledger).position
    answers = iter([before])
    monkeypatch.setattr(type(store.ledger), "position", lambda *each: next(answers, None) or position(*each))
    await mover.move()
    monkeypatch.undo()
    assert n_requests(store) == 2
    assert sum(charges.get("b", 0) for _journal, charges in told.moved) == 12
    worker.close()
    await mover.drain()
    assert verify(store.ledger).problems == []


async def test_a_mover_that_is_stopped_ends_what_it_is_at_and_tells_of_it(journals, store, mover, told, monkeypatch):
    """Else whoever drains the journals next reads again what a thread is about to commit."""
    with closing(journal(journals)) as worker:
        worker.append_settled(settled(1, charges={"b": 7}))
        is_there, may_go_on = threading.Event(), threading.Event()
        move = type(store.ledger).move

        def waiting(*arguments, **after):
            is_there.set()
            assert may_go_on.wait(30)
            return move(*arguments, **after)

        monkeypatch.setattr(type(store.ledger), "move", waiting)
        running = asyncio.create_task(mover.run())
        assert await asyncio.to_thread(is_there.wait, 30)
        worker.append_settled(settled(2, charges={"b": 5}))
        running.cancel()
        draining = asyncio.create_task(mover.drain())
        for _ in range(10):
            await asyncio.sleep(0)
            running.cancel()  # as often as anybody likes
        assert not running.done()
        may_go_on.set()
        await draining
        assert running.cancelled()
        assert n_requests(store) == 2
        assert told.moved == [("j_1", {"b": 7}), ("j_1", {"b": 5})]
        assert verify(store.ledger).problems == []


@contextmanager
def unheard(monkeypatch, store, name):
    """A method of the store does what it should, and nobody learns of it."""
    original = getattr(type(store.ledger), name)

    def failing(*arguments, **after):
        original(*arguments, **after)
        raise StorageError("the connection is gone")

    with monkeypatch.context() as patch:
        patch.setattr(type(store.ledger), name, failing)
        yield


@contextmanager
def unheard_commit(monkeypatch, store):
    """What is written next of a journal is committed, and the connection breaks before anybody hears of it."""
    engine = store.ledger._writer
    commit = engine.dialect.do_commit
    is_written = threading.Event()

    def hear(_connection, _cursor, statement, *_rest):
        if statement.startswith("INSERT INTO journal_positions"):
            is_written.set()

    def committing(connection):
        commit(connection)
        if is_written.is_set():
            raise sqlite3.OperationalError("the connection is gone")

    with monkeypatch.context() as patch:
        patch.setattr(engine.dialect, "do_commit", committing)
        event.listen(engine, "before_cursor_execute", hear)
        yield
        event.remove(engine, "before_cursor_execute", hear)


WRITER = """
import asyncio, sys
from pathlib import Path
from tests.storage.test_ledger_store import settled, started
from weighbridge.core.clock import SystemClock
from weighbridge.storage.ledger_journal import FsyncPolicy, JournalFile

async def write():
    facts = {"journal_id": sys.argv[2], "segment_bytes": 262_144}
    journal = JournalFile(Path(sys.argv[1]), SystemClock(), asyncio.get_running_loop(), FsyncPolicy.NEVER, print, **facts)
    number = int(sys.argv[3])
    while True:
        journal.append_started(started(number, holds={"b": 5}))
        journal.append_settled(settled(number, charges={"b": 1}))
        sys.stdout.write(f"{number}\\n")
        sys.stdout.flush()
        number += 1

asyncio.run(write())
"""


async def test_everything_that_a_killed_process_had_written_is_there(journals, store, mover, told):
    written = 0
    for turn in range(3):
        first = turn * 1_000_000
        command = [sys.executable, "-c", WRITER, str(journals), f"j_{turn}", str(first)]
        with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
            last = first
            while last < first + 200 + 100 * turn:
                last = int(process.stdout.readline())
                if last % 50 == 0:
                    await mover.move()
            os.kill(process.pid, signal.SIGKILL)
            rest = process.stdout.read().split()
        written += int(rest[-1] if rest else last) - first + 1
    await mover.drain()
    # One more may have been written and not been said any more, or only begun.
    spent = store.ledger.counters()["b"]
    assert written <= n_requests(store) <= written + 3
    assert written <= spent <= written + 3 * 5
    assert verify(store.ledger).problems == []
    assert len(told.closed) == 3


async def test_a_store_that_cannot_be_used_is_tried_again(journals, store, mover, monkeypatch, capsys):
    with closing(journal(journals)) as worker:
        worker.append_settled(settled(1))
        failures = 0

        def failing(*_arguments, **_after):
            nonlocal failures
            failures += 1
            raise StorageError("no database")

        monkeypatch.setattr(type(store.ledger), "move", failing)
        monkeypatch.setattr("weighbridge.control.ledger_mover.RETRY_S", 0)
        running = asyncio.create_task(mover.run())
        while failures < 3:
            await asyncio.sleep(0)
        monkeypatch.undo()
        while not n_requests(store):
            await asyncio.sleep(0)
        running.cancel()
    told = capsys.readouterr().err
    assert told.count("journals keep it until it can: no database") == 1


async def test_what_comes_while_a_batch_is_moved_waits_for_the_next_look(journals, store, mover):
    """Else a busy worker's requests would each be a transaction of their own."""
    with closing(journal(journals)) as worker:
        worker.append_settled(settled(1))
        batches = []
        move = store.ledger.move

        def moving(*arguments, **after):
            batches.append(len(arguments[3]))
            if len(batches) < 5:
                worker.append_settled(settled(10 + len(batches)))
            return move(*arguments, **after)

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(type(store.ledger), "move", lambda _self, *arguments, **after: moving(*arguments, **after))
            await mover.move()
            assert batches == [1]
            assert mover.lag_bytes > 0
            await mover.drain()
        assert sum(batches) == 5
        assert mover.lag_bytes == 0
