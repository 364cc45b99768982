from __future__ import annotations

import csv
import io
import json
import sys
from contextlib import closing

import pytest
from pyarrow import parquet
from tests.storage.test_ledger_store import attempt, settled

from weighbridge.core.clock import SystemClock
from weighbridge.storage.engine import sqlite_url
from weighbridge.storage.store import Store


@pytest.fixture(autouse=True)
def booked(here):
    now = SystemClock.wall_ns()
    with closing(Store.open(sqlite_url(here / "data"), SystemClock())) as store:
        store.migrate()
        items = [settled(n, attempt(n * 10**9), start_wall_ns=now, team="search" if n % 2 else "ads") for n in (1, 2, 3)]
        store.ledger.move("j_1", 0, 100, items)


def test_usage_is_shown_by_whatever_is_asked(run):
    shown = run("usage", "--by", "team", "--from", "-1h").out
    assert "search" in shown
    assert "$4.00" in shown
    rows = json.loads(run("usage", "--by", "team", "--from", "-1h", "--where", "team=ads", "-f", "json").out)["data"]
    assert [(row["group"]["team"], row["cost_nanousd"]) for row in rows] == [("ads", 2 * 10**9)]


def test_the_dearest_are_shown_and_all_others_as_one(run):
    shown = run("usage", "--by", "team", "--from", "-1h", "--top", "1").out
    assert "search" in shown
    assert "ads" not in shown
    assert "(all others)" in shown
    assert "$2.00" in shown


def test_groups_are_shown_in_the_order_that_is_asked_for(run):
    lines = run("usage", "--by", "model", "--by", "team", "--from", "-1h", "--order-by", "requests").out.splitlines()
    first, second = (next(at for at, line in enumerate(lines) if team in line) for team in ("search", "ads"))
    assert first < second
    refused = run("usage", "--order-by", "beauty")
    assert refused.code != 0
    assert "nothing that groups are ordered by" in refused.err


def test_a_file_is_written(run, here):
    assert run("usage", "--by", "team", "--by", "model", "--interval", "day", "-f", "csv", "-o", "u.csv").code == 0
    rows = list(csv.DictReader(io.StringIO((here / "u.csv").read_text())))
    assert sum(int(row["cost_nanousd"]) for row in rows) == 6 * 10**9
    assert {row["team"] for row in rows} == {"search", "ads"}


def test_parquet_goes_into_a_file_and_adds_up(run, here):
    assert run("usage", "--by", "team", "-f", "parquet", "-o", "u.parquet").code == 0
    table = parquet.read_table(here / "u.parquet")
    assert sum(table["cost_nanousd"].to_pylist()) == 6 * 10**9
    assert set(table["team"].to_pylist()) == {"search", "ads"}


def test_parquet_without_its_library_says_what_to_install(run, here, monkeypatch):
    monkeypatch.setitem(sys.modules, "pyarrow.parquet", None)
    outcome = run("usage", "-f", "parquet", "-o", "u.parquet")
    assert outcome.code == 3
    assert "pip install 'weighbridge[parquet]'" in outcome.err
    assert not (here / "u.parquet").exists()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--by", "weather"], "nothing that usage is known by"),
        (["--where", "weather=fine"], "nothing that usage is known by"),
        (["--by", "team", "--by", "model", "--by", "key"], "at most two"),
        (["--interval", "year"], "no interval"),
        (["--from", "soon"], "no time"),
        (["-f", "xlsx"], "table, json"),
        (["-f", "parquet"], "name a file"),
    ],
)
def test_what_is_wrong_is_told(run, arguments, words):
    outcome = run("usage", *arguments)
    assert (outcome.code, outcome.out) == (1, "")
    assert words in outcome.err
