from __future__ import annotations

import asyncio
import json
from contextlib import closing

import pytest
from pyarrow import parquet
from tests.storage.test_ledger_store import attempt, settled

from weighbridge.control.archive import Archive
from weighbridge.control.archive_places import DirectoryPlace
from weighbridge.core.clock import SystemClock
from weighbridge.storage.engine import sqlite_url
from weighbridge.storage.store import Store

DAY_NS = 86_400 * 10**9
CONFIG = "providers: {demo: {}}\nledger: {archive: {directory: cold}}\n"


@pytest.fixture(autouse=True)
def archived(here):
    (here / "weighbridge.yaml").write_text(CONFIG)
    now = SystemClock.wall_ns()
    with closing(Store.open(sqlite_url(here / "data"), SystemClock())) as store:
        store.migrate()
        items = [settled(n, attempt(n), start_wall_ns=now - (40 + n) * DAY_NS, end_user=f"eve-{n}") for n in (1, 2)]
        store.ledger.move("j_1", 0, 100, items)
        archive = Archive(DirectoryPlace(here / "cold"), store.archives, lambda: 30, SystemClock())
        assert asyncio.run(archive.archive_due()) == 2


def test_days_are_listed(run):
    listed = json.loads(run("archive", "list", "--json").out)
    assert [day["n_files"] for day in listed] == [1, 1]
    assert listed[0]["day"] in run("archive", "list").out


def test_a_whole_archive_is_found_whole_and_one_that_lacks_a_file_is_not(run, here):
    outcome = run("archive", "verify")
    assert (outcome.code, outcome.out) == (0, "")
    assert "The archive is whole: 2 files, 2 requests, 0 erased" in outcome.err
    next((here / "cold").rglob("*.parquet")).unlink()
    outcome = run("archive", "verify", "--json")
    told = json.loads(outcome.out)
    assert (outcome.code, told["is_sound"], told["n_files"]) == (1, False, 1)
    assert told["problems"] == ["requests 1 to 2: 1 of 2 rows are there"]


def test_without_an_archive_it_is_told_where_to_name_one(run, here):
    (here / "weighbridge.yaml").write_text("providers: {demo: {}}\n")
    outcome = run("archive", "list")
    assert outcome.code == 1
    assert "ledger.archive" in outcome.err


def test_a_place_that_is_away_is_told(run, here):
    bucket = "{bucket: logs, endpoint: 'http://127.0.0.1:1', aws: {access_key_id: a, secret_access_key: s}}"
    (here / "weighbridge.yaml").write_text(f"providers: {{demo: {{}}}}\nledger: {{archive: {{s3: {bucket}}}}}\n")
    outcome = run("archive", "verify")
    assert outcome.code == 3
    assert "the bucket: " in outcome.err


def test_whoever_is_erased_is_in_no_file_of_it_any_more(run, here):
    outcome = run("erase", "--end-user", "eve-1", "--yes")
    assert (outcome.code, "1 rows of the archive" in outcome.err) == (0, True), outcome.err
    held = [parquet.read_table(path).to_pylist() for path in (here / "cold").rglob("*.parquet")]
    assert [row["end_user"] for rows in held for row in rows] == ["eve-2"]
    assert "2 files, 1 requests, 1 erased" in run("archive", "verify").err
