from __future__ import annotations

import asyncio
from contextlib import closing

import pytest
from tests.storage.test_ledger_store import settled

from weighbridge.app.ledger_keeper import LedgerKeeper
from weighbridge.core.clock import SystemClock
from weighbridge.storage.backup import back_up
from weighbridge.storage.engine import sqlite_url
from weighbridge.storage.ledger_checks import verify
from weighbridge.storage.ledger_journal import FsyncPolicy, JournalFile
from weighbridge.storage.store import Store


@pytest.fixture
def source(tmp_path):
    return tmp_path / "odd ?#% name"


@pytest.fixture
def live(source):
    """A store that is in use."""
    with closing(Store.open(sqlite_url(source), SystemClock())) as opened:
        opened.migrate()
        yield opened


def opened_copy(path):
    return closing(Store.open(sqlite_url(path), SystemClock()))


def test_a_copy_of_a_database_in_use_is_whole(live, source, tmp_path):
    live.ledger.move("j_1", 0, 10, [settled(number) for number in range(50)])
    told = []
    copied = back_up(source, tmp_path / "copy", told.append)
    live.ledger.move("j_1", 0, 20, [settled(99)])
    with opened_copy(tmp_path / "copy") as copy:
        copy.migrate()
        assert verify(copy.ledger).is_sound
        assert verify(copy.ledger).n_entries == 100
    assert (copied.n_segments, told[-1]) == (0, 100)
    assert (tmp_path / "copy" / "weighbridge.db").stat().st_mode & 0o777 == 0o600


async def test_a_gateway_that_starts_from_the_copy_has_what_was_only_in_journals(live, source, tmp_path):
    (source / "journal").mkdir()
    loop = asyncio.get_running_loop()
    journal = JournalFile(source / "journal", SystemClock(), loop, FsyncPolicy.NEVER, pytest.fail, journal_id="j_live")
    journal.append_settled(settled(1))
    copied = back_up(source, tmp_path / "copy")
    assert copied.n_segments == 1
    with opened_copy(tmp_path / "copy") as copy:
        copy.migrate()
        keeper = LedgerKeeper(tmp_path / "copy" / "journal", tmp_path / "cells", copy.ledger, "never", 1, SystemClock())
        await keeper.start()
        assert verify(copy.ledger).n_entries == 2
        await keeper.stop()
    journal.close()


def test_what_was_moved_before_it_was_copied_is_not_moved_twice(live, source, tmp_path):
    """The journal is copied, then moved, and only then the database is copied."""
    live.ledger.move("j_1", 0, 10, [settled(1)])
    back_up(source, tmp_path / "copy")
    with opened_copy(tmp_path / "copy") as copy:
        assert copy.ledger.move("j_1", 0, 10, [settled(1)]) == {}
        assert verify(copy.ledger).is_sound


def test_a_directory_that_is_not_empty_or_no_database_is_refused(live, source, tmp_path):
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "file").touch()
    with pytest.raises(FileExistsError):
        back_up(source, tmp_path / "full")
    with pytest.raises(FileNotFoundError):
        back_up(tmp_path / "nowhere", tmp_path / "copy")
