from __future__ import annotations

import sqlite3
import threading
from contextlib import closing
from pathlib import Path

import pytest
from sqlalchemy import text
from sqlalchemy.exc import OperationalError

from weighbridge.storage.engine import DATABASE_FILE, open_engine, sqlite_url, writing
from weighbridge.storage.errors import StorageError


@pytest.fixture
def sqlite(tmp_path):
    engine = open_engine(sqlite_url(tmp_path))
    yield engine
    engine.dispose()


@pytest.mark.parametrize(
    ("pragma", "value"), [("journal_mode", "wal"), ("synchronous", 2), ("foreign_keys", 1), ("busy_timeout", 5_000)]
)
def test_every_sqlite_connection_is_safe_and_patient(sqlite, pragma, value):
    with sqlite.connect() as first, sqlite.connect() as second:
        assert [each.execute(text(f"PRAGMA {pragma}")).scalar() for each in (first, second)] == [value, value]


def test_a_writer_holds_the_lock_from_the_start_and_readers_go_on(sqlite):
    with writing(sqlite).begin() as writer:
        writer.execute(text("CREATE TABLE t (x)"))
        with sqlite.begin() as reader:
            assert reader.execute(text("SELECT count(*) FROM sqlite_master")).scalar() == 0


def test_a_failed_transaction_leaves_nothing_not_even_a_table(sqlite):
    with pytest.raises(OperationalError, match="syntax"), writing(sqlite).begin() as writer:
        [writer.execute(text(statement)) for statement in ("CREATE TABLE t (x)", "NONSENSE")]
    with sqlite.begin() as reader:
        assert reader.execute(text("SELECT count(*) FROM sqlite_master")).scalar() == 0


def test_the_first_opening_waits_for_another_process_that_opens_it_too(tmp_path):
    with closing(sqlite3.connect(tmp_path / DATABASE_FILE, isolation_level=None, check_same_thread=False)) as other:
        other.execute("CREATE TABLE t (x)")
        other.execute("BEGIN IMMEDIATE")  # where SQLite refuses the switch to WAL at once, whatever the busy timeout
        release = threading.Timer(0.05, other.execute, ["COMMIT"])
        release.start()
        engine = open_engine(sqlite_url(tmp_path))
        with engine.connect() as connection:
            assert connection.execute(text("PRAGMA journal_mode")).scalar() == "wal"
        engine.dispose()
        release.join()


@pytest.mark.parametrize("name", ["with blank", "per%cent", "quest?ion", "at@host", "ünï"])
def test_a_data_directory_may_have_any_name(tmp_path, name):
    open_engine(sqlite_url(tmp_path / name)).dispose()
    assert [path.name for path in Path(tmp_path / name).iterdir()] == ["weighbridge.db"]


def test_a_missing_driver_is_named(monkeypatch):
    import sys

    monkeypatch.setitem(sys.modules, "psycopg", None)
    with pytest.raises(StorageError, match="psycopg"):
        open_engine("postgresql://somebody:hunter2@localhost/db")
